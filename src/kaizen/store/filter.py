"""What a view is restricted to, as conditions in SQL."""

from typing import Any

import msgspec

from kaizen.store.rows import listed


class Filter(msgspec.Struct, frozen=True):
    """None: not restricted. `model` may hold `*` and `?`."""

    workspace_ids: tuple[int, ...] | None = None
    agent: str | None = None
    model: str | None = None

    @property
    def _ids(self) -> str | None:
        return None if self.workspace_ids is None else listed(self.workspace_ids)

    def on(self, alias: str = "") -> list[tuple[str, Any]]:
        """Conditions on columns `workspace_id` and `agent` of `alias` (such as `s.`)."""
        return [
            (f"{alias}workspace_id IN (SELECT value FROM json_each(?))", self._ids),
            (f"{alias}agent = ?", self.agent),
        ]

    def on_model(self, column: str) -> tuple[str, Any]:
        """Only this model; `*` and `?` as in file names, everything else literally (`[1m]` is part of a name)."""
        if self.model is None or not ("*" in self.model or "?" in self.model):
            return f"{column} = ?", self.model
        return f"{column} GLOB ?", self.model.replace("[", "[[]")
