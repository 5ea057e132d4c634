"""A realistic corpus of agent transcripts with known totals.

Usage: `python bench/corpus.py OUT --sessions 3000 --bytes 1e9 --seed 1`.

OUT becomes a fake home (`.claude`, `.codex`, `.cursor`) with `expected.json` beside them. Standard library only. What a
session contains depends on the arguments and its index alone, so any number of processes writes the same bytes.

How it works. `plan` gives every session an agent, a workspace, a start and a byte budget, and makes a few of them
copies: a resumed Claude session or a forked Codex one, which begins with the head of an earlier session. A transcript
class then emits records until its budget is spent. A head is obtained by building the earlier session again with a
smaller limit: that is a prefix of the full one, because nothing random depends on the limit (a Codex fork begins at the
end of a whole turn instead, so it needs the full build).

Text is Zipf-like: a vocabulary per corpus, one per workspace and a few hundred new names per session. Workspaces have
files which their sessions share in slightly different versions and read again and again, as agents do.

Totals are counted while writing, never by reading back, with the rules of collection.md section 3: every request once,
owned by the earliest transcript, in disjoint buckets. A copy's id starts with `f` and no other does, so the original
also sorts first by path (both files begin at the same moment).
"""

import argparse
import base64
import json
import multiprocessing
import os
import random
import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

END_MS = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
DAYS = 120
WORKSPACES, FILES_PER_WORKSPACE = 25, 90
# Share of sessions and of bytes by agent.
AGENTS = {"claude": (0.62, 0.70), "codex": (0.26, 0.25), "cursor": (0.12, 0.05)}
COPY_SHARE = 0.05
CLAUDE_MODELS = ("claude-opus-4-8", "claude-sonnet-4-5", "claude-haiku-4-5-20251001", "acme-internal-coder-2")
CODEX_MODELS = ("gpt-5-codex", "gpt-5.4", "acme-internal-coder-2")
REMINDER = "\n\n<system-reminder>\nWhenever you read a file, consider if it is malicious.\n</system-reminder>\n"
BUCKETS = ("requests", "input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens",
           "cache_write_1h_tokens")

Record = dict[str, Any]
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


# --- Plan ---------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Session:
    index: int
    seed: str
    agent: str
    id: str
    workspace: int
    start_ms: int
    budget_bytes: int
    copy_of: "Session | None" = None


def plan(sessions: int, total_bytes: int, seed: int, copies: float = COPY_SHARE) -> list[Session]:
    """All sessions, earliest first. Budgets are log-normal and add up to each agent's share of `total_bytes`."""
    found: list[Session] = []
    weights: defaultdict[str, float] = defaultdict(float)
    for index in range(sessions):
        rng = random.Random(f"{seed}/session/{index}")
        agent = rng.choices(list(AGENTS), [share for share, _ in AGENTS.values()])[0]
        weight = min(rng.lognormvariate(0, 1.1), 15)
        weights[agent] += weight
        day, hour = divmod((index + rng.random()) / sessions * (DAYS - 2), 1)
        start_ms = END_MS - DAYS * DAY_MS + int((day + (6 + 15 * hour) / 24) * DAY_MS)
        workspace = min(int(rng.expovariate(0.16)), WORKSPACES - 1)
        older = [s for s in found[-200:] if s.agent == agent != "cursor" and s.workspace == workspace and not s.copy_of]
        copied = rng.choice(older) if older and rng.random() < copies else None
        id = ("f" if copied else rng.choice("0123456789abcde")) + uuid(rng)[1:]
        found.append(Session(index, f"{seed}/{index}", agent, id, workspace, start_ms, int(weight * 1e6), copied))
    scale = {agent: AGENTS[agent][1] * total_bytes / weight / 1e6 for agent, weight in weights.items()}
    final: dict[str, Session] = {}
    for session in found:
        copied = final[session.copy_of.id] if session.copy_of else None
        budget = int(session.budget_bytes * scale[session.agent])
        final[session.id] = replace(session, budget_bytes=budget, copy_of=copied)
    return list(final.values())


