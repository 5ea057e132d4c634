"""The made-up workspace of `kaizen demo`: three weeks of two small repositories, as the agents would have written it.

`write` puts transcripts of Claude Code, Codex and Cursor below a folder that plays the user's home. Nothing is chosen
by chance but through one seeded generator: the same `now_ms` gives the same bytes, another one moves every session with
it, the newest to half an hour ago, the oldest to three weeks before.

A session is a `Task`: what was asked, and the steps it took. Who did it is a matter of how the steps are spelled, so
there is one small writer per agent. Claude's subagents have files of their own; one Claude session is resumed, so its
first records are in two files; Cursor writes no tokens.
"""

import json
import os
import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from kaizen.model.times import DAY_MS

MINUTE_MS = 60_000
Record = dict[str, Any]
Agent = Literal["claude", "codex", "cursor"]
CLAUDE_MODELS = ("claude-opus-4-8", "claude-sonnet-4-5")
EXPLORER = "claude-haiku-4-5-20251001"
SHOP, TIDE = "/home/demo/shopfront", "/home/demo/tidepool"

FILES = {
    SHOP: {
        "shopfront/cart.py": "def total(cart: Cart) -> int:\n"
                             "    return sum(line.price * line.count for line in cart.lines)",
        "shopfront/orders.py": "def place(cart: Cart, *, now: datetime) -> Order:\n    check_stock(cart)\n"
                               "    return Order(lines=cart.lines, placed_at=now)",
        "shopfront/stock.py": "def reserve(sku: str, count: int) -> bool:\n    with transaction() as db:\n"
                              "        return take(db, sku, count)",
        "shopfront/mail.py": "def confirm(order: Order) -> None:\n"
                             "    send(order.email, render('confirmation.txt', order))",
        "shopfront/tax.py": "RATES = {'DE': 19, 'FR': 20, 'AT': 20}\n\ndef tax(cents: int, country: str) -> int:\n"
                            "    return cents * RATES[country] // 100",
    },
    TIDE: {
        "src/tides.ts": "export function nextHigh(station: Station, at: Date): Date {\n"
                        "  return harmonic(station, at).peak();\n}",
        "src/chart.ts": "export function draw(points: Point[], size: Size): string {\n"
                        "  return path(points.map(scale(size)));\n}",
        "src/api.ts": "app.get('/stations/:id', async (req, res) => {\n  res.json(await load(req.params.id));\n});",
        "src/cache.ts": "const kept = new Map<string, Entry>();\n"
                        "export const get = (key: string) => kept.get(key)?.value;",
    },
}
CHECK = {SHOP: "pytest -q", TIDE: "npm test"}
FAILED = {
    SHOP: "F.....                                              [100%]\nE   AssertionError: assert 1190 == 1189\n"
          "1 failed, 41 passed in 1.92s",
    TIDE: " FAIL  test/tides.test.ts > next high water across midnight\nError: deadlock: timed out after 5000 ms\n"
          " Tests  1 failed | 27 passed",
}
PASSED = {SHOP: "42 passed in 1.74s", TIDE: " Test Files  6 passed (6)\n      Tests  28 passed (28)"}


class Task(NamedTuple):
    """`days` before today. `rounds` of read, edit, check; each of the first `failures` checks fails."""

    days: int
    agent: Agent
    repository: str
    branch: str
    prompt: str
    rounds: int = 3
    failures: int = 0
    subagents: int = 0
    follow_up: str = ""
    resumed: bool = False
    trouble: bool = False


