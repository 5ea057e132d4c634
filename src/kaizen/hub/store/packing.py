"""Bodies as they are kept: JSON, compressed where that pays; and rows of a database as what they stand for."""

import threading

import msgspec
import zstandard

from kaizen.hub.accept import Entry
from kaizen.hub.store.protocol import Row, Settings, Team
from kaizen.wire.ingest import Event

_MIN_BYTES = 1024
_MAGIC = zstandard.FRAME_HEADER
_local = threading.local()


def pack(body: bytes) -> bytes:
    if len(body) < _MIN_BYTES:
        return body
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=3)
    packed: bytes = _local.compressor.compress(body)
    return packed


def unpack(stored: bytes) -> bytes:
    """JSON begins with a brace, so it cannot be taken for a frame."""
    return zstandard.ZstdDecompressor().decompress(stored) if stored.startswith(_MAGIC) else stored


def item_row(kind: str, id: int, workspace: str, ts_ms: int, received_ms: int, body: bytes) -> Row:
    return Row(id, kind, workspace, ts_ms, received_ms, unpack(body))


def team_row(team_id: str, created_ms: int, settings: bytes) -> Team:
    return Team(team_id, created_ms, msgspec.json.decode(settings, type=Settings))


def event_of(entry: Entry) -> Event:
    assert isinstance(entry.item, Event)
    return entry.item
