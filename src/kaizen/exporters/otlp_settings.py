"""Settings of an OTLP destination, and what they come to together with the environment. Pure.

The variables of OpenTelemetry come before the settings, those of one signal before those of all, so an environment that
is set up for other programs works here as well.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args
from urllib.parse import unquote, urlsplit

import msgspec

from kaizen import net
from kaizen.errors import BadConfig

Signal = Literal["traces", "metrics", "logs"]
SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")
Protocol = Literal["http/protobuf", "http/json"]
Temporality = Literal["delta", "cumulative"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    endpoint: str = "http://localhost:4318"
    """Where to: `/v1/traces`, `/v1/metrics` and `/v1/logs` are added. With `/v1/traces` at its end: traces only."""
    headers: dict[str, str] = {}
    """Sent with each request."""
    headers_env: dict[str, str] = {}
    """The same, by the environment variable that holds the value: { "api-key" = "MY_API_KEY" }."""
    compression: Literal["gzip", "none"] = "gzip"
    timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=30_000)] = 10_000
    trace_per: Literal["turn", "session"] = "turn"
    """One trace for each prompt and its answer, or for each session."""
    signals: tuple[Signal, ...] = SIGNALS
    """What to send. One that the destination does not know is left out by itself."""
    compat: list[Literal["openinference", "langfuse"]] = []
    """Add the attributes of backends that have their own words."""
    semconv: Literal["genai-2026", "genai-1.36"] = "genai-2026"
    """Version of the conventions for generative AI."""
    protocol: Protocol = "http/protobuf"
    temporality: Temporality = "delta"
    """Metrics as differences, or as sums since this program began."""
    service_name: str = ""
    """Empty: the project's name when `identity.project_name` is on, else `kaizen`."""
    allow_insecure: bool = False
    """Allow headers to travel over http to another machine."""


class Target(msgspec.Struct, frozen=True):
    """Where one signal goes."""

    url: str
    headers: dict[str, str]
    is_gzip: bool
    timeout_s: float
    is_json: bool


def targets(settings: Settings, env: Mapping[str, str]) -> dict[Signal, Target]:
    """By signal, in the order in which they are sent. Raises `BadConfig`."""
    found = {}
    for signal in ("traces", "logs", "metrics"):
        url = _url(signal, settings, env)
        if signal in settings.signals and url is not None:
            headers = _headers(signal, settings, env)
            _check(url, headers, settings)
            found[signal] = Target(url, headers, _compression(signal, settings, env) == "gzip",
                                   _timeout_ms(signal, settings, env) / 1000,
                                   _protocol(signal, settings, env) == "http/json")
    if not found:
        raise BadConfig("This OTLP exporter sends nothing.", hint="Name at least one of traces, metrics, logs.")
    return found


def service_name(settings: Settings, env: Mapping[str, str]) -> str:
    return env.get("OTEL_SERVICE_NAME") or resource_attributes(env).get("service.name") or settings.service_name


def resource_attributes(env: Mapping[str, str]) -> dict[str, str]:
    return _pairs(env.get("OTEL_RESOURCE_ATTRIBUTES", ""))


def _of(name: str, signal: str, env: Mapping[str, str]) -> str:
    variables = f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", f"OTEL_EXPORTER_OTLP_{name}"
    return next((value for one in variables if (value := env.get(one, "").strip())), "")


def _url(signal: str, settings: Settings, env: Mapping[str, str]) -> str | None:
    """A variable of one signal is the address itself. None: not for this signal."""
    exact = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    if exact:
        return exact
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not base and settings.endpoint.rstrip("/").endswith("/v1/traces"):
        return settings.endpoint if signal == "traces" else None
    return f"{(base or settings.endpoint).rstrip('/')}/v1/{signal}"


def _headers(signal: str, settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    found = {name.lower(): value for name, value in settings.headers.items()}
    for name, variable in settings.headers_env.items():
        value = env.get(variable, "").strip()
        if not value:
            raise BadConfig(f"{variable}, which holds the header {name}, is not set.",
                            hint=f"Set it, or correct headers_env.{name}.")
        found[name.lower()] = value
    for variable in ("OTEL_EXPORTER_OTLP_HEADERS", f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS"):
        found |= {name.lower(): value for name, value in _pairs(env.get(variable, "")).items()}
    for name, value in found.items():
        if not (name.isascii() and name.isprintable() and value.isascii() and value.isprintable()) or " " in name:
            raise BadConfig(f"The header {name!r} cannot be sent.", hint="Headers are printable ASCII.")
    return found


def _pairs(text: str) -> dict[str, str]:
    """`k=v,k=v`, percent-encoded."""
    pairs = (one.partition("=") for one in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, is_pair, value in pairs if is_pair and name.strip()}


def _compression(signal: str, settings: Settings, env: Mapping[str, str]) -> str:
    told = _of("COMPRESSION", signal, env).lower()
    return told if told in ("gzip", "none") else settings.compression


def _timeout_ms(signal: str, settings: Settings, env: Mapping[str, str]) -> int:
    told = _of("TIMEOUT", signal, env)
    if not told:
        return settings.timeout_ms
    if not (told.isascii() and told.isdigit() and int(told) > 0):
        raise BadConfig(f"OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds: {told!r}.", hint="Such as 10000.")
    return int(told)


def _protocol(signal: str, settings: Settings, env: Mapping[str, str]) -> str:
    told = _of("PROTOCOL", signal, env)
    if told and told not in get_args(Protocol):
        raise BadConfig(f"OTEL_EXPORTER_OTLP_PROTOCOL is {told!r}, which is not sent.",
                        hint="Set it to http/protobuf or http/json, with the endpoint of that port (mostly 4318).")
    return told or settings.protocol


def is_cumulative(settings: Settings, env: Mapping[str, str]) -> bool:
    told = env.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    if told not in ("", "cumulative", "delta", "lowmemory"):
        raise BadConfig(f"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE is {told!r}.",
                        hint="It is cumulative, delta or lowmemory.")
    return (told or settings.temporality) == "cumulative"


def _check(url: str, headers: Mapping[str, str], settings: Settings) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise BadConfig(f"The OTLP endpoint is no http(s) address: {url!r}.", hint="Such as http://localhost:4318")
    if parts.scheme == "http" and headers and not settings.allow_insecure and not net.is_loopback(host):
        raise BadConfig(f"Headers would travel in clear text to {host}.",
                        hint="Use https, or set allow_insecure = true for this exporter.")
