"""What the names of lifecycle and hook events mean for a session. Sources keep their host's names; this is the table.

Names are compared without case, dashes and underscores: `SessionEnd`, `session_end` and `sessionEnd` are one.
"""

from functools import lru_cache
from typing import Literal

Meaning = Literal["started", "resumed", "asks", "turn_over", "interrupted", "ended"]

_MEANINGS: dict[Meaning, str] = {
    "started": "session_start session_started thread_started",
    "resumed": """
        task_started turn_started turn_start user_prompt_submit before_submit_prompt permission_granted
        permission_answered elicitation_result agent_start session_resumed""",
    "asks": "permission_request permission_prompt permission_requested elicitation approval_request ask_user",
    "turn_over": """
        stop agent_stop task_complete turn_complete turn_completed turn_ended turn_end turn_duration agent_turn_complete
        agent_end stop_failure turn_failed idle_prompt after_agent assistant_turn_end session_idle""",
    "interrupted": "interrupted turn_aborted request_interrupted turn_interrupted abort aborted user_interrupt",
    "ended": "session_end session_ended session_stop session_stopped session_shutdown session_shut_down session_closed",
}
_BY_NAME = {name.replace("_", ""): meaning for meaning, names in _MEANINGS.items() for name in names.split()}


@lru_cache(maxsize=512)
def meaning_of(name: str | None) -> Meaning | None:
    """None for a name that says nothing about where the session stands."""
    return _BY_NAME.get(name.replace("_", "").replace("-", "").replace(" ", "").lower()) if name else None
