"""What became of every byte of a file: parsed, ignored with a reason, or an error with its place."""

import msgspec

MAX_ERRORS = 50


class Ledger(msgspec.Struct, array_like=True):
    """Byte counts of one file up to its cursor. `parsed + sum(ignored) + errors = offset`, always."""

    parsed: int = 0
    lines: int = 0
    ignored: dict[str, int] = {}
    error_bytes: int = 0
    # The first `MAX_ERRORS`: (offset, length, reason).
    errors: list[tuple[int, int, str]] = []
    # Record types no parser knows: name -> count.
    unknown: dict[str, int] = {}

    def ignore(self, reason: str, size: int) -> None:
        self.ignored[reason] = self.ignored.get(reason, 0) + size

    def fail(self, offset: int, size: int, reason: str) -> None:
        self.error_bytes += size
        if len(self.errors) < MAX_ERRORS:
            self.errors.append((offset, size, reason))

    @property
    def total(self) -> int:
        return self.parsed + sum(self.ignored.values()) + self.error_bytes


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Ledger).decode
