"""`kaizen hub`: serve, tokens, export, openapi."""

import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import msgspec

from kaizen.cli.command import command, group
from kaizen.cli.hub_store import known_team, open_hub, store_option
from kaizen.cli.hub_team import add_team, team_add, team_list, team_set
from kaizen.cli.ink import Column, Ink, ago, table
from kaizen.cli.run import Run
from kaizen.errors import BadConfig, KaizenError, TeamNotFound

if TYPE_CHECKING:
    from kaizen.hub.address import Proxies
    from kaizen.hub.store.protocol import HubStore, Token

DEFAULT_LISTEN = "127.0.0.1:7879"
DEFAULT_TEAM = "team"


class FirstRun(msgspec.Struct):
    """What a new team's machines need. The token and the salt are shown once; the hub keeps neither."""

    url: str
    team_id: str
    token: str
    salt: str
    configure: str


class NewToken(msgspec.Struct):
    team_id: str
    token_id: str
    scopes: list[str]
    token: str


@command(
    schema="hub serve/1",
    examples=[
        "kaizen hub serve",
        "kaizen hub serve --store /srv/kaizen-hub --url https://hub.example.com --trusted-proxy 127.0.0.1",
        "KAIZEN_HUB_STORE=postgresql://kaizen@db/kaizen kaizen hub serve",
    ],
)
@click.option("--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT", help="Where to listen.")
@store_option
@click.option("--url", help="How clients reach the hub, when that is not where it listens: behind a proxy.")
@click.option("--team", default=DEFAULT_TEAM, show_default=True, metavar="NAME", help="What the first team is called.")
@click.option("--requests-per-minute", type=click.IntRange(min=0), default=600, show_default=True,
              help="Of each token; 0 is no limit.")  # fmt: skip
@click.option("--body-timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, metavar="SECONDS",
              help="For a whole body to arrive.")  # fmt: skip
@click.option("--trusted-proxy", "trusted", multiple=True, metavar="CIDR",
              help="Where a proxy is whose word about a client's address is taken; may be given again.")  # fmt: skip
@click.option("--proxy-header", type=click.Choice(["x-forwarded-for", "forwarded"]), default="x-forwarded-for",
              show_default=True, help="Where trusted proxies say who asked; any other is not read.")  # fmt: skip
def serve(
    run: Run, listen: str, store: str | None, url: str | None, team: str, requests_per_minute: int, body_timeout: float,
    trusted: tuple[str, ...], proxy_header: Any,
) -> None:
    """Run the hub until it is told to stop.

    The first time it makes its store and a team, and prints what to run on each machine. One line of JSON per request
    goes to stderr: never a payload, never a token. Ctrl-C or SIGTERM lets running requests finish.
    """
    from kaizen.hub import serve as server
    from kaizen.hub.hub import Hub
    from kaizen.hub.limits import Limits, burst_of
    from kaizen.redact.guard import leaks
    from kaizen.redact.schema import reduce

    proxies = _proxies(trusted, proxy_header)
    with closing(open_hub(run, store)) as opened:
        try:
            listening = server.listen(*_address(listen))
        except OSError as error:
            raise KaizenError(f"Cannot listen on {listen}: {error.strerror}.",
                              hint="Another hub may run there; choose with --listen HOST:PORT.") from error  # fmt: skip
        with listening:
            reached = (url or _url(*listening.getsockname()[:2])).rstrip("/")
            if not opened.teams():
                run.out.show(_first_team(run, opened, team, reached), _first_lines)
                sys.stdout.flush()
            else:
                run.out.note(f"Listening on {reached}")
            limits = Limits(requests_per_minute=requests_per_minute, body_timeout_s=body_timeout,
                            burst=burst_of(requests_per_minute))  # fmt: skip
            made = Hub(opened, limits, guard=lambda text: bool(leaks(text)), reduce=reduce, proxies=proxies)
            server.serve(made, listening)


def _proxies(trusted: tuple[str, ...], header: Any) -> "Proxies":
    from kaizen.hub.address import Proxies, networks

    try:
        return Proxies(networks(trusted), header)
    except ValueError as error:
        raise BadConfig(f"--trusted-proxy: {error}.",
                        hint="Name where proxies are, such as 127.0.0.1 or 10.1.0.0/16.") from error  # fmt: skip


def _first_team(run: Run, store: "HubStore", team_id: str, url: str) -> FirstRun:
    from kaizen.hub.auth import new_token

    add_team(run, store, team_id)
    token = new_token(store, team_id, ["ingest", "read"], "first", run.now_ms)[1]
    salt = secrets.token_hex(32)
    return FirstRun(url, team_id, token, salt, _configure(url, team_id, token, salt))


