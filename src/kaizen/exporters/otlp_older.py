"""The names of version 1.36 of the conventions, for backends that do not know what came after it.

What that version had no name for is not called `gen_ai.` then.
"""

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

SCHEMA_URL = "https://opentelemetry.io/schemas/1.36.0"
NAMES = {
    "gen_ai.provider.name": "gen_ai.system",
    "gen_ai.agent.version": "kaizen.agent.version",
    "gen_ai.request.stream": "kaizen.request.stream",
    "gen_ai.response.time_to_first_chunk": "kaizen.response.time_to_first_chunk",
    "gen_ai.usage.cache_read.input_tokens": "kaizen.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "kaizen.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens": "kaizen.usage.reasoning.output_tokens",
    "gen_ai.evaluation.name": "kaizen.evaluation.name",
    "gen_ai.evaluation.score.value": "kaizen.evaluation.score.value",
    "gen_ai.evaluation.score.label": "kaizen.evaluation.score.label",
    "gen_ai.evaluation.result": "kaizen.evaluation.result",
    "gen_ai.client.operation.time_to_first_chunk": "kaizen.client.operation.time_to_first_chunk",
    "gen_ai.execute_tool.duration": "kaizen.execute_tool.duration",
}
SYSTEMS = {"x_ai": "xai", "azure.ai.openai": "az.ai.openai", "azure.ai.inference": "az.ai.inference"}


def rename(message: Any) -> None:
    """In place, whatever request it is."""
    if isinstance(message, KeyValue):
        if message.key == "gen_ai.provider.name":
            message.value.string_value = SYSTEMS.get(message.value.string_value, message.value.string_value)
        message.key = NAMES.get(message.key, message.key)
        return
    if isinstance(message, Metric):
        message.name = NAMES.get(message.name, message.name)
    elif isinstance(message, LogRecord):
        message.event_name = NAMES.get(message.event_name, message.event_name)
    for field, value in message.ListFields():
        if field.name == "schema_url":
            message.schema_url = SCHEMA_URL
        elif field.message_type is not None:
            for one in value if isinstance(value, Iterable) else (value,):
                rename(one)