TASKS = (
    Task(20, "claude", SHOP, "main", "Explain how an order gets from the cart to the warehouse.", 2, subagents=1),
    Task(20, "codex", TIDE, "main", "Add a /health endpoint that also checks the station database."),
    Task(19, "claude", SHOP, "fix/rounding", "Totals of some carts are off by one cent. Find out why.", 6, 3),
    Task(18, "cursor", TIDE, "main", "Give the chart a dark theme that follows the system setting.", 4),
    Task(17, "claude", TIDE, "feat/cache", "Cache station lookups for ten minutes. Write tests first.", 6, 2,
         follow_up="Use a plain Map, no new dependency."),
    Task(16, "codex", SHOP, "main", "Replace the print statements in mail.py with logging.", 2),
    Task(15, "claude", SHOP, "feat/vat", "Support reduced tax rates for books. The rates are in docs/tax.md.", 7, 1,
         subagents=1),
    Task(14, "codex", TIDE, "fix/midnight", "The test for high water across midnight is flaky. Fix it.", 6, 4),
    Task(13, "cursor", SHOP, "main", "Rename count to quantity everywhere in the cart module.", 5),
    Task(12, "claude", TIDE, "main", "Review src/api.ts for missing validation. Change nothing yet.", 3,
         subagents=2, follow_up="Fix the first two findings."),
    Task(11, "claude", SHOP, "feat/stock", "Two customers can buy the last item. Make reserve() safe.", 8, 3,
         trouble=True),
    Task(10, "codex", SHOP, "feat/stock", "Write a test that runs fifty reservations of one item at once.", 4, 2),
    Task(9, "claude", SHOP, "feat/stock", "Two customers can buy the last item. Make reserve() safe.", 5, resumed=True,
         follow_up="Retry twice before giving up, then raise OutOfStock."),
    Task(8, "cursor", TIDE, "main", "Why does the chart jump when the window is resized?", 3),
    Task(7, "codex", TIDE, "main", "Upgrade to TypeScript 5.9 and fix what breaks.", 7, 3, trouble=True),
    Task(6, "claude", TIDE, "feat/alerts", "Send a mail when the water passes a user's mark.", 8, 2, subagents=1),
    Task(5, "claude", SHOP, "main", "Write the release notes for 2.3 from the commits since the last tag.", 2),
    Task(5, "cursor", SHOP, "main", "Add type hints to orders.py and stock.py.", 4),
    Task(4, "claude", SHOP, "fix/deadlock", "Checkout hangs under load; the log says deadlock. Find the cause.", 9, 3,
         subagents=2, follow_up="Take the locks in order of the SKU."),
    Task(3, "codex", SHOP, "fix/deadlock", "Measure checkout with 20 clients before and after this branch.", 4, 1),
    Task(2, "claude", TIDE, "feat/alerts", "Alerts should not repeat within six hours.", 4, 1),
    Task(2, "codex", TIDE, "main", "Delete the old chart code behind the feature flag.", 3),
    Task(1, "claude", SHOP, "main", "Make the confirmation mail readable on a phone.", 4, 1),
    Task(1, "cursor", TIDE, "main", "Sort stations by distance in the search box.", 3),
    Task(0, "codex", SHOP, "main", "Add an index for the slow query on the orders page.", 3, 1),
    Task(0, "claude", TIDE, "main", "Show the next three tides instead of one.", 5, 1),
)


def write(home: Path, now_ms: int) -> int:
    """Writes the transcripts below `home` and returns how many sessions there are, subagents left out."""
    rng = Random("kaizen demo")
    earlier: dict[str, Claude] = {}
    for number, task in enumerate(TASKS):
        writer = WRITERS[task.agent](task, _start_ms(task, number, now_ms), rng)
        if isinstance(writer, Claude):
            if task.resumed:
                writer.resume(earlier[task.prompt])
            earlier[task.prompt] = writer
        writer.play()
        writer.save(home)
    return len(TASKS)


def _start_ms(task: Task, number: int, now_ms: int) -> int:
    """Working hours, UTC, but never in the future."""
    morning = now_ms - now_ms % DAY_MS - task.days * DAY_MS
    latest = now_ms - (40 + 50 * (len(TASKS) - 1 - number)) * MINUTE_MS
    return min(morning + (8 * 60 + number * 97 % 540) * MINUTE_MS, latest)


class Step(NamedTuple):
    """One tool call: `what` is read, edit or check."""

    what: Literal["read", "edit", "check"]
    path: str
    text: str
    failed: bool


def steps(task: Task, rng: Random) -> Iterator[Step]:
    files = FILES[task.repository]
    for number in range(task.rounds):
        path = rng.choice(sorted(files))
        yield Step("read", path, files[path], False)
        if task.rounds > 2:
            yield Step("edit", path, files[path], False)
            failed = number < task.failures
            yield Step("check", path, (FAILED if failed else PASSED)[task.repository], failed)


