"""Every test of a store runs on each of them. PostgreSQL is tested where one is given: see `make test-postgres`."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kaizen.hub.store.protocol import HubStore, Team

from .made import NOW, TEAM

POSTGRES = os.environ.get("KAIZEN_TEST_POSTGRES", "")
STORES = ["sqlite", *(["postgres"] if POSTGRES else [])]


def opened(kind: str, folder: Path) -> HubStore:
    """An empty store."""
    if kind == "sqlite":
        from kaizen.hub.store.sqlite import SqliteStore

        return SqliteStore(folder / "hub")
    from kaizen.hub.store.postgres import PostgresStore

    from .private_postgres import empty_database

    return PostgresStore(empty_database(POSTGRES))


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HubStore]:
    with closing(opened(request.param, tmp_path)) as made:
        made.add_team(Team(TEAM, NOW))
        yield made
