"""Long words: runs of letters of base64, in which encoded and random text is looked for."""

MIN_RUN = 16
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
# Every letter is `a`, everything else a blank: to look for blanks is several times as fast as any expression.
_SHAPE = bytes(97 if code in _LETTERS else 32 for code in range(256))
_LONG = b"a" * MIN_RUN


def runs(data: bytes) -> list[tuple[int, int]]:
    """Where `[A-Za-z0-9+/_-]{16,}` is found."""
    shape = data.translate(_SHAPE)
    find = shape.find
    found = []
    start = find(_LONG)
    while start >= 0:
        end = find(b" ", start + MIN_RUN)
        if end < 0:
            end = len(shape)
        found.append((start, end))
        start = find(_LONG, end)
    return found


def padded(data: bytes, end: int) -> int:
    """The end of a run with up to two `=` behind it."""
    return end + 2 if data[end : end + 2] == b"==" else end + (data[end : end + 1] == b"=")
