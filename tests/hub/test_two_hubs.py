"""Two hubs on one PostgreSQL database answer as one. See also `bench/hub.py --hubs 2 --race 1000`."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from kaizen.hub.limits import Limits

from .conftest import POSTGRES
from .made import NOW, TEAM, cost
from .serving import Client, serving

pytestmark = pytest.mark.skipif(not POSTGRES, reason="needs PostgreSQL: make test-postgres")


@pytest.fixture
def hubs() -> Iterator[list[Client]]:
    from kaizen.hub.store.postgres import PostgresStore
    from kaizen.hub.store.protocol import Team

    from .private_postgres import empty_database

    url = empty_database(POSTGRES)
    with ExitStack() as opened:
        stores = [opened.enter_context(closing(PostgresStore(url))) for _ in range(2)]
        stores[0].add_team(Team(TEAM, NOW))
        yield [opened.enter_context(serving(store, clock=lambda: NOW)) for store in stores]


def test_the_same_batch_at_once_is_stored_once(hubs: list[Client]) -> None:
    rounds = 60
    answers: list[list[int]] = [[], []]
    together = threading.Barrier(2)
    keys = [str(uuid.uuid4()) for _ in range(rounds)]

    def send(at: int) -> None:
        for number, key in enumerate(keys):
            together.wait()
            answers[at].append(hubs[at].events(*[cost(i, str(number)) for i in range(10)], key=key).status_code)

    threads = [threading.Thread(target=send, args=(at,)) for at in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {tuple(sorted(pair)) for pair in zip(*answers, strict=True)} == {(202, 409)}
    assert hubs[0].get("/v1/query/summary").json()["usage"]["requests"] == rounds * 10


def test_followers_of_one_hub_see_what_the_other_stores(hubs: list[Client]) -> None:
    with hubs[0].http.stream("GET", "/v1/stream", headers={"Authorization": f"Bearer {hubs[0].token}"}) as followed:
        lines = followed.iter_lines()
        assert next(lines) == ": following"
        hubs[1].events(cost(1))
        assert next(line for line in lines if line.startswith("data: ")).startswith('data: {"id":')


def test_a_token_of_one_hub_opens_the_other(hubs: list[Client]) -> None:
    assert hubs[1].get("/v1/config", token=hubs[0].token).status_code == 200


def test_the_share_of_a_token_is_counted_at_both_together() -> None:
    from kaizen.hub.store.postgres import PostgresStore
    from kaizen.hub.store.protocol import Team

    from .private_postgres import empty_database

    url = empty_database(POSTGRES)
    with ExitStack() as opened:
        stores = [opened.enter_context(closing(PostgresStore(url))) for _ in range(2)]
        stores[0].add_team(Team(TEAM, NOW))
        limits = Limits(requests_per_minute=1, burst=6)
        hubs = [opened.enter_context(serving(store, limits)) for store in stores]
        answers = [hubs[i % 2].get("/v1/config", token=hubs[0].token).status_code for i in range(10)]
    assert answers == [200] * 6 + [429] * 4
