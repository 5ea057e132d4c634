"""The guard: finds what must not leave in a body, and nothing in a body of hashes and numbers."""

import random
import uuid

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.redact import corpus, guard, schema
from kaizen.redact.hashes import Salt
from kaizen.redact.schema import payload, tool_name

SALT = Salt(bytes([7] * 32))
NAMES = ["token", "api_key", "secret", "linear_key", "password", "auth", "access"]


def body(items: int, drawn: random.Random) -> bytes:
    return msgspec.json.encode({
        "team_id": str(uuid.UUID(int=drawn.getrandbits(128))), "workspace_hash": SALT.hash("w"), "salt_id": SALT.id,
        "access_key_id": str(uuid.UUID(int=drawn.getrandbits(128))), "api_key_hash": SALT.hash("k"),
        "events": [
            {"session_id_hash": SALT.hash(str(drawn.random())), "event_seq": n, "ts_ms": 1_780_000_000_000 + n,
             "tokens_in": n, "tokens_out": n, "cache_read_tokens": n, "model": "claude-opus-4-5-20251101",
             "tool_call_id": SALT.hash(str(n)), "tool": tool_name("mcp__a__b", SALT), "token": SALT.hash("t"),
             "secret_key": str(drawn.getrandbits(60)),
             "payload": payload("tool_call", None, "Edit", {"input": {"file_path": f"/a/{n}.py"}}, SALT, "/a")}
            for n in range(items)],
    })  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_hashes_ids_and_numbers_are_no_leak(seed: int) -> None:
    assert guard.leaks(body(300, random.Random(seed))) == []


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=9))
def test_no_hash_behind_any_name_is_a_leak(name: str, material: bytes) -> None:
    values = [SALT.hash(material.hex()), SALT.hash(material.hex())[7:], SALT.short("x", material.hex()),
              str(uuid.UUID(bytes=material.ljust(16, b"\1"))), int.from_bytes(material, "big")]  # fmt: skip
    assert guard.leaks(msgspec.json.encode([{name: value} for value in values])) == []


def test_a_secret_in_a_body_is_a_leak() -> None:
    whole = body(3, random.Random(1))
    for case in random.Random(5).sample([case for case in corpus.cases() if case.kind == "tp"], 200):
        if "\n" not in case.text and '"' not in case.text and not case.secret.isdigit():
            assert guard.leaks(whole[:-1] + b',"note":' + msgspec.json.encode(case.text) + b"}"), case.rule


@pytest.mark.parametrize(
    "path", ["/Users/alice/x", "/home/alice", "/var/folders/zz/x", r"C:\Users\alice", "D:/Users/alice"]
)
def test_a_home_is_a_leak(path: str) -> None:
    data = msgspec.json.encode({"note": f"in {path}"})
    assert [one.rule for one in guard.leaks(data)] == ["home"]
    assert guard.leaks(msgspec.json.encode({"note": path}))


@pytest.mark.parametrize(
    "text", ["https://example.com/home/page", "see docs/home/x", "<path:0123456789abcdef.py>", "C:/x"]
)
def test_what_only_looks_like_a_home_is_none(text: str) -> None:
    assert guard.leaks(msgspec.json.encode({"note": text})) == []


@pytest.mark.parametrize("key", ["program", "path_ext", "type", "status", "error_class", "tool_class", "language"])
def test_words_of_the_schema_pass_in_any_order(key: str) -> None:
    """A shell command `pwd` before a text is no password."""
    for entry in schema.describe():
        if entry.key == key:
            for word in entry.values:
                item = {"a": {key: word, "redirects": "abcdefgh"}, key: word, "b": word}
                assert guard.leaks(msgspec.json.encode(item)) == []


def test_flags_of_the_schema_pass() -> None:
    (flags,) = [entry.values for entry in schema.describe() if entry.key == "flags"]
    for flag in flags:
        assert guard.leaks(msgspec.json.encode({"flags": [flag, "--all"], "program": "pwd", "x": "abcdefgh12"})) == []
