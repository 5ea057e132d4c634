"""A store with a queue, a hub that answers by script, sinks that do as told, and a clock that only moves by waiting."""

import asyncio
import gzip
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

import httpx
import msgspec

from kaizen.outbox.client import Hub
from kaizen.outbox.deliver import Engine
from kaizen.outbox.settings import Report, Settings
from kaizen.store import outbox, outbox_dead
from kaizen.store.open import empty_store, transaction
from kaizen.wire import sink
from kaizen.wire.ingest import KINDS

T0 = 1_760_000_000_000
HASH = "blake3:" + "a" * 64
ENVELOPE = msgspec.json.encode({"team_id": "t", "workspace_hash": HASH})
PATHS = {kind.path: kind for kind in KINDS.values()}


class Clock:
    def __init__(self) -> None:
        self.ms, self.slept_ms, self.waits_left = T0, 0, 100_000

    def now_ms(self) -> int:
        return self.ms

    async def wait(self, tasks: set[asyncio.Task[None]], until_ms: int | None) -> None:
        self.waits_left -= 1
        assert self.waits_left, "the engine spins"
        # One task only waits for the stop: with others in flight, time stands still.
        if len(tasks) > 1:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        elif until_ms is not None:
            self.slept_ms += max(until_ms - self.ms, 0)
            self.ms = max(until_ms, self.ms)
            await asyncio.sleep(0)


class Posted(msgspec.Struct):
    path: str
    key: str
    encoding: str
    raw: bytes
    body: bytes
    items: list[dict[str, Any]]
    status: int | None = None


