"""A store by what a person calls it: a folder, or the URL of a PostgreSQL database."""

from pathlib import Path

from kaizen.errors import BadConfig, StoreError
from kaizen.hub.store.protocol import HubStore, Unavailable

SCHEMES = ("postgresql://", "postgres://")


def open_store(location: str) -> HubStore:
    """Makes it when it is not there. Raises `BadConfig`, `StoreError`."""
    if location.startswith(SCHEMES):
        return _postgres(location)
    from kaizen.hub.store.sqlite import SqliteStore

    try:
        return SqliteStore(Path(location).expanduser())
    except (OSError, Unavailable) as error:
        raise StoreError(f"{location} cannot be used as a hub's store: {error.__cause__ or error}.",
                         hint="Name a folder that you may write to with --store.") from error  # fmt: skip


def _postgres(url: str) -> HubStore:
    try:
        from kaizen.hub.store.postgres import PostgresStore
    except ImportError as error:
        raise BadConfig("PostgreSQL needs a driver that is not installed.",
                        hint="pip install 'kaizen-retro[postgres]'") from error  # fmt: skip
    try:
        return PostgresStore(url)
    except Unavailable as error:
        raise StoreError(f"The database does not answer: {error.__cause__}.",
                         hint="Check host, database and user of --store.") from error  # fmt: skip
