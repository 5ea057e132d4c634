"""The last look at the bytes (redaction.md D.4)."""

import json

import pytest

from kaizen.redact.guard import leaks

HASH = "blake3:" + "e" * 64


@pytest.mark.parametrize("text", [
    "/Users/alice/x", "/home/bob", "/var/folders/zz/1", "/private/var/db", "/root/.ssh", r"C:\Users\alice",
    r"\\Users\\carol", "file:///etc/hosts", "-----BEGIN RSA PRIVATE KEY-----", "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1" * 18, "sk-ant-" + "x" * 24, "xoxb-1234567890-abc", "Authorization: Bearer abcdefgh",
    '{"authorization": "Basic dXNlcjpwYXNz"}', "postgres://app:hunter2@db:5432/x",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig",
])  # fmt: skip
def test_never_passes(text: str) -> None:
    assert leaks(text.encode())
    assert leaks(json.dumps({"payload": {"x": text}}).encode())


@pytest.mark.parametrize("text", [
    HASH, "a risk-free task-list on disk-usage", "https://example.com/a/b?c=d", "claude-sonnet-4-5-20250929",
    "mcp:0123456789abcdef:fedcba9876543210", "0199c82c-c000-7269-b7fe-82bca8dd8e86", "1760000000000", "/usr/bin/env",
])  # fmt: skip
def test_passes(text: str) -> None:
    assert leaks(json.dumps({"x": text, text: [text]}).encode()) == []
