"""Every import points to a lower layer. The layers are those of CONTRIBUTING.md; a new package needs a line here."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent / "src" / "kaizen"

CORE = {"derive", "pricing", "query", "redact", "sources"}
SHELL = {"capture", "exporters", "outbox", "views"}
# What a package may import of ours, besides itself, `kaizen` (the version), and `errors`.
MAY = {
    "model": set(),
    "config": {"model"},
    "pricing": {"model"},
    "derive": {"model", "pricing"},
    "query": {"model", "pricing"},
    "redact": {"model"},
    "sources": {"model", "pricing"},
    "wire": {"model"},
    "store": {"model", "config", *CORE},
    "capture": {"model", "config", "store", *CORE},
    "exporters": {"model", "wire", "redact", "config", "net"},
    "outbox": {"model", "config", "store", "wire", "net", *CORE},
    "views": {"model", "config", "store", "wire", *CORE},
    "hub": {"model", "wire", "redact"},  # could be a distribution of its own
    "cli": {"model", "config", "store", "wire", "hub", "net", *SHELL, *CORE},
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "net": set(),
}
# `errors` stands below everything, also below `model`, whose ids and times raise what a person typed wrong.
NO_ERRORS = {"__init__"}
# Modules of the standard library that a pure layer has no business with: clocks, files, randomness, processes.
IMPURE = {"os", "pathlib", "random", "secrets", "shutil", "socket", "subprocess", "tempfile", "threading", "time"}
PURE = {"model", "wire", *CORE}
# Data of the package, read from beside the code, once: prices, words of model names, rules for secrets.
OWN_DATA = {
    ("src/kaizen/pricing/__init__.py", "pathlib.Path"),
    ("src/kaizen/redact/corpus/__init__.py", "pathlib.Path"),
    ("src/kaizen/redact/engine.py", "pathlib.Path"),
    ("src/kaizen/redact/names.py", "pathlib.Path"),
}
MODEL_NEEDS_ONLY = {"msgspec"}


class Import(NamedTuple):
    file: str
    line: int
    package: str
    target: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


def imports() -> Iterator[Import]:
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        package = relative.parts[0].removesuffix(".py")
        here = ["kaizen", *relative.parent.parts]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = here[: len(here) - node.level + 1] if node.level else []
                module = ".".join([*base, *filter(None, [node.module])])
                names = [f"{module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                yield Import(f"src/kaizen/{relative}", node.lineno, package, name)


IMPORTS = list(imports())


def owner(target: str) -> str | None:
    """`store` of `kaizen.store.rows`; None for what is not ours; `__init__` for the bare package."""
    first, *rest = target.split(".")
    if first != "kaizen":
        return None
    return rest[0] if rest and ((ROOT / rest[0]).is_dir() or (ROOT / f"{rest[0]}.py").exists()) else "__init__"


def test_there_is_something_to_check() -> None:
    assert len(IMPORTS) > 300


@pytest.mark.parametrize("package", sorted({one.package for one in IMPORTS}))
def test_imports_point_down(package: str) -> None:
    assert package in MAY, f"{package} has no layer: give it one in tests/test_layers.py"
    allowed = {package, "__init__", *MAY[package], *(() if package in NO_ERRORS else ("errors",))}
    wrong = [str(one) for one in IMPORTS if one.package == package and owner(one.target) not in {None, *allowed}]
    assert wrong == []


@pytest.mark.parametrize("package", sorted(PURE))
def test_the_core_touches_no_clock_file_or_chance(package: str) -> None:
    wrong = [
        str(one)
        for one in IMPORTS
        if one.package == package
        and one.target.split(".")[0] in IMPURE
        and (one.file, one.target) not in OWN_DATA
    ]
    assert wrong == []


def test_the_model_needs_the_standard_library_and_msgspec_only() -> None:
    import sys

    wrong = [
        str(one)
        for one in IMPORTS
        if one.package == "model"
        and owner(one.target) is None
        and one.target.split(".")[0] not in sys.stdlib_module_names | MODEL_NEEDS_ONLY
    ]
    assert wrong == []
