"""`kaizen search QUERY...` and `kaizen search reindex`."""

from collections.abc import Iterator, Mapping, Sequence

import click

from kaizen.cli import candidates
from kaizen.cli.command import KaizenCommand, command
from kaizen.cli.ink import AGENT_COLORS, Ink, ago, duration, one_line, plural, size
from kaizen.cli.options import When, Where, limit_option, scope_options, window_options
from kaizen.cli.run import Run
from kaizen.errors import KaizenError, SearchUnavailable
from kaizen.query.parse import KINDS
from kaizen.views import search as views
from kaizen.views.search_hits import Group, Hit
from kaizen.views.search_order import Sort
from kaizen.views.sessions import short_ids

# How long a search may first index what is new.
BUDGET_S = 0.2


class _Search(KaizenCommand):
    """`reindex` by itself is a command; to search for the word: `kaizen search -- reindex`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        if args[:1] == ["reindex"] and all(arg.startswith("-") and arg != "--" for arg in args[1:]):
            return reindex.make_context(f"{info_name} reindex", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@command(schema="search reindex/1", name="reindex", examples=["kaizen search reindex"])
def reindex(run: Run) -> None:
    """Build the search index again from the store. Searching goes on meanwhile."""
    from kaizen.capture import index

    wanted = run.config.search
    done = index.reindex(run.home, exclude=wanted.exclude, substring=wanted.substring)
    run.out.show(
        done,
        lambda data, _: [
            f"Indexed {plural(data.events, 'event')} in {duration(round(data.seconds * 1000))}, "
            f"{size(data.index_bytes)}."
        ],
    )


@command(
    schema="search/1",
    name="search",
    is_list=True,
    examples=[
        "kaizen search deadlock",
        "kaizen search '\"connection refused\" -docker in:result' --since 7d",
        "kaizen search 'migrat* OR schema tool:Bash' --all --events --json",
        "kaizen search reindex",
    ],
)
@click.argument("query", nargs=-1, required=True, shell_complete=candidates.query)
@scope_options
@window_options
@click.option("--kind", type=click.Choice(KINDS), help="Only events of this kind.")
@click.option("--events", is_flag=True, help="A flat list of events instead of sessions.")
@click.option(
    "--sort", type=click.Choice(["score", "time"]), default="score", show_default=True, help="Best or newest first."
)
@click.option("--literal", is_flag=True, help="The whole query is one phrase, without operators.")
@click.option("--after", metavar="TOKEN", help="The next page: `next` of the JSON of the one before.")
@limit_option(20)
def _search(
    run: Run,
    where: Where,
    when: When,
    query: Sequence[str],
    kind: str | None,
    events: bool,
    sort: Sort,
    literal: bool,
    after: str | None,
    limit: int,
) -> None:
    """Find words in everything your agents said and did: prompts, answers, tool calls, results, errors, paths.

    All words must occur in one event. Also: "a phrase", deplo*, a OR b, -without, (brackets), near(a b, 5),
    in:prompt|answer|tool|result|error|path, agent: tool: kind: model: session:, and ~part of a word where the setting
    `[search] substring` is on. An option among the words needs `--` before it. `kaizen search reindex` rebuilds the
    index.
    """
    from kaizen.query.parse import parse

    text = " ".join(query)
    parse(text, is_literal=literal)
    tz, window = when.zone(), when.window(run.now_ms)
    with run.reading(where, window, tz) as (db, scope):
        catch_up(run)
        found = views.search(
            db,
            run.home,
            text,
            run.now_ms,
            scope=scope,
            window=window,
            kind=kind,
            limit=limit,
            events=events,
            sort=sort,
            is_literal=literal,
            exclude=run.config.search.exclude,
            after=after,
        )
        if found.behind:
            run.out.warn(f"The index is {plural(found.behind, 'event')} behind: kaizen load, or search again.")
        short = short_ids(db, sorted({hit.session_id for hit in found.hits})) if run.out.ink.width else {}
        run.out.heading(scope, window, tz)
        run.out.show(found, lambda data, ink: lines(data, ink, short), found.hits)


def catch_up(run: Run) -> None:
    """Index what came in since. Where that is impossible, what is indexed can still be searched."""
    from kaizen.capture import index

    try:
        wanted = run.config.search
        index.catch_up(run.home, budget_s=BUDGET_S, exclude=wanted.exclude, substring=wanted.substring)
    except SearchUnavailable:
        raise
    except (KaizenError, OSError) as error:
        run.out.warn(f"New events could not be indexed: {error}")


def lines(found: views.SearchResult, ink: Ink, short: Mapping[str, str]) -> Iterator[str]:
    if not found.hits:
        yield "Nothing found. Look further with --all, or with fewer words."
        return
    if not found.groups:
        for hit in found.hits:
            name = short.get(hit.session_id, hit.session_id)
            yield f"{ink.paint(name, 'cyan')}  {ago(hit.ts_ms, ink.now_ms)}  {_hit(hit, ink)}"
    else:
        for index, one in enumerate(found.groups):
            if index:
                yield ""
            yield from _group(one, short.get(one.session_id, one.session_id), ink)
    yield ""
    number = f"{'at least ' if found.is_partial else ''}{plural(found.total_at_least, 'match', 'matches')}"
    more = "; more with --limit N" if found.next else ""
    yield ink.dim(f"{number} in {found.took_ms} ms{more}")


def _group(one: Group, name: str, ink: Ink) -> Iterator[str]:
    parts = [
        ink.paint(name, "cyan"),
        ago(one.started_at_ms, ink.now_ms),
        ink.paint(one.agent, AGENT_COLORS.get(one.agent, "blue")),
        ink.bold(one_line(one.title) or "(no prompt)"),
    ]
    yield "  ".join(parts)
    for hit in one.hits:
        yield f"  {_hit(hit, ink)}"
    if one.matches > len(one.hits):
        yield ink.dim(f"  and {one.matches - len(one.hits)} more")


def _hit(hit: Hit, ink: Ink) -> str:
    what = hit.role or hit.kind
    label = one_line(f"{what} {hit.tool}" if hit.tool else what)
    return f"{ink.dim(f'#{hit.seq} {label}')}  {_painted(hit, ink)}"


def _painted(hit: Hit, ink: Ink) -> str:
    out, at = [], 0
    for start, end in hit.ranges:
        out += [hit.snippet[at:start], ink.paint(hit.snippet[start:end], "bold", "yellow")]
        at = end
    return "".join([*out, hit.snippet[at:]])


search = _Search(
    _search.name,
    context_settings=_search.context_settings,
    callback=_search.callback,
    params=_search.params,
    help=_search.help,
)
search.examples, search.schema = _search.examples, _search.schema
