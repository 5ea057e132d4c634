"""Bodies as they are kept: JSON, compressed where that pays."""

import threading

import zstandard

_MIN_BYTES = 1024
_MAGIC = zstandard.FRAME_HEADER
_local = threading.local()


def pack(body: bytes) -> bytes:
    if len(body) < _MIN_BYTES:
        return body
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=3)
    packed: bytes = _local.compressor.compress(body)
    return packed


def unpack(stored: bytes) -> bytes:
    """JSON begins with a brace, so it cannot be taken for a frame."""
    return zstandard.ZstdDecompressor().decompress(stored) if stored.startswith(_MAGIC) else stored
