import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen.derive.files import FileRow, Rows, add, merged, placed
from kaizen.model.event import FileUse


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("/w/src/a.py", "/w", ("src/a.py", False)),
        ("src/./b/../a.py", "/w", ("src/a.py", False)),
        ("/w/../w/a.py", "/w/", ("a.py", False)),
        ("/w", "/w", (".", False)),
        ("/wide/a.py", "/w", ("/wide/a.py", True)),
        ("../x", "/w/r", ("/w/x", True)),
        ("/etc/hosts", "/w", ("/etc/hosts", True)),
        ("~/x", "/w", ("~/x", True)),
        ("file:///w/a%20b.py", "/w", ("a b.py", False)),
        ("C:\\r\\src\\A.py", "c:\\r", ("src/A.py", False)),
        ("src\\a.py", "C:\\r", ("src/a.py", False)),
        ("D:\\x", "C:\\r", ("D:/x", True)),
        ("file:///C:/r/a.py", "C:\\r", ("a.py", False)),
        ("a.py", "", ("a.py", False)),
        ("/x/a.py", "", ("/x/a.py", True)),
        ("../a", "", ("../a", True)),
        ("/a", "/", ("a", False)),
        ("https://h/x", "/w", None),
        ("", "/w", None),
        ("a\nb", "/w", None),
    ],
)
def test_where_a_path_lies(path: str, root: str, expected: tuple[str, bool] | None) -> None:
    assert placed(path, root) == expected


@given(st.text(alphabet="ab./\\~:", max_size=20), st.sampled_from(["/w", "/w/r", "/", "C:\\r", "C:/r"]))
def test_inside_means_below_the_root(path: str, root: str) -> None:
    place = placed(path, root)
    if place and not place[1]:
        assert not place[0].startswith("/")
        assert ".." not in place[0].split("/")
        assert placed(f"{root}/{place[0]}", root) == place


rows = st.builds(
    FileRow, st.just("a"), st.just("read"), st.just(False), st.booleans(), st.integers(1, 9),
    st.none() | st.integers(0, 9), st.none() | st.integers(0, 9), st.integers(0, 99), st.integers(0, 99),
)  # fmt: skip


@given(rows, rows, rows)
def test_merging_has_no_order(a: FileRow, b: FileRow, c: FileRow) -> None:
    assert merged(a, b) == merged(b, a)
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


def test_two_spellings_are_one_file_and_a_certain_use_wins() -> None:
    out: Rows = {}
    add(out, [FileUse("/w/a.py", "write", 2, None, True), FileUse("./a.py", "write", None, 1)], "/w", 5)
    assert list(out.values()) == [FileRow("a.py", "write", False, False, 2, 2, 1, 5, 5)]
