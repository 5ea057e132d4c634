"""What all three signals of OTLP share: ids, attributes, the resource, the scope, names of providers. Pure.

Ids follow from what they stand for, so a part that is sent again, or later than its siblings, lands where it belongs:

    key       BLAKE3 derive_key("kaizen otlp trace v1", salt)
    trace id  first 16 bytes of BLAKE3(key, session hash and turn); of the session alone for one trace per session
    span id   first 8 bytes of BLAKE3(key, what the span stands for)

Whoever does not have the salt can neither guess a session from an id nor make an id for one.
"""

from collections.abc import Mapping, Sequence

from blake3 import blake3
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from kaizen import __version__
from kaizen.wire.ingest import Envelope

# Of the conventions' own repository (semantic-conventions-genai); they are in development, names may change.
SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
NS_PER_MS = 1_000_000
# What the fields of the protocol hold; an item may hold more.
MAX_MS = (2**63 - 1) // NS_PER_MS
MAX_INT = 2**63 - 1

Value = str | bool | int | float | Sequence[str]
# None: unknown, so left out.
Values = Mapping[str, Value | None]

# How names of public models begin, and what the conventions call who makes them.
_MAKERS = (
    ("claude", "anthropic"),
    ("gpt", "openai"),
    ("chatgpt", "openai"),
    ("codex", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("gemini", "gcp.gemini"),
    ("deepseek", "deepseek"),
    ("mistral", "mistral_ai"),
    ("codestral", "mistral_ai"),
    ("devstral", "mistral_ai"),
    ("kimi", "moonshot_ai"),
    ("moonshot", "moonshot_ai"),
    ("sonar", "perplexity"),
    ("grok", "x_ai"),
    ("command", "cohere"),
    ("granite", "ibm.watsonx.ai"),
    ("qwen", "alibaba"),
    ("glm", "zhipu"),
    ("llama", "meta"),
)
_TOLD = {"anthropic": "anthropic", "openai": "openai", "google": "gcp.gemini"}
UNKNOWN = "unknown"


class Ids:
    """`is_per_session`: all turns of a session are one trace."""

    def __init__(self, salt: bytes, *, is_per_session: bool) -> None:
        self._key = blake3(salt, derive_key_context="kaizen otlp trace v1").digest()
        self.is_per_session = is_per_session

    def trace(self, session: str, turn: int | None) -> bytes:
        return self._of("trace", session, self._turn(turn))[:16]

    def root(self, session: str, turn: int | None) -> bytes:
        return self._of("root", session, self._turn(turn))[:8]

    def event(self, session: str, seq: int) -> bytes:
        return self._of("event", session, str(seq))[:8]

    def tool(self, session: str, span: str) -> bytes:
        return self._of("tool", session, span)[:8]

    def word(self, *parts: str) -> str:
        """A short name for something that is to be recognised, not known."""
        return self._of("word", *parts)[:8].hex()

    def _turn(self, turn: int | None) -> str:
        """An event whose turn is unknown is put before the first prompt."""
        return "" if self.is_per_session else str(turn or 0)

    def _of(self, *parts: str) -> bytes:
        return blake3("|".join(parts).encode(), key=self._key).digest()


def provider(model: str | None, told: object = None) -> str:
    """`told`: what the event itself says. Names of a gateway before the model's are passed over."""
    if isinstance(told, str) and told in _TOLD:
        return _TOLD[told]
    name = (model or "").lower().rpartition("/")[2]
    if ".anthropic." in f".{name}":
        return "aws.bedrock"
    return next((maker for start, maker in _MAKERS if name.startswith(start)), UNKNOWN)


def attributes(values: Values) -> list[KeyValue]:
    """In the order of their names, without the unknown ones."""
    return [KeyValue(key=key, value=_any(value)) for key, value in sorted(values.items()) if value is not None]


def _any(value: Value) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=min(value, MAX_INT))
        case float():
            return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=one) for one in value]))


def nanos(ms: int) -> int:
    return min(max(ms, 0), MAX_MS) * NS_PER_MS


def resource(envelope: Envelope, service_name: str, instance: str, more: Mapping[str, str]) -> Resource:
    """`more`: what the user's environment says about it, which comes before ours."""
    values: dict[str, Value | None] = {
        "service.name": service_name or envelope.project_name or "kaizen",
        "service.version": __version__,
        "service.instance.id": instance,
        "telemetry.sdk.name": "kaizen",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
        "vcs.repository.name": envelope.project_name,
        "kaizen.team_id": envelope.team_id,
        "kaizen.workspace_hash": envelope.workspace_hash,
    }
    named = {"service.name"} if service_name else set()
    values.update({key: value for key, value in more.items() if key not in named})
    return Resource(attributes=attributes(values))


def scope() -> InstrumentationScope:
    return InstrumentationScope(name="kaizen", version=__version__)
