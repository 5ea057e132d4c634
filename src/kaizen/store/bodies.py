"""Payloads as stored in `bodies`: codec 0 is JSON, 1 is zstd of JSON. Packing is `capture.payload`'s."""

from functools import cache
from typing import Any, cast

import msgspec

_decode = msgspec.json.Decoder().decode


def payload(codec: int | None, body: bytes | None) -> dict[str, Any] | None:
    """None when there is none, or it was deleted by `gc`."""
    if codec is None or body is None:
        return None
    return cast("dict[str, Any]", _decode(_decompressor().decompress(body) if codec else body))


@cache
def _decompressor() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor()
