"""Cutting a batch into requests that a service takes: so many items, so many bytes."""

from collections.abc import Sequence

import msgspec


class Chunks(msgspec.Struct, frozen=True):
    """Places of the items in each request, in order; `too_large`: places of those that fit in none."""

    requests: list[list[int]]
    too_large: list[int]


def cut(sizes: Sequence[int], *, max_items: int, max_bytes: int, frame_bytes: int = 0, between_bytes: int = 1,
        max_item_bytes: int | None = None) -> Chunks:
    """`sizes` are the bytes of the items as they are sent, `frame_bytes` what a request has around them."""
    room = max_bytes - frame_bytes
    most = min(room, max_item_bytes if max_item_bytes is not None else room)
    requests: list[list[int]] = []
    too_large = []
    used = 0
    for place, size in enumerate(sizes):
        if size > most:
            too_large.append(place)
            continue
        if not requests or len(requests[-1]) == max_items or used + between_bytes + size > room:
            requests.append([])
            used = -between_bytes
        requests[-1].append(place)
        used += between_bytes + size
    return Chunks(requests, too_large)
