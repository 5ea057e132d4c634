"""The last look: at the exact bytes of a batch, before they are sent and when they arrive.

Nothing is decoded and nothing replaced. What is found here got past everything before, so the batch must not leave.
"""

import re
from functools import cache

from kaizen.redact import engine, patterns
from kaizen.redact.finding import Finding

# In JSON a backslash is written twice, and a slash may have one.
_HOMES = (
    r"(?:^|[^\w.:/\\>%@~-])(\\?/(?:Users|home)\\?/[\w.-]+|\\?/(?:private\\?/)?var\\?/folders\\?/\w)"
    r"|\b([A-Za-z]:(?:\\{1,4}|/)(?:Users|Documents and Settings)(?:\\{1,4}|/)[\w.-]+)"
)
# What we write ourselves: hashes, ids and numbers, and names with a hash in them.
_OURS = re.compile(
    rb'[\s"\'=:,]*(?:(?:blake3:)?[0-9a-f]{64}|(?:custom|mcp|path|remote):?[0-9a-f:]{16,40}|-?\d+(?:\.\d+)?'
    rb'|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16}|<[\w:.-]+>)[\s"\',}\]]*'
)
# Names of counters that hold a keyword of the rules, in every item of every body.
_COUNTERS = tuple(
    b'"%s"' % name for name in (
        b"tokens_in", b"tokens_out", b"reasoning_tokens", b"cache_read_tokens", b"cache_creation_tokens",
        b"cache_creation_1h_tokens", b"context_used_tokens", b"context_max_tokens", b"system_prompt_tokens")
)
# Short words of the schema that may be a keyword, too: a program called `pwd`.
_WORDS = re.compile(
    rb'(?<="program":)"[\w.+-]{1,20}"|(?<="flags":)\["-{1,2}[\w-]{1,24}"(?:,"-{1,2}[\w-]{1,24}"){0,40}\]'
)


def leaks(data: bytes) -> list[Finding]:
    """Secrets and homes in a body, as places in its bytes."""
    plain = data
    for name in _COUNTERS:
        plain = plain.replace(name, b"_" * len(name))
    found = _look(plain, data)
    return found and _look(_WORDS.sub(lambda one: b"_" * len(one[0]), plain), data)


def _look(plain: bytes, data: bytes) -> list[Finding]:
    """`plain`: the data without words that are ours, of the same length."""
    found = engine.bundled().find(plain)
    for home in _homes().finditer(plain):
        start, end = home.span(1) if home.group(1) else home.span(2)
        found.append(Finding("home", start, end))
    return [one for one in found if not _OURS.fullmatch(data, one.start, one.end)]


@cache
def _homes() -> patterns.Pattern:
    return patterns.compile(_HOMES)
