import pytest

from derive.test_fold import call, mark, prompt, result
from derive.worlds import T0
from kaizen.derive.fold import State, fold
from kaizen.derive.seen import Seen

ANSWER = Seen(7, T0 + 7, "message", role="assistant", stop_reason="end_turn")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], ("running", None)),
        ([prompt(0, 0)], ("running", "prompt")),
        ([prompt(0, 0), call(1, 1, "a")], ("waiting", "tool_call_pending")),
        ([prompt(0, 0), call(1, 1, "a"), call(2, 1, "b"), result(3, 2, "a")], ("waiting", "tool_call_pending")),
        ([prompt(0, 0), call(1, 1, "a"), result(2, 2, "a")], ("running", None)),
        ([prompt(0, 0), call(1, 1, "a"), mark(2, 2, "PermissionRequest")], ("waiting", "permission")),
        ([prompt(0, 0), ANSWER], ("idle", "end_turn")),
        ([ANSWER, prompt(8, 8)], ("running", "prompt")),
        ([prompt(0, 0), mark(1, 1, "Stop")], ("idle", "turn_over")),
        ([prompt(0, 0), mark(1, 1, "turn_aborted")], ("idle", "interrupted")),
        ([prompt(0, 0), mark(1, 1, "sessionEnd")], ("done", "ended")),
        ([mark(0, 9, "session_end"), ANSWER], ("done", "ended")),
        ([mark(0, 9, "session_end"), prompt(1, 9)], ("done", "ended")),
        ([mark(0, 9, "session_end"), prompt(1, 10)], ("running", "prompt")),
        ([ANSWER, mark(8, 8, "todo_write")], ("idle", "end_turn")),
        ([Seen(0, T0, "error", event="StopFailure")], ("idle", "turn_over")),
        ([Seen(0, T0, "error")], ("running", "error")),
    ],
)
def test_where_a_session_stands(events: list[Seen], expected: tuple[str, str | None]) -> None:
    changes = fold(State(), events, "/w")
    assert (changes.status, changes.status_reason) == expected
