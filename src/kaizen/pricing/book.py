"""Which price applies to a model id at a moment, and why."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from kaizen.pricing import names, table
from kaizen.pricing.row import SYNTHETIC, PriceRow


class Match(msgspec.Struct, frozen=True):
    """How a model id got its price, or why it has none."""

    model: str | None
    # None: unknown.
    row: PriceRow | None
    # All prices the model had, in time; `row` is the one for the asked moment.
    rows: tuple[PriceRow, ...]
    # Spellings tried, in order, each with its provider.
    steps: tuple[str, ...]
    # `provider/id` of others who list the same id, not used.
    alternatives: tuple[str, ...]
    # Why there is no price; empty when there is one.
    reason: str


class Found(msgspec.Struct, frozen=True):
    """The answer for an id, whatever the moment. `rows` is empty when nobody lists it."""

    rows: tuple[PriceRow, ...]
    steps: tuple[str, ...]
    name: str = ""
    reason: str = ""


class PriceBook:
    """The bundled table and the user's own prices. `match` remembers ids, so it may be called once per request."""

    def __init__(self, bundled: table.Table, user: Mapping[str, PriceRow]) -> None:
        self.source = f"bundled@{bundled.date}"
        self.date = bundled.date
        self.package = bundled.package
        self._user = user
        self._providers = {provider.id: provider for provider in bundled.providers}
        self._makers = [provider.id for provider in bundled.providers[:bundled.makers]]
        self._now_ms = table.day_ms(bundled.date) or 0
        self._find = lru_cache(4096)(self._found)

    def match(self, model: str | None, *, ts_ms: int | None) -> PriceRow | None:
        """The price of `model` at `ts_ms` (UTC epoch ms), None when unknown. No time: the day of the table."""
        rows = self._find(model).rows
        if len(rows) == 1:
            return rows[0]
        return _at(rows, self._now_ms if ts_ms is None else ts_ms)

    def explain(self, model: str | None, ts_ms: int | None) -> Match:
        """The same as `match`, with its reasons."""
        found = self._find(model)
        row = self.match(model, ts_ms=ts_ms)
        used = "" if row is None else row.provider
        others = tuple(f"{provider.id}/{found.name}" for provider in self._providers.values()
                       if found.name in provider.names and provider.id != used)
        return Match(model, row, found.rows, found.steps, others, found.reason)

    def models(self) -> Iterator[tuple[str, str]]:
        """`(provider, name)` of every bundled name, in table order; a name may be an alias."""
        for provider in self._providers.values():
            for name in provider.names:
                yield provider.id, name

    def rows(self, provider: str, name: str) -> tuple[PriceRow, ...]:
        """All rows of one name of `models`."""
        listed = self._providers[provider]
        return table.rows_of(provider, listed.models[listed.names[name]], self.source)

    def _found(self, model: str | None) -> Found:
        if not model or not model.strip():
            return Found((), (), reason="The host does not say which model it was.")
        full = names.canonical(model)
        path = [part for part in full.split("/") if part]
        last = path[-1] if path else full
        steps: list[str] = []
        for name in dict.fromkeys(name for whole in (full, last) for name, _ in names.spellings(whole)):
            if name in self._user:
                return Found((self._user[name],), (f"user: {name}",), name)
        if full == SYNTHETIC.id:
            return Found((SYNTHETIC,), ("written by the host itself, no model was asked",), full)
        if last in names.SERVER_DECIDES:
            return Found((), (), reason=f"{model!r}: the server chose, and the host does not say what.")
        if names.LOCAL & set(path[:-1]):
            return Found((), (), reason="Served locally; give it a price under [prices] to count it.")
        for provider, name, what in self._candidates(path):
            steps.append(f"{provider}: {name}" + (f" ({what})" if what else ""))
            if name in self._providers[provider].names:
                return Found(self.rows(provider, name), tuple(steps), name)
        return Found((), tuple(steps), last, f"No price list has {model!r}; give it one under [prices].")

    def _candidates(self, path: list[str]) -> Iterator[tuple[str, str, str]]:
        """`(provider, name, what was changed)`: the provider the id names, then makers, then exact reseller ids."""
        if not path:
            return
        last = path[-1]
        aws = names.bedrock(last)
        if aws is not None:
            for name, what in names.spellings(aws[0]):
                yield "aws", name, what
            last = aws[1]
        named = [names.PROVIDERS.get(part, part) for part in path[:-1]]
        named = [provider for provider in named if provider in self._providers]
        tails = ["/".join(path[start:]) for start in range(len(path) - 1)]
        for provider in named[:1]:
            for whole in (*tails, last):
                for name, what in names.spellings(whole):
                    yield provider, name, what
        order = dict.fromkeys([*(provider for provider in named if provider in self._makers), *self._makers])
        for name, what in names.spellings(last):
            for maker in order:
                yield maker, name, what
        for whole in tails:
            for provider in self._providers:
                yield provider, whole, "a reseller's own id"


def _at(rows: tuple[PriceRow, ...], ts_ms: int) -> PriceRow | None:
    """Stretches do not overlap; a moment before all of them gets the earliest."""
    for row in rows:
        if row.holds_at(ts_ms):
            return row
    return rows[0] if rows else None
