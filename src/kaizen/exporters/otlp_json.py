"""OTLP as JSON: protobuf's JSON, but ids are hex digits instead of base64, and enumerations are numbers."""

from base64 import b64decode
from importlib import import_module
from typing import Any

import msgspec

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def encode(request: object) -> bytes:
    to_dict = import_module("google.protobuf.json_format").MessageToDict  # comes without types
    said = to_dict(request, use_integers_for_enums=True)
    _with_hex_ids(said)
    return msgspec.json.encode(said)


def _with_hex_ids(said: Any) -> None:
    if isinstance(said, list):
        for one in said:
            _with_hex_ids(one)
    elif isinstance(said, dict):
        for name, value in said.items():
            if name in _IDS:
                said[name] = b64decode(value).hex()
            else:
                _with_hex_ids(value)
