"""A look with a kept listing finds what a listing of everything finds, and lists nothing that did not change."""

import os
import random
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.test_tail import answer, append
from kaizen.capture import listing
from kaizen.capture.listing import MANY
from kaizen.capture.look import News, keep, look
from kaizen.capture.refresh import refresh
from kaizen.store.open import open_store
from support import LONG_AGO, Machine

few = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def fill(machine: Machine, folders: int = 3, files: int = 3) -> list[Path]:
    """Transcripts in the store, and a listing of them; their folders are old enough to be trusted."""
    made = [machine.write(machine.claude(f"p{folder}/s{folder}{number}.jsonl"),
                          answer(folder * 100 + number, session=f"s{folder}{number}"))
            for folder in range(folders) for number in range(files)]
    age(machine)
    machine.load()
    return made


def age(machine: Machine) -> None:
    for folder, _, _ in os.walk(machine.user):
        os.utime(folder, (LONG_AGO, LONG_AGO))


def looked(machine: Machine, *, whole: bool = False) -> News:
    db = open_store(machine.home)
    try:
        return look(db, machine.env, machine.config, whole=whole)
    finally:
        db.close()


def found(news: News) -> tuple[list[str], list[int], list[str]]:
    return (sorted(file.path for file in news.plan.read), sorted(news.plan.gone),
            sorted(file.path for file in news.tables))


def assert_agree(machine: Machine) -> None:
    news = looked(machine)
    assert news.whole is None
    assert found(news) == found(looked(machine, whole=True))


def test_nothing_is_listed_where_nothing_changed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(machine)
    monkeypatch.setattr(os, "scandir", lambda _: pytest.fail("listed"))
    news = looked(machine)
    assert not news and news.whole is None and news.found == []


def test_of_a_grown_file_only_itself_is_compared(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(machine)
    append(made[4], answer(900, session="s11"))
    monkeypatch.setattr(os, "scandir", lambda _: pytest.fail("listed"))
    assert [file.path for file in looked(machine).found] == [str(made[4])]


def test_only_the_folder_that_changed_is_listed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(machine)
    new = machine.write(made[0].with_name("new.jsonl"), answer(901, session="new"))
    listed, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: [listed.append(path), scandir(path)][1])
    assert [file.path for file in looked(machine).found] == [str(new)]
    assert listed == [str(new.parent)]


DOINGS = ("append", "new", "new folder", "nested", "remove", "remove folder", "rename", "replace", "link", "touch",
          "shorten", "not ours")


