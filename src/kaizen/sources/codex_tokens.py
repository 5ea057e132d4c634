"""token_count: which of them are requests, and how many tokens each used.

A token_count carries `total` (cumulative) and usually `last` (the request). It is written again whenever rate limits
refresh, and before or after the items it bills. The rules, in order:

    total as before                 the same count again: nothing
    no total                        `last`, unless equal to the `last` before it
    no last                         total - previous total; a negative part means the counter was reset: total
    last above total - previous     part of it was counted already: the difference. Unless the total of a new turn
                                    equals its `last`: that is a counter that began anew
    last below total - previous     a count is missing (a compaction is one): the rest is a row of its own, flag `gap`
    nothing but zeros               compaction and "fill to window" write only `total_tokens`: nothing

`input` includes cached and written input, `output` includes reasoning; ours are disjoint. A part greater than its whole
cannot follow that convention: taken as disjoint, flag `usage_convention_guess`.
"""

from collections.abc import Sequence

from kaizen.model.event import Draft
from kaizen.sources.codex_state import State, Totals

GUESSED_MODEL = "gpt-5"
IMPLAUSIBLE = 2_000_000
_ZERO: Totals = (0, 0, 0, 0, 0)


def count(total: Totals | None, last: Totals | None, state: State, *, ts_ms: int | None = None, used: int | None = None,
          window: int | None = None, model: str | None = None) -> Sequence[Draft]:
    """The cost drafts of one token_count: none, one, or two when a count before it is missing."""
    if total is None:
        if last is None or last == state.last:
            return ()
        state.last = last
        total, own, missed = last, last, _ZERO
    else:
        if total == state.total:
            return ()
        own, missed = _split(total, last, state)
        state.total, state.last = total, last
    if own == missed == _ZERO:
        return ()
    request = f"{state.turn or state.session}:{state.requests}"
    state.requests += 1
    key = f"req:{request}:{total[0]}/{total[3]}"
    rows = []
    if own != _ZERO:
        rows.append(draft(key, request, own, state, ts_ms, used=used or None, window=window or None, model=model))
    if missed != _ZERO:
        rows.append(draft(f"{key}+gap", request, missed, state, ts_ms, model=model, flag="gap"))
    return rows


def _split(total: Totals, last: Totals | None, state: State) -> tuple[Totals, Totals]:
    """`(usage of this request, usage whose count is missing)`."""
    before = state.total
    if before is None:
        return last or total, _ZERO
    delta = (total[0] - before[0], total[1] - before[1], total[2] - before[2], total[3] - before[3],
             total[4] - before[4])
    if min(delta) < 0:
        return last or total, _ZERO
    if last is None or last == delta:
        return delta, _ZERO
    size, grown = last[0] + last[3], delta[0] + delta[3]
    if grown < size:
        began_anew = total == last and state.turn is not None and state.requests == 0
        return (last if began_anew else delta), _ZERO
    if grown > size:
        return last, (max(0, delta[0] - last[0]), max(0, delta[1] - last[1]), max(0, delta[2] - last[2]),
                      max(0, delta[3] - last[3]), max(0, delta[4] - last[4]))
    return last, _ZERO


def draft(key: str, request: str, tokens: Totals, state: State, ts_ms: int | None, *, used: int | None = None,
          window: int | None = None, model: str | None = None, flag: str | None = None) -> Draft:
    """One billed request. Within copied history it is the parent's: counts only if the parent's file shows it too."""
    given, cached, written, output, reasoning = tokens
    uncached = given - cached - written
    doubt = flag
    if uncached < 0:
        uncached, doubt = given, "usage_convention_guess"
    if reasoning > output:
        output, doubt = output + reasoning, "usage_convention_guess"
    if given + output > IMPLAUSIBLE and flag is None:
        doubt = "implausible"
    name = state.model or model
    if name is None:
        name, doubt = GUESSED_MODEL, doubt or "model_guess"
    return Draft(  # by position: with names this line takes six times as long
        key, state.session, "cost", ts_ms, None, None, None, request, name, uncached, output, reasoning, cached,
        written, None, None, state.service_tier, None, None, None, None, None, None, used, window, None, False,
        state.is_copying, state.is_copying, doubt)
