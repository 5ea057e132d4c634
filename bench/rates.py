"""How fast the main path is over a corpus of `corpus.py`: rates, medians and ratios.

    python bench/rates.py /tmp/corpus1g [--runs 5] [--peer PATH_OF_CCUSAGE]

The store goes into a scratch folder. The line that is appended is taken away again. Times are of whole processes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

KAIZEN = [str(Path(sys.executable).with_name("kaizen"))]  # as people run it
PEER = ["daily", "--json", "--offline", "--by-agent", "--timezone", "UTC"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("corpus", type=Path)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--peer", help="a ccusage binary to compare with")
    given = options.parse_args()
    corpus, runs = given.corpus.resolve(), given.runs
    transcripts = list(corpus.rglob("*.jsonl"))
    size = sum(path.stat().st_size for path in transcripts)
    warm(transcripts)
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, "HOME": str(corpus), "KAIZEN_HOME": scratch}

        def ran(*command: str) -> float:
            return seconds([*KAIZEN, *command], env)[0]

        def first() -> float:
            with tempfile.TemporaryDirectory() as empty:
                return until_total({**env, "KAIZEN_HOME": empty})

        took, cpu, rss = seconds([*KAIZEN, "load"], env)
        say("import", f"{took:.1f} s", f"{size / took / 1e6:.1f} MB/s of {size / 1e6:,.0f} MB, {cpu:.1f} s CPU, "
                                       f"largest process {rss >> 20} MiB")
        stored = sum(path.stat().st_size for path in Path(scratch).glob("*.db"))
        say("store and index", f"{stored / 1e6:.0f} MB", f"{stored / size:.2f} of the transcripts")
        peer = given.peer and median(runs, lambda: seconds([given.peer, *PEER], env)[0])
        if peer:
            say("peer, everything", f"{peer:.2f} s", "")
        total = median(runs, first)
        say("first total", f"{total:.2f} s", f"{size / total / 1e6:.0f} MB/s{ratio(total, peer)}")
        for command in (["summary", "--all"], ["cost", "--all"], ["sessions", "list", "--all"],
                        ["search", "parser", "--all"]):
            took = median(runs, lambda command=command: ran(*command))
            say(" ".join(command), f"{1000 * took:.0f} ms", ratio(took, peer).lstrip(", "))
        newest = max(transcripts, key=lambda path: path.stat().st_mtime_ns)
        took = median(runs, lambda: appended(newest, lambda: ran("cost", "--all", "--json")))
        say("cost after a line", f"{1000 * took:.0f} ms", "")
        nothing = median(3 * runs, lambda: seconds([sys.executable, "-c", "pass"], env)[0])
        took = median(3 * runs, lambda: ran("--version"))
        say("--version", f"{1000 * took:.1f} ms", f"{took / nothing:.2f}x of python -c pass")


def say(name: str, value: str, remark: str) -> None:
    print(f"{name:20} {value:>10}   {remark}".rstrip(), flush=True)


def ratio(took: float, peer: float | None) -> str:
    return f", {took / peer:.2f}x the peer" if peer else ""


def median(runs: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(runs))


def warm(paths: list[Path]) -> None:
    for path in paths:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def seconds(command: list[str], env: dict[str, str]) -> tuple[float, float, int]:
    """(wall s, CPU s of it and its children, RSS of the largest of them in bytes)"""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}")
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def until_total(env: dict[str, str]) -> float:
    """To the total on the output of a `cost` that then begins to import."""
    began = time.perf_counter()
    process = subprocess.Popen([*KAIZEN, "cost", "--all"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    said = b""
    while b"total" not in said.lower() and (chunk := os.read(process.stdout.fileno(), 1 << 16)):
        said += chunk
    took = time.perf_counter() - began
    process.terminate()
    process.communicate()
    return took


def appended(path: Path, measure: Callable[[], float]) -> float:
    """`measure` after a line was appended to `path`, which is then as before."""
    before = path.stat()
    try:
        with path.open("a") as file:
            file.write('{"type":"user","message":{"role":"user","content":"one more line"}}\n')
        return measure()
    finally:
        os.truncate(path, before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


if __name__ == "__main__":
    main()
