"""Lines of sessions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.model.ids import shorten
from kaizen.store import session_rows
from kaizen.store.filter import Filter
from kaizen.views.sessions import short_ids
from seeded import Seed

host_id = st.text("ab", min_size=8, max_size=12)


@settings(max_examples=40, deadline=None)
@given(ids=st.lists(st.tuples(st.sampled_from(["claude", "codex"]), host_id), min_size=1, max_size=30, unique=True))
def test_ids_are_as_short_as_if_all_of_them_were_compared(
    ids: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    seed = Seed(tmp_path_factory.mktemp("home"))
    for agent, one in ids:
        seed.session(one, agent)
    db = seed.done()
    everything = [one for _, _, one in session_rows.ids(db, Filter())]
    shown = sorted({one for _, one in ids})[::3]
    assert short_ids(db, shown) == shorten(shown, everything)
    db.close()