class Writer:
    """The clock, the ids and the lines of one transcript; each agent spells `ask`, `take` and `answer` its own way."""

    def __init__(self, task: Task, start_ms: int, rng: Random) -> None:
        self.task, self.now_ms, self.rng = task, start_ms, rng
        self.start_ms = start_ms
        self.id = self.uuid()
        self.lines: list[str] = []
        # Tokens the model has seen so far, and those that are new in the next request.
        self.context, self.fresh = 0, rng.randrange(11_000, 16_000)

    def play(self) -> None:
        self.ask(self.task.prompt)
        taken = list(steps(self.task, self.rng))
        for number, step in enumerate(taken):
            if self.task.follow_up and number == len(taken) // 2:
                self.answer("Done so far. Shall I go on?")
                self.wait(240)
                self.ask(self.task.follow_up)
            self.take(step)
        self.answer(_closing(self.task))

    def ask(self, prompt: str) -> None:
        raise NotImplementedError

    def take(self, step: Step) -> None:
        raise NotImplementedError

    def answer(self, text: str) -> None:
        raise NotImplementedError

    def save(self, home: Path) -> None:
        raise NotImplementedError

    def emit(self, record: Record) -> None:
        self.lines.append(json.dumps(record, separators=(",", ":")))

    def wait(self, seconds: int) -> None:
        self.now_ms += self.rng.randrange(seconds * 400, seconds * 1600)

    def stamp(self) -> str:
        return f"{datetime.fromtimestamp(self.now_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{self.now_ms % 1000:03d}Z"

    def uuid(self) -> str:
        h = f"{self.rng.getrandbits(128):032x}"
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"

    def token(self) -> str:
        return "".join(self.rng.choices(string.ascii_letters + string.digits, k=22))

    def put(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in self.lines), encoding="utf-8")
        os.utime(path, (self.now_ms / 1000, self.now_ms / 1000))


def _closing(task: Task) -> str:
    checked = f" `{CHECK[task.repository]}` passes." if task.rounds > max(2, task.failures) else ""
    return f"Done, on `{task.branch}`.{checked} The changes are small and stay inside the modules you named."


def _edited(text: str) -> tuple[str, str]:
    """The last line, and what replaces it."""
    old = text.rpartition("\n")[2]
    return old, f"{old}  {'//' if old.endswith((';', '}')) else '#'} checked"


# --- Claude Code --------------------------------------------------------------------------------------------------

