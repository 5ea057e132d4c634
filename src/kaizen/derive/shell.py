"""Files that a shell command most likely touched. All are guesses: nobody but a shell knows what a command does.

Looked at: redirections, and commands everybody knows (`cat`, `sed -i`, `rm`, `rg`, ...). A `cd` at the front moves the
following relative paths. Words with expansions (`$x`, `*.py`, `$(...)`) are not paths; bodies of here-documents are not
read.
"""

import re
from collections.abc import Iterator
from typing import Literal

from kaizen.derive.patches import files_in_patch
from kaizen.model.event import FileUse

Op = Literal["read", "write", "create", "delete", "search", "list", "run"]

_MAX_CHARS = 2_000
_MAX_FILES = 32

_HEREDOC = re.compile(r"(?<!<)<<(?!<)-?\s*(['\"]?)(\w+)\1")
# A quoted or plain word, a redirection, or something that ends a command.
_TOKEN = re.compile(
    r"""[^\S\n]*(?:(\d?>>?\|?&?|&>>?|<<?<?)|(&&|\|\||[;|&\n()])|((?:[^\s"'\\;|&()<>]+|"[^"\\]*(?:\\.[^"\\]*)*"|'[^']*'|\\.)+)|.)""",
    re.DOTALL,
)
_ARROWS: dict[str, Op | Literal["skip"]] = {"<": "read", "<<": "skip", "<<<": "skip"}
_PLAIN = re.compile(r"[./@+~%,:=\[\]-]*\w[\w./@+~%,:=\[\]-]*\Z")
_SCRIPT = re.compile(r".*\.(?:py|sh|bash|js|mjs|cjs|ts|tsx|rb|pl|php|lua|R|jl|ps1)\Z")

_COMMANDS: dict[str, Op] = {
    "bat": "read", "cat": "read", "diff": "read", "file": "read", "head": "read", "jq": "read", "less": "read",
    "more": "read", "nl": "read", "sed": "read", "stat": "read", "tail": "read", "wc": "read", "xxd": "read",
    "chmod": "write", "patch": "write", "tee": "write", "mkdir": "create", "touch": "create",
    "rm": "delete", "rmdir": "delete", "unlink": "delete",
    "ag": "search", "egrep": "search", "fd": "search", "find": "search", "grep": "search", "rg": "search",
    "ls": "list", "tree": "list",
    "bash": "run", "bun": "run", "deno": "run", "node": "run", "python": "run", "python3": "run", "ruby": "run",
    "sh": "run", "zsh": "run",
    "cp": "write", "mv": "write",
}  # fmt: skip
# Their first plain word is a pattern or a program, not a path.
_PROGRAM_FIRST = frozenset(("ag", "chmod", "egrep", "fd", "grep", "jq", "rg", "sed"))
_BEFORE_COMMAND = frozenset((
    "sudo",
    "time",
    "env",
    "nice",
    "nohup",
    "command",
    "exec",
    "then",
    "do",
    "else",
    "if",
    "!",
))
# Options of search commands that take the next word as their value; a number is never taken for a path anyway.
_WITH_VALUE = frozenset(("-e", "-A", "-B", "-C", "-m", "-t", "-g", "-T", "-L", "--glob", "--type", "--max-count",
                         "-name", "-iname", "-path", "-type", "-maxdepth", "-mindepth", "-size", "-mtime", "-exec",
                         "--include", "--exclude", "--exclude-dir", "-d", "-I"))  # fmt: skip
_SCRIPT_OPTION = frozenset(("-e",))


def files_in_command(command: str, cwd: str = "") -> list[FileUse]:
    """Guessed uses in the order of the words. A patch in a here-document is read as the patch it is.

    Relative paths are joined to `cwd` if that is given.
    """
    if "*** Begin Patch" in command:
        return [_under(cwd, use) for use in files_in_patch(command)]
    if len(command) > _MAX_CHARS:
        command = command[: _MAX_CHARS * 8]
    if "<<" in command:
        command = _without_heredocs(command)
    uses: dict[tuple[str, str], FileUse] = {}
    for words, redirections in _simple_commands(command[:_MAX_CHARS]):
        if words and words[0] == "cd":
            if len(words) == 2 and _is_path(words[1]):
                cwd = _joined(cwd, words[1])
            continue
        for op, path in (*_of_command(words), *redirections):
            if _is_path(path) and len(uses) < _MAX_FILES:
                path = _joined(cwd, path)
                uses.setdefault((path, op), FileUse(path=path, op=op, is_guess=True))
    return list(uses.values())


