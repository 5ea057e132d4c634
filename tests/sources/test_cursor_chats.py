"""The chat store of Cursor's command line."""

import hashlib
import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kaizen.capture.tables import open_foreign
from kaizen.model.event import Draft, Item, SessionDraft
from kaizen.sources import cursor_chats
from kaizen.sources.shapes import Malformed

FIXTURES = Path(__file__).parents[1] / "fixtures/cursor"
WORKSPACE = "/home/u/my app"
MESSAGES = (
    {"role": "system", "content": "You are an agent."},
    {"role": "user", "content": "<user_info>\nOS: linux\n</user_info>"},
    {"role": "user", "content": [{"type": "text", "text": "<user_query>list</user_query>"}]},
    {"role": "assistant", "id": "1", "content": [
        {"type": "reasoning", "text": "hm"},
        {"type": "tool-call", "toolCallId": "t1", "toolName": "Shell", "args": {"command": "ls"}}]},
    {"role": "tool", "id": "t1", "content": [
        {"type": "tool-result", "toolCallId": "t1", "toolName": "Shell", "result": "a.py", "isError": False}]},
    {"role": "assistant", "content": [{"type": "text", "text": "One file."}]},
)


def length_delimited(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def store(home: Path, messages: Iterable[object] = MESSAGES, *, listed: object = None, workspace: str = WORKSPACE,
          extra: Iterable[bytes] = (), **meta: object) -> Path:
    """A store.db whose root lists the messages (`listed`: other bytes for the root), as in a home folder."""
    folder = home / ".cursor/chats" / hashlib.md5(workspace.encode()).hexdigest() / "c1"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "store.db"
    path.unlink(missing_ok=True)
    blobs = [msgspec.json.encode(message) for message in messages]
    root = b"".join(length_delimited(1, bytes.fromhex(digest(blob))) for blob in blobs)
    root += length_delimited(9, b"file:///home/u/my%20app") + b"\x50\x01"
    root = listed if isinstance(listed, bytes) else root
    said = {"agentId": "c1", "name": "List files", "createdAt": 1775522590321, "lastUsedModel": "claude-4-sonnet",
            "latestRootBlobId": digest(root), **meta}
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE blobs (id TEXT PRIMARY KEY, data BLOB)")
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
    db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)",
                   [(digest(blob), blob) for blob in (*extra, *blobs, root)])
    db.execute("INSERT INTO meta VALUES ('0', ?)", (msgspec.json.encode(said).hex(),))
    db.commit()
    db.close()
    return path


def read(path: Path, since: object = None) -> list[tuple[object, list[Item]]]:
    with open_foreign(str(path)) as db:
        return list(cursor_chats.read(db, str(path), since))


def drafts(path: Path) -> list[Draft]:
    return [item for _, items in read(path) for item in items if isinstance(item, Draft)]


def test_messages_come_in_the_order_of_the_root(tmp_path: Path) -> None:
    shuffled = [msgspec.json.encode(message) for message in reversed(MESSAGES)]
    found = drafts(store(tmp_path, extra=shuffled))
    assert [(item.kind, item.role or item.tool) for item in found] == [
        ("message", "context"), ("message", "prompt"), ("message", "thinking"), ("tool_call", "Shell"),
        ("tool_result", "Shell"), ("message", "assistant")]
    assert found[3].call_id == found[4].call_id == "t1"
    assert found[4].is_error is False
    assert found[4].payload == {"output": "a.py"}
    assert all(item.key.startswith("alt2:c1:") and item.ts_ms is None for item in found)


def test_the_session_is_described_and_its_workspace_proven(tmp_path: Path) -> None:
    [(_, items)] = read(store(tmp_path))
    assert [item for item in items if isinstance(item, SessionDraft)] == [SessionDraft(
        "c1", workspace=WORKSPACE, model="claude-4-sonnet", title="List files", started_at_ms=1775522590321)]


def test_a_workspace_that_does_not_hash_to_the_folder_is_not_believed(tmp_path: Path) -> None:
    [(_, items)] = read(store(tmp_path, workspace="/elsewhere", lastUsedModel="auto", name="New Agent"))
    assert items[-1] == SessionDraft("c1", started_at_ms=1775522590321)
    said = {"role": "user", "content": "<user_info>\nWorkspace Path: /elsewhere\n</user_info>"}
    [(_, items)] = read(store(tmp_path, [said], workspace="/elsewhere"))
    assert isinstance(items[-1], SessionDraft)
    assert items[-1].workspace == "/elsewhere"


def test_what_the_root_does_not_list_was_discarded(tmp_path: Path) -> None:
    discarded = msgspec.json.encode({"role": "user", "content": "never mind"})
    assert "never mind" not in repr(drafts(store(tmp_path, extra=[discarded])))


def test_without_a_readable_root_all_messages_count_as_written(tmp_path: Path) -> None:
    assert len(drafts(store(tmp_path, listed=b"\xff\xff"))) == len(drafts(store(tmp_path)))
    assert len(drafts(store(tmp_path, latestRootBlobId="gone"))) == len(drafts(store(tmp_path)))


def test_subtrees_are_followed_once(tmp_path: Path) -> None:
    ids = [bytes.fromhex(digest(msgspec.json.encode(message))) for message in MESSAGES]
    subtree = b"".join(length_delimited(1, one) for one in ids[:4])
    inner = length_delimited(2, bytes.fromhex(digest(subtree)))
    root = inner + inner + b"".join(length_delimited(1, one) for one in ids[4:])
    found = drafts(store(tmp_path, listed=root, extra=[subtree]))
    assert [item.key for item in found] == [item.key for item in drafts(store(tmp_path))]


def test_the_same_words_twice_are_two_messages(tmp_path: Path) -> None:
    found = drafts(store(tmp_path, [{"role": "user", "content": "continue"}] * 2))
    assert len({item.key for item in found}) == 2


def test_an_unchanged_store_is_not_read_again(tmp_path: Path) -> None:
    path = store(tmp_path)
    [(mark, _)] = read(path)
    assert read(path, mark) == []
    [(later, items)] = read(store(tmp_path, [*MESSAGES, {"role": "user", "content": "more"}]), mark)
    assert later != mark
    assert {item.key for item in drafts(path)} <= {item.key for item in items if isinstance(item, Draft)}


def test_a_store_without_messages_makes_no_session() -> None:
    path = FIXTURES / "agent_sessions/test-store.db"
    [(_, items)] = read(path)
    assert items == []


@given(st.binary(max_size=200))
def test_any_bytes_have_fields_or_none(data: bytes) -> None:
    for number, value in cursor_chats.fields(data):
        assert number > 0
        assert value in data


def test_broken_databases_are_malformed(tmp_path: Path) -> None:
    content, chance = store(tmp_path).read_bytes(), random.Random(5)
    path = tmp_path / "broken" / "store.db"
    path.parent.mkdir()
    reasons = set()
    for _ in range(150):
        broken = bytearray(content)
        for _ in range(chance.randint(1, 200)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        path.write_bytes(broken[: chance.choice((len(broken), chance.randrange(len(broken))))])
        try:
            read(path)
        except Malformed as error:
            reasons.add(error.reason)
    assert "sqlite_corrupt" in reasons
