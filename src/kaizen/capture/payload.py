"""Packing a payload for `bodies`: JSON, at most 64 KiB, compressed when that helps."""

import hashlib
import threading
from functools import cache
from typing import Any, cast

import msgspec

MAX_BODY = 64 << 10
COMPRESS_ABOVE = 128
JSON, ZSTD = 0, 1

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def pack(payload: dict[str, Any]) -> tuple[int, bytes]:
    """(codec, bytes) of `fitted(payload)`."""
    return fitted(payload)[:2]


def fitted(payload: dict[str, Any]) -> tuple[int, bytes, dict[str, Any]]:
    """(codec, bytes, what the bytes say). Long texts are cut, until the whole fits; the cut says what is missing."""
    try:
        body = _encode(payload)
    except (ValueError, OverflowError, UnicodeEncodeError):  # lone surrogates, integers beyond 64 bit
        payload = _storable(payload)
        body = _encode(payload)
    if len(body) > MAX_BODY:
        payload = _trimmed(payload, body)
        body = _encode(payload)
    if len(body) <= COMPRESS_ABOVE:
        return JSON, body, payload
    compressed = _compress(body)
    return (ZSTD, compressed, payload) if len(compressed) < len(body) else (JSON, body, payload)


def unpack(codec: int, body: bytes) -> dict[str, Any]:
    if codec == ZSTD:
        body = _decompress(body)
    return cast("dict[str, Any]", _decode(body))


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


def _compress(body: bytes) -> bytes:
    return _codecs().compressor.compress(body)


def _decompress(body: bytes) -> bytes:
    return _codecs().decompressor.decompress(body)


class _Codecs(threading.local):
    """zstd's contexts are not for two threads at once."""

    def __init__(self) -> None:
        import zstandard

        self.compressor = zstandard.ZstdCompressor(level=3, write_checksum=False)
        self.decompressor = zstandard.ZstdDecompressor()


@cache
def _codecs() -> _Codecs:
    return _Codecs()
