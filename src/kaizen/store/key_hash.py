"""The number under which `events` finds a key: 4 bytes of an index instead of 70 (docs/adr/0017).

A key is `<word>:<scope>:<rest>`; the scope is a conversation, or a call, record or response. Keys of one scope have
numbers near each other, so what is stored together touches few pages of the index.

Keys that share a number are told apart by the rows themselves. All requests that are looked for together share one on
purpose: the variants of a request, and the requests of one capture.
"""

from zlib import crc32

from kaizen.model.captured import MARK


def key_hash(key: str) -> int:
    """Of events other than requests. Signed, so that SQLite needs 4 bytes for it, not 6."""
    scope = key.partition(":")[2].partition(":")[0]
    return (crc32(scope.encode()) & 0xFFFF0000 | crc32(key.encode()) & 0xFFFF) - (1 << 31)


def group_hash(group: str) -> int:
    """Of the rows `req:<group>` and `req:<group>:<variant>`."""
    return key_hash("req:" + group.partition(MARK)[0])


def row_hash(kind: str, key: str, request: str | None) -> int:
    """Of a row of `events`."""
    return group_hash(request or key[4:]) if kind == "cost" else key_hash(key)
