"""Absolute paths of any kind: POSIX, `~` and `$HOME`, Windows drives, UNC, file URLs.

Inside the workspace a path is hashed as the repository sees it, outside as it is, in another context. Well-known
system paths pass. A quoted path, or one with escaped spaces, is one path.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from urllib.parse import unquote

from kaizen.redact.finding import Finding
from kaizen.redact.hashes import Salt
from kaizen.redact.names import is_public_model
from kaizen.redact.words import EXTENSIONS

_PART = r"(?:[\w.@+%~$-]|\\[ ()&'])++"
_WINDOWS_PART = r"(?:[\w.@+%~$()-]++(?:[ ][\w.@+%~$()-]++){0,3}(?=\\)|[\w.@+%~$()-]++)"
_HOMES = r"(?:Users|home|Volumes|mnt|media|root|srv|opt|data|workspaces?|private|var|work|projects?)"
_POSIX = re.compile(rf"/(?<![\w/.~@<>*)\]}}$+\\?!#-]/){_PART}(?:/{{1,8}}{_PART})++/?")
# With a blank or a word in brackets: what else may be quoted ends where it ends.
_QUOTED = re.compile(
    rf"""(["'`])(?P<path>(?:~|/{_HOMES})/(?=[^"'`\n<> ]*+[ ]|[^"'`\n<>( ]*+\(\w++\))[^"'`\n<>]{{1,600}})\1"""
)
# A space belongs to a path when more of the path follows, or when the path is the whole text.
_SPACED = re.compile(rf"/(?<![\w/.~]/){_HOMES}(?:/{_PART}(?:[ ]{_PART}){{0,3}}(?=/))++/{_PART}")
_WHOLE = re.compile(rf"(?:~|/{_HOMES})(?:/[^\s/\"'<>|:;]++(?:[ ][^\s/\"'<>|:;]++){{0,5}})++/?")
_TILDE = re.compile(rf"~(?<![\w/~]~)(?:[\w.-]{{1,32}})?(?:/{_PART})++/?")
_VARIABLE = re.compile(rf"(?:\$HOME|\$\{{HOME\}}|%USERPROFILE%|%APPDATA%|%LOCALAPPDATA%)(?:[/\\]{{1,2}}{_PART})++")
_DRIVE = re.compile(
    r"(?<![A-Za-z0-9])(?:\\\\[?.]\\)?[A-Za-z]:"
    rf"(?:(?:\\{{1,4}}{_WINDOWS_PART})++\\{{0,4}}|/{_PART}(?:/{_PART})++/?)"
)
_UNC = re.compile(
    r"\\\\(?<![\w\\)\]*+]\\\\)(?<!\b[A-Za-z]:\\\\)(?<!(?:PROFILE|APPDATA)%\\\\)"
    r"(?:\\\\|[?.]\\UNC\\)?[\w.-]{3,}(?:\\{1,2}[\w.@+%~$-]{2,})++"
)
_FILE_URL = re.compile(r"file:/{1,3}(?=[\w%~])[^\s\"'<>)\]}`]++")

_PUBLIC = re.compile(
    r"""/(?: usr/(?:local/)?(?:bin|sbin|etc|lib\w*|share|include|src) | s?bin | lib(?:32|64|x32)? | dev | proc | sys
        | System/Library | Library/(?:Frameworks|Developer|Java) | Applications/[\w.-]+\.app
        | opt/homebrew/(?:s?bin|lib|opt) | nix/store | run/systemd | tmp | var/(?:log|run|lib|cache|tmp|spool)
        | etc/(?:hosts|passwd|group|shadow|fstab|profile|resolv\.conf|os-release|environment|nginx|ssl|ssh|pam\.d
            |init\.d|systemd|apt|default|cron\.\w+|ld\.so\.\w+|localtime|machine-id|hostname|services|protocols|shells|sudoers
            |pki|bash_completion\.d|update-manager)
        | org/freedesktop | api | v\d+ | css | js | static | oauth\d? | path/to | foo )$""",
    re.VERBOSE,
)
# Folders that every machine has, or may have, with what somebody put there left out.
_PUBLIC_FOLDER = re.compile(
    r"""/(?: usr/local | etc/xdg | run/user | data/(?:data|user(?:/0)?)
        | storage/emulated/0(?:/(?:Documents|Download|Desktop|Pictures|Movies|Music|DCIM))?
        | (?:Network/)?Library(?:/(?:Application(?:[ ]Support)?|Caches|Fonts|Logs|Preferences))? )
      | [A-Za-z]:[\\/]+(?: Users | Windows | Temp | ProgramData | Program[ ]Files(?:[ ]\(x86\))? )
      | %(?:USERPROFILE|APPDATA|LOCALAPPDATA)%
        (?:[\\/]+(?:AppData|Local|LocalLow|Roaming|Temp|Cache|Desktop|Documents|Downloads))*""",
    re.VERBOSE | re.IGNORECASE,
)
_WINDOWS = re.compile(
    r"[A-Za-z]:(?:\\{1,4}|/)(?:Windows(?![\\/]+Temp[\\/])|ProgramData(?:\\{1,4}|/)Microsoft)[\\/]", re.IGNORECASE
)
# `$name` or `%s` at the end.
_VARIABLES = re.compile(r"(?:[\\/]+(?:\$\w*|%[a-z]))+[\\/]*\Z")
# What stands for a name in examples.
_EXAMPLES = frozenset((
    "", ".", "..", "...", "abc", "bar", "baz", "def", "dir", "directory", "eggs", "file", "filename", "folder", "foo",
    "path", "qux", "server", "share", "spam", "to", "xyz",
))  # fmt: skip
_SEPARATORS = re.compile(r"[\\/]+")
# Files that everyone has at home, or may have.
_PUBLIC_AT_HOME = re.compile(
    r"""(?:~|\$HOME|\$\{HOME\})/(?:
          \.(?: config | cache | ssh | aws | kube | docker | npmrc | pypirc | netrc | gitconfig | profile | bashrc
              | zshrc | bash_profile | local(?:/(?:share|bin|state|lib))? | config/(?:git|pip|fish|systemd)
              | cargo | gradle | m2 | npm | nvm | pyenv | rustup | vimrc | inputrc | tmux\.conf | pydistutils\.cfg )
        | Library(?:/(?:Application(?:[ ]Support)?|Logs|Caches(?:/TemporaryItems)?|Preferences))?
        | Application(?:[ ]Support)? | Desktop | Documents | Downloads
        )/?""",
    re.VERBOSE,
)
_MAX_WHOLE = 1_000
_PUBLIC_HEADS, _PACKAGES = 4, ("/var/cache/apt/", "/var/lib/apt/", "/var/lib/dpkg/")
# What each of these must hold (`patterns.Gates`).
GATES = {
    "drive": r"(?:^|[^A-Za-z0-9])[A-Za-z]:(?:\\|/[^/])",
    "quoted-path": rf"""["'`](?:~|/{_HOMES})/[^"'`\n<> ]*(?: |\([\w?\x80-\xff]+\))""",
    "spaced-path": rf"/{_HOMES}/",
    "variable-path": r"\$\{?HOME\b|%[A-Z]+%[/\\]",
}


