"""Locks between processes, below the home folder. The system releases one with its process, however that ends.

`capture.lock`: whoever holds it reads the agents' files; everybody else reads the store.
`sync.lock`: whoever holds it sends what waits in the outbox.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def capture_lock(home: Path, *, wait: bool) -> contextlib.AbstractContextManager[bool]:
    """True when we hold the lock."""
    return _lock(home, "capture.lock", wait=wait)


def sync_lock(home: Path, *, wait: bool) -> contextlib.AbstractContextManager[bool]:
    """True when we hold the lock."""
    return _lock(home, "sync.lock", wait=wait)


@contextlib.contextmanager
def _lock(home: Path, name: str, *, wait: bool) -> Iterator[bool]:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(home / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
