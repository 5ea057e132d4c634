"""Attributes that two backends understand better than the conventions: OpenInference (Phoenix) and Langfuse.

They are added beside the others, computed from them.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from kaizen.wire.otlp_proto import Value

Compat = Literal["openinference", "langfuse"]

_OPENINFERENCE_KINDS = {"invoke_agent": "AGENT", "chat": "LLM", "execute_tool": "TOOL"}
_LANGFUSE_TYPES = {"invoke_agent": "agent", "chat": "generation", "execute_tool": "tool"}
# Langfuse drops a longer session id.
_LANGFUSE_SESSION = 200


def openinference(attributes: Mapping[str, Value]) -> dict[str, Value]:
    operation = str(attributes["gen_ai.operation.name"])
    found: dict[str, Value] = {"openinference.span.kind": _OPENINFERENCE_KINDS[operation]}
    if operation == "execute_tool":
        found["tool.name"] = attributes["gen_ai.tool.name"]
    if operation == "chat":
        found["llm.model_name"] = attributes["gen_ai.request.model"]
        found["llm.provider"] = attributes["gen_ai.provider.name"]
        prompt = attributes.get("gen_ai.usage.input_tokens")
        completion = attributes.get("gen_ai.usage.output_tokens")
        if isinstance(prompt, int):
            found["llm.token_count.prompt"] = prompt
        if isinstance(completion, int):
            found["llm.token_count.completion"] = completion
        if isinstance(prompt, int) and isinstance(completion, int):
            found["llm.token_count.total"] = prompt + completion
    return found


def langfuse(name: str, attributes: Mapping[str, Value]) -> dict[str, Value]:
    operation = str(attributes["gen_ai.operation.name"])
    found: dict[str, Value] = {"langfuse.observation.type": _LANGFUSE_TYPES[operation]}
    session = str(attributes["session.id"])
    if session.isascii() and len(session) <= _LANGFUSE_SESSION:
        found["langfuse.session.id"] = session
    if operation == "invoke_agent":
        found["langfuse.trace.name"] = name
    if operation == "chat" and (cost := attributes.get("kaizen.cost_usd")) is not None:
        found["langfuse.observation.cost_details"] = msgspec.json.encode({"total": cost}).decode()
    return found
