"""From a line appended to a transcript to the line on `kaizen tail`'s output: milliseconds, as JSON.

    python bench/tail_latency.py [LINES]

Runs in a scratch home. Each appended line carries its own time; the reader compares when it arrives.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def main(count: int) -> None:
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        folder = home / ".claude/projects/-w"
        folder.mkdir(parents=True)
        transcript = folder / "11111111-1111-4111-8111-111111111111.jsonl"
        transcript.write_text("")
        env = {**os.environ, "HOME": scratch, "KAIZEN_HOME": str(home / "kaizen")}
        tail = subprocess.Popen([sys.executable, "-m", "kaizen", "tail", "--json"], env=env, stdout=subprocess.PIPE)
        arrived: dict[str, float] = {}

        def read() -> None:
            assert tail.stdout is not None
            for line in tail.stdout:
                arrived[json.loads(line)["text"]] = time.perf_counter()

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(3)
        sent: dict[str, float] = {}
        with transcript.open("a") as file:
            for number in range(count):
                text = f"line {number} " + "x" * chance.randrange(1, 40)
                record = {"type": "user", "uuid": f"{number:036d}", "timestamp": "2026-02-01T10:00:00.000Z",
                          "cwd": "/w", "sessionId": transcript.stem, "message": {"role": "user", "content": text}}
                file.write(json.dumps(record) + "\n")
                file.flush()
                sent[text] = time.perf_counter()
                time.sleep(chance.uniform(0.005, 0.06))
        time.sleep(2)
        tail.terminate()
        tail.wait()
        reader.join()
    took = sorted(1000 * (arrived[text] - at) for text, at in sent.items() if text in arrived)
    print(json.dumps({"lines": count, "missing": count - len(took), "p50_ms": round(took[len(took) // 2], 1),
                      "p99_ms": round(took[len(took) * 99 // 100], 1), "max_ms": round(took[-1], 1)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
