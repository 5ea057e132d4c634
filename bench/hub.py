"""What a hub takes: events a second over loopback HTTP, and how long a batch waits for its answer.

    python bench/hub.py [--store PATH|postgresql://...] [--batches 200] [--clients 4] [--gzip] [--hubs 1] [--race N]

A hub of its own as a process, batches of 500 events of 600 bytes, new sessions throughout. Bodies are made before the
clock starts. `--hubs 2` starts two processes on one store (PostgreSQL only) and shares the clients among them.
`--race N` sends each of N batches to every hub at the same moment, under the same key, and counts what they answer and
what is stored.
"""

import argparse
import gzip
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from blake3 import blake3

EVENTS = 500
EVENT_BYTES = 600


def body(team: str, number: int) -> bytes:
    session = f"blake3:{blake3(number.to_bytes(8, 'big')).hexdigest()}"
    events = []
    for seq in range(EVENTS):
        event = {"session_id_hash": session, "event_seq": seq, "ts_ms": 1_770_000_000_000 + number * 1000 + seq,
                 "agent": "claude", "model": "claude-opus-4-8", "kind": "cost" if seq % 3 == 0 else "tool_call",
                 "source": "tail", "tokens_in": seq, "tokens_out": 2 * seq, "cache_read_tokens": 3 * seq,
                 "cost_pusd": 1_234_567 * seq, "payload": {"text": ""}}  # fmt: skip
        room = EVENT_BYTES - len(msgspec.json.encode(event))
        event["payload"] = {"text": (blake3(f"{number}/{seq}".encode()).hexdigest() * 10)[:room]}
        events.append(event)
    workspace = f"blake3:{blake3(str(number % 20).encode()).hexdigest()}"
    return msgspec.json.encode({"team_id": team, "workspace_hash": workspace, "events": events})


def start(store: str, home: str) -> tuple[subprocess.Popen[bytes], str]:
    argv = [sys.executable, "-m", "kaizen", "hub", "serve", "--listen", "127.0.0.1:0", "--store", store,
            "--requests-per-minute", "0", "--team", "bench"]  # fmt: skip
    log = Path(home, f"log-{time.time_ns()}").open("wb+")  # noqa: SIM115  closed with the process
    process = subprocess.Popen(argv, env={**os.environ, "KAIZEN_HOME": home, "HOME": home},
                               stdout=subprocess.DEVNULL, stderr=log)  # fmt: skip
    for _ in range(400):
        time.sleep(0.02)
        text = Path(log.name).read_text()
        if "Listening on " in text:
            return process, text.partition("Listening on ")[2].split()[0].replace("\x1b[0m", "")
    raise SystemExit("the hub did not start: " + text)


def main() -> None:
    said = argparse.ArgumentParser()
    said.add_argument("--store", default="")
    said.add_argument("--batches", type=int, default=200)
    said.add_argument("--clients", type=int, default=4)
    said.add_argument("--gzip", action="store_true")
    said.add_argument("--hubs", type=int, default=1)
    said.add_argument("--race", type=int, default=0)
    options = said.parse_args()
    with tempfile.TemporaryDirectory() as home:
        store = options.store or f"{home}/hub"
        base = [sys.executable, "-m", "kaizen", "hub"]
        env = {**os.environ, "KAIZEN_HOME": home, "HOME": home}
        team = f"bench{uuid.uuid4().hex[:8]}"
        subprocess.run([*base, "team", "add", team, "--store", store], env=env, check=True, stdout=subprocess.DEVNULL)
        token = subprocess.run([*base, "token", "create", team, "--store", store], env=env, check=True,
                               capture_output=True, text=True).stdout.strip()  # fmt: skip
        bodies = [body(team, number) for number in range(options.batches)]
        sent = [gzip.compress(one, 6) if options.gzip else one for one in bodies]
        hubs = [start(store, home) for _ in range(options.hubs)]
        try:
            if options.race:
                print(json.dumps(race([url for _, url in hubs], token, team, options.race)))
                return
            print(json.dumps(measure([url for _, url in hubs], token, sent, options.clients, is_gzip=options.gzip)))
        finally:
            for process, _ in hubs:
                process.terminate()
                process.wait()


def measure(urls: list[str], token: str, bodies: list[bytes], clients: int, *, is_gzip: bool) -> dict[str, float]:
    waiting = iter(bodies)
    lock = threading.Lock()
    took: list[float] = []
    failed: list[int] = []

    def send(url: str) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json",
                   **({"Content-Encoding": "gzip"} if is_gzip else {})}  # fmt: skip
        while True:
            with lock:
                content = next(waiting, None)
            if content is None:
                connection.close()
                return
            started = time.perf_counter()
            headers["X-Kaizen-Idempotency-Key"] = str(uuid.uuid4())
            connection.request("POST", "/v1/events", content, headers)
            answer = connection.getresponse()
            answer.read()
            took.append(time.perf_counter() - started)
            if answer.status != 202:
                failed.append(answer.status)

    threads = [threading.Thread(target=send, args=(urls[i % len(urls)],)) for i in range(clients)]
    started = time.perf_counter()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    whole = time.perf_counter() - started
    took.sort()
    p50, p99 = (round(took[len(took) * share // 100] * 1000, 1) for share in (50, 99))
    return {"events_per_s": round(len(bodies) * EVENTS / whole), "batches": len(bodies), "failed": len(failed),
            "p50_ms": p50, "p99_ms": p99}  # fmt: skip


def race(urls: list[str], token: str, team: str, count: int) -> dict[str, object]:
    together = threading.Barrier(len(urls))
    answers: list[list[int]] = [[] for _ in urls]
    keys = [str(uuid.uuid4()) for _ in range(count)]
    bodies = [body(team, number) for number in range(count)]

    def send(at: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(urls[at]).netloc, timeout=60)
        for key, content in zip(keys, bodies, strict=True):
            together.wait()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json",
                       "X-Kaizen-Idempotency-Key": key}  # fmt: skip
            connection.request("POST", "/v1/events", content, headers)
            answer = connection.getresponse()
            answer.read()
            answers[at].append(answer.status)

    threads = [threading.Thread(target=send, args=(at,)) for at in range(len(urls))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    connection = http.client.HTTPConnection(urlsplit(urls[0]).netloc, timeout=60)
    connection.request("GET", "/v1/query/summary", headers={"Authorization": f"Bearer {token}"})
    stored = json.loads(connection.getresponse().read())["usage"]["requests"]
    pairs = Counter("+".join(map(str, sorted(pair))) for pair in zip(*answers, strict=True))
    return {"batches": count, "answers": dict(pairs), "requests_stored": stored,
            "requests_sent": count * len(range(0, EVENTS, 3))}  # fmt: skip


if __name__ == "__main__":
    main()