class Claude(Writer):
    def __init__(self, task: Task, start_ms: int, rng: Random, agent_id: str | None = None) -> None:
        super().__init__(task, start_ms, rng)
        self.agent_id = agent_id
        self.model = EXPLORER if agent_id else CLAUDE_MODELS[task.rounds < 5]
        self.parent: str | None = None
        self.children: list[Claude] = []

    def resume(self, original: "Claude") -> None:
        """`claude --resume` copies the conversation so far into a new file, under a new session id."""
        self.lines = [line.replace(original.id, self.id) for line in original.lines]
        self.parent, self.context, self.fresh = original.parent, 0, original.context

    def play(self) -> None:
        if self.task.resumed:
            self.ask(self.task.follow_up)
            for step in steps(self.task, self.rng):
                self.take(step)
            self.answer(_closing(self.task))
            return
        super().play()

    def record(self, type: str, **more: Any) -> None:
        id = self.uuid()
        self.emit({
            "parentUuid": self.parent, "isSidechain": self.agent_id is not None, "userType": "external",
            "cwd": self.task.repository, "sessionId": self.id, "version": "2.1.90", "gitBranch": self.task.branch,
            **({"agentId": self.agent_id} if self.agent_id else {}),
            "type": type, **more, "uuid": id, "timestamp": self.stamp()})
        self.parent = id

    def ask(self, prompt: str) -> None:
        self.record("user", message={"role": "user", "content": prompt})
        self.fresh += len(prompt) // 4
        for number in range(self.task.subagents if not self.children and not self.agent_id else 0):
            self.delegate(number)

    def take(self, step: Step) -> None:
        path = f"{self.task.repository}/{step.path}"
        old, new = _edited(step.text)
        name, given, shown = {
            "read": ("Read", {"file_path": path}, step.text),
            "edit": ("Edit", {"file_path": path, "old_string": old, "new_string": new}, f"Updated {path}."),
            "check": ("Bash", {"command": CHECK[self.task.repository], "description": "Run the tests"}, step.text),
        }[step.what]
        self.call(name, given, f"Exit code 1\n{shown}" if step.failed else shown, step.failed)
        if self.task.trouble and step.failed:
            self.overloaded()

    def call(self, name: str, given: Record, shown: str, failed: bool, result: Any = None) -> None:
        id = f"toolu_01{self.token()}"
        self.respond({"type": "tool_use", "id": id, "name": name, "input": given}, "tool_use")
        self.wait(8 if name == "Bash" else 1)
        block = {"tool_use_id": id, "type": "tool_result", "content": shown, "is_error": failed}
        self.record("user", message={"role": "user", "content": [block]}, toolUseResult=result or shown)
        self.fresh += len(shown) // 4 + self.rng.randrange(300, 2500)

    def answer(self, text: str) -> None:
        self.respond({"type": "text", "text": text}, "end_turn")

    def respond(self, block: Record, stop_reason: str) -> None:
        self.wait(14)
        written = self.rng.randrange(120, 900)
        usage = {"input_tokens": self.rng.randrange(3, 30), "cache_creation_input_tokens": self.fresh,
                 "cache_read_input_tokens": self.context, "output_tokens": written, "service_tier": "standard",
                 "cache_creation": {"ephemeral_5m_input_tokens": self.fresh, "ephemeral_1h_input_tokens": 0}}
        message = {"model": self.model, "id": f"msg_01{self.token()}", "type": "message", "role": "assistant",
                   "content": [block], "stop_reason": stop_reason, "stop_sequence": None, "usage": usage}
        self.record("assistant", message=message, requestId=f"req_011C{self.token()}")
        self.context, self.fresh = self.context + self.fresh, written

    def overloaded(self) -> None:
        text = 'API Error: 529 {"type":"overloaded_error","message":"Overloaded"}'
        zero = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        message = {"id": self.uuid(), "model": "<synthetic>", "role": "assistant", "type": "message", "usage": zero,
                   "content": [{"type": "text", "text": text}], "stop_reason": "stop_sequence", "stop_sequence": ""}
        self.record("assistant", message=message, isApiErrorMessage=True)
        self.wait(20)

    def delegate(self, number: int) -> None:
        id = f"a{self.rng.getrandbits(64):016x}"
        prompt = ("Find every caller and list them.", "Look for tests that cover this code.")[number % 2]
        task = self.task._replace(prompt=prompt, rounds=2, failures=0, subagents=0, follow_up="", trouble=False)
        child = Claude(task, self.now_ms + 2000, self.rng, id)
        child.id, child.fresh = self.id, 6000
        child.play()
        self.children.append(child)
        self.now_ms = child.now_ms
        answer = [{"type": "text", "text": "Four places call it; two have tests."}]
        self.call("Task", {"description": "Explore", "prompt": prompt, "subagent_type": "Explore"}, answer[0]["text"],
                  False, {"status": "completed", "agentId": id, "content": answer})

    def save(self, home: Path) -> None:
        folder = home / ".claude/projects" / re.sub("[^A-Za-z0-9]", "-", self.task.repository)
        self.put(folder / f"{self.id}.jsonl")
        for child in self.children:
            stem = folder / self.id / "subagents" / f"agent-{child.agent_id}"
            child.put(stem.with_suffix(".jsonl"))
            stem.with_suffix(".meta.json").write_text('{"agentType":"Explore"}\n', encoding="utf-8")


# --- Codex --------------------------------------------------------------------------------------------------------

