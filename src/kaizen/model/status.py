"""Where a session stands, and what an old state means: one rule for this machine and for a team's hub."""

from typing import Literal

Status = Literal["running", "waiting", "idle", "done"]

SILENT_AFTER_MS = 30 * 60_000


def status_at(
    stored: Status, ended_at_ms: int | None, now_ms: int, reason: str | None = None
) -> tuple[Status, str | None]:
    """What a stored status means at `now_ms`: after 30 minutes of silence every session is done, until it speaks again.

    `ended_at_ms` is the time of the newest sign of life. `reason` is the stored one; it is kept where silence explains
    nothing better.
    """
    if stored == "done" or ended_at_ms is None or now_ms - ended_at_ms < SILENT_AFTER_MS:
        return stored, reason
    if stored == "idle":
        return "done", reason or "turn_over"
    return "done", (reason or "tool_call_pending") if stored == "waiting" else "silent"
