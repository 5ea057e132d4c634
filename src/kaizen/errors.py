"""Every error a person can see: one sentence, a hint, a stable code, an exit status.

    KaizenError                  1
      UsageError                 2   usage
        BadTime                  2   bad_time
        BadConfig                2   bad_config
        BadQuery                 2   bad_query
      SyncSetting               78   sync_setting
        SaltInvalid             78   salt_invalid
        EndpointRefused         78   endpoint_refused
      SyncBusy                  75   sync_busy
      NotFound                   3
        SessionNotFound          3   session_not_found
        AmbiguousId              3   ambiguous_id
        ProjectNotFound          3   project_not_found
        ModelNotFound            3   model_not_found
        SyncItemNotFound         3   sync_item_not_found
        TeamNotFound             3   team_not_found
      StoreError                 1   store_error
        StoreTooNew              1   store_too_new
        StoreCorrupt             1   store_corrupt
        StoreReadOnly            1   store_read_only
        DiskFull                 1   disk_full
        StoreBusy                1   store_busy
      SearchUnavailable          1   search_unavailable
      HubUnreachable             1   hub_unreachable
      HubRefused                 1   hub_refused
      TelemetryFailed            1   telemetry_failed
      CheckFailed                4   check_failed
"""

from collections.abc import Sequence


class KaizenError(Exception):
    code = "error"
    exit_status = 1

    def __init__(self, message: str, *, hint: str = "", **details: object) -> None:
        super().__init__(message)
        self.hint = hint
        self.details = details


class UsageError(KaizenError):
    code, exit_status = "usage", 2


class BadTime(UsageError):
    code = "bad_time"

    def __init__(self, typed: str) -> None:
        super().__init__(f"{typed!r} is not a time.",
                         hint="Use 30m, 12h, 7d, 2w, 3mo, today, yesterday, monday, or 2026-02-01[T10:00].")


class BadConfig(UsageError):
    code = "bad_config"


class BadQuery(UsageError):
    code = "bad_query"


class SyncSetting(KaizenError):
    """Nothing can be sent before a setting is made or corrected."""

    code, exit_status = "sync_setting", 78


class SaltInvalid(SyncSetting):
    code = "salt_invalid"

    def __init__(self, length: int) -> None:
        super().__init__(f"The salt is not 64 hex digits (it has {length} characters).",
                         hint="All of a team share one; it stands in what `kaizen hub serve` printed.")


class EndpointRefused(SyncSetting):
    code = "endpoint_refused"


class SyncBusy(KaizenError):
    code, exit_status = "sync_busy", 75


class NotFound(KaizenError):
    code, exit_status = "not_found", 3


class SyncItemNotFound(NotFound):
    code = "sync_item_not_found"

    def __init__(self, item: int, *, is_waiting: bool) -> None:
        super().__init__(f"There is no {'waiting' if is_waiting else 'dead'} item {item}.",
                         hint=f"List them with: kaizen sync {'preview' if is_waiting else 'dead'}")


class SessionNotFound(NotFound):
    code = "session_not_found"

    def __init__(self, typed: str, close: Sequence[str] = ()) -> None:
        super().__init__(f"No session matches {typed!r}.",
                         hint=f"Did you mean {close[0]}?" if close else "List them with: kaizen sessions list --all")


class AmbiguousId(NotFound):
    code = "ambiguous_id"

    def __init__(self, typed: str, matches: Sequence[str]) -> None:
        shown = ", ".join(matches[:5]) + (", ..." if len(matches) > 5 else "")
        super().__init__(f"{typed!r} fits {len(matches)} sessions: {shown}.", hint="Type more of the id.",
                         matches=list(matches[:20]))


class ProjectNotFound(NotFound):
    code = "project_not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class TeamNotFound(NotFound):
    code = "team_not_found"


class StoreError(KaizenError):
    code = "store_error"


class StoreTooNew(StoreError):
    code = "store_too_new"


class StoreCorrupt(StoreError):
    code = "store_corrupt"


class StoreReadOnly(StoreError):
    code = "store_read_only"


class DiskFull(StoreError):
    code = "disk_full"


class StoreBusy(StoreError):
    code = "store_busy"


class SearchUnavailable(KaizenError):
    code = "search_unavailable"


class HubUnreachable(KaizenError):
    code = "hub_unreachable"


class HubRefused(KaizenError):
    """`details.answer` is the hub's code."""

    code = "hub_refused"
class TelemetryFailed(KaizenError):
    code = "telemetry_failed"


class CheckFailed(KaizenError):
    code, exit_status = "check_failed", 4
