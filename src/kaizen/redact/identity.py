"""Who and where: e-mail and IP addresses, hosts, telephone numbers, git remotes, and the names we are told of."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from kaizen.redact.finding import Finding
from kaizen.redact.hashes import Salt

# Beside letters and digits of any script.
_LOCAL = frozenset("._%+-'")
_MAX_LOCAL = 64
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)*[^\W_](?:[\w-]{0,61}[^\W_])?(?![\w-])")
# What stands behind an `@` in the name of a package, an action, a git revision.
_VERSION = re.compile(
    r"(?:v?\d[\w.-]*|latest|next|beta|alpha|canary|rc|main|master|head|stable|nightly|workspace|dev|types|upstream|origin"
    r"|release|prod)\Z", re.IGNORECASE)  # fmt: skip
_REMOTE = re.compile(
    r"(?<![\w.@/-])(?:[\w.-]{1,32}@[\w.-]+:(?!//)[\w.~-][\w./~-]*?/[\w./~-]+|ssh://[\w.-]{1,32}@[\w.:-]+/[\w./~-]+"
    r"|(?:git|https?)://[\w.:-]+/[\w./~-]+?\.git\b)"
)
_CREDENTIALS = re.compile(r"://[^\s/@\"'<>]*:$")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?<=::))(?:%\w+)?(?![\w:]|\.\w)")
_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?![\w:-])")
_VERSION_BEFORE = re.compile(r"(?:version|ver\.?|release|\bv|build|[=<>~^]=?)[ :=\"']{0,3}$", re.IGNORECASE)
# Numbers of identifiers of objects, of sections, and of links to these in reStructuredText.
_OID_BEFORE = re.compile(r"(?:\bOID|Object ?Identifier|\bOBJECT)[\s:=(\[\"']{0,16}$", re.IGNORECASE)
_SECTION_BEFORE = re.compile(r"(?:\bsections?|§)[\s`\d._,]{0,40}$|\.\. _`$", re.IGNORECASE)
_NUMBER_AROUND = 48
_STRING_PREFIX = re.compile(r"(?:[rbfu]|br|rb|fr|rf)'|%[a-z]", re.IGNORECASE)
# Names of algorithms and extensions look like addresses.
_OF_SSH = ("@openssh.com", "@libssh.org")
_ALGORITHM = re.compile(
    r"(?:^|-)(?:cert-v\d\d|(?:poly|md|sha)\d[\w-]*|gcm|etm|cbc|umac-\d[\w-]*|sntrup\d\w*|agent|zlib)$"
)
_HOST = re.compile(
    r"(?<![\w.-])(?!(?:self|this|cls)\.)(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,6}"
    r"(?:local|internal|corp|lan|intranet)(?![\w(-]|\.\w)",
    re.IGNORECASE,
)
# Found first, and far faster. It begins with one character, and a name is within a line.
_HOST_END = re.compile(r"\.(?:local|internal|corp|lan|intranet)", re.IGNORECASE)
_HOST_BEFORE = re.compile(
    r"(?://|@|(?<![\w-])(?:-h|--host|ssh|scp|ping|host|hostname|server|from|to|on|at|via|for|against"
    r"|reach|connect|node|curl|dig)[ :=\"']{1,3})$",
    re.IGNORECASE,
)
_PORT = re.compile(r":\d{2,5}\b")
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}|\(\d{3}\)[ ]?\d{3}[ .-]\d{4}|\d{3}([-.])\d{3}\1\d{4})"
    r"(?![\w-]|\.\d)"
)
_PASSING = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "0.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24",
                                            "203.0.113.0/24", "255.0.0.0/8", "::1/128", "::/128")))  # fmt: skip
# What each of these must hold (`patterns.Gates`). Letters and digits of other scripts are `?` there or not ASCII.
GATES = {
    "host": r"(?i)[\w?-]\.(?:local|[i?]nternal|corp|lan|[i?]ntranet)(?:[^\w(.-]|\.\W|\.?\z)",
    "ipv4": r"\d\.\d{1,3}\.\d{1,3}\.\d",
    # Not `[::2]`: four digits, or a third colon.
    "ipv6": (
        r"(?:^|[^\w:.])(?:H{4}::|H{3}::H|H{2}::H{2}|H::H{3}|::H{4}|(?:H{1,4}:){2,6}:|H{0,4}::H{1,4}:|(?:H{1,4}:){7}H)"
    ).replace("H", "[0-9A-Fa-f]"),
    "mac": r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}",
    "phone": r"\+[\d?][\d? ().-]{7}|[\d?]{3}[-.) ]{1,2}[\d?]{3}[-. ][\d?]{4}",
    "remote": r"@[\w.?\x80-\xff-]+:[\w.~?\x80-\xff-]|ssh://|\.git\b",
}
# User names that say nothing.
_NOBODY = frozenset((
    "admin", "app", "build", "git", "local", "node", "root", "runner", "test", "ubuntu", "user", "vscode",
))  # fmt: skip


class Needles:
    """Literal names: of this machine's user (`names`), its hosts and internal domains, and words one must not read."""

    def __init__(self, names: Sequence[str], hosts: Sequence[str], terms: Sequence[str]) -> None:
        known = {"user": [one for one in names if len(one) > 2 and one.lower() not in _NOBODY],
                 "host": [one.lstrip("*.") for one in hosts if len(one.lstrip("*.")) > 2],
                 "term": [one for one in terms if one.strip()]}  # fmt: skip
        # A host is the end of longer ones; a term may stand inside of a word.
        around = {"user": (r"(?<![^\W_])", r"(?![^\W_])"), "host": (r"(?<![\w-])", r"(?![\w-]|\.\w)")}
        self._patterns = {
            shown: _any_of(words, *around.get(shown, ("", ""))) for shown, words in known.items() if words
        }

    def find(self, text: str) -> Iterator[Finding]:
        for shown, pattern in self._patterns.items():
            for found in pattern.finditer(text):
                start = found.start()
                while shown == "host" and start and (text[start - 1].isalnum() or text[start - 1] in "-."):
                    start -= 1
                yield Finding(shown, start, found.end(), f"<{shown}>")


