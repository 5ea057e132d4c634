"""`kaizen sync`: sending to a team's hub and to exporters, and looking at what is sent."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from sqlite3 import Connection

import click
import msgspec

from kaizen import net
from kaizen.cli.command import command, group
from kaizen.cli.ink import Column, Ink, ago, count, duration, plural, size, table
from kaizen.cli.outgoing import guard, open_outbox, sinks
from kaizen.cli.run import Run
from kaizen.errors import SyncBusy, SyncItemNotFound, SyncSetting, UsageError
from kaizen.store import outbox, outbox_dead, outbox_sinks
from kaizen.store.open import transaction
from kaizen.views import sync as views
from kaizen.wire.ingest import KINDS

_kind = click.option("--kind", type=click.Choice(list(KINDS)), help="Only this kind of item.")


@command(schema="sync configure/1", examples=[
    "printf %s TOKEN | kaizen sync configure https://hub.example.com --team core --salt HEX --token-stdin",
    "kaizen sync configure --off",
])  # fmt: skip
@click.argument("url", required=False)
@click.option("--team", metavar="ID", help="Your team's id.")
@click.option("--salt", metavar="HEX", help="Your team's salt: 64 hex digits.")
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input.")
@click.option("--token-env", metavar="NAME", help="Read the token from this variable whenever it is needed.")
@click.option("--off", is_flag=True, help="Send nothing to a hub any more.")
def configure(run: Run, url: str | None, team: str | None, salt: str | None, token_stdin: bool, token_env: str | None,
              off: bool) -> None:  # fmt: skip
    """Say where the team's hub is, and as whom to send.

    Writes the config file (mode 0600) and asks the hub whether it knows the token. What waits is sent by `kaizen sync
    run`; what it would be is shown by `kaizen sync preview`.
    """
    from kaizen.config.edit import set_values

    if off == bool(url):
        raise UsageError("Name the hub's address, or say --off.", hint="Such as https://hub.example.com")
    if off:
        set_values(run.home, {("sync", "endpoint"): None})
        run.out.show({"endpoint": None}, lambda _, __: ["Nothing is sent to a hub any more."])
        return
    assert url is not None
    from kaizen.outbox.client import check_endpoint
    from kaizen.redact.hashes import Salt

    sync = run.config.sync
    endpoint = check_endpoint(url, allow_insecure=sync.allow_insecure)
    salt = salt or sync.team_salt_hex
    if not salt:
        raise SyncSetting("The team's salt is missing.", hint="--salt HEX; it stands in what `kaizen hub serve` said.")
    Salt.parse(salt)
    values: dict[tuple[str, str], object] = {("sync", "endpoint"): endpoint, ("sync", "team_salt_hex"): salt.strip()}
    token = ""
    if token_stdin:
        token = sys.stdin.read().strip()
        if not token:
            raise SyncSetting("No token on standard input.", hint="printf %s TOKEN | kaizen sync configure ...")
        values |= {("sync", "team_token"): token, ("sync", "team_token_env"): None}
    elif token_env:
        token = run.env.get(token_env, "")
        values |= {("sync", "team_token_env"): token_env, ("sync", "team_token"): None}
    else:
        token = sync.team_token
    found = _ask(endpoint, token)
    team = team or found.team_id or sync.team_id
    if not team:
        raise SyncSetting("The team's id is missing.", hint="--team ID; it stands in what `kaizen hub serve` said.")
    values["sync", "team_id"] = team
    path = set_values(run.home, values)
    for warning in found.warnings:
        run.out.warn(warning)
    run.out.show(
        {"endpoint": endpoint, "team_id": team, "file": str(path), "is_reachable": found.is_reachable},
        lambda data, ink: [f"{ink.bold('Hub')} {data['endpoint']}, team {data['team_id']}. Written to {data['file']}.",
                           "Send now: kaizen sync run --once"])


class _Asked(msgspec.Struct):
    is_reachable: bool
    team_id: str | None
    warnings: list[str]


def _ask(endpoint: str, token: str) -> _Asked:
    """What the hub says to this token."""
    import httpx

    try:
        answer = httpx.get(f"{endpoint}/v1/config", headers={"Authorization": f"Bearer {token}"}, timeout=5,
                           **net.options(endpoint))
    except httpx.HTTPError as error:
        return _Asked(False, None, [f"The hub does not answer just now: {net.why(error)}. Nothing is lost; items wait "
                                    "until it does."])
    if answer.status_code in (401, 403):
        raise SyncSetting("The hub does not know this token.", hint="Ask whoever runs the hub: kaizen hub token create")
    team = None
    with contextlib.suppress(msgspec.DecodeError):
        team = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw]).get("team_id")
    return _Asked(True, None if team is None else msgspec.json.decode(team, type=str | None), [])


@command(schema="sync run/1", examples=["kaizen sync run --once", "kaizen sync run", "kaizen sync run --once --json"])
@click.option("--once", is_flag=True, help="Stop when everything is sent, or the deadline has come.")
@click.option("--deadline", type=click.FloatRange(min=0), metavar="S", help="Try for so many seconds; --once: 300.")
@_kind
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.option("--no-refresh", is_flag=True, help="Do not look for new records first.")
def run_(run: Run, once: bool, deadline: float | None, kind: str | None, dry_run: bool, no_refresh: bool) -> None:
    """Send what waits: to the hub, and beside it to every exporter.

    Exit status: 0 everything is sent, 65 something was refused for good (kaizen sync dead), 75 something has to wait,
    77 the hub refuses the token, 78 a setting is wrong.
    """
    from kaizen.outbox.gate import gate
    from kaizen.outbox.run import send
    from kaizen.outbox.settings import Report
    from kaizen.store.lock import sync_lock

    found = gate(run.config, run.env, run.home)
    if found is None:
        run.out.note("Sync is off: no hub and no exporter is configured.")
        run.out.show(Report(), lambda _, __: [])
        return
    if not no_refresh:
        run.refresh()
    with contextlib.closing(open_outbox(run)) as db:
        run.catch_up(db)
        if dry_run:
            waiting = outbox.waiting_bytes(db, kind)
            run.out.show([msgspec.to_builtins(one) for one in waiting], lambda _, ink: _would_send(waiting, ink))
            return
        with sync_lock(run.home, wait=not once) as ours:
            if not ours:
                raise SyncBusy("Another kaizen is sending just now.", hint="It sends all that waits.")
            begun = time.monotonic()

            def progress(report: Report) -> None:
                if sys.stderr.isatty() and run.out.is_text and time.monotonic() - begun > 2:
                    rate = report.retired / (time.monotonic() - begun)
                    sys.stderr.write(f"\r{count(report.retired)} sent, {rate:,.0f}/s \x1b[K")

            def look() -> None:
                run.refresh()
                run.catch_up(db)

            opened, fail_open_of = sinks(run, found)
            report = send(
                db, found, opened, guard(), fail_open_of=fail_open_of, kinds=[kind] if kind else [], is_once=once,
                on_look=look,
                deadline_s=deadline if deadline is not None else run.config.sync.deadline_s if once else None,
                on_progress=progress)
    for name, reason in report.sink_failures.items():
        run.out.warn(f"Exporter {name} failed: {reason}.")
    for name, number in report.unknown_kinds.items():
        run.out.warn(f"{plural(number, 'item')} of kind {name!r} wait for a newer kaizen.")
    run.out.show(report, lambda _, __: [])
    if run.out.is_text and not run.out.is_quiet:
        sys.stderr.write(" ".join(_said(report)) + "\n")
    if report.exit_status:
        run.out.close()
        raise click.exceptions.Exit(report.exit_status)


def _said(report: "object") -> Iterator[str]:
    from kaizen.outbox.settings import Report

    assert isinstance(report, Report)
    yield f"Sent {plural(report.retired, 'item')} in {plural(report.batches, 'batch', 'batches')}"
    yield f"and {duration(round(report.seconds * 1000))}."
    if report.died:
        yield f"{count(report.died)} refused for good: kaizen sync dead."
    if report.awaiting_sinks:
        yield f"{count(report.awaiting_sinks)} delivered, awaiting an exporter."
    if report.pending:
        why = ", ".join(sorted(set(report.paused.values())))
        yield f"{count(report.pending)} still wait{f' ({why})' if why else ''}."
        if report.last_error and not report.retired:
            yield f"The hub: {report.last_error}."


def _would_send(waiting: Sequence[outbox.WaitingBytes], ink: Ink) -> Iterator[str]:
    if not waiting:
        yield "Nothing waits."
        return
    yield from table([Column("Kind", style="cyan"), Column("Items", right=True), Column("Size", right=True)],
                     [[one.kind, count(one.items), size(one.bytes)] for one in waiting], ink)


@command(schema="sync status/1", examples=["kaizen sync status", "kaizen sync status --json"])
def status(run: Run) -> None:
    """What waits, what was sent last, and what is wrong."""
    with contextlib.closing(open_outbox(run, write=False)) as db:
        found = views.status(db, run.config.sync.endpoint, run.now_ms)
    run.out.show(found, lambda data, ink: _status(data, ink, run.now_ms))


def _status(found: views.Status, ink: Ink, now_ms: int) -> Iterator[str]:
    yield f"outbox pending: {found.pending}"
    flushed = "(never)" if found.last_success_ms is None else f"{found.last_success_ms} ms since epoch"
    yield f"last flush ok: {flushed}"
    yield f"consecutive failures: {found.consecutive_failures}"
    if found.last_error and found.consecutive_failures:
        yield f"last error: {found.last_error}"
    yield f"sync endpoint: {found.endpoint or '(disabled)'}"
    if found.pause_reason:
        yield f"paused: {_paused(found.pause_reason, found.paused_until_ms, now_ms)}"
    if found.lanes:
        yield ""
        yield from table(
            [Column("Lane", style="cyan"), *(Column(name, right=True) for name in (
                "Pending", "Sealed", "Dead", "Sent", "Oldest")), Column("State", flexible=True)],
            [[lane.kind, count(lane.pending), count(lane.sealed), count(lane.dead), count(lane.counters.retired),
              ago(lane.oldest_ms, now_ms) if lane.oldest_ms else "",
              "unknown to this kaizen" if not lane.is_known else
              _paused(lane.pause_reason, lane.paused_until_ms, now_ms) if lane.pause_reason else ""]
             for lane in found.lanes], ink)
    if found.sinks:
        yield ""
        yield from table(
            [Column("Exporter", style="cyan"), *(Column(name, right=True) for name in (
                "Batches", "Items", "Refused", "Retrying", "Abandoned")), Column("Last error", flexible=True)],
            [[one.name, count(one.done), count(one.items), count(one.rejected), count(one.retrying),
              count(one.abandoned), one.last_error or ""] for one in found.sinks], ink)


def _paused(reason: str, until_ms: int | None, now_ms: int) -> str:
    left_ms = (until_ms or 0) - now_ms
    return reason if left_ms > 366 * 86_400_000 else f"{reason}, {duration(max(left_ms, 0))} left"


@command(schema="sync preview/1", examples=["kaizen sync preview", "kaizen sync preview --kind tool_spans --limit 3"],
         is_list=True)
@_kind
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="So many items.")
@click.option("--no-refresh", is_flag=True, help="Do not look for new records first.")
def preview(run: Run, kind: str | None, limit: int, no_refresh: bool) -> None:
    """What would leave this machine, item by item, beside what is stored here.

    `leaves` is exactly what is sent. `local` is never sent.
    """
    if not no_refresh:
        run.refresh()
    with contextlib.closing(open_outbox(run)) as db:
        run.catch_up(db)
        found = views.preview(db, kind, limit)
    run.out.show(found, _previewed)


def _previewed(found: Sequence[views.Preview], ink: Ink) -> Iterator[str]:
    if not found:
        yield "Nothing waits. What is configured: kaizen sync status"
    for one in found:
        yield ink.bold(f"{one.kind} {one.id}") + ink.dim(f"  {size(one.bytes)}")
        leaves, local = _flat(one.leaves), _flat(one.local)
        if local:
            columns = [Column("", style="cyan"), Column("leaves", flexible=True),
                       Column("stays here", flexible=True, style="dim")]
            keys = [*leaves, *(key for key in local if key not in leaves)]
            yield from table(columns, [[key, leaves.get(key, ""), local.get(key, "")] for key in keys], ink)
        else:
            yield from table([Column("", style="cyan"), Column("leaves", flexible=True)],
                             [[key, value] for key, value in leaves.items()], ink)
        yield ""


def _flat(tree: object, prefix: str = "") -> dict[str, str]:
    if not isinstance(tree, dict):
        return {}
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return found


@command(schema="sync dead/1", examples=["kaizen sync dead", "kaizen sync dead --reason rejected"], is_list=True)
@_kind
@click.option("--reason", metavar="R", help="Only with this reason, such as rejected or rejected:item_invalid.")
def dead(run: Run, kind: str | None, reason: str | None) -> None:
    """Items that will not be sent again unless you say so, and why."""
    with contextlib.closing(open_outbox(run, write=False)) as db:
        found = views.dead(db, kind, reason, run.now_ms)
    run.out.show(found, _dead)


def _dead(found: Sequence[views.DeadLetter], ink: Ink) -> Iterator[str]:
    if not found:
        yield "Nothing was refused."
        return
    yield from table(
        [Column("Id", right=True), Column("Kind", style="cyan"), Column("Reason"), Column("Age", right=True),
         Column("Size", right=True), Column("Detail", flexible=True)],
        [[str(one.id), one.kind, one.reason, duration(one.age_ms), size(one.bytes), one.detail] for one in found], ink)
    yield ""
    yield ink.dim("Look at one: kaizen sync show ID. Send again: sync retry ID. Forget: sync drop ID --yes")


@command(schema="sync show/1", examples=["kaizen sync show 12", "kaizen sync show 12 --waiting"])
@click.argument("item", type=int, metavar="ID")
@click.option("--waiting", is_flag=True, help="ID is of `sync preview`; otherwise of `sync dead`.")
def show(run: Run, item: int, waiting: bool) -> None:
    """The exact JSON of one item."""
    with contextlib.closing(open_outbox(run, write=False)) as db:
        if waiting:
            one = outbox.waiting_item(db, item)
            payload = None if one is None else one.payload
        else:
            payload = next((found.payload for found in outbox_dead.dead(db, ids=[item])), None)
    if payload is None:
        raise SyncItemNotFound(item, is_waiting=waiting)
    try:
        data = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        data = {"unparseable": payload.decode("utf-8", "replace")}
    run.out.show(data, lambda _, __: [payload.decode("utf-8", "replace")])


@command(schema="sync receipts/1", examples=["kaizen sync receipts", "kaizen sync receipts --json"], is_list=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="So many batches.")
def receipts(run: Run, limit: int) -> None:
    """What was sent in the last 90 days, batch by batch, and what stayed here."""
    with contextlib.closing(open_outbox(run, write=False)) as db:
        found = views.receipts(db, limit)
    run.out.show(found, _receipts)


def _receipts(found: Sequence[views.Receipt], ink: Ink) -> Iterator[str]:
    if not found:
        yield "Nothing was sent yet."
        return
    yield from table(
        [Column("Sent", style="dim"), Column("Kind", style="cyan"), Column("Items", right=True), Column("Level"),
         Column("Digest"), Column("Stayed here", flexible=True)],
        [[ago(one.sent_ms, ink.now_ms), one.kind, count(one.items), one.redaction, one.digest[:12],
          ", ".join(f"{name} {count(times)}" for name, times in sorted(one.left_out.items()))] for one in found], ink)


_which = (
    click.argument("ids", type=int, nargs=-1, metavar="[ID]..."),
    click.option("--all", "is_all", is_flag=True, help="All of them."),
    click.option("--reason", metavar="R", help="All with this reason."),
)


def _picked(db: Connection, ids: Sequence[int], is_all: bool, reason: str | None) -> list[outbox_dead.Dead]:
    if sum((bool(ids), is_all, reason is not None)) != 1:
        raise UsageError("Say which: ids, --all, or --reason R.", hint="List them with: kaizen sync dead")
    found = outbox_dead.dead(db, ids=ids or None, reason=reason)
    for missing in sorted(set(ids) - {one.id for one in found}):
        raise SyncItemNotFound(missing, is_waiting=False)
    return found


@command(schema="sync retry/1", examples=["kaizen sync retry 12", "kaizen sync retry --reason too_large"])
@_which[0]
@_which[1]
@_which[2]
def retry(run: Run, ids: tuple[int, ...], is_all: bool, reason: str | None) -> None:
    """Let dead items wait again."""
    with contextlib.closing(open_outbox(run)) as db, transaction(db):
        found = _picked(db, ids, is_all, reason)
        for one in found:
            outbox_dead.revive(db, one)
    run.out.show({"items": len(found)}, lambda data, _: [f"{plural(data['items'], 'item')} will be sent again."])


@command(schema="sync drop/1", examples=["kaizen sync drop 12 --yes", "kaizen sync drop --sink otlp --yes"])
@_which[0]
@_which[1]
@_which[2]
@click.option("--sink", metavar="NAME", help="Instead: forget what is owed to this exporter.")
@click.option("--yes", is_flag=True, help="Really.")
def drop(run: Run, ids: tuple[int, ...], is_all: bool, reason: str | None, sink: str | None, yes: bool) -> None:
    """Forget dead items, or what an exporter is owed. Local data stays as it is."""
    with contextlib.closing(open_outbox(run)) as db, transaction(db):
        if sink is not None:
            number, noun = outbox_sinks.count_owed(db, sink), "batch"
            if yes:
                outbox_sinks.drop_owed(db, sink, run.now_ms)
        else:
            found = _picked(db, ids, is_all, reason)
            number, noun = len(found), "item"
            if yes:
                outbox_dead.drop_dead(db, [one.id for one in found])
    if not yes:
        run.out.warn("Nothing was dropped. Add --yes to do it.")
    text = f"{'Dropped' if yes else 'Would drop'} {plural(number, noun, f'{noun}es' if noun == 'batch' else None)}."
    run.out.show({"items": number, "is_done": yes}, lambda _, __: [text])


_lane = click.option("--lane", type=click.Choice(list(KINDS)), help="Only this lane; otherwise all.")


@command(schema="sync pause/1", examples=["kaizen sync pause", "kaizen sync pause --lane events"])
@_lane
def pause(run: Run, lane: str | None) -> None:
    """Send nothing until `kaizen sync resume`. Items go on waiting."""
    _set_pause(run, lane, is_paused=True)


@command(schema="sync resume/1", examples=["kaizen sync resume"])
@_lane
def resume(run: Run, lane: str | None) -> None:
    """End a pause, also one that a hub's answer caused."""
    _set_pause(run, lane, is_paused=False)


