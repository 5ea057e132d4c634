"""Compressed bodies, decoded step by step so that a bomb is stopped at the limit and not after it."""

import zlib
from collections.abc import Callable, Iterator

import zstandard

from kaizen.hub.answer import Refusal

ENCODINGS = ("identity", "gzip", "zstd")
_STEP = 64 << 10


def unpack(content: bytes, encoding: str, *, max_bytes: int, max_ratio: int) -> bytes:
    """Raises `Refusal` for more than `max_bytes`, more than `max_ratio` times the input, or what is not compressed."""
    if encoding == "identity":
        if len(content) > max_bytes:
            raise too_large(max_bytes)
        return content
    bound = min(max_bytes, max_ratio * len(content))
    whole = bytearray()
    try:
        for part in _DECODERS[encoding](content):
            whole += part
            if len(whole) > bound:
                break
    except (zlib.error, zstandard.ZstdError, EOFError):
        raise Refusal("bad_json", f"The body is not valid {encoding}.") from None
    if len(whole) > max_bytes:
        raise too_large(max_bytes)
    if len(whole) > bound:
        raise Refusal("bad_compression", f"A body may unpack to {max_ratio} times its size.")
    return bytes(whole)


def too_large(max_bytes: int) -> Refusal:
    return Refusal("body_too_large", f"A body has at most {max_bytes} bytes.", max_bytes=max_bytes)


def _gunzipped(content: bytes) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    while not decoder.eof:
        part = decoder.decompress(content, _STEP)
        content = decoder.unconsumed_tail
        if not part and not content and not decoder.eof:
            raise EOFError
        yield part
    if decoder.unused_data:
        raise EOFError


def _unzstd(content: bytes) -> Iterator[bytes]:
    # The window is memory, too: no more than a body may have.
    with zstandard.ZstdDecompressor(max_window_size=8 << 20).stream_reader(content) as reader:
        while part := reader.read(_STEP):
            yield part


_DECODERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {"gzip": _gunzipped, "zstd": _unzstd}
