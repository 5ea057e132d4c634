"""`kaizen telemetry`: where redacted items go besides a hub, and whether they arrive.

`test` and `doctor` are here; the others have files of their own.
"""

import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import click
import msgspec

from kaizen.cli.command import command, group
from kaizen.cli.doctor import Report, lines
from kaizen.cli.ink import Ink, duration
from kaizen.cli.outgoing import NONE_YET
from kaizen.cli.run import Run
from kaizen.cli.telemetry_configure import configure
from kaizen.cli.telemetry_preview import preview
from kaizen.cli.telemetry_print import print_effective_config, print_schema
from kaizen.cli.telemetry_push import push
from kaizen.cli.telemetry_status import status
from kaizen.cli.telemetry_tail import tail
from kaizen.config.load import config_path
from kaizen.config.salt import local_salt
from kaizen.config.secret import masked
from kaizen.errors import CheckFailed, KaizenError, TelemetryFailed, UsageError
from kaizen.exporters import find, health, open_sink
from kaizen.exporters import push as push_once
from kaizen.exporters.rows import Row, read, rows
from kaizen.views.health import Check
from kaizen.wire.ingest import KINDS
from kaizen.wire.sink import Batch, Done, Health, Sink


class Tested(msgspec.Struct):
    """`items` were acknowledged by the service itself."""

    name: str
    type: str
    is_ok: bool
    items: int
    detail: str
    took_ms: int


@command(
    name="test",
    schema="telemetry test/1",
    examples=["kaizen telemetry test", "kaizen telemetry test otlp --json"],
)
@click.argument("name", required=False)
def test_(run: Run, name: str | None) -> None:
    """Send one made-up item to each exporter, and see whether it is acknowledged.

    It goes the way real items go, and stays there: workspace `blake3:...`, model `synthetic`, no tokens, no cost. Exit
    status 1 when any exporter fails.
    """
    chosen = _enabled(run, name)
    if not chosen:
        run.out.warn(NONE_YET)
    found = [_tested(run, row) for row in chosen]
    run.out.show(found, _test_lines)
    if failed := [one for one in found if not one.is_ok]:
        run.out.close()
        raise TelemetryFailed(f"{failed[0].name}: {failed[0].detail}", hint="Look closer with: kaizen telemetry doctor",
                              failed=[one.name for one in failed])


@command(schema="telemetry doctor/1", examples=["kaizen telemetry doctor", "kaizen telemetry doctor --json"])
@click.option("--offline", is_flag=True, help="Check the settings only, connect to nothing.")
def doctor(run: Run, offline: bool) -> None:
    """Check the settings, the credentials and the addresses of all exporters.

    Asks each service whether it would take something; sends no item. Exit status 4 when something is wrong.
    """
    checks = list(_checks(run, is_offline=offline))
    failed = [check for check in checks if check.verdict == "fail"]
    run.out.show(Report(not failed, str(run.home), checks), lambda report, ink: lines(report, ink, is_verbose=False))
    if failed:
        run.out.close()
        raise CheckFailed(f"{len(failed)} of {len(checks)} checks failed.", hint=failed[0].hint,
                          checks=[check.name for check in failed])


def _enabled(run: Run, name: str | None) -> list[Row]:
    every = list(rows(run.config.telemetry.exporters))
    if name is None:
        return [row for row in every if row.enabled]
    chosen = [row for row in every if row.name == name]
    if not chosen:
        raise UsageError(f"No exporter is called {name!r}.", hint=f"There are: {', '.join(row.name for row in every)}.")
    return chosen


def _tested(run: Run, row: Row) -> Tested:
    began = time.monotonic()
    try:
        is_ok, detail = _with(run, row, lambda sink: _send(sink, synthetic(sink, run.now_ms)))
    except KaizenError as error:
        is_ok, detail = False, f"{error} {error.hint}".strip()
    return Tested(row.name, row.type, is_ok, int(is_ok), detail, round((time.monotonic() - began) * 1000))


