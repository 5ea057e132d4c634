"""Preparing payloads for the store: JSON, at most 64 KiB each, many of them compressed together."""

import hashlib
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

MAX_BODY = 64 << 10
# A block is full when it has so many bytes. Twice as many would compress 4 % better and open half as fast.
BLOCK_BYTES = 64 << 10
COMPRESS_ABOVE = 128
PLAIN, ZSTD = 0, 1

_encode = msgspec.json.Encoder().encode

# (codec, bytes), as `store.bodies` keeps it.
Block = tuple[int, bytes]


def fitted(payload: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """(JSON, what the JSON says). Long texts are cut, until the whole fits; the cut says what is missing."""
    try:
        body = _encode(payload)
    except (ValueError, OverflowError, UnicodeEncodeError):  # lone surrogates, integers beyond 64 bit
        payload = _storable(payload)
        body = _encode(payload)
    if len(body) > MAX_BODY:
        payload = _trimmed(payload, body)
        body = _encode(payload)
    return body, payload


def block_of(bodies: Iterable[bytes]) -> Block:
    whole = b"".join(bodies)
    if len(whole) <= COMPRESS_ABOVE:
        return PLAIN, whole
    compressed = _codecs().compressor.compress(whole)
    return (ZSTD, compressed) if len(compressed) < len(whole) else (PLAIN, whole)


def _trimmed(payload: dict[str, Any], body: bytes) -> dict[str, Any]:
    limit = MAX_BODY // 2
    while limit > 64:
        shorter = {key: _cut(value, limit) for key, value in payload.items()}
        shorter["trimmed"] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        if len(_encode(shorter)) <= MAX_BODY:
            return shorter
        limit //= 2
    return {"trimmed": {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}}


def _cut(value: Any, limit: int) -> Any:
    if type(value) is str and len(value) > limit:
        return value[:limit] + "..."
    if type(value) is list:
        return [_cut(item, limit) for item in value[:limit]]
    if type(value) is dict:
        return {key[:limit]: _cut(item, limit) for key, item in value.items()}
    return value


def _storable(value: Any) -> Any:
    if type(value) is str:
        return value.encode("utf-8", "replace").decode("utf-8")
    if type(value) is int and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    if type(value) is list:
        return [_storable(item) for item in value]
    if type(value) is dict:
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


class _Codecs(threading.local):
    """zstd's contexts are not for two threads at once."""

    def __init__(self) -> None:
        import zstandard

        self.compressor = zstandard.ZstdCompressor(level=3, write_checksum=False)


@cache
def _codecs() -> _Codecs:
    return _Codecs()
