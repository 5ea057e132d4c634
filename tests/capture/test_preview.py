"""The first total of an empty store is the total of a full one."""

from zoneinfo import ZoneInfo

import pytest

from kaizen.capture import preview as module
from kaizen.capture.preview import preview
from kaizen.model.times import ALL_TIME, Window
from kaizen.views import scope as scopes
from kaizen.views.cost import By, cost
from support import FIXTURES, Machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """All line files of two agents at once: resumed, forked, replayed and copied sessions among them."""
    made = Machine(tmp_path_factory.mktemp("preview"))
    for folder, target in (("claude_code", made.claude("all")), ("codex", made.codex("2026/05"))):
        for file in sorted((FIXTURES / folder).rglob("*.jsonl")):
            made.copy(file, target / file.relative_to(FIXTURES / folder))
    for number, name in enumerate(sorted((FIXTURES / "synthetic").rglob("*.jsonl"))):
        made.copy(name, (made.codex if "codex" in str(name) else made.claude)(f"synthetic{number}/{name.name}"))
    made.load()
    return made


@pytest.fixture(autouse=True)
def however_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARALLEL_ABOVE", 0)


WINDOWS = [ALL_TIME, Window(1_751_000_123_456, 1_779_000_654_321), Window(None, 1_765_432_123_456),
           Window(1_765_432_100_000, 1_765_432_200_000)]


@pytest.mark.parametrize("by", ["day", "month", "agent", "model", "project"])
@pytest.mark.parametrize("window", WINDOWS, ids=["all", "odd edges", "until", "within a quarter hour"])
def test_same_answer(machine: Machine, by: By, window: Window) -> None:
    early = preview(machine.env, machine.config, window)
    assert early is not None
    full, zone = machine.store(), ZoneInfo("Asia/Kolkata")
    answers = [
        cost(db, scopes.resolve(db, (), is_all=True), window, by, zone) for db in (early, full)
    ]
    early.close()
    full.close()
    assert answers[0] == answers[1]
    if window is ALL_TIME:
        assert answers[0].total.requests > 300


def test_nothing_to_gain_from_few_bytes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARALLEL_ABOVE", 1 << 40)
    assert preview(machine.env, machine.config, ALL_TIME) is None


def test_no_rows_of_its_own(machine: Machine) -> None:
    """Without edges of a window no event is kept: the roll-ups answer."""
    early = preview(machine.env, machine.config, ALL_TIME)
    assert early is not None
    assert early.execute("SELECT count(*) FROM events").fetchone() == (0,)

    early.close()
