"""What an answer means for a batch. Pure: every decision of delivery is here, none anywhere else.

    answer                                   decision
    2xx, 409 replay or empty 409             Retire    what the hub names as rejected dies
    other 409                                Wait      of the batch; the third kills it
    413, several items                       Split     and the lane learns a smaller limit
    400, 422, other 4xx, several items       Bury the item it names, else Split
    413, 400, 422, other 4xx, one item       Bury
    422 idempotency_key_reused               Reseal    twice, then it is an ordinary 422
    401, 403                                 Pause     everything, until the credentials change or 15 min
    404, 405, 501                            Pause     the lane for an hour
    3xx                                      Pause     the lane for an hour: the endpoint is wrong
    426                                      Pause     everything for an hour, or until a newer kaizen runs
    415 to a compressed body                 Plain     once more without compression
    429 in_progress                          Wait      of the batch
    other 429                                Wait      of everything (limits are by token)
    408, 425, 5xx, no answer                 Wait      of the lane, or of the batch alone when others get through
"""

import email.utils
import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

BASE_MS, CAP_MS = 200, 30_000
MAX_RETRY_AFTER_S = 300.0
STORAGE_FULL_S = 60.0
HOUR_S, AUTH_S = 3_600.0, 900.0
MAX_CONFLICTS, MAX_REKEYED = 3, 2
# A batch at which the server fails while others get through: split after so many answers; a single item dies after
# so many over at least an hour.
POISON_ERRORS, POISON_ITEM_ERRORS, POISON_MS = 8, 24, 3_600_000
# An endpoint that cannot be reached so often in a row is asked only whether it lives.
BREAKER_AFTER = 5
GROW_AFTER = 20
MIN_LIMIT_BYTES = 1_024
FOREVER_MS = 9_000_000_000_000_000

Scope = Literal["batch", "lane", "all"]


class Rejection(msgspec.Struct, frozen=True):
    index: int
    code: str
    message: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back from one POST. `status` None: nothing did (name, connection, TLS, timeout, cut off)."""

    status: int | None
    code: str | None = None
    message: str = ""
    field: str | None = None
    has_body: bool = True
    retry_after: str | None = None
    location: str = ""
    received: int | None = None
    deduped: int = 0
    rejected: Sequence[Rejection] = ()
    rejected_total: int = 0


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a batch when its answer arrives. Counters do not include that answer."""

    items: int
    list_name: str = "events"
    is_compressed: bool = True
    conflicts: int = 0
    rekeyed: int = 0
    server_errors: int = 0
    first_error_ms: int | None = None
    # Another batch of the lane was accepted since this one was first tried.
    is_overtaken: bool = False


class Retire(msgspec.Struct, frozen=True):
    """The hub has the batch. Items of `dead` (index, reason, detail) it refused for good."""

    is_replay: bool
    received: int
    deduped: int
    dead: tuple[tuple[int, str, str], ...] = ()
    # The answer accounts for fewer items than were sent.
    is_short: bool = False


class Split(msgspec.Struct, frozen=True):
    """Two batches of half the bytes each. `is_too_large`: the lane learns from it."""

    is_too_large: bool


class Bury(msgspec.Struct, frozen=True):
    """These items die; the others get a new batch."""

    indexes: tuple[int, ...]
    reason: str
    detail: str = ""


class Wait(msgspec.Struct, frozen=True):
    """Later again. `at_least_s`: what the server asked for. `failure` names it in the status."""

    scope: Scope
    failure: str
    at_least_s: float | None = None


class Pause(msgspec.Struct, frozen=True):
    """No request in `scope` for `for_s` seconds, unless endpoint, token or version change before."""

    scope: Literal["lane", "all"]
    reason: str
    for_s: float


class Reseal(msgspec.Struct, frozen=True):
    """The same items under a new key."""


class Plain(msgspec.Struct, frozen=True):
    """The same bytes under the same key, not compressed; so from now on."""


Decision = Retire | Split | Bury | Wait | Pause | Reseal | Plain


def decide(answer: Answer, tried: Tried, now_ms: int) -> Decision:
    status = answer.status
    if status is None:
        return Wait("lane", answer.message or "no answer")
    if 200 <= status < 300:
        return _retire(answer, tried, is_replay=False)
    if status < 400:
        return Pause("lane", f"redirect:{answer.location or '?'}", HOUR_S)
    if status == 409:
        if answer.code == "idempotent_replay" or not answer.has_body:
            return _retire(answer, tried, is_replay=True)
        if tried.conflicts + 1 >= MAX_CONFLICTS:
            return Bury(tuple(range(tried.items)), f"conflict:{answer.code or 409}", answer.message)
        return Wait("batch", f"conflict:{answer.code or 409}")
    if status in (401, 403):
        return Pause("all", "auth", AUTH_S)
    if status in (404, 405, 501):
        return Pause("lane", "unsupported_by_server", HOUR_S)
    if status == 426:
        return Pause("all", "client_too_old", HOUR_S)
    if status == 415 and tried.is_compressed:
        return Plain()
    if status == 429:
        asked = retry_after_s(answer.retry_after, now_ms)
        return Wait("batch" if answer.code == "in_progress" else "all", answer.code or "rate_limited", asked)
    if status in (408, 425):
        return Wait("lane", f"http {status}", retry_after_s(answer.retry_after, now_ms))
    if status >= 500:
        return _server_error(answer, tried, now_ms)
    if status == 422 and answer.code == "idempotency_key_reused" and tried.rekeyed < MAX_REKEYED:
        return Reseal()
    return _refused(answer, tried)