def _set_pause(run: Run, lane: str | None, *, is_paused: bool) -> None:
    with contextlib.closing(open_outbox(run)) as db, transaction(db):
        kinds = [lane] if lane else [outbox.EVERY] if is_paused else [outbox.EVERY, *KINDS]
        for kind in kinds:
            found = outbox.lane(db, kind)
            found.paused_until_ms, found.pause_reason = (outbox.FOREVER_MS, "user") if is_paused else (None, None)
            found.failures = found.failures if is_paused else 0
            outbox.save_lane(db, found)
    word = "Paused" if is_paused else "Resumed"
    run.out.show({"lane": lane, "is_paused": is_paused}, lambda data, _: [f"{word} {data['lane'] or 'all lanes'}."])


class Verified(msgspec.Struct):
    """`refused`: waiting items that today's rules would not let through."""

    checked: int
    refused: list[dict[str, object]]


@command(schema="sync verify/1", examples=["kaizen sync verify"])
def verify(run: Run) -> None:
    """Check everything that waits against today's redaction rules. Exit status 4 when something would not pass."""
    from kaizen.errors import CheckFailed

    passes, checked, refused = guard(), 0, []
    with contextlib.closing(open_outbox(run, write=False)) as db:
        for one in outbox.payloads(db):
            checked += 1
            if not passes(one.payload):
                refused.append({"id": one.id, "kind": one.kind})
    found = Verified(checked, refused)
    run.out.show(found, lambda data, _: [f"{plural(data.checked, 'waiting item')} checked, "
                                         f"{count(len(data.refused))} would be refused."])
    if refused:
        run.out.close()
        raise CheckFailed(f"{plural(len(refused), 'item')} would be refused by today's rules.",
                          hint="They will not leave: sealing puts them aside. Look: kaizen sync show ID --waiting")


sync = group("sync", "Send to your team's hub and to exporters.",
             [run_, status, configure, preview, receipts, dead, show, retry, drop, pause, resume, verify])