def _any_of(words: Sequence[str], before: str, after: str) -> re.Pattern[str]:
    listed = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.compile(f"{before}(?:{listed}){after}", re.IGNORECASE)


def find(text: str, may: AbstractSet[str], salt: Salt) -> Iterator[Finding]:
    """`may`: the text's open gates. Findings may overlap."""
    if "@" in text:
        yield from _emails(text)
    if "remote" in may:
        for found in _REMOTE.finditer(text):
            yield Finding("remote", found.start(), found.end(), f"<remote:{salt.short('remote v1', found[0])}>")
    if "ipv4" in may:
        yield from _ipv4(text)
    if "host" in may:
        yield from _hosts(text)
    if "mac" in may:
        yield from (Finding("mac", found.start(), found.end(), "<mac>") for found in _MAC.finditer(text))
    if "ipv6" in may:
        yield from _ipv6(text)
    if "phone" in may:
        yield from _phones(text)


def _emails(text: str) -> Iterator[Finding]:
    at = text.find("@")
    while at >= 0:
        start = at
        while start > max(0, at - _MAX_LOCAL) and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        while start < at and text[start] in "'.-+":
            start += 1
        if start < at and (domain := _DOMAIN.match(text, at + 1)) and _is_email(text, start, at, domain):
            yield Finding("email", start, domain.end(), "<email>")
        at = text.find("@", at + 1)


def _is_email(text: str, start: int, at: int, domain: re.Match[str]) -> bool:
    before = text[max(0, start - 3) : start]
    if before.endswith("://") and text[start:at] == "git":
        return False
    if _CREDENTIALS.search(text, max(0, start - 100), start):  # a rule's
        return False
    name, local = domain[0], text[start:at]
    if f"@{name}" in _OF_SSH and _ALGORITHM.search(local):
        return False
    if "." in name and not name[-1].isdigit():
        return not _VERSION.match(name)
    # Without a dot: a host of one's own, unless it is a version, a package, or arithmetic.
    return (not _VERSION.match(name) and not _STRING_PREFIX.fullmatch(local)
            and before[-1:] not in ("/", "@", "$", "\\") and at - start > 1 and len(name) > 2
            and name[0].isalpha() and text[domain.end() : domain.end() + 1] not in ("/", "("))  # fmt: skip


def _ipv4(text: str) -> Iterator[Finding]:
    for found in _IPV4.finditer(text):
        if not _is_version(text, *found.span()) and _is_address(found[0]):
            yield Finding("ip", found.start(), found.end(), "<ip>")


def _is_version(text: str, start: int, end: int) -> bool:
    """Four numbers that are a version, a section or an identifier. Nobody has the address `1.0.0.0`."""
    return (
        _VERSION_BEFORE.search(text, max(0, start - 16), start) is not None
        or _OID_BEFORE.search(text, max(0, start - _NUMBER_AROUND), start) is not None
        or (
            all(len(number) < 3 for number in text[start:end].split("."))
            and _SECTION_BEFORE.search(text, max(0, start - _NUMBER_AROUND), start) is not None
        )
        or text.startswith("`_", end)  # of a link, too
        or (end - start == 7 and text.endswith(".0.0.0", start, end))
    )


def _hosts(text: str) -> Iterator[Finding]:
    for found in _in_lines(text, _HOST_END, _HOST):
        name = found[0]
        # `path.local` is an attribute more often than a host.
        is_named = (any(char.isdigit() or char == "-" for char in name)
                    or name.lower().endswith((".corp", ".lan", ".intranet"))
                    or (name.count(".") > 1 and not name.lower().endswith(".local")))  # fmt: skip
        is_led = _HOST_BEFORE.search(text, max(0, found.start() - 12), found.start()) is not None
        if is_named or is_led or _PORT.match(text, found.end()):
            yield Finding("host", found.start(), found.end(), "<host>")


def _in_lines(text: str, part: re.Pattern[str], whole: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """What is found of `whole` in lines that hold `part`."""
    seen = part.search(text)
    while seen:
        start, end = text.rfind("\n", 0, seen.start()) + 1, text.find("\n", seen.end())
        end = len(text) if end < 0 else end
        yield from whole.finditer(text, start, end)
        seen = part.search(text, end)


def _ipv6(text: str) -> Iterator[Finding]:
    for found in _IPV6.finditer(text):
        word = found[0].partition("%")[0]
        # `1::2` is a slice of a list.
        is_long = len(word) - word.count(":") > 3 or word.count(":") > 2
        if is_long and ("::" in word or word.count(":") == 7) and any(map(str.isdigit, word)) and _is_address(word):
            yield Finding("ip", found.start(), found.end(), "<ip>")


def _phones(text: str) -> Iterator[Finding]:
    for found in _PHONE.finditer(text):
        if _is_phone(text, found):
            yield Finding("phone", found.start(), found.end(), "<phone>")


def _is_address(word: str) -> bool:
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        return False
    return not any(address in network for network in _PASSING)


def _is_phone(text: str, found: re.Match[str]) -> bool:
    digits = sum(map(str.isdigit, found[0]))
    is_grouped = digits < len(found[0]) - 1
    # A line of a diff begins with a plus, too.
    is_line = found.start() == 0 or text[found.start() - 1] == "\n"
    return 8 <= digits <= 15 and (is_grouped or (digits > 9 and not is_line))