def script_of(argv: list[object]) -> str:
    """The command line of an argument vector: the script of `bash -lc <script>`, else its words joined."""
    words = [word for word in argv if type(word) is str]
    if len(words) >= 3 and words[1].startswith("-") and words[1].endswith("c") and words[0].endswith("sh"):
        return words[2]
    return " ".join(f"'{word}'" if " " in word and "'" not in word else word for word in words)


def _without_heredocs(command: str) -> str:
    """The bodies are data; what follows the opening word on its line still belongs to the command."""
    kept = []
    at = 0
    while opening := _HEREDOC.search(command, at):
        kept.append(command[at : opening.start()])
        body = command.find("\n", opening.end())
        if body < 0:
            at = opening.end()
            continue
        kept.append(command[opening.end() : body + 1])
        closing = re.compile(rf"^\s*{opening[2]}\s*$", re.MULTILINE).search(command, body + 1)
        at = closing.end() if closing else len(command)
    return "".join([*kept, command[at:]])


def _simple_commands(text: str) -> Iterator[tuple[list[str], list[tuple[Op, str]]]]:
    words: list[str] = []
    redirections: list[tuple[Op, str]] = []
    pending: Op | Literal["skip"] | None = None
    for found in _TOKEN.finditer(text):
        arrow, end, word = found.groups()
        if word is not None:
            if pending:
                if pending != "skip":
                    redirections.append((pending, _unquoted(word)))
                pending = None
            else:
                words.append(_unquoted(word))
        elif arrow:
            pending = None if arrow.endswith("&") else _ARROWS.get(arrow.lstrip("0123456789"), "write")
        elif end:
            yield words, redirections
            words, redirections, pending = [], [], None
        elif found[0].strip():
            # A quote that is never closed: what follows is not known.
            break
    yield words, redirections


def _of_command(words: list[str]) -> Iterator[tuple[Op, str]]:
    at = 0
    while at < len(words) and (words[at] in _BEFORE_COMMAND or "=" in words[at]):
        at += 1
    if at == len(words):
        return
    name, rest = words[at], words[at + 1 :]
    if name.startswith("./") and len(name) > 2:
        yield "run", name
        return
    name = name.rpartition("/")[2]
    op = _COMMANDS.get(name)
    if op is None:
        return
    options = {word for word in rest if word[:1] == "-"}
    plain = list(_plain_words(rest, _WITH_VALUE if op == "search" else _SCRIPT_OPTION))
    if name == "sed" and any(option.startswith(("-i", "--in-place")) for option in options):
        op = "write"
    if name == "find":
        plain = list(_until_option(rest))
    elif name in _PROGRAM_FIRST and not options & {"-e", "-f", "--files"}:
        plain = plain[1:]
    elif op == "run":
        plain = plain[:1] if not options & {"-c", "-e", "-m"} and plain and _SCRIPT.match(plain[0]) else []
    if name in ("cp", "mv") and len(plain) >= 2:
        for path in plain[:-1]:
            yield "read" if name == "cp" else "delete", path
        yield "write", plain[-1]
        return
    for path in plain:
        yield op, path


def _plain_words(rest: list[str], with_value: frozenset[str]) -> Iterator[str]:
    skip = False
    for word in rest:
        if skip:
            skip = False
        elif word[:1] == "-":
            skip = word in with_value
        elif not word.isdigit():
            yield word


def _until_option(rest: list[str]) -> Iterator[str]:
    for word in rest:
        if word[:1] in ("-", "(", "!"):
            return
        yield word


def _unquoted(word: str) -> str:
    if word[0] in "\"'" and word[-1] == word[0] and len(word) > 1 and word[0] not in word[1:-1]:
        return word[1:-1]
    return word.replace("'", "").replace('"', "") if "'" in word or '"' in word else word


def _is_path(word: str) -> bool:
    return (
        len(word) < 1024
        and "://" not in word
        and not word.startswith(("/dev/", "-", "=", "&"))
        and (_PLAIN.match(word) is not None or (" " in word and "/" in word and "$" not in word and "\n" not in word))
    )


def _joined(cwd: str, path: str) -> str:
    return path if not cwd or path[:1] in ("/", "~") or path[1:2] == ":" else f"{cwd.rstrip('/')}/{path}"


def _under(cwd: str, use: FileUse) -> FileUse:
    return FileUse(_joined(cwd, use.path), use.op, use.added_lines, use.removed_lines, use.is_guess)