class Codex(Writer):
    def __init__(self, task: Task, start_ms: int, rng: Random) -> None:
        super().__init__(task, start_ms, rng)
        self.total = dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens",
                                    "total_tokens"), 0)
        self.turn = ""
        self.line("session_meta", {
            "id": self.id, "timestamp": self.stamp(), "cwd": task.repository, "originator": "codex_cli_rs",
            "cli_version": "0.104.0", "source": "cli", "model_provider": "openai",
            "git": {"commit_hash": f"{rng.getrandbits(160):040x}", "branch": task.branch}})

    def line(self, type: str, payload: Record) -> None:
        self.emit({"timestamp": self.stamp(), "type": type, "payload": payload})

    def ask(self, prompt: str) -> None:
        self.turn = self.uuid()
        self.line("event_msg", {"type": "task_started", "turn_id": self.turn, "model_context_window": 258_400})
        self.line("turn_context", {"turn_id": self.turn, "cwd": self.task.repository, "approval_policy": "on-request",
                                   "model": "gpt-5-codex", "effort": "medium", "summary": "auto"})
        self.line("response_item", {"type": "message", "role": "user",
                                    "content": [{"type": "input_text", "text": prompt}]})
        self.line("event_msg", {"type": "user_message", "message": prompt, "images": []})

    def take(self, step: Step) -> None:
        self.wait(12)
        id = f"call_{self.token()}"
        if step.what == "edit":
            old, new = _edited(step.text)
            patch = f"*** Begin Patch\n*** Update File: {step.path}\n@@\n-{old}\n+{new}\n*** End Patch"
            self.line("response_item", {"type": "custom_tool_call", "status": "completed", "call_id": id,
                                        "name": "apply_patch", "input": patch})
            kind, shown = "custom_tool_call_output", f"Success. Updated the following files:\nM {step.path}\n"
        else:
            command = f"sed -n '1,200p' {step.path}" if step.what == "read" else CHECK[self.task.repository]
            arguments = {"command": ["bash", "-lc", command], "workdir": self.task.repository}
            self.line("response_item", {"type": "function_call", "name": "shell", "call_id": id,
                                        "arguments": json.dumps(arguments)})
            kind, shown = "function_call_output", step.text
        self.wait(4)
        output = {"output": shown, "metadata": {"exit_code": int(step.failed), "duration_seconds": 1.8}}
        self.line("response_item", {"type": kind, "call_id": id, "output": json.dumps(output)})
        self.used(len(shown) // 4 + self.rng.randrange(300, 2500))

    def answer(self, text: str) -> None:
        self.wait(9)
        if self.task.trouble:
            self.used(0)
            self.line("event_msg", {"type": "turn_aborted", "turn_id": self.turn, "reason": "interrupted"})
            return
        self.line("event_msg", {"type": "agent_message", "message": text})
        self.line("response_item", {"type": "message", "role": "assistant",
                                    "content": [{"type": "output_text", "text": text}]})
        self.used(0)
        self.line("event_msg", {"type": "task_complete", "turn_id": self.turn, "last_agent_message": text})

    def used(self, seen: int) -> None:
        written = self.rng.randrange(150, 1200)
        prompt = self.context + self.fresh
        last = {"input_tokens": prompt, "cached_input_tokens": self.context // 128 * 128, "output_tokens": written,
                "reasoning_output_tokens": written // 3, "total_tokens": prompt + written}
        self.total = {name: self.total[name] + last[name] for name in last}
        self.line("event_msg", {"type": "token_count", "info": {
            "total_token_usage": self.total, "last_token_usage": last, "model_context_window": 258_400}})
        self.context, self.fresh = prompt, written + seen

    def save(self, home: Path) -> None:
        began = datetime.fromtimestamp(self.start_ms // 1000, UTC)
        self.put(home / f".codex/sessions/{began:%Y/%m/%d}/rollout-{began:%Y-%m-%dT%H-%M-%S}-{self.id}.jsonl")


# --- Cursor -------------------------------------------------------------------------------------------------------

class Cursor(Writer):
    """No model, no tokens."""

    def say(self, role: str, block: Record) -> None:
        self.emit({"role": role, "timestamp": self.stamp(), "cwd": self.task.repository,
                   "message": {"content": [block]}})

    def ask(self, prompt: str) -> None:
        self.say("user", {"type": "text", "text": f"<user_query>\n{prompt}\n</user_query>"})

    def take(self, step: Step) -> None:
        self.wait(15)
        path = f"{self.task.repository}/{step.path}"
        old, new = _edited(step.text)
        name, given = {
            "read": ("Read", {"path": path}),
            "edit": ("StrReplace", {"path": path, "old_string": old, "new_string": new}),
            "check": ("Shell", {"command": CHECK[self.task.repository], "description": "Run the tests"}),
        }[step.what]
        self.say("assistant", {"type": "tool_use", "name": name, "input": given})

    def answer(self, text: str) -> None:
        self.wait(10)
        self.say("assistant", {"type": "text", "text": text})

    def save(self, home: Path) -> None:
        slug = re.sub("[^A-Za-z0-9]+", "-", self.task.repository[1:])
        self.put(home / f".cursor/projects/{slug}/agent-transcripts/{self.id}/{self.id}.jsonl")


WRITERS: dict[Agent, type[Writer]] = {"claude": Claude, "codex": Codex, "cursor": Cursor}
