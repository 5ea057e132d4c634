"""Editing keeps what it does not change, whatever the file looks like."""

import tomllib

import pytest

from kaizen.config.edit import put, without

ROW = {"type": "otlp", "endpoint": "http://x", "headers": {"a": "b"}}
FILES = [
    "",
    "# only a comment\n",
    "[search]\nexclude = [] # none\n",
    "[telemetry]\nfail_open = false # yes\n\n[search]\nexclude = []\n",
    "telemetry.fail_open = true\n",
    "[telemetry]\nexporters = []\n",
    "[telemetry]\nexporters = [{type = 'file'}, # first\n  {type = 'otlp'}]\n",
    "telemetry = {exporters = [{type = 'file'}]}\n",
    "[[telemetry.exporters]]\ntype = 'file' # one\n\n# two\n[[telemetry.exporters]]\ntype = 'otlp'\n\n"
    "[search]\nexclude = []\n",
    "[[telemetry.exporters]]\ntype = 'otlp'\n[telemetry.exporters.headers]\na = 'b'\n",
]


def rows(text: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = tomllib.loads(text).get("telemetry", {}).get("exporters", [])
    return found


def rest(text: str) -> dict[str, object]:
    tree = tomllib.loads(text)
    tree.get("telemetry", {}).pop("exporters", None)
    return {key: value for key, value in tree.items() if value != {}}


@pytest.mark.parametrize("text", FILES)
def test_a_new_row_comes_last(text: str) -> None:
    found = put(text, None, {**ROW, "name": None})
    assert rows(found) == [*rows(text), ROW]
    assert rest(found) == rest(text)
    assert all(part.strip() in found for part in text.split("#")[1:] if "\n" not in part.strip())


@pytest.mark.parametrize("text", [text for text in FILES if rows(text)])
def test_a_row_is_changed_or_removed(text: str) -> None:
    for place in range(len(rows(text))):
        changed = put(text, place, {"type": "x", "site": "eu", "headers": None})
        old = {key: value for key, value in rows(text)[place].items() if key != "headers"}
        assert rows(changed)[place] == {**old, "type": "x", "site": "eu"}
        assert len(rows(changed)) == len(rows(text))
        gone = without(text, place)
        assert rows(gone) == rows(text)[:place] + rows(text)[place + 1 :]
        assert rest(changed) == rest(gone) == rest(text)


@pytest.mark.parametrize("text", FILES)
def test_what_was_added_can_be_removed(text: str) -> None:
    found = without(put(text, None, ROW), len(rows(text)))
    assert rows(found) == rows(text)
    assert rest(found) == rest(text)
