"""What starting costs: which modules a command may import, and how long `--version` takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kaizen
from seeded import small_world

SRC = Path(kaizen.__file__).parents[1]
SCRIPT = SRC.parent / "bin" / "kaizen"
# Each of these costs more than a small command may take.
HEAVY = {
    "asyncio",
    "httpx",
    "numpy",
    "rich",
    "scipy",
    "starlette",
    "textual",
    "uvicorn",
    "watchfiles",
    "pydantic",
    "mcp",
}
# Cheaper, but not for those who have no use for them.
PRICING, ZSTD, TOML, CAPTURE = "kaizen.pricing", "zstandard", "tomllib", "kaizen.capture.load"
READ = "--no-refresh"


def imported(home: Path, *argv: str) -> set[str]:
    code = (
        "import sys; from kaizen.cli.run import run; status = run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": str(SRC), "KAIZEN_HOME": str(home), "HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code, *argv], env=env, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("argv", "barred"),
    [
        (["--help"], {PRICING, ZSTD, TOML, CAPTURE, "zoneinfo", "csv"}),
        (["cost", READ], {PRICING, ZSTD, TOML, CAPTURE, "csv", "kaizen.derive.tree"}),
        (["summary", READ], {PRICING, ZSTD, TOML, CAPTURE, "csv", "kaizen.derive.tree"}),
        (["sessions", "list", READ], {PRICING, ZSTD, TOML, CAPTURE, "csv", "kaizen.derive.tree"}),
        (["projects", READ], {PRICING, ZSTD, TOML, CAPTURE}),
        (["show", "@last", READ], {PRICING, ZSTD, TOML, CAPTURE}),
        (["config", "path"], {PRICING, ZSTD, TOML, CAPTURE}),
        (["telemetry", "print-schema"], {PRICING, ZSTD, TOML, CAPTURE, "tomlkit", "blake3", "google.protobuf"}),
        (["completions", "bash"], {PRICING, ZSTD, TOML, CAPTURE}),
    ],
)
def test_commands_import_only_what_they_need(argv: list[str], barred: set[str], tmp_path: Path) -> None:
    small_world(tmp_path).close()
    assert imported(tmp_path, *argv) & (HEAVY | barred) == set()


def test_a_command_that_finds_nothing_new_needs_little_of_capture(tmp_path: Path) -> None:
    small_world(tmp_path).close()
    imported(tmp_path, "summary")
    barred = {PRICING, ZSTD, TOML, CAPTURE, "kaizen.capture.take", "kaizen.derive.facts", "hashlib"}
    assert imported(tmp_path, "summary") & (HEAVY | barred) == set()


def test_the_tab_key_imports_what_reading_names_takes(tmp_path: Path) -> None:
    small_world(tmp_path).close()
    code = "import sys; from kaizen.cli.run import run; run([]); print(*sys.modules, file=sys.stderr)"
    env = {**os.environ, "PYTHONPATH": str(SRC), "KAIZEN_HOME": str(tmp_path), "_KAIZEN_COMPLETE": "bash_complete"}
    for line, offered, barred in (
        ("kaizen su", "summary", {"kaizen.cli.summary"}),
        ("kaizen cost --agent cl", "claude", {"kaizen.derive.tree", "kaizen.cli.search"}),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**env, "COMP_LINE": line}, capture_output=True, text=True, check=True
        )
        assert offered in done.stdout
        assert set(done.stderr.split()) & (HEAVY | {PRICING, ZSTD, TOML, CAPTURE, *barred}) == set()


def test_version_imports_nothing_of_ours_but_the_version() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(SCRIPT), "--version"],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"kaizen {kaizen.__version__}\n"
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {name for name in names if name.startswith("kaizen")} == {"kaizen"}
    assert names & {"click", "msgspec", "re", "typing", "sqlite3"} == set()


def test_the_module_answers_as_the_script_does(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(SRC), "KAIZEN_HOME": str(tmp_path), "HOME": str(tmp_path)}
    for argv in (["--version"], ["-V"], ["config", "path"], ["nonsense"]):
        by_script, by_module = (
            subprocess.run([sys.executable, *how, *argv], env=env, capture_output=True, check=False)
            for how in ([str(SCRIPT)], ["-m", "kaizen"])
        )
        assert (by_script.returncode, by_script.stdout) == (by_module.returncode, by_module.stdout)


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    small_world(tmp_path).close()
    command = f'{sys.executable} {SCRIPT} show aaaa --events --json --no-refresh; echo "status $?" >&2'
    env = {**os.environ, "PYTHONPATH": str(SRC), "KAIZEN_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(["/bin/sh", "-c", f"({command}) | true"], env=env, capture_output=True, text=True, check=True)
    assert "status 0" in done.stderr
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr
