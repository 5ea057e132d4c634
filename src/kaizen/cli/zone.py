"""The time zone of a name, and of this machine."""

import os
from datetime import UTC, tzinfo

from kaizen.cli.group import did_you_mean
from kaizen.errors import UsageError


def zone(name: str | None) -> tzinfo:
    """Raises `UsageError` for a name that is no zone. None and `local` are this machine's."""
    from zoneinfo import ZoneInfo

    if name is None or name.lower() == "local":
        return local_zone()
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        from zoneinfo import available_timezones

        known = sorted(available_timezones())
        same = [one for one in known if one.lower() == name.lower() or one.lower().endswith(f"/{name.lower()}")]
        hint = f"Did you mean {same[0]!r}?" if same else did_you_mean(name, known).strip()
        raise UsageError(
            f"{name!r} is no time zone.", hint=hint or "Use a name such as Europe/Berlin or UTC."
        ) from None


def local_zone() -> tzinfo:
    """`TZ`, else what /etc/localtime is: a zone with its rules, not only today's offset. UTC if nothing says."""
    from zoneinfo import ZoneInfo

    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        target = os.path.realpath("/etc/localtime")
        name = target.partition("/zoneinfo/")[2]
    if name in ("", "UTC", "Etc/UTC"):
        return UTC if name else _from_file()
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return _from_file()


def _from_file() -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def zone_name(tz: tzinfo) -> str:
    return "UTC" if tz is UTC else getattr(tz, "key", None) or "local"