def _retire(answer: Answer, tried: Tried, *, is_replay: bool) -> Retire:
    dead = tuple(
        (one.index, f"rejected:{one.code}", one.message) for one in answer.rejected if 0 <= one.index < tried.items
    )
    received = tried.items if answer.received is None else answer.received
    refused = max(answer.rejected_total, len(dead))
    return Retire(is_replay, received, answer.deduped, dead, is_short=received < tried.items or refused > len(dead))


def _refused(answer: Answer, tried: Tried) -> Decision:
    is_too_large = answer.status == 413
    if tried.items == 1:
        return Bury((0,), "too_large" if is_too_large else f"rejected:{answer.code or answer.status}", answer.message)
    named = None if is_too_large else index_in(answer.field, tried)
    if named is not None:
        return Bury((named,), f"rejected:{answer.code or answer.status}", answer.message)
    return Split(is_too_large)


def _server_error(answer: Answer, tried: Tried, now_ms: int) -> Decision:
    errors = tried.server_errors + 1
    if tried.is_overtaken and tried.items > 1 and errors >= POISON_ERRORS:
        return Split(is_too_large=False)
    since_ms = now_ms - (now_ms if tried.first_error_ms is None else tried.first_error_ms)
    if tried.is_overtaken and tried.items == 1 and errors >= POISON_ITEM_ERRORS and since_ms >= POISON_MS:
        return Bury((0,), f"server_error:{answer.status}", answer.message)
    asked = retry_after_s(answer.retry_after, now_ms)
    if answer.status == 507 or answer.code == "storage_full":
        asked = max(asked or 0.0, STORAGE_FULL_S)
    return Wait("batch" if tried.is_overtaken else "lane", f"http {answer.status}", asked)


def index_in(field: str | None, tried: Tried) -> int | None:
    """57 of `events[57].ts_ms`, when the batch has such an item."""
    found = re.match(rf"{re.escape(tried.list_name)}\[(\d{{1,9}})\]", field or "")
    index = int(found.group(1)) if found else -1
    return index if 0 <= index < tried.items else None


def retry_after_s(value: str | None, now_ms: int) -> float | None:
    """Delta-seconds or an HTTP date, within 0 and 300 s; None for neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER_S)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(at.timestamp() - now_ms / 1000, 0.0), MAX_RETRY_AFTER_S)


def delay_ms(previous_ms: int, at_least_s: float | None, chance: Callable[[], float]) -> int:
    """Decorrelated jitter; what the server asked for is a lower bound, plus up to 10 %. `chance()` is in [0, 1)."""
    jittered = BASE_MS + chance() * (3 * max(previous_ms, BASE_MS) - BASE_MS)
    if at_least_s is None:
        return int(min(CAP_MS, jittered))
    return int(at_least_s * 1000 * (1 + 0.1 * chance())) + 1


class Limits(msgspec.Struct, frozen=True):
    items: int
    bytes: int


def shrunk(items: int, bytes: int) -> Limits:
    """After a batch of so many items and bytes was too large."""
    return Limits(max(items // 2, 1), max(bytes // 2, MIN_LIMIT_BYTES))


def grown(learned: Limits, most: Limits) -> Limits | None:
    """After `GROW_AFTER` accepted batches in a row; None = nothing left to unlearn."""
    bigger = Limits(min(learned.items + learned.items // 10 + 1, most.items),
                    min(learned.bytes + learned.bytes // 10 + 1, most.bytes))
    return None if bigger == most else bigger


def halves(lengths: Sequence[int]) -> int:
    """Where to cut a batch so that both parts have about half the bytes, and at least one item."""
    total, before = sum(lengths), 0
    for index, length in enumerate(lengths):
        before += length
        if before * 2 >= total:
            # The item that crosses the middle goes to the side that it leaves more even.
            cut = index + 1 if before * 2 - total <= total - 2 * (before - length) else index
            return min(max(cut, 1), len(lengths) - 1)
    return max(len(lengths) // 2, 1)


def probe_after_s(failures: int) -> float:
    """When an endpoint that did not answer `failures` times in a row is asked again whether it lives."""
    return min(300.0, 5.0 * 2.0 ** max(failures - BREAKER_AFTER, 0))


def exit_status(*, configuration: bool, auth: bool, dead: bool, pending: bool) -> int:
    """Of `sync run --once`: 78, 77, 65, 75 or 0, the first that applies."""
    return 78 if configuration else 77 if auth else 65 if dead else 75 if pending else 0