def find(text: str, may: AbstractSet[str], salt: Salt, workspace: str) -> Iterator[Finding]:
    """Paths with their placeholders; they may overlap. `may`: the text's open gates."""
    has_slash, has_backslash = "/" in text, "\\" in text
    if not (has_slash or has_backslash):
        return
    asked = (
        (has_slash, _POSIX, 0),
        ("spaced-path" in may, _SPACED, 0),
        (has_slash and "~" in text, _TILDE, 0),
        ("quoted-path" in may, _QUOTED, "path"),
        (has_backslash and "\\\\" in text, _UNC, 0),
        ("drive" in may, _DRIVE, 0),
        ("variable-path" in may, _VARIABLE, 0),
    )
    for is_possible, pattern, group in asked:
        if is_possible:
            for found in pattern.finditer(text):
                yield from _path(text, *found.span(group), salt, workspace)
    if len(text) < _MAX_WHOLE and " " in text and _WHOLE.fullmatch(text):
        yield from _path(text, 0, len(text), salt, workspace)
    if "file:/" in text:
        for found in _FILE_URL.finditer(text):
            yield _finding(unquote(found[0].removeprefix("file://")), found.start(), found.end(), salt, workspace)


def _path(text: str, start: int, end: int, salt: Salt, workspace: str) -> Iterator[Finding]:
    path = text[start:end].rstrip(".,")
    if not is_public(path):
        yield _finding(path, start, start + len(path), salt, workspace)


def is_public(path: str) -> bool:
    """Whether it begins with a folder that every machine has, or is no more than an example."""
    path = _VARIABLES.sub("", path)
    if _is_example(path) or _PUBLIC_FOLDER.fullmatch(path.rstrip("/\\")) or _WINDOWS.match(path):
        return True
    if path[:1] in ("~", "$"):
        # Aliases of models look like homes of other users: `~maker/model`.
        return _PUBLIC_AT_HOME.fullmatch(path) is not None or (path[1:2].isalnum() and is_public_model(path[1:]))
    parts = path.split("/", _PUBLIC_HEADS)
    # A name below /tmp or /var/lib is somebody's choice.
    if parts[1:2] == ["tmp"] or parts[1:2] == ["var"]:
        return _PUBLIC.match(path.rstrip("/")) is not None or f"{path}/".startswith(_PACKAGES)
    return any(_PUBLIC.match("/".join(parts[:count])) for count in range(2, len(parts) + 1))


def _is_example(path: str) -> bool:
    """`/a/b/c.py`, `C:\\foo\\bar`: letters and words that name nothing."""
    head, *parts = _SEPARATORS.split(path)
    if head and not (len(head) == 2 and head[1] == ":"):
        return not parts and head == "~"
    return all(map(_names_nothing, parts))


def _names_nothing(part: str) -> bool:
    name, _, extension = part.rstrip("()").partition(".")
    is_letter = len(name) == 1 and name.isascii()
    return part in _EXAMPLES or ((is_letter or name in _EXAMPLES - {""}) and (not extension or extension in EXTENSIONS))


def _finding(path: str, start: int, end: int, salt: Salt, workspace: str) -> Finding:
    root = workspace.rstrip("/\\")
    plain = path.replace("\\ ", " ")
    extension = plain.replace("\\", "/").rpartition("/")[2].rpartition(".")[2].lower()
    shown = f".{extension}" if extension in EXTENSIONS and "." in plain else ""
    if root and plain.startswith(root) and plain[len(root) : len(root) + 1] in ("/", "\\", ""):
        hashed = salt.short("path v2", plain[len(root) + 1 :])
    else:
        hashed = salt.short("outside path v2", plain)
    return Finding("path", start, end, f"<path:{hashed}{shown}>")