class ScriptedHub(httpx.AsyncBaseTransport):
    """Answers by path: a list that is used up, or a rule. Remembers what it was sent and what it stored."""

    def __init__(self, script: dict[str, list[dict[str, Any]]], clock: Clock, log: list[str]) -> None:
        self.script = {path: list(answers) for path, answers in script.items()}
        self.same_as_last = {path for path, answers in script.items() if not answers}
        self.clock, self.log = clock, log
        self.last: dict[str, Any] = {}
        self.before_answer: Callable[[], None] = lambda: None
        self.posts: list[Posted] = []
        self.stored: dict[tuple[str, str], dict[str, Any]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raw = await request.aread()
        path = request.url.path
        if path == "/v1/health":
            return httpx.Response(200, json={"status": "ok"})
        body = gzip.decompress(raw) if request.headers.get("content-encoding") == "gzip" else raw
        items = json.loads(body)[PATHS[path].list_name]
        post = Posted(path, request.headers["x-kaizen-idempotency-key"],
                      request.headers.get("content-encoding", "identity"), raw, body, items)  # fmt: skip
        self.posts.append(post)
        self.before_answer()
        answer = self._next(path, post)
        if "connect" in answer:
            self.posts.pop()
            raise httpx.ConnectError("refused")
        if "store_then" in answer:
            self._store(post)
            raise httpx.ReadError("reset")
        if answer.get("delay_ms"):
            await asyncio.sleep(0.05)
        post.status = answer["status"]
        if answer["status"] == 202:
            self._store(post)
        self.log.append("answered")
        headers = {name: self._header(value) for name, value in answer.get("headers", {}).items()}
        if "json" in answer:
            return httpx.Response(answer["status"], json=answer["json"], headers=headers)
        return httpx.Response(answer["status"], text=answer.get("body", ""), headers=headers)

    def _next(self, path: str, post: Posted) -> dict[str, Any]:
        script = self.script[path]
        if script and "rule" in script[0]:
            return self._ruled(script[0]["rule"], post)
        if path in self.same_as_last:
            return self.last
        assert script, f"a request that nobody expected: {path}"
        self.last = script.pop(0)
        return self.last

    def _ruled(self, rule: str, post: Posted) -> dict[str, Any]:
        if rule.startswith("413 if items > "):
            return {"status": 413 if len(post.items) > int(rule.split()[-1]) else 202}
        holds = {
            "413 if body contains big item": (413, any("big" in item for item in post.items)),
            "400 if poison present": (400, any("poison" in item for item in post.items)),
            "500 if poison present, else 202": (500, any("poison" in item for item in post.items)),
            "415 if content-encoding gzip else 202": (415, post.encoding == "gzip"),
        }
        status, is_so = holds[rule]
        return {"status": status if is_so else 202}

    def _store(self, post: Posted) -> None:
        for item in post.items:
            self.stored[post.path, json.dumps(item.get("n"))] = item

    def _header(self, value: str) -> str:
        if value.startswith("@now+"):
            return formatdate(self.clock.ms / 1000 + int(value[5:].split("s")[0]), usegmt=True)
        return value


class ScriptedSink:
    def __init__(self, name: str, script: Sequence[str], log: list[str]) -> None:
        self.name, self._script, self._log = name, list(script), log
        self.batches: list[sink.Batch] = []

    def accepts(self, kind: str) -> bool:
        return True

    async def send(self, batch: sink.Batch) -> sink.Result:
        self.batches.append(batch)
        self._log.append("sink started")
        told = self._script.pop(0) if self._script else "ok"
        if told == "raise":
            raise RuntimeError("a bug of the exporter")
        if told.startswith("sleep"):
            await asyncio.sleep(0.2)
        self._log.append("sink finished")
        return sink.Again("told to fail") if told == "error" else sink.Done()

    async def health(self) -> sink.Health:
        return sink.Health(True, "")

    async def close(self) -> None: ...


class World:
    def __init__(self, script: dict[str, list[dict[str, Any]]], **settings: Any) -> None:
        self.db: sqlite3.Connection = empty_store()
        self.clock = Clock()
        self.log: list[str] = []
        self.hub = ScriptedHub(script, self.clock, self.log)
        self.settings = Settings(**settings)
        self.has_primary = True
        self.sinks: list[ScriptedSink] = []
        self.count = 0

    def enqueue(self, kind: str, n: int = 1, *, payload: str | None = None, bytes: int = 0,
                marks: dict[int, str] | None = None, item_key: str | None = None) -> None:  # fmt: skip
        with transaction(self.db):
            envelope = outbox.envelope(self.db, ENVELOPE)
            rows = []
            for index in range(n):
                item = {"n": self.count, **_item(kind, self.count)}
                if mark := (marks or {}).get(index):
                    item[mark] = True
                if bytes:
                    item["pad"] = "x" * (bytes - len(json.dumps(item, separators=(",", ":"))) - 9)
                text = payload if payload is not None else json.dumps(item, separators=(",", ":"))
                key = item_key or (None if kind == "events" else str(self.count))
                rows.append((kind, envelope, "s", key, text.encode(), None, self.clock.ms))
                self.count += 1
            outbox.put(self.db, rows)

    def flush(self, deadline_s: float = 300) -> Report:
        async def go() -> Report:
            hub = Hub("https://hub.test", "token", transport=self.hub)
            engine = Engine(
                self.db, self.settings, hub.post if self.has_primary else None, self.sinks, is_alive=hub.is_alive,
                clock=self.clock, chance=lambda: 0.5, on_progress=self._progress,
            )  # fmt: skip
            try:
                return await engine.run(deadline_ms=self.clock.ms + int(deadline_s * 1000))
            finally:
                await hub.close()

        return asyncio.run(go())

    def _progress(self, report: Report) -> None:
        if report.retired and "retired" not in self.log:
            self.log.append("retired")

    def dead(self) -> dict[str, list[int]]:
        """Numbers of the dead items by reason."""
        found: dict[str, list[int]] = defaultdict(list)
        for one in outbox_dead.dead(self.db):
            try:
                number = json.loads(one.payload)["n"]
            except ValueError:
                number = 0
            found[one.reason].append(number)
        return {reason: sorted(numbers) for reason, numbers in found.items()}


def _item(kind: str, number: int) -> dict[str, Any]:
    """A valid item of its kind."""
    session = {"session_id_hash": HASH}
    span = "blake3:" + f"{number:064x}"
    return {
        "sessions": {"session_id_hash": span, "agent": "claude", "started_at_ms": 1, "status": "done"},
        "events": {**session, "event_seq": number, "ts_ms": 5, "agent": "claude", "model": "m", "kind": "message",
                   "source": "tail", "payload": {}},
        "tool_spans": {**session, "span_id_hash": span, "status": "ok", "started_at_ms": 1, "ended_at_ms": 2,
                       "lead_time_ms": 1, "tokens_in": None, "tokens_out": None, "reasoning_tokens": None,
                       "cost_usd_e6": None, "path_hashes": []},
        "session_feedback": {**session, "feedback_id_hash": span, "score": 5, "label": None, "created_at_ms": 1},
        "session_evals": {**session, "eval_id_hash": span, "judge_model": "m", "rubric_id": "r", "score": 0.5,
                          "flagged": False, "created_at_ms": 1},
        "workspace_facts": {"skill_slugs": [], "rule_slugs": []},
    }.get(kind, {})  # fmt: skip
