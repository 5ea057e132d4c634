"""Skills, rules and commands a session used: what was `loaded`, and what was only `mentioned`.

`loaded` needs the host's word: a call of the skill tool, a command tag, the line that heads an injected skill body, a
file of rules that the host announces, or a read of that very file by a read tool. `mentioned` is a path in a prompt, an
answer or a tool's input. Outputs are not searched: a directory listing would mention everything.

A name is one letter or digit followed by at most 63 of letters, digits, `_`, `-`; a longer one is refused, not cut.
What lies below a person's home is of scope `user`; a skill tool does not say, so its scope is `project` except for
plug-ins (`plugin:skill`).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from kaizen.model.event import GuidanceUse

How = Literal["loaded", "mentioned"]

_SLUG = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_is_slug = re.compile(rf"{_SLUG}\Z").match
_PLACE = re.compile(
    r"\.(?:(?:claude|cursor|codex|agents|gemini|github)[\\/])"
    rf"(?:skills[\\/](?:\.system[\\/])?(?P<skill>{_SLUG})(?![A-Za-z0-9_.*-])"
    rf"|rules[\\/](?:{_SLUG}[\\/])*(?P<rule>{_SLUG})\.(?:mdc|md)\b"
    rf"|instructions[\\/](?:{_SLUG}[\\/])*(?P<instructions>{_SLUG})\.instructions\.md\b"
    rf"|(?:commands|prompts)[\\/](?:{_SLUG}[\\/])*(?P<command>{_SLUG})\.(?:md|toml)\b)",
    re.IGNORECASE,
)
# What stands before such a place when it lies in a person's home. It must begin the path: `/mnt/home/u/` is nobody's.
_HOME = re.compile(
    r"(?:^|[\s\"'`(=<\[:,])(?:~|\$HOME|/root|(?:[A-Za-z]:)?[\\/](?:home|Users)[\\/][^\\/\s\"']{1,64})[\\/]\Z"
)
_HOME_CHARS = 80
_FOLDERS = ("skills", "rules", "commands", "prompts", "instructions")
# In a tool's input a longer text is a file's content.
_MAX_INPUT_CHARS = 4_000
_MAX_CHARS = 200_000
_MAX_USES = 64

_COMMAND_TAG = re.compile(r"<command-name>\s*/?([A-Za-z0-9][A-Za-z0-9_:-]{0,127})\s*</command-name>")
_SKILL_BODY = re.compile(r"\s*Base directory for this skill: ([^\n]{1,1024})")
# Commands of the hosts themselves: nobody wrote a file for them.
_BUILT_IN_NAMES = """
    add-dir agents bashes bug clear compact config context copy cost desktop diff doctor effort exit export
    extra-usage fast feedback fork help hooks ide init insights install-github-app keybindings login logout mcp
    memory mobile model output-style permissions plan plugin plugins pr-comments privacy-settings quit
    rate-limit-options release-notes reload-plugins remote-control rename resume review rewind sandbox
    security-review skills stats status statusline stickers tag tasks terminal-setup theme todos upgrade usage vim
    voice
"""
_BUILT_IN = frozenset(_BUILT_IN_NAMES.split())


class GuidanceRow(msgspec.Struct, frozen=True):
    """A use count to add to `guidance_used`: `times` adds up, `first_ms` takes the minimum."""

    kind: str
    name: str
    scope: str
    how: str
    times: int
    first_ms: int


Counts = dict[GuidanceUse, tuple[int, int]]


def count(counts: Counts, uses: Iterable[GuidanceUse], ts_ms: int) -> None:
    for use in uses:
        times, first_ms = counts.get(use, (0, ts_ms))
        counts[use] = (times + 1, min(first_ms, ts_ms))


def rows(counts: Counts) -> list[GuidanceRow]:
    return [GuidanceRow(use.kind, use.name, use.scope, use.how, *seen) for use, seen in counts.items()]


def in_call(tool: str | None, given: dict[str, Any] | str, reads: Iterable[str]) -> list[GuidanceUse]:
    """Uses in a tool call. `reads` are the paths a read tool opens: reading the file itself is loading it."""
    if tool in ("Skill", "skill") and type(given) is dict:
        name = next((given[key] for key in ("skill", "name", "command") if type(given.get(key)) is str), "")
        use = _named("skill", name.lstrip("/"))
        return [use] if use else []
    loaded = [use for path in reads if _marked(path) for use in _at(path, "loaded") if _is_itself(path, use)]
    found = dict.fromkeys(loaded)
    skip = {(use.kind, use.name) for use in loaded}
    for text in _strings(given):
        if len(text) <= _MAX_INPUT_CHARS and _marked(text):
            found.update((use, None) for use in _at(text, "mentioned") if (use.kind, use.name) not in skip)
    return list(found)[:_MAX_USES]


def in_text(text: str, *, is_host: bool) -> list[GuidanceUse]:
    """Uses in a message. `is_host`: the host wrote it, so only what it says it loaded counts."""
    if "<command-name>" in text and (tag := _COMMAND_TAG.search(text)) and tag[1] not in _BUILT_IN:
        use = _named("command", tag[1])
        return [use] if use else []
    if is_host:
        if "Base directory for this skill: " in text[:200] and (body := _SKILL_BODY.match(text)):
            return list(_at(body[1].strip(), "loaded"))
        return []
    return list(dict.fromkeys(_at(text, "mentioned")))[:_MAX_USES] if _marked(text) else []


def in_announcement(payload: dict[str, Any]) -> list[GuidanceUse]:
    """A lifecycle event that names a file of instructions the host has just loaded (`InstructionsLoaded`)."""
    path = payload.get("file_path") or payload.get("path")
    return list(_at(path, "loaded")) if type(path) is str and _marked(path) else []


def _marked(text: str) -> bool:
    """Can a path of guidance be in it? All those folders end in `s`, so one search settles most texts."""
    if "s/" in text or "s\\" in text:
        for folder in _FOLDERS:
            if folder in text:
                return True
    return False


def _at(text: str, how: How) -> Iterator[GuidanceUse]:
    for found in _PLACE.finditer(text, 0, _MAX_CHARS):
        kind: Literal["skill", "rule", "command"]
        if name := found["skill"]:
            kind = "skill"
        elif name := found["rule"] or found["instructions"]:
            kind = "rule"
        else:
            kind, name = "command", found["command"]
        yield GuidanceUse(kind, name, "user" if _is_home(text, found.start()) else "project", how)


def _is_home(text: str, end: int) -> bool:
    return end > 0 and text[end - 1] in "/\\" and _HOME.search(text[max(0, end - _HOME_CHARS) : end]) is not None


def _is_itself(path: str, use: GuidanceUse) -> bool:
    return use.kind != "skill" or path.lower().endswith("skill.md")


def _named(kind: Literal["skill", "command"], name: str) -> GuidanceUse | None:
    owner, _, own = name.rpartition(":")
    if not _is_slug(own) or (owner and not all(map(_is_slug, owner.split(":")))):
        return None
    return GuidanceUse(kind, name, "user" if owner and kind == "skill" else "project", "loaded")


def _strings(given: object) -> list[str]:
    """Texts of an input, two levels deep: commands, edits, lists of paths."""
    if type(given) is str:
        return [given]
    texts: list[str] = []
    waiting: list[object] = [given]
    for _ in range(3):
        below: list[object] = []
        for value in waiting:
            for item in value.values() if type(value) is dict else value if type(value) is list else ():
                if type(item) is str:
                    texts.append(item)
                elif type(item) is dict or type(item) is list:
                    below.append(item)
        if not below:
            break
        waiting = below
    return texts
