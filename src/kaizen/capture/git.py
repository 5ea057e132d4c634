"""Which repository a directory belongs to, from the file system alone: no process is started."""

import os
from functools import lru_cache


@lru_cache(maxsize=4096)
def repository_of(path: str) -> str:
    """The nearest ancestor with a `.git`; for a linked worktree its main repository; else `path` itself."""
    if not os.path.isabs(path):
        return path
    folder = path
    while True:
        marker = os.path.join(folder, ".git")
        if os.path.isdir(marker):
            return folder
        if os.path.isfile(marker):
            return _main_repository(marker) or folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return path
        folder = parent


def _main_repository(marker: str) -> str | None:
    """`.git` of a worktree says `gitdir: <repository>/.git/worktrees/<name>`."""
    try:
        with open(marker, encoding="utf-8", errors="replace") as file:
            line = file.readline(4096).strip()
    except OSError:
        return None
    prefix, _, target = line.partition("gitdir:")
    target = os.path.normpath(os.path.join(os.path.dirname(marker), target.strip()))
    head, found, _ = target.partition(f"{os.sep}.git{os.sep}worktrees{os.sep}")
    return head if found and not prefix else None