def synthetic(sink: Sink, now_ms: int) -> Batch:
    """One request that cost nothing, of a workspace that does not exist."""
    import uuid

    from blake3 import blake3

    from kaizen.wire.ingest import Envelope, Event, body

    def made_up(name: str) -> str:
        return f"blake3:{blake3(name.encode()).hexdigest()}"

    envelope = Envelope(team_id="kaizen-test", workspace_hash=made_up("test-workspace"))
    event = Event(session_id_hash=made_up("test-session"), event_seq=0, ts_ms=now_ms, agent="kaizen", model="synthetic",
                  kind="cost", source="tail", payload={"kaizen.telemetry_test": True}, tokens_in=0, tokens_out=0,
                  cost_usd_e6=0, latency_ms=0, turn=0)
    id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"kaizen:telemetry-test:{now_ms}"))
    content = body(msgspec.json.encode(envelope), KINDS["events"].list_name, [msgspec.json.encode(event)])
    return Batch(id, "events", envelope, [event], [id], content, now_ms)


async def _send(sink: Sink, batch: Batch) -> tuple[bool, str]:
    """A service that takes everything, wrong keys included, is asked for its health as well."""
    for sent in await push_once([sink], [batch]):
        if not isinstance(sent.result, Done):
            return False, sent.result.reason
        if sent.result.rejected:
            return False, f"the item was rejected: {sent.result.detail}"
    found = await health(sink)
    return found.is_ok, found.detail


def _with(run: Run, row: Row, ask: Callable[[Sink], Coroutine[Any, Any, Any]]) -> Any:
    """What `ask` says of an opened sink, which is closed again."""
    import asyncio

    async def asked() -> Any:
        sink = open_sink(row, run.env, str(run.home), local_salt(run.home))
        try:
            return await ask(sink)
        finally:
            await sink.close()

    return asyncio.run(asked())


def _checks(run: Run, *, is_offline: bool) -> Iterator[Check]:
    telemetry = run.config.telemetry
    every = list(rows(telemetry.exporters))
    on = sum(row.enabled for row in every)
    said = "holds nothing else up" if telemetry.fail_open else "holds its items up until it takes them"
    yield Check("exporters", "ok" if on else "info", f"{on} of {len(every)} on; one that fails {said}."
                if every else NONE_YET)
    yield from _privacy(run, every)
    yield from _overridden(run, every)
    for row in every:
        if not row.enabled:
            yield Check(row.name, "info", f"{row.type}: off.")
            continue
        try:
            found = _with(run, row, _settled if is_offline else health)
        except KaizenError as error:
            yield Check(row.name, "fail", str(error), error.hint)
            continue
        hint = "" if found.is_ok else "Check its settings: kaizen telemetry print-effective-config"
        yield Check(row.name, "ok" if found.is_ok else "fail", f"{row.type}: {found.detail}.", hint)


async def _settled(sink: Sink) -> Health:
    return Health(True, "the settings are complete")


def _privacy(run: Run, every: list[Row]) -> Iterator[Check]:
    """A key in a file that others can read."""
    path = config_path(run.home)
    has_secret = any(masked(row.settings) != row.settings for row in every)
    if has_secret and path.exists() and path.stat().st_mode & 0o077:
        yield Check("secrets", "warn", f"Others on this machine can read {path}, which holds secrets.",
                    f"chmod 600 {path}")


def _overridden(run: Run, every: list[Row]) -> Iterator[Check]:
    """Variables that were meant for another program, perhaps, and come before the file."""
    for row in every:
        try:
            _, origins = read(find(row.type).settings, row, run.env)
        except KaizenError:
            continue
        for key in row.settings:
            kind, _, variable = origins[key].partition(" ")
            if kind == "environment" and f"{key}_env" not in row.settings:
                yield Check("environment", "warn", f"{row.name}: {variable} comes before {key} of the file.",
                            "If that is not meant: ignore_env = true")


def _test_lines(found: list[Tested], ink: Ink) -> Iterator[str]:
    for one in found:
        mark = ink.paint("ok", "green") if one.is_ok else ink.paint("FAIL", "red")
        yield f"[{one.name}] {mark}: {one.detail} ({duration(one.took_ms)})"
    if not found:
        yield "Nothing to test."


telemetry = group(
    "telemetry",
    "Send numbers to OpenTelemetry, Datadog, PostHog, ...",
    [configure, test_, doctor, status, preview, push, tail, print_schema, print_effective_config],
)
