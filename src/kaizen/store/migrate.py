"""Schema versions: numbered `.sql` files, applied in order, each in one transaction, never edited after release."""

import sqlite3
from pathlib import Path

from kaizen.errors import StoreTooNew
from kaizen.store.key_hash import row_hash

_FILES = sorted((Path(__file__).parent / "migrations").glob("[0-9]*.sql"))
LATEST = int(_FILES[-1].name[:4])


def check(db: sqlite3.Connection, path: Path) -> bool:
    """True when the schema is current, False when it is older. Raises `StoreTooNew` when it is newer."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > LATEST:
        raise StoreTooNew(f"{path} was written by a newer kaizen (schema {version}, this one knows {LATEST}).",
                          hint="Update kaizen, or set KAIZEN_HOME to another folder.")
    return version == LATEST


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to `LATEST`. Safe when several processes try at once: the version is read under the lock."""
    db.create_function("key_hash", 3, row_hash, deterministic=True)
    is_enforced = db.execute("PRAGMA foreign_keys").fetchone()[0]
    db.execute("PRAGMA foreign_keys=OFF")  # or a table that is made again would take with it what refers to its rows
    try:
        for file in _FILES:
            _apply(db, file, path)
    finally:
        db.execute(f"PRAGMA foreign_keys={is_enforced}")


def _apply(db: sqlite3.Connection, file: Path, path: Path) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        if not check(db, path) and db.execute("PRAGMA user_version").fetchone()[0] < int(file.name[:4]):
            for statement in _statements(file.read_text()):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={int(file.name[:4])}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    found, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    return found