def uuid(rng: random.Random) -> str:
    h = f"{rng.getrandbits(128):032x}"
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def token(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def stamp(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


# --- Words and files ----------------------------------------------------------------------------------------------

COMMON = """
the to of and a in is that for it this with as on be are was by not we from have so if can but will which when all
there should need now use file test code function error call add value return check run one then also into only each
type line first build change result path name data list user make fix update look let here would after before because
still does same other case where out new no read write set get key module config default server request response cache
query table index field class method argument string number object array loop thread lock event handler client
""".split()
STEMS = """
user order item cart price token session cache index store queue batch event stream buffer parser lexer node edge
graph tree path route query filter sort page view model schema field column row table record lock mutex thread worker
task job retry timeout deadline clock timer span trace metric gauge counter histogram label tag key value pair map set
list array vector matrix tensor layer weight grad loss epoch sample feature train score rank label client server
request response header body cookie auth role scope policy rule config option flag env secret vault hash digest sign
verify encode decode pack unpack zip diff patch merge commit branch tag release build deploy stage region zone cluster
pod volume disk block chunk frame packet socket port host proxy gateway bridge adapter driver device sensor motor
pixel color shape line point curve mesh light camera scene audio note chord tempo track mix fade invoice tax refund
payout ledger account bank card charge plan seat team member invite email sms push alert digest report chart export
import
""".split()
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "xu", "zan", "tor",
             "lin", "mek", "dra", "pli", "cor", "ven", "shi", "qua", "sto", "ern", "ald", "isk", "omb")
CODE = {
    "py": ["def %s(%s, %s=None):", "    %s = %s(%s)", "    if %s is None:",
           '        raise ValueError(f"%s: {%s}")', "    for %s in %s.%s():", "        %s.append(%s[%d])",
           "    return %s", "class %s(%s):", "", "from %s import %s",
           '    """%s %s %s."""', "    # %s %s %s %s", "    assert %s(%s) == %d", "        self.%s = %s or {}",
           '    %s = {"%s": %s, "%s": %d}'],
    "ts": ["export function %s(%s: %s): Promise<%s> {", "  const %s = await %s.%s(%s);", "  if (!%s) return null;",
           "}", "",
           'import { %s, %s } from "./%s";', "  return %s.map((%s) => %s(%s));", "interface %s {", "  %s: string;",
           "  %s?: %s[];", "  throw new Error(`%s ${%s}`);", "  // %s %s %s", "  expect(%s(%s)).toBe(%d);"],
    "go": ["func (s *%s) %s(ctx context.Context, %s string) (*%s, error) {", "\t%s, err := s.%s.%s(ctx, %s)",
           "\tif err != nil {", '\t\treturn nil, fmt.Errorf("%s %s: %%w", err)', "\t}", "}", "", "\treturn %s, nil",
           "type %s struct {", '\t%s int64 `json:"%s"`', "\t// %s %s %s", "\tfor _, %s := range %s {"],
    "rs": ["pub fn %s(%s: &%s) -> Result<%s> {", "    let %s = %s.%s(&%s)?;", "    match %s {",
           "        Some(%s) => %s(%s),", "        None => bail!(\"%s %s\"),", "    }", "}", "", "use crate::%s::%s;",
           "    /// %s %s %s", "#[derive(Debug, Clone)]", "    assert_eq!(%s.%s(), %d);", "impl %s for %s {"],
    "md": ["# %s %s", "", "- `%s`: %s %s %s", "%s %s %s `%s` %s %s %s.", "```", "%s --%s %s", "| %s | %s | %d |"],
    "json": ['  "%s": {', '    "%s": "%s",', '    "%s": %d,', '    "%s": ["%s", "%s"],', "  },"],
}
LANGUAGES = tuple(CODE)
SHELL = [
    "-rw-r--r--  1 dev dev %d Nov 12 09:14 %s.py", "drwxr-xr-x  9 dev dev %d Oct 30 17:02 %s",
    "src/%s/%s.ts(%d,7): error TS2345: Argument of type '%s' is not assignable to '%s'.",
    "tests/test_%s.py::test_%s PASSED",
    "tests/test_%s.py::test_%s FAILED [ %d%%]", "%x %s %s in %s", "M\tsrc/%s/%s.rs", "?? %s/%s.json",
    "  Compiling %s v0.%d.3",
    "warning: unused variable: `%s`", "2026-11-02T08:%d:01Z INFO  %s: %s %s=%d",
    "ok  \tgithub.com/acme/%s/%s\t0.%ds",
    "E       AssertionError: %s != %s", 'File "/home/dev/%s/%s.py", line %d, in %s', "added %d packages in %d ms",
]


@cache
def slots(template: str) -> list[str]:
    return re.findall("%[sdx]", template.replace("%%", ""))


def zipf(rng: random.Random, words: list[str], size: int) -> list[str]:
    """A sample of `words` in which rank r occurs about 1/(r+2) of the time: drawing from it is one cheap index."""
    return rng.choices(words, [1 / (rank + 2) for rank in range(len(words))], k=size)


def made_up(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=rng.choice((2, 3, 3, 4))))


def identifier(rng: random.Random, stems: list[str]) -> str:
    parts = rng.choices(stems, k=rng.choice((1, 2, 2, 3)))
    return rng.choice(("_".join(parts), "".join([parts[0], *map(str.capitalize, parts[1:])]),
                       "".join(map(str.capitalize, parts))))


@cache
def world(seed: str) -> tuple[list[str], list[str], list[str]]:
    """The corpus' prose table, identifier table and stems."""
    rng = random.Random(f"{seed}/world")
    stems = list(dict.fromkeys(STEMS)) + [made_up(rng) for _ in range(2500)]
    rare = list(dict.fromkeys(made_up(rng) for _ in range(30_000)))
    usual = zipf(rng, stems, 1 << 14)
    names = list(dict.fromkeys(identifier(rng, usual) for _ in range(40_000)))
    return zipf(rng, COMMON + stems + rare, 1 << 17), zipf(rng, names, 1 << 17), stems


class Text:
    """Text of one workspace or session: a vocabulary and a random source."""

    def __init__(self, rng: random.Random, prose: list[str], names: list[str]) -> None:
        self.rng, self.words, self.names = rng, prose, names

    def fill(self, templates: list[str]) -> list[str]:
        names = iter(self.rng.choices(self.names, k=sum(slots(template).count("%s") for template in templates)))
        number = self.rng.getrandbits
        return [template % tuple([next(names) if slot == "%s" else number(12 if slot == "%d" else 28)
                                  for slot in slots(template)]) for template in templates]

    def code(self, language: str, count: int) -> list[str]:
        return self.fill(self.rng.choices(CODE[language], k=count))

    def shell(self, count: int) -> str:
        return "\n".join(self.fill(self.rng.choices(self.rng.sample(SHELL, 3), k=count)))

    def prose(self, words: int) -> str:
        """Sentences in short paragraphs, with identifiers in backquotes."""
        rng, out, left = self.rng, [], words
        while left > 0:
            size = rng.randrange(5, 19)
            sentence = rng.choices(self.words, k=size)
            if rng.random() < 0.4:
                sentence[rng.randrange(size)] = f"`{rng.choice(self.names)}`"
            out.append(" ".join(sentence).capitalize() + rng.choice((". ", ". ", ".\n\n", ": ", " — ")))
            left -= size
        return "".join(out).strip()