def _configure(url: str, team_id: str, token: str, salt: str) -> str:
    return f"printf %s {token} | kaizen sync configure {url} --team {team_id} --salt {salt} --token-stdin"


def _first_lines(made: FirstRun, ink: Ink) -> Iterator[str]:
    yield f"{ink.bold('Hub')}    {made.url}"
    yield f"{ink.bold('Team')}   {made.team_id}"
    yield f"{ink.bold('Token')}  {made.token}"
    yield f"{ink.bold('Salt')}   {made.salt}"
    yield ""
    yield "Token and salt are shown this once. On each machine of the team:"
    yield ""
    yield f"    {made.configure}"
    yield "    kaizen sync run --once"
    yield ""


@command(
    schema="hub token create/1",
    name="create",
    examples=["kaizen hub token create backend --label ci --scope ingest", "kaizen hub token create backend --json"],
)
@click.argument("team")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["ingest", "read", "admin"]),
              default=("ingest", "read"), show_default=True, help="What it may do; may be given again.")  # fmt: skip
@click.option("--label", default="", help="Whose it is.")
@store_option
def token_create(run: Run, team: str, scopes: tuple[Any, ...], label: str, store: str | None) -> None:
    """Make a token and print it: this once, only its hash is kept."""
    from kaizen.hub.auth import new_token

    with closing(open_hub(run, store)) as opened:
        known_team(opened, team)
        made, text = new_token(opened, team, list(dict.fromkeys(scopes)), label, run.now_ms)
        run.out.show(NewToken(team, made.token_id, list(made.scopes), text), lambda one, _ink: [one.token])


@command(schema="hub token list/1", name="list", is_list=True, examples=["kaizen hub token list backend"])
@click.argument("team")
@store_option
def token_list(run: Run, team: str, store: str | None) -> None:
    """A team's tokens, by name; never the tokens themselves."""
    with closing(open_hub(run, store)) as opened:
        known_team(opened, team)
        run.out.show(opened.tokens(team), _token_lines)


def _token_lines(tokens: "list[Token]", ink: Ink) -> Iterator[str]:
    columns = [Column("Token", style="cyan"), Column("Label", flexible=True), Column("Scopes"), Column("Made"),
               Column("State")]  # fmt: skip
    rows = [
        [one.token_id, one.label, " ".join(one.scopes), ago(one.created_ms, ink.now_ms),
         "revoked" if one.revoked_ms else "valid"]
        for one in tokens
    ]  # fmt: skip
    yield from table(columns, rows, ink)


@command(schema="hub token revoke/1", name="revoke", examples=["kaizen hub token revoke backend t-1a2b3c4d"])
@click.argument("team")
@click.argument("token_id")
@store_option
def token_revoke(run: Run, team: str, token_id: str, store: str | None) -> None:
    """Make a token worthless, within five seconds."""
    with closing(open_hub(run, store)) as opened:
        known_team(opened, team)
        if not opened.revoke(team, token_id, run.now_ms):
            raise TeamNotFound(f"Team {team!r} has no valid token {token_id!r}.",
                               hint=f"See: kaizen hub token list {team}")  # fmt: skip
        run.out.show({"team_id": team, "token_id": token_id}, lambda _, ink: [f"Revoked {ink.bold(token_id)}."])


@command(schema="hub export/1", name="export", examples=["kaizen hub export backend > backend.jsonl"])
@click.argument("team")
@store_option
def export(run: Run, team: str, store: str | None) -> None:
    """Everything a team sent, one JSON object per line."""
    with closing(open_hub(run, store)) as opened:
        known_team(opened, team)
        for row in opened.export(team):
            said = {"kind": row.kind, "workspace_hash": row.workspace_hash, "received_ms": row.received_ms,
                    "item": msgspec.Raw(row.body)}  # fmt: skip
            sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")


@command(schema="hub openapi/1", name="openapi", examples=["kaizen hub openapi > docs/openapi.json"])
def openapi(run: Run) -> None:
    """The contract as an OpenAPI 3.1 document."""
    from kaizen.hub.openapi import document

    run.out.show(document(), lambda whole, _ink: [msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()])


team = group("team", "Teams of this hub.", [team_add, team_set, team_list])
token = group("token", "Tokens of a team.", [token_create, token_list, token_revoke])
hub = group("hub", "Run the server that a team's machines send their numbers to.",
            [serve, team, token, export, openapi])  # fmt: skip


def _url(host: str, port: int) -> str:
    """Where others find it: all addresses of a machine are best called by its name."""
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise BadConfig(f"{listen!r} is no address.", hint=f"Use HOST:PORT, such as {DEFAULT_LISTEN}.")
    return host.strip("[]") or "127.0.0.1", int(port)
