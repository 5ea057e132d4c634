"""The documentation is complete and its links lead somewhere: every command, error code and setting appears."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from kaizen.cli import COMMANDS
from kaizen.cli.group import root
from kaizen.cli.run import Crash
from kaizen.config.model import Config
from kaizen.errors import KaizenError
from kaizen.model.event import Draft

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")])
MAIN = ("getting-started", "concepts", "sources", "accounting", "performance", "commands", "errors", "adr/README")


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def flat(text: str) -> str:
    return " ".join(text.split())


def subcommands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(root)
    for name, entry in COMMANDS.items():
        if importlib.util.find_spec(entry.module) is None:
            continue
        found = root.get_command(context, name)
        if isinstance(found, click.Group):
            yield from _below(context, name, found)


def _below(context: click.Context, name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for inner in group.list_commands(context):
        one = group.get_command(context, inner)
        assert one is not None
        if isinstance(one, click.Group):
            yield from _below(context, f"{name} {inner}", one)
        else:
            yield f"{name} {inner}", one


def errors(parent: type[KaizenError] = KaizenError) -> Iterator[type[KaizenError]]:
    yield parent
    for one in parent.__subclasses__():
        yield from errors(one)


ERRORS = sorted({(one.code, one.exit_status) for one in errors() if one.__module__.startswith("kaizen.")})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    section = re.search(rf"^### `kaizen {name}`\n(.*?)(?=^##|\Z)", read("commands.md"), re.DOTALL | re.MULTILINE)
    assert section is not None
    assert COMMANDS[name].help in section[1]
    assert re.search(rf"^    .*kaizen {name}", section[1], re.MULTILINE), "no example"


@pytest.mark.parametrize(("name", "command"), list(subcommands()))
def test_every_subcommand_is_documented(name: str, command: click.Command) -> None:
    assert command.help
    first = flat(command.help.split("\n\n")[0])
    assert f"**`kaizen {name}`**: {first}" in flat(read("commands.md"))


@pytest.mark.parametrize(("code", "status"), ERRORS)
def test_every_error_is_documented(code: str, status: int) -> None:
    assert f"| `{code}` | {status} |" in read("errors.md")


def test_no_documented_error_is_gone() -> None:
    documented = re.findall(r"^\| `(\w+)` \| (\d+) \|", read("errors.md"), re.MULTILINE)
    assert sorted((code, int(status)) for code, status in documented) == ERRORS
    assert (Crash.code, Crash.exit_status) in ERRORS


def test_every_setting_is_documented() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    for section in msgspec.structs.fields(Config):
        assert re.search(rf"\[{section.name}\b|`{section.name}`", text), section.name
        inner = section.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            missing = [one.name for one in msgspec.structs.fields(inner) if one.name not in text]
            assert missing == []


def test_every_token_bucket_is_documented() -> None:
    buckets = [name for name in Draft.__struct_fields__ if name.endswith("_tokens") and not name.startswith("context_")]
    assert [name for name in buckets if f"`{name}`" not in read("accounting.md")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", "", text)
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)
    local = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", MAIN)
def test_every_page_can_be_found_from_the_readme(name: str) -> None:
    assert f"docs/{name}.md" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_what_leaves_is_current() -> None:
    done = subprocess.run([sys.executable, str(REPOSITORY / "scripts" / "what_leaves.py"), "--check"], check=False)
    assert done.returncode == 0, "run: python scripts/what_leaves.py"


def test_the_tests_named_for_each_bug_class_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", read("bug-classes.md"))
    assert len(named) > 40
    gone = [f"{file}::{name}" for file, name in named
            if f"def {name}(" not in (REPOSITORY / file).read_text(encoding="utf-8")]  # fmt: skip
    assert gone == []


def test_every_decision_is_listed() -> None:
    listed = read("adr/README.md")
    assert [path.name for path in sorted((DOCS / "adr").glob("0*.md")) if f"({path.name})" not in listed] == []