class File(NamedTuple):
    path: str
    language: str
    lines: list[str]


class Place(NamedTuple):
    path: str
    names: list[str]
    files: list[str]


@cache
def place(seed: str, number: int) -> Place:
    """One workspace: its directory, the names its people use, the paths of its files."""
    _, names, stems = world(seed)
    rng = random.Random(f"{seed}/workspace/{number}")
    own = [identifier(rng, stems) for _ in range(3000)]
    folders = [f"{rng.choice(('src', 'src', 'tests', 'lib', 'docs'))}/{rng.choice(stems)}" for _ in range(14)]
    paths = [f"{rng.choice(folders)}/{identifier(rng, stems)}.{rng.choice(LANGUAGES)}"
             for _ in range(FILES_PER_WORKSPACE)]
    table = zipf(rng, own, 16_000) + names[:4_000]
    return Place(f"/home/dev/work/{stems[number]}.{rng.choice(stems)}-{number}", table, paths)


@cache
def file_lines(seed: str, number: int, index: int) -> list[str]:
    rng = random.Random(f"{seed}/file/{number}/{index}")
    home = place(seed, number)
    text = Text(rng, world(seed)[0], home.names)
    return text.code(home.files[index].rpartition(".")[2], min(int(rng.lognormvariate(4.9, 0.8)) + 5, 1500))


# --- What every transcript does -----------------------------------------------------------------------------------

class Ledger:
    """Totals by (session id, agent, model, UTC day), and what was written."""

    def __init__(self) -> None:
        self.used: defaultdict[tuple[str, str, str, str], Counter[str]] = defaultdict(Counter)
        self.disk: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def request(self, session: str, agent: str, model: str, ts_ms: int, **tokens: int) -> None:
        self.used[session, agent, model, stamp(ts_ms)[:10]].update(requests=1, **tokens)

    def merge(self, other: "Ledger") -> None:
        for key, counts in other.used.items():
            self.used[key].update(counts)
        for agent, counts in other.disk.items():
            self.disk[agent].update(counts)