def do(what: str, machine: Machine, drawn: random.Random) -> None:
    top = machine.claude("")
    top.mkdir(parents=True, exist_ok=True)  # it may be the folder that was removed
    files = sorted(path for path in top.rglob("*.jsonl") if not path.is_symlink())
    folders = sorted(path for path in top.rglob("*") if path.is_dir()) or [top]
    one, folder, number = drawn.choice(files or [top / "none"]), drawn.choice(folders), drawn.randrange(10**6)
    fresh = folder / f"n{number}.jsonl"
    line = answer(number, session=fresh.stem)
    if what == "new":
        machine.write(fresh, line)
    elif what == "new folder":
        machine.write(top / f"q{number}" / fresh.name, line)
    elif what == "nested":
        machine.write(folder / f"d{number}" / "subagents" / f"agent-{number}.jsonl", line)
    elif what == "not ours":
        (folder / f"n{number}.txt").write_text("x")
    elif what == "remove folder":
        shutil.rmtree(folder)
    elif files:
        if what == "append":
            append(one, line)
        elif what == "remove":
            one.unlink()
        elif what == "rename":
            one.rename(fresh)
        elif what == "replace":
            beside = machine.write(one.with_suffix(".tmp"), line)
            os.replace(beside, one)
        elif what == "link":
            fresh.symlink_to(one)
        elif what == "touch":
            os.utime(one)
        elif what == "shorten":
            os.truncate(one, one.stat().st_size // 2)


@pytest.mark.parametrize("shared", [0, listing.SHARED])
@few
@given(seed=st.integers(0, 10**6), rounds=st.lists(st.lists(st.sampled_from(DOINGS), max_size=4), max_size=4))
def test_a_look_finds_what_a_listing_of_everything_finds(seed: int, rounds: list[list[str]], shared: int,
                                                         tmp_path_factory: pytest.TempPathFactory,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SHARED", shared)
    machine, drawn = Machine(tmp_path_factory.mktemp("m")), random.Random(seed)
    fill(machine)
    for doings in rounds:
        for what in doings:
            do(what, machine, drawn)
        assert found(looked(machine)) == found(looked(machine, whole=True))
        refresh(machine.home, machine.env, machine.config)


def test_another_name_of_a_file_is_no_other_file(machine: Machine) -> None:
    made = fill(machine)
    os.link(made[0], made[0].with_name("also.jsonl"))
    assert looked(machine).found == []


def test_a_folder_that_changed_just_before_is_listed_again(machine: Machine) -> None:
    """However long it takes until the listing is kept."""
    made = fill(machine)
    db = open_store(machine.home, write=True)
    db.execute("DELETE FROM listing")
    just_before = time.time_ns() - listing.UNSURE_NS + 500_000_000
    os.utime(made[0].parent, ns=(just_before, just_before))
    news = look(db, machine.env, machine.config)
    time.sleep(0.6)
    keep(db, news)
    db.close()
    before = made[0].parent.stat()
    machine.write(made[0].with_name("same-tick.jsonl"), answer(902, session="tick"))
    os.utime(made[0].parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_agree(machine)
    assert len(looked(machine).plan.read) == 1


def test_a_file_that_is_not_all_in_the_store_is_looked_at_each_time(machine: Machine) -> None:
    path = machine.write(machine.claude("p/s.jsonl"), answer(1, session="s"))
    with path.open("ab") as file:
        file.write(answer(2, session="s")[:40])
    age(machine)
    machine.load()
    assert_agree(machine)
    assert [file.path for file in looked(machine).found] == [str(path)]


def test_many_changes_renew_the_listing(machine: Machine) -> None:
    fill(machine)
    for number in range(MANY + 1):
        machine.write(machine.claude(f"many/m{number}.jsonl"), answer(5_000 + number, session=f"m{number}"))
    assert looked(machine).whole is not None
    refresh(machine.home, machine.env, machine.config)
    news = looked(machine)
    assert news.whole is None and news.found == []


def test_a_root_that_appears_is_noticed(machine: Machine) -> None:
    fill(machine)
    path = machine.write(machine.codex("2026/01/01/rollout-x.jsonl"), b"{}\n")
    news = looked(machine)
    assert news.whole is not None and str(path) in found(news)[0]


def test_a_file_that_comes_back_is_not_gone(machine: Machine) -> None:
    made = fill(machine)
    aside = made[0].with_suffix(".aside")
    made[0].rename(aside)
    refresh(machine.home, machine.env, machine.config)
    assert machine.rows("SELECT count(*) FROM files WHERE gone_at_ms IS NOT NULL") == [(1,)]
    aside.rename(made[0])
    refresh(machine.home, machine.env, machine.config)
    assert machine.rows("SELECT count(*) FROM files WHERE gone_at_ms IS NOT NULL") == [(0,)]


def test_a_process_that_fails_to_help_is_not_needed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(machine)
    append(made[-1], answer(905, session="s22"))
    here, differing = os.getpid(), listing._differing
    monkeypatch.setattr(listing, "SHARED", 0)
    monkeypatch.setattr(listing, "_differing", lambda *a: differing(*a) if os.getpid() == here else 1 / 0)
    assert [file.path for file in looked(machine).found] == [str(made[-1])]


def test_a_listing_of_other_settings_is_not_used(machine: Machine) -> None:
    fill(machine)
    machine.env["CLAUDE_CONFIG_DIR"] = str(machine.user / "elsewhere")
    assert looked(machine).whole is not None


def test_a_name_that_is_no_text_is_an_error_of_its_own(machine: Machine) -> None:
    """A file's, and a folder's."""
    files = fill(machine)
    folder = os.fsencode(files[0].parent) + b"/\xff"
    os.mkdir(folder)
    for odd in (os.fsencode(files[0].parent) + b"/\xff\xfe.jsonl", folder + b"/s.jsonl"):
        with open(odd, "wb") as file:
            file.write(answer(903, session="odd"))
    new = machine.write(files[0].with_name("new.jsonl"), answer(904, session="new"))
    assert [file.path for file in looked(machine).found] == [str(new)]
    report = machine.load()
    assert sorted((Path(one.file).name, one.reason) for one in report.errors) == [
        ("\\xff", "name_is_not_utf8"), ("\\xff\\xfe.jsonl", "name_is_not_utf8")]
    assert report.new_files == 1


def test_what_a_listing_holds_survives_its_bytes(machine: Machine) -> None:
    fill(machine)
    body = machine.rows("SELECT body FROM listing")[0][0]
    assert listing.encode(listing.decoded(body)) == body


def test_a_damaged_listing_is_none(machine: Machine) -> None:
    fill(machine)
    db = open_store(machine.home, write=True)
    db.execute("UPDATE listing SET body = substr(body, 3)")
    db.close()
    assert looked(machine).whole is not None
    refresh(machine.home, machine.env, machine.config)
    assert looked(machine).whole is None
