"""The shape of a shell command: which well-known program, how many words, pipes and redirections, common flags."""

import re
from collections.abc import Iterator
from typing import Any

from kaizen.redact import words

_LOOK, _MAX_FLAGS = 4_000, 16
# A word (with quoted parts), a redirection, a pipe, or another end of a command.
_TOKEN = re.compile(
    r"""(?P<word>(?:[^\s"'\\;|&()<>]+|"[^"\\]*(?:\\.[^"\\]*)*"|'[^']*'|\\.)+)|(?P<to>\d?>>?&?\d?|<<?<?)|(?P<pipe>\|(?!\|))"""
    r"""|(?P<end>&&|\|\||[;&\n()])""",
    re.DOTALL,
)
_SHELLS = frozenset(("bash", "/bin/bash", "sh", "/bin/sh", "zsh", "/bin/zsh"))
_BEFORE = frozenset(("builtin", "command", "env", "exec", "nice", "nohup", "sudo", "time"))
_ASSIGNMENT = re.compile(r"\w+=")
# They only lead to the command that matters.
_WAY = frozenset(("cd", "export", "pushd", "set", "source"))


def features(command: Any) -> Iterator[tuple[str, Any]]:
    """Of a command line, or of an argument list such as `["bash", "-lc", "make"]`."""
    if isinstance(command, list):
        parts = [part for part in command if isinstance(part, str)]
        if len(parts) == 3 and parts[0] in _SHELLS and parts[1].startswith("-"):
            command = parts[2]
        else:
            yield from _of([parts], 0, 0)
            return
    if not isinstance(command, str) or not command.strip():
        return
    pipes = redirects = 0
    commands: list[list[str]] = [[]]
    for found in _TOKEN.finditer(command, 0, _LOOK):
        if found.lastgroup == "word":
            commands[-1].append(found[0])
        elif found.lastgroup == "to":
            redirects += 1
        else:
            pipes += found.lastgroup == "pipe"
            commands.append([])
    yield from _of(commands, pipes, redirects)


def _of(commands: list[list[str]], pipes: int, redirects: int) -> Iterator[tuple[str, Any]]:
    names = [name for one in commands if (name := _program(one))]
    name = next((name for name in names if name not in _WAY), names[0] if names else "")
    yield "program", name if name in words.PROGRAMS else words.OTHER
    yield "argc", sum(map(len, commands))
    yield "pipe_count", pipes
    yield "redirects", redirects
    flags = {flag for one in commands for word in one if (flag := word.partition("=")[0]) in words.FLAGS}
    if flags:
        yield "flags", sorted(flags)[:_MAX_FLAGS]


def _program(command: list[str]) -> str:
    for word in command:
        if word not in _BEFORE and not _ASSIGNMENT.match(word):
            return word.rpartition("/")[2]
    return ""