class Transcript:
    """Emits records of one session until its budget is spent."""

    def __init__(self, session: Session, ledger: Ledger, salt: str = "") -> None:
        self.session, self.ledger = session, ledger
        self.rng = rng = random.Random(session.seed + salt)
        self.corpus_seed = session.seed.partition("/")[0]
        prose, _, stems = world(self.corpus_seed)
        self.place = place(self.corpus_seed, session.workspace)
        new = [made_up(rng) for _ in range(40)] + [identifier(rng, stems) for _ in range(160)]
        self.text = Text(rng, prose, self.place.names + zipf(rng, new, 6000))
        self.now_ms = session.start_ms
        self.lines: list[str] = []
        self.extra: list[tuple[str, list[str], int]] = []  # further files: path below the root, lines, last change
        self.size = 0
        self.files: dict[int, File] = {}
        self.favourites = rng.choices(range(FILES_PER_WORKSPACE), k=rng.randrange(3, 10))
        self.branch = rng.choice(("main", "main", f"feat/{rng.choice(stems)}-{rng.choice(stems)}"))

    def emit(self, record: Record) -> None:
        line = encode(record)
        self.lines.append(line)
        self.size += len(line.encode()) + 1

    def wait(self, mean_ms: float) -> str:
        self.now_ms += 40 + int(self.rng.expovariate(1 / mean_ms))
        return stamp(self.now_ms)

    def file(self) -> File:
        """A file of the workspace as this session finds it; mostly one it has touched before."""
        index = self.rng.choice(self.favourites)
        if self.rng.random() < 0.1:
            index = self.rng.randrange(FILES_PER_WORKSPACE)
        if index not in self.files:
            path = self.place.files[index]
            language = path.rpartition(".")[2]
            lines = list(file_lines(self.corpus_seed, self.session.workspace, index))
            for line in self.text.code(language, len(lines) // 5):
                lines[self.rng.randrange(len(lines))] = line
            self.files[index] = File(f"{self.place.path}/{path}", language, lines)
        return self.files[index]

    def part(self, file: File) -> tuple[int, list[str]]:
        """A range as an agent reads it: often the whole file."""
        if len(file.lines) < 90 or self.rng.random() < 0.25:
            return 0, file.lines[:800]
        start = self.rng.randrange(len(file.lines) - 60)
        return start, file.lines[start:start + self.rng.randrange(20, 140)]

    def edit(self, file: File) -> tuple[int, list[str], list[str]]:
        """Change some lines for good; (start, old, new)."""
        start = self.rng.randrange(len(file.lines))
        old = file.lines[start:start + self.rng.randrange(1, 14)]
        new = self.text.code(file.language, self.rng.randrange(1, 20))
        file.lines[start:start + len(old)] = new
        return start, old, new

    def matches(self) -> str:
        found = []
        for _ in range(self.rng.randrange(1, 6)):
            file = self.file()
            for _ in range(self.rng.randrange(1, 8)):
                at = self.rng.randrange(len(file.lines))
                found.append(f"{file.path}:{at + 1}:{file.lines[at]}")
        return "\n".join(found)

    def amount(self, median: float, spread: float = 0.9, most: int = 4000) -> int:
        return min(int(self.rng.lognormvariate(0, spread) * median) + 1, most)


# --- Claude Code --------------------------------------------------------------------------------------------------

class Claude(Transcript):
    """Streamed duplicates, cache writes of both kinds, subagents, and the records around them."""

    def __init__(self, session: Session, ledger: Ledger, agent_id: str | None = None) -> None:
        super().__init__(session, ledger, agent_id or "")
        self.agent_id = agent_id
        self.owner = f"agent-{agent_id}" if agent_id else session.id
        self.model = self.rng.choices(CLAUDE_MODELS, (1, 3, 8, 0.3) if agent_id else (45, 45, 7, 3))[0]
        self.hour_share = self.rng.choice((0.0, 0.0, 1.0, 1.0, 0.7)) if not agent_id else 0.0
        self.parent: str | None = None
        self.context = self.amount(14_000, 0.2, 30_000)
        self.fresh = self.context
        self.version = f"2.1.{self.rng.randrange(20, 140)}"
        self.slug = "-".join(self.rng.choices(COMMON, k=3))

    def build(self, limit: int, *, close: bool = True) -> None:
        if not self.agent_id and self.rng.random() < 0.3:
            self.emit({"type": "summary", "summary": self.text.prose(8), "leafUuid": uuid(self.rng)})
        while self.size < limit:
            self.prompt()
            for _ in range(self.amount(9, 0.9, 120)):
                self.request()
                if self.size >= limit:
                    break
        if close:
            self.request(final=True)
            self.wait(900)
            self.record("system", subtype="turn_duration", durationMs=self.rng.randrange(4000, 400_000), isMeta=False)

    def record(self, type: str, **more: Any) -> None:
        id = uuid(self.rng)
        head: Record = {"parentUuid": self.parent, "isSidechain": self.agent_id is not None, "userType": "external",
                        "cwd": self.place.path, "sessionId": self.session.id, "version": self.version,
                        "gitBranch": self.branch, "slug": self.slug}
        if self.agent_id:
            head["agentId"] = self.agent_id
        self.emit(head | {"type": type, **more, "uuid": id, "timestamp": stamp(self.now_ms)})
        self.parent = id

    def prompt(self) -> None:
        rng = self.rng
        self.wait(240_000 if self.lines else 50)
        if self.lines and self.context > 165_000:
            self.compact()
        if rng.random() < 0.5 and not self.agent_id:
            self.snapshot()
        text = self.text.prose(self.amount(30, 1.0, 800))
        if rng.random() < 0.12:
            text += "\n\n```\n" + self.text.shell(rng.randrange(4, 60)) + "\n```"
        content = text if rng.random() < 0.7 else [{"type": "text", "text": text}]
        self.record("user", message={"role": "user", "content": content}, promptId=uuid(rng))
        self.fresh += len(text) // 4
        if rng.random() < 0.1:
            self.record("attachment", attachment={"type": "todo_reminder", "content": self.todos(), "itemCount": 4})
        if rng.random() < 0.08:
            other = rng.choices(CLAUDE_MODELS, (10, 10, 4, 0))[0]
            self.model = self.model if self.agent_id or self.model.startswith("acme") else other

    def compact(self) -> None:
        self.record("system", subtype="compact_boundary", content="Conversation compacted", isMeta=False, level="info",
                    compactMetadata={"trigger": "auto", "preTokens": self.context})
        text = "This session is being continued from a previous conversation.\n" + self.text.prose(900)
        message = {"role": "user", "content": text}
        self.record("user", isCompactSummary=True, isVisibleInTranscriptOnly=True, message=message)
        self.context, self.fresh = 0, 16_000 + len(text) // 4

    def snapshot(self) -> None:
        backups = {file.path: {"backupFileName": f"{self.rng.getrandbits(64):016x}@v{n}", "version": n,
                               "backupTime": stamp(self.now_ms)} for n, file in enumerate(self.files.values(), 1)}
        self.emit({"type": "file-history-snapshot", "messageId": uuid(self.rng), "isSnapshotUpdate": False,
                   "snapshot": {"trackedFileBackups": backups, "timestamp": stamp(self.now_ms)}})

    def request(self, final: bool = False) -> None:
        """One API response: one record per block, all with the same ids and a growing `output_tokens`."""
        rng = self.rng
        self.wait(7000)
        if DAY_MS - self.now_ms % DAY_MS < 300_000:
            self.now_ms += 300_000  # the blocks of one response must not straddle midnight: its day would be a guess
        if rng.random() < 0.006:
            self.api_error()
        blocks: list[Record] = []
        calls: list[tuple[str, Any, Any]] = []
        if rng.random() < 0.36:
            signature = base64.b64encode(rng.randbytes(rng.randrange(150, 600))).decode()
            blocks.append({"type": "thinking", "thinking": self.text.prose(self.amount(45)), "signature": signature})
        if final or rng.random() < 0.6:
            blocks.append({"type": "text", "text": self.text.prose(self.amount(160 if final else 24))})
        if not final:
            for _ in range(rng.choice((1, 1, 1, 1, 1, 2, 3))):
                id = f"toolu_01{token(rng, 22)}"
                name, given, content, result = self.tool()
                blocks.append({"type": "tool_use", "id": id, "name": name, "input": given})
                calls.append((id, content, result))
        self.respond(blocks, final)
        for id, content, result in calls:
            self.wait(1500)
            if rng.random() < 0.05:
                self.progress(id)
            failed = isinstance(result, str)
            block = {"tool_use_id": id, "type": "tool_result", "content": content, "is_error": failed}
            self.record("user", message={"role": "user", "content": [block]}, toolUseResult=result,
                        sourceToolAssistantUUID=self.parent)
            self.fresh += min(len(content), 80_000) // 4 if isinstance(content, str) else 1500

    def respond(self, blocks: list[Record], final: bool) -> None:
        rng = self.rng
        written = sum(len(encode(block)) for block in blocks) // 4 + 3
        hour = int(self.fresh * self.hour_share)
        usage: Record = {
                 "input_tokens": rng.randrange(2, 40), "cache_creation_input_tokens": self.fresh,
                 "cache_read_input_tokens": self.context if rng.random() > 0.02 else 0,
                 "cache_creation": {"ephemeral_5m_input_tokens": self.fresh - hour, "ephemeral_1h_input_tokens": hour},
                 "output_tokens": 0, "service_tier": "standard"}
        message_id, request_id = f"msg_01{token(rng, 22)}", f"req_011C{token(rng, 20)}"
        shown = rng.randrange(1, 9)
        for number, block in enumerate(blocks, 1):
            last = number == len(blocks)
            shown = written if last else min(shown + rng.randrange(0, 12), written)
            message = {"model": self.model, "id": message_id, "type": "message", "role": "assistant",
                       "content": [block], "stop_reason": ("end_turn" if final else "tool_use") if last else None,
                       "stop_sequence": None, "usage": usage | {"output_tokens": shown}}
            self.wait(1200)
            self.record("assistant", message=message, requestId=request_id)
        self.ledger.request(self.owner, "claude", self.model, self.now_ms, input_tokens=usage["input_tokens"],
                            output_tokens=written, cache_read_tokens=usage["cache_read_input_tokens"],
                            cache_write_tokens=self.fresh, cache_write_1h_tokens=hour)
        self.context += self.fresh
        self.fresh = written

    def api_error(self) -> None:
        zero = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        text = {"type": "text", "text": "API Error: 529 {\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"}
        message = {"id": uuid(self.rng), "model": "<synthetic>", "role": "assistant", "type": "message",
                   "content": [text], "stop_reason": "stop_sequence", "stop_sequence": "", "usage": zero}
        self.record("assistant", message=message, isApiErrorMessage=True)
        self.wait(9000)

    def progress(self, id: str) -> None:
        data = {"type": "bash_progress", "output": self.text.shell(3), "elapsedTimeSeconds": 2, "totalLines": 3}
        self.record("progress", data=data, toolUseID=f"bash-progress-{self.rng.randrange(9)}", parentToolUseID=id)

    def todos(self) -> list[Record]:
        return [{"content": self.text.prose(7), "status": state, "activeForm": self.text.prose(5)}
                for state in ("completed", "completed", "in_progress", "pending")]

    def tool(self) -> tuple[str, Record, Any, Any]:
        """(name, input, content the model sees, `toolUseResult`): real transcripts hold the content in both."""
        kinds = (self.read, self.bash, self.edit_file, self.grep, self.todo, self.write, self.screenshot, self.delegate)
        kind = self.rng.choices(kinds, (26, 36, 19, 9, 7, 5, 0.06, 0.7))[0]
        return kind()

    def read(self) -> tuple[str, Record, Any, Any]:
        file = self.file()
        start, lines = self.part(file)
        seen = "\n".join([f"{n:6}→{line}" for n, line in enumerate(lines, start + 1)])
        if self.rng.random() < 0.5:
            seen += REMINDER
        given = {"file_path": file.path} | ({"offset": start, "limit": len(lines)} if start else {})
        result = {"filePath": file.path, "content": "\n".join(lines), "numLines": len(lines), "startLine": start + 1,
                  "totalLines": len(file.lines)}
        return "Read", given, seen, {"type": "text", "file": result}

    def bash(self) -> tuple[str, Record, Any, Any]:
        rng = self.rng
        command = rng.choice(("pytest -q {} 2>&1 | tail -40", "git diff --stat {}", "grep -rn {} src | head",
                              "ls -la {}", "cargo test {}", "npm run build -- {}", "cat {} | head -50"))
        given = {"command": command.format(self.file().path), "description": self.text.prose(6)}
        kind = rng.random()
        if kind < 0.15:
            shown = "\n".join(f"{rng.choice(' +-')}{line}" for line in self.part(self.file())[1])
        elif kind < 0.25:
            shown = "\n".join(self.part(self.file())[1])
        else:
            shown = self.text.shell(self.amount(4, 1.4, 350))
        if rng.random() < 0.08:
            return "Bash", given, f"Exit code 1\n{shown}", f"Error: Exit code 1\n{shown}"
        return "Bash", given, shown, {"stdout": shown, "stderr": "", "interrupted": False, "isImage": False}

    def edit_file(self) -> tuple[str, Record, Any, Any]:
        file = self.file()
        original = "\n".join(file.lines)
        start, old, new = self.edit(file)
        patch = [f"-{line}" for line in old] + [f"+{line}" for line in new]
        given = {"file_path": file.path, "old_string": "\n".join(old), "new_string": "\n".join(new)}
        around = "\n".join(f"{n:6}→{line}" for n, line in enumerate(file.lines[start:start + len(new) + 8], start + 1))
        hunk = {"oldStart": start + 1, "oldLines": len(old), "newStart": start + 1, "newLines": len(new),
                "lines": patch}
        result = {"filePath": file.path, "oldString": given["old_string"], "newString": given["new_string"],
                  "originalFile": original, "structuredPatch": [hunk], "userModified": False, "replaceAll": False}
        return "Edit", given, f"The file {file.path} has been updated. Here's the result:\n{around}", result

    def grep(self) -> tuple[str, Record, Any, Any]:
        found = self.matches()
        given = {"pattern": self.rng.choice(self.text.names), "path": self.place.path, "output_mode": "content"}
        return "Grep", given, found, {"mode": "content", "numFiles": 0, "filenames": [], "content": found,
                                      "numLines": found.count("\n") + 1}

    def todo(self) -> tuple[str, Record, Any, Any]:
        todos = self.todos()
        return ("TodoWrite", {"todos": todos}, "Todos have been modified successfully. Ensure that you continue to use "
                "the todo list.", {"oldTodos": [], "newTodos": todos})

    def write(self) -> tuple[str, Record, Any, Any]:
        language = self.rng.choice(LANGUAGES)
        path = f"{self.place.path}/src/{self.rng.choice(self.text.names)}.{language}"
        content = "\n".join(self.text.code(language, self.amount(60, 0.8, 900)))
        return ("Write", {"file_path": path, "content": content}, f"File created successfully at: {path}",
                {"type": "create", "filePath": path, "content": content, "structuredPatch": []})

    def screenshot(self) -> tuple[str, Record, Any, Any]:
        data = base64.b64encode(self.rng.randbytes(self.rng.randrange(20_000, 160_000))).decode()
        source = {"type": "base64", "data": data, "media_type": "image/png"}
        return ("Read", {"file_path": f"{self.place.path}/shot.png"}, [{"type": "image", "source": source}],
                {"type": "image", "file": {"base64": data, "type": "image/png", "originalSize": len(data) * 3 // 4}})

    def delegate(self) -> tuple[str, Record, Any, Any]:
        if self.agent_id:
            return self.read()
        rng = self.rng
        id = f"a{rng.getrandbits(64):016x}"
        child = Claude(replace(self.session, start_ms=self.now_ms + 2000), self.ledger, id)
        child.build(min(self.amount(60_000, 0.8, 900_000), self.session.budget_bytes // 3))
        folder = f"{self.session.id}/subagents/agent-{id}"
        self.extra.append((f"{folder}.jsonl", child.lines, child.now_ms))
        self.size += child.size
        self.now_ms = child.now_ms
        self.extra.append((f"{folder}.meta.json", ['{"agentType":"Explore"}'], child.now_ms))
        answer = [{"type": "text", "text": self.text.prose(self.amount(180))}]
        given = {"description": self.text.prose(4), "prompt": self.text.prose(90), "subagent_type": "Explore"}
        return "Task", given, answer, {"status": "completed", "agentId": id, "content": answer, "totalToolUseCount": 9,
                                       "totalDurationMs": child.now_ms - child.session.start_ms, "totalTokens": 41_000}


# --- Codex --------------------------------------------------------------------------------------------------------

class Mark(NamedTuple):
    """The end of a whole turn, where a fork can begin."""
    size: int
    lines: int
    total: Counter[str]
    context: int


class Codex(Transcript):
    """Twins of every message, cumulative token counts with repeats, turns with ids."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        super().__init__(session, ledger)
        self.model = self.rng.choices(CODEX_MODELS, (50, 45, 5))[0]
        self.total: Counter[str] = Counter()
        self.count: Record = {}
        self.marks: list[Mark] = []
        self.context = 9000
        self.fresh = 0

    def build(self, limit: int, *, close: bool = True) -> None:
        self.line("session_meta", self.meta())
        text = f"<environment_context>\n  <cwd>{self.place.path}</cwd>\n  <shell>bash</shell>\n</environment_context>"
        self.item({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
        self.turns(limit)

    def turns(self, limit: int) -> None:
        """At least one turn, so that every session has a request."""
        self.turn(limit)
        while self.size < limit:
            self.turn(limit)

    def meta(self) -> Record:
        """The instructions are those of a version of the tool: two sessions often share them."""
        version = self.rng.randrange(90, 110)
        rng = random.Random(f"{self.corpus_seed}/codex/{version}")
        base = Text(rng, world(self.corpus_seed)[0], self.place.names[:1]).prose(2100)
        return {"id": self.session.id, "timestamp": stamp(self.now_ms), "cwd": self.place.path,
                "originator": "codex_cli_rs", "cli_version": f"0.{version}.0", "source": "cli",
                "model_provider": "openai", "base_instructions": {"text": base},
                "git": {"commit_hash": f"{self.rng.getrandbits(160):040x}", "branch": self.branch,
                        "repository_url": "git@example.invalid:acme/app.git"}}

    def line(self, type: str, payload: Record) -> None:
        self.emit({"timestamp": stamp(self.now_ms), "type": type, "payload": payload})

    def item(self, payload: Record) -> None:
        self.line("response_item", payload)

    def event(self, payload: Record) -> None:
        self.line("event_msg", payload)

    def turn(self, limit: int) -> None:
        rng, turn_id = self.rng, uuid(self.rng)
        self.wait(200_000)
        self.event({"type": "task_started", "turn_id": turn_id, "model_context_window": 258_400})
        self.line("turn_context", {"turn_id": turn_id, "cwd": self.place.path, "approval_policy": "on-request",
                                   "sandbox_policy": {"type": "workspace-write", "network_access": False},
                                   "model": self.model, "effort": "high", "summary": "auto"})
        text = self.text.prose(self.amount(30, 1.0, 500))
        self.item({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
        self.event({"type": "user_message", "message": text, "images": []})
        cut = False
        for _ in range(self.amount(7, 0.8, 120)):
            self.request(final=False)
            if cut := self.size >= limit:
                break
        answer = self.request(final=True)
        if self.context > 220_000:
            self.event({"type": "context_compacted"})
            self.context = 15_000
        if rng.random() < 0.4:
            self.event(self.count)  # the turn's end repeats the last count
        self.event({"type": "task_complete", "turn_id": turn_id, "last_agent_message": answer})
        if not cut:
            self.marks.append(Mark(self.size, len(self.lines), self.total.copy(), self.context))

    def request(self, final: bool) -> str:
        rng, said = self.rng, ""
        self.wait(9000)
        if rng.random() < 0.45:
            summary = "**" + self.text.prose(5) + "**\n\n" + self.text.prose(self.amount(25))
            self.event({"type": "agent_reasoning", "text": summary})
            secret = base64.b64encode(rng.randbytes(rng.randrange(200, 700))).decode()
            self.item({"type": "reasoning", "summary": [{"type": "summary_text", "text": summary}], "content": None,
                       "encrypted_content": secret})
        if final or rng.random() < 0.3:
            said = self.text.prose(self.amount(120 if final else 24))
            self.event({"type": "agent_message", "message": said})
            self.item({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]})
        if not final:
            self.call()
        self.used(len(said) // 4 + rng.randrange(20, 400))
        return said

    def call(self) -> None:
        rng, id = self.rng, f"call_{token(self.rng, 24)}"
        if rng.random() < 0.18:
            file = self.file()
            _, old, new = self.edit(file)
            body = "\n".join([f"-{line}" for line in old] + [f"+{line}" for line in new])
            patch = f"*** Begin Patch\n*** Update File: {file.path}\n@@\n{body}\n*** End Patch"
            self.item({"type": "custom_tool_call", "status": "completed", "call_id": id, "name": "apply_patch",
                       "input": patch})
            self.wait(300)
            shown = encode({"output": f"Success. Updated the following files:\nM {file.path}\n",
                            "metadata": {"exit_code": 0, "duration_seconds": 0.1}})
            self.item({"type": "custom_tool_call_output", "call_id": id, "output": shown})
        else:
            file = self.file()
            kind = rng.random()
            start, lines = self.part(file)
            command = f"sed -n '{start + 1},{start + len(lines)}p' {file.path}"
            shown = "\n".join(lines)
            if kind > 0.55:
                command, shown = f"cargo test {rng.choice(self.text.names)}", self.text.shell(self.amount(14, 1.1, 400))
            elif kind > 0.45:
                command, shown = f"rg -n {rng.choice(self.text.names)}", self.matches()
            arguments = encode({"command": ["bash", "-lc", command], "workdir": self.place.path})
            self.item({"type": "function_call", "name": "shell", "arguments": arguments, "call_id": id})
            self.wait(1500)
            metadata = {"exit_code": int(rng.random() < 0.08), "duration_seconds": 0.4}
            output = encode({"output": shown, "metadata": metadata})
            self.item({"type": "function_call_output", "call_id": id, "output": output})
        self.fresh += min(len(shown), 40_000) // 4

    def used(self, output: int) -> None:
        """The request's token_count, sometimes repeated, sometimes after one without numbers."""
        rng = self.rng
        prompt = self.context + self.fresh
        cached = self.context // 128 * 128 if rng.random() > 0.06 else 0
        reasoning = rng.randrange(output)
        last = {"input_tokens": prompt, "cached_input_tokens": cached, "output_tokens": output,
                "reasoning_output_tokens": reasoning, "total_tokens": prompt + output}
        self.total.update(last)
        limits = {"primary": {"used_percent": rng.randrange(100), "window_minutes": 300}, "plan_type": "pro"}
        if rng.random() < 0.03:
            self.event({"type": "token_count", "info": None, "rate_limits": limits})
        total = {name: self.total[name] for name in last}
        info = {"total_token_usage": total, "last_token_usage": last, "model_context_window": 258_400}
        self.count = {"type": "token_count", "info": info, "rate_limits": limits}
        self.event(self.count)
        self.ledger.request(self.session.id, "codex", self.model, self.now_ms, input_tokens=prompt - cached,
                            output_tokens=output, reasoning_tokens=reasoning, cache_read_tokens=cached)
        self.context, self.fresh = prompt + output, 0
        if rng.random() < 0.08:
            self.wait(2000)
            self.event(self.count)

    def fork(self, parent: "Codex", head: int) -> None:
        """Begin with whole turns of the parent, stamped with the moment of the fork, and continue its counters."""
        mark = next((mark for mark in reversed(parent.marks) if mark.size <= head), parent.marks[0])
        self.total, self.context = mark.total, mark.context
        self.model = parent.model
        meta = self.meta()
        self.line("session_meta", meta | {"forked_from_id": parent.session.id})
        for number, line in enumerate(parent.lines[:mark.lines]):
            self.now_ms = self.session.start_ms + min(1 + number // 8, 900)
            old = json.loads(line)
            self.emit(old | {"timestamp": stamp(self.now_ms)})
        self.now_ms += 20_000


# --- Cursor -------------------------------------------------------------------------------------------------------

class Cursor(Transcript):
    """Roles and blocks; no times, models, tokens or results."""

    def build(self, limit: int, *, close: bool = True) -> None:
        while self.size < limit:
            query = f"<user_query>\n{self.text.prose(self.amount(30))}\n</user_query>"
            self.say("user", [{"type": "text", "text": query}])
            for _ in range(self.amount(8, 0.8, 60)):
                self.wait(12_000)
                blocks: list[Record] = [{"type": "text", "text": self.text.prose(self.amount(30))}]
                self.say("assistant", blocks + [self.use() for _ in range(self.rng.choice((0, 1, 1, 2)))])

    def say(self, role: str, content: list[Record]) -> None:
        self.emit({"role": role, "message": {"content": content}})

    def use(self) -> Record:
        file, kind = self.file(), self.rng.random()
        if kind < 0.3:
            return {"type": "tool_use", "name": "Read", "input": {"path": file.path}}
        if kind < 0.5:
            given = {"command": f"pytest -q {file.path}", "description": "Test"}
            return {"type": "tool_use", "name": "Shell", "input": given}
        if kind < 0.6:
            given = {"path": file.path, "contents": "\n".join(self.text.code(file.language, self.amount(60)))}
            return {"type": "tool_use", "name": "Write", "input": given}
        if kind < 0.7:
            return {"type": "tool_use", "name": "Grep", "input": {"pattern": self.rng.choice(self.text.names)}}
        _, old, new = self.edit(file)
        given = {"path": file.path, "old_string": "\n".join(old), "new_string": "\n".join(new)}
        return {"type": "tool_use", "name": "StrReplace", "input": given}


# --- Writing ------------------------------------------------------------------------------------------------------

def compose(session: Session, ledger: Ledger) -> Transcript:
    """The session's transcript; a copy replays at most half of its original and of its own budget."""
    limit, original = session.budget_bytes, session.copy_of
    head = min(limit, original.budget_bytes) // 2 if original else 0
    if session.agent == "cursor":
        cursor = Cursor(session, ledger)
        cursor.build(limit)
        return cursor
    if session.agent == "codex":
        codex = Codex(session, ledger)
        parent = Codex(original, Ledger()) if original else None
        if parent:
            parent.build(parent.session.budget_bytes)
        if parent and parent.marks:
            codex.fork(parent, head)
            codex.turns(limit)
        else:
            codex.build(limit)
        return codex
    claude = Claude(session, ledger)
    if original:
        replayed = Claude(original, Ledger())
        replayed.build(head, close=False)
        mark, own = f'"sessionId":"{original.id}"', f'"sessionId":"{session.id}"'
        claude.lines = [line.replace(mark, own) for line in replayed.lines]
        claude.size, claude.parent = sum(len(line.encode()) + 1 for line in claude.lines), replayed.parent
    claude.build(max(limit, claude.size + 2000))
    return claude


def target(session: Session, folder: str) -> str:
    """Where the host keeps this transcript, below the home."""
    if session.agent == "claude":
        return f".claude/projects/{re.sub('[^A-Za-z0-9-]', '-', folder)}/{session.id}.jsonl"
    if session.agent == "cursor":
        slug = re.sub("[^A-Za-z0-9]+", "-", folder[1:])
        return f".cursor/projects/{slug}/agent-transcripts/{session.id}/{session.id}.jsonl"
    began = datetime.fromtimestamp(session.start_ms // 1000, UTC)
    return f".codex/sessions/{began:%Y/%m/%d}/rollout-{began:%Y-%m-%dT%H-%M-%S}-{session.id}.jsonl"


def write(out: Path, session: Session) -> Ledger:
    ledger = Ledger()
    transcript = compose(session, ledger)
    main = out / target(session, transcript.place.path)
    save(main, transcript.lines, transcript.now_ms, ledger.disk[session.agent])
    for path, lines, last_ms in transcript.extra:
        disk = ledger.disk[session.agent] if path.endswith(".jsonl") else Counter()
        save(main.parent / path, lines, last_ms, disk)
    return ledger


def save(path: Path, lines: list[str], last_ms: int, disk: Counter[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join([f"{line}\n" for line in lines]).encode()
    path.write_bytes(data)
    os.utime(path, (last_ms / 1000, last_ms / 1000))
    disk.update(files=1, bytes=len(data), lines=len(lines))


def write_one(job: tuple[Path, Session]) -> Ledger:
    return write(*job)


def generate(out: Path, sessions: int, total_bytes: int, seed: int, processes: int = 1,
             copies: float = COPY_SHARE) -> Record:
    """Write the corpus and return what `expected.json` says."""
    jobs = [(out, session) for session in plan(sessions, total_bytes, seed, copies)]
    ledger = Ledger()
    for part in spread(jobs, processes):
        ledger.merge(part)
    expected = {"seed": seed, "sessions": sessions} | totals(ledger)
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return expected


def spread(jobs: list[tuple[Path, Session]], processes: int) -> Iterator[Ledger]:
    if processes == 1:
        yield from map(write_one, jobs)
        return
    with multiprocessing.Pool(processes) as pool:
        yield from pool.imap(write_one, jobs, chunksize=8)


def totals(ledger: Ledger) -> Record:
    """Sums overall and by agent, model, UTC day and session; `disk` counts `.jsonl` files by agent."""
    groups: dict[str, defaultdict[str, Counter[str]]] = {
        name: defaultdict(Counter) for name in ("all", "by_agent", "by_model", "by_day", "by_session")}
    for (session, agent, model, day), counts in ledger.used.items():
        for name, key in zip(groups, ("all", agent, model, day, session), strict=True):
            groups[name][key].update(counts)
    disk = sum(ledger.disk.values(), Counter())
    whole = buckets(groups.pop("all")["all"])
    named = {name: {key: buckets(group[key]) for key in sorted(group)} for name, group in groups.items()}
    return {**{name: disk[name] for name in ("files", "bytes", "lines")}, "disk": ordered(ledger.disk.items()),
            "total": whole, **named}


def ordered(items: Iterable[tuple[str, Counter[str]]]) -> dict[str, dict[str, int]]:
    return {name: dict(counts) for name, counts in sorted(items)}


def buckets(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in BUCKETS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sessions", type=int, default=3000)
    parser.add_argument("--bytes", type=lambda text: int(float(text)), default=10**9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    made = generate(given.out, given.sessions, given.bytes, given.seed, given.processes)
    print(f"{made['files']} files, {made['lines']} lines, {made['bytes']} bytes, {made['total']['requests']} requests")


if __name__ == "__main__":
    main()
