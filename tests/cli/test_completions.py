"""The Tab key: what may follow a command line, asked in this process and in real shells."""

import os
import pty
import re
import select
import shutil
import sqlite3
import sys
import time
from pathlib import Path

import pytest

import kaizen as package
from cli.conftest import Kaizen
from kaizen.cli.shells import SHELLS, answer
from kaizen.store.open import database_of
from kaizen.store.session_rows import beginning
from seeded import Seed

SRC = Path(package.__file__).parents[1]
FIRST, CHILD = "aaaa1111-0000-4000-8000-000000000001", "agent-bbbb2222"


def asked(line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The values offered for a line."""
    assert answer({"_KAIZEN_COMPLETE": "bash_complete", "COMP_LINE": line}) == 0
    return [item.partition(",")[2] for item in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def _stored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIZEN_HOME", str(home))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kaizen su", ["summary"]),
        ("kaizen sessions tr", ["tree", "trace"]),
        ("kaizen show @", ["@last", *(f"@{rank}" for rank in range(2, 10))]),
        ("kaizen show aa", [FIRST]),
        ("kaizen sessions tree agent", [CHILD]),
        ("kaizen explain cost cccc", ["cccc3333-0000-7000-8000-000000000003"]),
        ("kaizen tail dddd", ["dddd4444-0000-4000-8000-000000000004"]),
        ("kaizen cost --agent ", ["claude", "codex", "cursor"]),
        ("kaizen cost --agent=co", ["codex"]),
        ("kaizen summary --model claude-s", ["claude-sonnet-4"]),
        ("kaizen insights -p ", ["api", "web"]),
        ("kaizen sessions --branch ", ["dark", "main"]),
        ("kaizen sessions list --branch d", ["dark"]),
        ("kaizen sessions --rooo", []),
        ("kaizen sessions --roo", ["--roots"]),
        ("kaizen tail --tool ", ["Bash", "Edit", "Read"]),
        ("kaizen tail --kind m", ["message"]),
        ("kaizen search tool:", ["tool:Bash", "tool:Edit", "tool:Read"]),
        ("kaizen search login in:p", ["in:prompt", "in:path"]),
        ("kaizen search session:cc", ["session:cccc3333-0000-7000-8000-000000000003"]),
        ("kaizen search nothing:x", []),
        ("kaizen completions z", ["zsh"]),
        ("kaizen show 'aaaa", [FIRST]),
    ],
)
def test_what_may_follow(line: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(line, capsys) == expected


def test_a_command_that_does_not_exist_has_no_continuation(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer({"_KAIZEN_COMPLETE": "bash_complete", "COMP_LINE": "kaizen nonsense "}) == 1
    assert capsys.readouterr() == ("", "")


def test_sessions_are_offered_newest_first_after_last(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked("kaizen show ", capsys)
    assert found[0] == "@last"
    assert [one[:4] for one in found[1:]] == ["dddd", "cccc", "agen", "aaaa"]


def test_a_folder_is_left_to_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"_KAIZEN_COMPLETE": "bash_complete", "COMP_LINE": "kaizen cost -w /sr"})
    assert capsys.readouterr().out == "dir,/sr\n"


def test_a_name_that_two_projects_share_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = Seed(tmp_path / "shared")
    for path in ("/a/site", "/b/site", "/b/alone"):
        seed.session(path, workspace=seed.workspace(path))
    seed.done().close()
    monkeypatch.setenv("KAIZEN_HOME", str(tmp_path / "shared"))
    assert asked("kaizen cost -p ", capsys) == ["alone"]


def test_a_title_cannot_break_the_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One session of the small world has a title that would colour the terminal; zsh reads three lines an item."""
    monkeypatch.setenv("COMP_WORDS", "kaizen\nshow\ndddd")
    monkeypatch.setenv("COMP_CWORD", "2")
    answer({"_KAIZEN_COMPLETE": "zsh_complete"})
    kind, value, what = capsys.readouterr().out.splitlines()
    assert (kind, value) == ("plain", "dddd4444-0000-4000-8000-000000000004")
    assert what == "cursor [31mred [0m | pipe"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_shells_that_replace_the_whole_word_get_the_option_back(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_WORDS", "kaizen cost --agent=co")
    monkeypatch.setenv("COMP_CWORD", "2" if shell == "zsh" else "--agent=co")
    answer({"_KAIZEN_COMPLETE": f"{shell}_complete"})
    assert "--agent=codex" in capsys.readouterr().out


def test_without_a_store_nothing_is_offered_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAIZEN_HOME", str(tmp_path / "none"))
    assert asked("kaizen show ", capsys) == []
    assert not (tmp_path / "none").exists()


def test_an_older_store_is_left_as_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(database_of(home)) as db:
        db.execute("PRAGMA user_version = 1")
    assert asked("kaizen show ", capsys) == []
    with sqlite3.connect(database_of(home)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_damaged_store_says_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database_of(home).write_bytes(b"not a database" * 1000)
    assert answer({"_KAIZEN_COMPLETE": "bash_complete", "COMP_LINE": "kaizen show "}) == 1
    assert capsys.readouterr() == ("", "")


def test_ids_are_matched_from_their_beginning_and_literally(home: Path) -> None:
    with sqlite3.connect(database_of(home)) as db:
        assert [row[0] for row in beginning(db, "aaaa", 10)] == [FIRST]
        assert beginning(db, "a%1", 10) == beginning(db, "1111", 10) == []
        assert len(beginning(db, "", 2)) == 2


@pytest.fixture
def path_with_kaizen(tmp_path: Path) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "kaizen"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SRC.parent / "bin" / "kaizen"}" "$@"\n')
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


class Terminal:
    """An interactive shell behind a terminal of its own."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        self._seen = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait_for(self, pattern: str, seconds: float = 30) -> None:
        """Until it prints something that fits."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self._seen)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                pytest.fail(f"{pattern!r} did not come; there was {self._seen!r}")
            self._seen += os.read(self._fd, 65536).decode(errors="replace")
        self._seen = self._seen[found.end() :]

    def close(self) -> None:
        os.close(self._fd)
        os.waitpid(self.pid, 0)


# Keys of both shells: to the beginning of the line, and to its end.
BEGINNING, END = "\x01", "\x05"
INTERACTIVE = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}


@pytest.mark.parametrize("shell", INTERACTIVE)
def test_tab_in_a_real_shell(shell: str, home: Path, path_with_kaizen: str, tmp_path: Path) -> None:
    """The line after Tab becomes the arguments of `said`, so that the shell itself tells what it holds."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    env = {"PATH": path_with_kaizen, "KAIZEN_HOME": str(home), "HOME": str(tmp_path), "TERM": "dumb", "LANG": "C.UTF-8"}
    with sqlite3.connect(database_of(home)) as db:
        db.execute("UPDATE sessions SET branch = CASE agent WHEN 'codex' THEN 'team@feature' ELSE 'team b c' END")
    db.close()
    terminal = Terminal(INTERACTIVE[shell], env)
    try:
        terminal.type(f'eval "$(kaizen completions {shell})"; said() {{ echo "[$*]"; }}; echo rea""dy\n')
        terminal.wait_for("\nready\r\n")
        for typed, expected in (
            ("kaizen show @l", "kaizen show @last"),
            ("kaizen show aaaa", f"kaizen show {FIRST}"),
            ("kaizen search tool:Ba", "kaizen search tool:Bash"),
            ("kaizen cost --model=claude-s", "kaizen cost --model=claude-sonnet-4"),
            ("kaizen sho", "kaizen show"),
            ("kaizen sessions --branch team@fe", "kaizen sessions --branch team@feature"),
            ("kaizen sessions --branch 'team b", "kaizen sessions --branch team b c"),
            ("kaizen sessions --branch team\\ b", "kaizen sessions --branch team b c"),
        ):
            terminal.type(f"{typed}\t{BEGINNING}said {END}\n")
            terminal.wait_for(rf"\n\[{re.escape(expected)}\]")
    finally:
        terminal.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_install_writes_once_and_keeps_what_is_there(shell: str, kaizen: Kaizen, tmp_path: Path, home: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    startup = user / f".{shell}rc"
    if shell != "fish":
        startup.write_text("alias ll='ls -l'")
    first = kaizen("completions", "--install", "--json", env={"SHELL": f"/usr/bin/{shell}"}).json["data"]
    script = Path(first["script_path"])
    assert script.read_text() == kaizen("completions", shell).out
    after = startup.read_text() if shell != "fish" else ""
    again = kaizen("completions", shell, "--install", "--json").json["data"]
    assert again["changed"] is False
    if shell == "fish":
        assert script == user / ".config" / "fish" / "completions" / "kaizen.fish"
        assert not startup.exists()
        return
    assert first["changed"] is True
    lines = startup.read_text().splitlines()
    assert startup.read_text() == after
    assert lines[0] == "alias ll='ls -l'"
    assert lines[1].startswith(f"[ -f {script} ] && . {script}")
    assert len(lines) == 2


def test_zsh_is_looked_for_where_it_looks_itself(kaizen: Kaizen, tmp_path: Path) -> None:
    (tmp_path / "dots").mkdir()
    done = kaizen("completions", "zsh", "--install", "--json", env={"ZDOTDIR": str(tmp_path / "dots")}).json["data"]
    assert done["startup_path"] == str(tmp_path / "dots" / ".zshrc")
    assert Path(done["startup_path"]).exists()


def test_a_shell_we_do_not_know_is_a_usage_error(kaizen: Kaizen) -> None:
    assert kaizen("completions", "--json", env={"SHELL": "/bin/tcsh"}).status == 2
    assert kaizen("completions", "tcsh").status == 2


def test_where_it_cannot_be_written_says_what_to_do(kaizen: Kaizen, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("a file where the home should be")
    found = kaizen("completions", "fish", "--install", "--json")
    assert found.status == 1
    assert "kaizen completions fish >" in found.error["hint"]
