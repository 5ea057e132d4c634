from kaizen.model.status import SILENT_AFTER_MS, status_at

AT = 1_770_000_000_000


def test_silence_ends_every_session_until_it_speaks_again() -> None:
    now = AT + SILENT_AFTER_MS
    assert status_at("running", AT, now - 1) == ("running", None)
    assert status_at("running", AT, now) == ("done", "silent")
    assert status_at("waiting", AT, now) == ("done", "tool_call_pending")
    assert status_at("waiting", AT, now, "permission") == ("done", "permission")
    assert status_at("idle", AT, now, "end_turn") == ("done", "end_turn")
    assert status_at("done", AT, now, "ended") == ("done", "ended")
    assert status_at("running", None, now) == ("running", None)
