"""The title of a prompt: its first line of a person's own words.

Hosts wrap prompts: Codex in `<objective>`, Cursor in `<user_query>`, all of them add context blocks and whole
instruction files. What a host wrapped around the words is removed; a text that is nothing but a wrapper has no title.
"""

import re
import unicodedata

MAX_CHARS = 120
# Enough to find a first line behind wrappers; a prompt can be a pasted file of megabytes.
_LOOK_AT_CHARS = 20_000

_INSIDE = re.compile(r"<(objective|untrusted_objective|user_query)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_COMMAND = re.compile(
    r"<command-name>([^<]{0,200})</command-name>(?:.*?<command-args>(.*?)</command-args>)?", re.DOTALL
)
# Blocks of the host: `<system-reminder>...</system-reminder>`. One without dash or underscore may be a person's HTML.
_BLOCK = re.compile(r"<([a-z]+[-_][a-z_-]+)\b[^>\n]*>.*?(?:</\1>|\Z)", re.DOTALL)
_NEVER = ("<environment_context>", "# AGENTS.md instructions", "<user_instructions>", "<turn_aborted>", "<permissions",
          "[Request interrupted", "Caveat: The messages below")  # fmt: skip


def title_of(text: str) -> str | None:
    """The first line of a prompt without wrappers, white space collapsed, at most `MAX_CHARS` characters."""
    text = text[:_LOOK_AT_CHARS]
    if "<" in text:
        text = _unwrapped(text)
    text = text.strip()
    if not text or text.startswith(_NEVER):
        return None
    return short(text, MAX_CHARS) or None


def short(text: str, chars: int) -> str:
    """The first line of `text` that shows something, at most `chars` characters, never cut inside a character."""
    for line in text.lstrip()[: 16 * chars].splitlines():
        if not line.isprintable():
            line = "".join(c if c.isprintable() or _joins(c) else " " for c in line)
        line = " ".join(line.split())
        if line:
            return _cut(line, chars)
    return ""


def _unwrapped(text: str) -> str:
    if inside := _INSIDE.search(text):
        return inside[2]
    if command := _COMMAND.search(text):
        return f"{command[1]} {command[2] or ''}"
    return _BLOCK.sub("\n", text) if "</" in text else text


def _cut(line: str, chars: int) -> str:
    if len(line) <= chars:
        return line
    end = chars
    while end > 1 and (_joins(line[end]) or line[end - 1] == "\u200d"):
        end -= 1
    return line[:end].rstrip()


def _joins(character: str) -> bool:
    """Does it belong to the character before it (accents, variation selectors, skin tones, joiners)?"""
    if character <= "\u02ff":
        return False
    if character == "\u200d" or "\U0001f3fb" <= character <= "\U0001f3ff":
        return True
    return unicodedata.category(character) in ("Mn", "Mc", "Me")
