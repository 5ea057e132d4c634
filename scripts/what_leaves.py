"""Writes docs/what-leaves.md: every field that can leave the machine, from the shapes and the schema themselves."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from kaizen.redact import schema
from kaizen.wire.ingest import KINDS, Envelope

TARGET = Path(__file__).parent.parent / "docs" / "what-leaves.md"

HEAD = """# What leaves this machine

Made by `scripts/what_leaves.py` from the shapes of the items and the redaction schema `{version}`; a test keeps it
current. Nothing leaves before you configure a hub or an exporter, and nothing but these fields leaves then.

A *hash* is BLAKE3 over your team's salt and the value: equal for equal values within the team, and nobody without the
salt can try out guesses. Numbers are counts, sizes, times and money. A *known word* is one of a list in
`src/kaizen/redact/words.py`; whatever is not on the list is sent as `other`, or as `custom:` and a hash.

`kaizen sync preview` shows the very items that wait, beside what is stored here.

## Of a batch

{envelope}

`project_name` is sent only when `identity.project_name = true`.

## Of each item

{kinds}

Text of prompts, answers, commands, files and results is none of these fields. It leaves only at
`redaction.level = "scrubbed"`, for the payload keys in `redaction.allow_keys`, without the secrets, paths and names
that the scrubber finds, and cut to 2,048 characters each.

## Of an event's payload, at level `metrics`

| kind | key | what |
|---|---|---|
{payload}
"""


def page() -> str:
    return HEAD.format(
        version=schema.VERSION,
        envelope=_fields(Envelope),
        kinds="\n\n".join(f"### `{kind.name}`\n\n{_fields(kind.item)}" for kind in KINDS.values()),
        payload="\n".join(_row(row) for row in schema.describe()),
    )


def _fields(kind: type[msgspec.Struct]) -> str:
    rows = [f"| `{field.name}` | {_said(field.name, field.type)} |" for field in msgspec.structs.fields(kind)]
    return "| field | what |\n|---|---|\n" + "\n".join(rows)


def _said(name: str, kind: Any) -> str:
    """In one or few words, from the field's type and, where that is just text, from its name."""
    text = str(kind)
    if name == "payload":
        return "see below"
    if name in ("rationale", "note"):
        return "text that you wrote, only at level `scrubbed` and only where the hub's team allows it"
    if "blake3" in text:
        return "hashes" if text.startswith("list") else "hash"
    if name == "tool_call_id":
        return "hash"
    if name in ("tool", "model", "agent", "judge_model", "stop_reason", "language"):
        return "known word, else a hash"
    if "FileFact" in text or "Edge" in text:
        return "numbers and hashes of files"
    if "str" in text or "Literal" in text:
        return _TEXTS.get(name, "word")
    return "yes or no" if "bool" in text else "number"


_TEXTS = {
    "team_id": "as configured",
    "project_name": "name of the repository",
    "salt_id": "short hash of the salt",
    "redaction": "level and version of the schema",
    "agent_version": "digits and dots",
}


def _row(row: schema.Entry) -> str:
    said = {"int": "number", "num": "number", "bool": "yes or no", "hash": "hash"}.get(row.type)
    if said is None and len(row.values) > 12:
        said = f"one of {len(row.values)} known words"
    if said is None:
        said = f"one of {', '.join(row.values)}" if row.values else row.type
    return f"| {row.kind} | `{row.key}` | {said} |"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text() != page())
    TARGET.write_text(page())
