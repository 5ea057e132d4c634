"""Every item in exactly one request or too large for any, in order, within both limits."""

from hypothesis import given
from hypothesis import strategies as st

from kaizen.wire.chunks import cut


@given(sizes=st.lists(st.integers(0, 60)), max_items=st.integers(1, 5), room=st.integers(1, 50),
       frame=st.integers(0, 10), between=st.integers(0, 2))
def test_cut(sizes: list[int], max_items: int, room: int, frame: int, between: int) -> None:
    found = cut(sizes, max_items=max_items, max_bytes=room + frame, frame_bytes=frame, between_bytes=between)
    places = [place for request in found.requests for place in request]
    assert places == sorted(places)
    assert sorted([*places, *found.too_large]) == list(range(len(sizes)))
    assert all(sizes[place] > room for place in found.too_large)
    for request in found.requests:
        assert 0 < len(request) <= max_items
        assert sum(sizes[place] for place in request) + between * (len(request) - 1) <= room


@given(st.lists(st.integers(1, 9), min_size=1))
def test_no_request_could_take_the_next_item(sizes: list[int]) -> None:
    found = cut(sizes, max_items=4, max_bytes=20)
    for request, following in zip(found.requests, found.requests[1:], strict=False):
        used = sum(sizes[place] for place in request) + len(request)
        assert len(request) == 4 or used + sizes[following[0]] > 20
