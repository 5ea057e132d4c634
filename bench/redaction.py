"""What scrubbing changes in ordinary text, and how fast it is.

    python bench/redaction.py precision DIRECTORY...   placeholders per 100 KB of sources and documents, by rule
    python bench/redaction.py speed DIRECTORY...       MB/s of CPU time: keywords, rules, all of it, and the guard

Files are taken in order, in chunks of 0.2 to 8 KB, up to 20 MB. Results are in docs/performance.md.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt", ".c", ".h", ".js", ".ts", ".html", ".css", ".toml", ".json", ".sh"}
MAX_BYTES = 20 << 20


def chunks(roots: list[Path]) -> Iterator[str]:
    drawn = random.Random(7)
    seen = 0
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            at = 0
            while at < len(text):
                size = drawn.randrange(200, 8_000)
                yield text[at : at + size]
                at += size
            seen += len(text)
            if seen > MAX_BYTES:
                return


def precision(texts: list[str], show: int) -> None:
    from kaizen.redact.hashes import nobody
    from kaizen.redact.scrub import Scrubber

    scrubber = Scrubber(nobody())
    counts: Counter[str] = Counter()
    shown: dict[str, list[str]] = {}
    for text in texts:
        for one in scrubber.text(text)[1]:
            counts[one.rule] += 1
            shown.setdefault(one.rule, []).append(text[max(0, one.start - 50) : one.end + 10])
    size = sum(map(len, texts)) / 100_000
    secret = sum(number for rule, number in counts.items() if rule not in PERSONAL)
    print(f"{size / 10:.1f} MB: {sum(counts.values()) / size:.3f} per 100 KB, of these secrets {secret / size:.3f}")
    for rule, number in counts.most_common():
        print(f"{number:7} {rule}")
        for text in random.Random(1).sample(shown[rule], min(show, number)):
            print(f"        {text!r}")


PERSONAL = {"path", "email", "ip", "host", "phone", "mac", "remote", "user", "term"}


def speed(texts: list[str]) -> None:
    from kaizen.redact import engine, guard, schema
    from kaizen.redact.hashes import nobody
    from kaizen.redact.scrub import Scrubber

    rules, scrubber, salt = engine.bundled(), Scrubber(nobody()), nobody()
    narrow = [engine.narrow(text) for text in texts]
    item = {"session_id_hash": salt.hash("s"), "event_seq": 1, "ts_ms": 1_780_000_000_000, "tokens_in": 12_345,
            "payload": schema.payload("tool_call", None, "Bash", {"input": {"command": "git status"}}, salt, "")}
    body = json.dumps({"events": [{**item, "span": salt.hash(str(number))} for number in range(1_000)]}).encode()
    size = sum(map(len, narrow))
    for rule in rules.rules:
        assert rule.pattern
    print(f"keywords         {rate(size, lambda: [rules.candidates(one) for one in narrow]):7.1f} MB/s")
    print(f"keywords + rules {rate(size, lambda: [rules.find(one) for one in narrow]):7.1f} MB/s")
    print(f"scrub            {rate(size, lambda: [scrubber.text(one) for one in texts]):7.1f} MB/s")
    print(f"guard, a body    {rate(len(body), lambda: guard.leaks(body)):7.1f} MB/s")


def rate(size: int, work: Callable[[], object]) -> float:
    """Megabytes a second of CPU time, the best of three."""
    work()
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return size / best / 1e6


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("what", choices=["precision", "speed"])
    options.add_argument("roots", nargs="+", type=Path)
    options.add_argument("--show", type=int, default=0, help="Examples per rule.")
    given = options.parse_args()
    texts = list(chunks(given.roots))
    if given.what == "precision":
        precision(texts, given.show)
    else:
        speed(texts[:2_000])
    return 0


if __name__ == "__main__":
    sys.exit(main())
