"""Scrubbing: what goes, what stays, and that it always comes to an end."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaizen.errors import BadConfig
from kaizen.redact import engine
from kaizen.redact.hashes import Salt
from kaizen.redact.scrub import Scrubber
from redact.trees import leaves, objects, strings

SALT = Salt(bytes([7] * 32))
SCRUBBER = Scrubber(SALT, workspace="/home/alice/acme", home="/home/alice", names=["Alice Miller", "amiller"],
                    hosts=["lab.example.com"], terms=["Nightjar"])  # fmt: skip
KEY = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"

# A text, and what must not be left of it.
GOES = [
    (f"token {KEY}", KEY),
    ("postgres://app:hunter2@db:5432/prod", "hunter2"),
    ("https://x.example/cb?access_token=A1b2C3d4E5f6G7h8", "A1b2C3d4"),
    ("curl -H 'X-Api-Key: a8f5f167f44f4964e6c998dee827110c' x", "a8f5f167"),
    ("Cookie: session=A1b2C3d4E5f6; theme=dark", "A1b2C3d4E5f6"),
    ("Set-Cookie: sid=A1b2C3d4E5f6; Path=/", "A1b2C3d4E5f6"),
    ("Proxy-Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
    ("authorization: Digest username=\"bob\", response=\"6629fae49393a05397450978507c4ef1\"", "6629fae4"),
    ("AUTHORIZATION=Bearer abc123def456", "abc123def456"),
    ("machine x login bob password hunter2", "hunter2"),
    ("default login bob password hunter2", "hunter2"),
    ("export DB_PASSWORD=hunter2", "hunter2"),
    ("set AWS_TOKEN=hunter2x", "hunter2x"),
    ("ENV API_SECRET s3cr3t!", "s3cr3t!"),
    ("SMTP_PASS=hunter2", "hunter2"),
    ("docker run -e DB_PASSWORD=hunter2 img", "hunter2"),
    ("mysql -u root -phunter2 db", "hunter2"),
    ("sshpass -p hunter2 ssh x", "hunter2"),
    ("redis-cli -h x -a hunter2 ping", "hunter2"),
    ("curl -u bob:hunter2 https://x", "hunter2"),
    ("deploy --token=hunter2", "hunter2"),
    ("Server=db;User Id=sa;Password=hunter2;", "hunter2"),
    ("host=db user=app password=hunter2 dbname=x", "hunter2"),
    ('{"auths": {"x": {"auth": "dXNlcjpodW50ZXIy"}}}', "dXNlcjpodW50ZXIy"),
    ("    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVk", "LS0tLS1CRUdJ"),
    ("//registry.npmjs.org/:_authToken=4a5b6c7d-1234", "4a5b6c7d"),
    ("https://a.blob.core.windows.net/c?sv=2022&sig=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6%3D", "Zm9vYmFy"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3\nabcd\n-----END RSA PRIVATE KEY-----", "MIIEpAIB"),
    (r'"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQE\nabcd', "MIIEvQIB"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU", "b3BlbnNz"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\nlQOYBFuL0P4BCADW\n", "lQOYBFuL"),
    ("sk-or-v1-" + "0a1b2c3d" * 8, "0a1b2c3d"),
    ("gsk_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6", "A1b2C3d4"),
    ("xai-A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6", "A1b2C3d4"),
    ("r8_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q", "A1b2C3d4"),
    ("MISTRAL_API_KEY=a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6", "a1B2c3D4"),
    ("sk-lf-01234567-89ab-cdef-0123-456789abcdef", "89ab-cdef"),
    ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bob-laptop", "bob-laptop"),
    ("1password ops_eyJ" + "zaWduSW5BZGRyZXNzIjoiaHR0cHM6Ly9teS4xcGFzc3dvcmQuY29t" * 6, "zaWduSW5"),
    ("bedrock ABSKQmVkcm9ja0FQSUtleS" + "A1b2C3d4E5f6" * 10, "A1b2C3d4E5f6A1"),
    ("dropbox_token = 'A1b2C3d4E5fAAAAAAAAAAA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2'", "A1b2C3d4E5fAAAA"),
    ("dropbox_token = 'sl.A1b2C3d4E5f6G7h8" + "I9j0K1l2M3" * 13 + "'", "I9j0K1l2M3"),
    ("ZXlKaGJHY2lPaUpJVXpJMU5pSXNJblI1Y0NJNklrcFhWQ0o5LmV5SnpkV0lpT2lJeE1qTTBOVFkzT0Rrd0lpd2libUZ0WlNJNklrRnNhV05sSW4w"
     "LmFiY2RlZmdoaWprbG1ub3A", "ZXlKaGJHY2lPaUpJ"),
    ("hvb." + "AAAAAQJ1b2C3d4E5f6G7h8I9j0K1l2" * 6, "b2C3d4E5"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", "eyJzdWIi"),
    ("g\u200bhp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "A1b2C3d4"),
    ("ｇｈｐ_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "A1b2C3d4"),
    ("&#103;hp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "A1b2C3d4"),
    ("random: Xk9mP2vQ8rT5wY1zB4nC7dF0gH3jL6sA", "Xk9mP2vQ"),
    ("/home/bob/clients/acme/x.py", "acme"),
    ("see '/Users/bob/My Documents/Big Deal/x.txt'", "Deal"),
    (r"cat /srv/big\ deal/x", "deal"),
    ("/Users/bob/My Projects/Big Deal", "Deal"),
    ("open /Users/bob/Big Deal/x.py now", "Deal"),
    ("password: hunter2", "hunter2"),
    ("the password=hunter2, then", "hunter2"),
    ("mongodb+srv://app:p%40ss@c0.x.mongodb.net/db", "p%40ss"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ3pLk9aBc", "wJalrX"),
    ("https://github.com/acme-private/app.git", "acme"),
    ("psql -h db.internal app", "db.internal"),
    (r"C:\Users\Bob Smith\deal.txt", "Smith"),
    (r"C:\\Users\\bob\\deal", "bob"),
    (r"\\?\C:\deals\acme", "acme"),
    ("/c/Users/bob/x", "bob"),
    ("<td>/home/bob/deal</td>", "deal"),
    ("make >/home/bob/deal", "deal"),
    ('"/Users/bob/report(Deal).pdf"', "Deal"),
    ('"/Users/bob/x" and "/Users/bob/a (b) Deal"', "Deal"),
    ("$HOME/deals/acme", "acme"),
    (r"%USERPROFILE%\deals\acme", "acme"),
    ("~bob/deals", "deals"),
    ("file:///home/bob/deal", "bob"),
    ("mail bob@example.com now", "bob"),
    ("bücher@münchen.example", "bücher"),
    ("root@buildhost", "buildhost"),
    ("git@git.acme.example:team/repo.git", "team"),
    ("ssh://git@git.acme.example/team/repo.git", "team"),
    ("https://git.acme.example/team/repo.git", "team"),
    ("10.20.30.40:8080", "10.20"),
    ("section 10.20.30.140 of the network, OID host 2.5.29.20", "10.20"),
    ("the section of 10.20.30.40", "10.20"),
    ("a gateway at 10.0.0.0 and 10.1.0.0", "10.1"),
    ("bob@openssh.com", "bob"),
    ("'app'@buildhost", "buildhost"),
    ("%s@acme.example", "acme"),
    ("/a/b/deal.py", "deal"),
    ("/a/.deal/b", "deal"),
    ("/a/b.deal", "deal"),
    ("~/.cache/deal/$version", "deal"),
    ("/etc/xdg/deal", "deal"),
    (r"C:\Windows\Temp\deal", "deal"),
    (r"C:\ProgramData\deal", "deal"),
    (r"%APPDATA%\\Deal\\$version", "Deal"),
    ("~claude/deal", "deal"),
    ("fe80::1ff:fe23:4567:890a", "4567"),
    ("aa:bb:cc:dd:ee:0f", "dd:ee"),
    ("http://wiki.internal:8080/x", "wiki"),
    ("nas.lan is down", "nas"),
    ("ping a.lab.example.com", "lab.example"),
    ("(415) 555-0100", "555"),
    ("by AMiller and alice miller", "iller"),
    ("the nightjar launch", "nightjar"),
]  # fmt: skip

STAYS = [
    "see https://example.com/docs?page=2 for details",
    "https://github.com/org/repo and https://user.example/a/b/c.html#x",
    "password: str, password = get_password2(), password: Optional[str] = None",
    "risk-free task-list with disk-usage and ask-me",
    "a:/b ratio 3:/4",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "commit 3ab759fef4bb5935d4fe9ac68b503d05346b8364",
    "version 1.2.3.4 of the parser, 127.0.0.1 and 192.0.2.7",
    '{"tokens_in": 1402, "tokens_out": 312}',
    "cargo test --quiet --all-features",
    "ssh://git@host",
    "/usr/bin/env python3 /etc/hosts /dev/null /tmp",
    "npm i react@18.2.0 lodash@latest @types/node@20 && uses: actions/checkout@v4",
    "@property\ndef f(self): return x @ y",
    "std::vector<a::b> x = 12:34:56;",
    "id 019fc8be-0000-7000-8000-000000000001",
    "--token TOKEN --password PASSWORD <path> Authorization: Bearer <token>",
    "Authorization: Bearer ${TOKEN} or $TOKEN",
    "if '-----BEGIN PRIVATE KEY-----' in text: pass",
    "threading.local() self._lock.internal",
    "+1234567890\n-1234567890",
    'ObjectIdentifier("2.5.29.20"), OID: 1.3.101.112, contract 1.0.0.0, mask 255.255.255.0',
    "RFC 2459, section 4.1.2.1, sections `3.1.3.6`_ and `3.2.2.10`_\n.. _`3.1.3.6`: https://x.example/a",
    "chacha20-poly1305@openssh.com,hmac-sha2-256-etm@openssh.com,ssh-ed25519-cert-v01@openssh.com",
    "(r'@import', b'@for', \"%s@tok@%s\")",
    "/a/b/c.py /x/y/z/foo C:/foo/bar.txt 'C:\\\\foo\\\\bar' \\\\server\\share /./../g (?s:\\n)",
    "~/.cache/$appname/$version ~/.config/git /etc/xdg/$appname %USERPROFILE%\\AppData\\Local\\$vendor C:\\Users\\",
    "C:\\Windows\\System32\\cmd.exe /var/lib/dpkg /org/freedesktop/DBus/Bus GET /css/site.css",
    "~anthropic/claude-opus-latest or ~openai/gpt-5",
    "The quick brown fox jumps over the lazy dog. Ünïcödé straße 日本語",
]


@pytest.mark.parametrize(("text", "secret"), GOES)
def test_goes(text: str, secret: str) -> None:
    shown, found = SCRUBBER.text(text)
    assert secret.lower() not in shown.lower() and found and "guard" not in shown
    assert SCRUBBER.text(shown) == (shown, [])
    assert all(0 <= one.start < one.end <= len(text) for one in found)


@pytest.mark.parametrize("text", STAYS)
def test_stays(text: str) -> None:
    assert SCRUBBER.text(text) == (text, [])


def test_findings_are_places_in_the_text() -> None:
    text = f"é mail bob@example.com, then {KEY}!"
    assert [(one.rule, text[one.start : one.end]) for one in SCRUBBER.text(text)[1]] == [
        ("email", "bob@example.com"), ("github-pat", KEY)]  # fmt: skip


def test_equal_paths_stay_equal_and_the_workspace_does_not_matter() -> None:
    elsewhere = Scrubber(SALT, workspace="/work/acme")
    first, second = SCRUBBER.text("open /home/alice/acme/src/a.py")[0], elsewhere.text("open /work/acme/src/a.py")[0]
    assert first == second and first.startswith("open <path:") and first.endswith(".py>")
    assert SCRUBBER.text("open /home/alice/other/src/a.py")[0] != first


def test_ones_own_rules() -> None:
    rules = engine.parse('[[rules]]\nid = "badge"\nregex = \'\'\'\\bEMP-\\d{5}\\b\'\'\'\nkeywords = ["emp-"]\n')
    assert Scrubber(SALT, rules=rules).text("by EMP-12345")[0] == "by <redacted:badge>"


@pytest.mark.parametrize(
    "text", ["rules = 1", "[[rules]]\nid = 'x'\nsurprise = 1", "[[rules", "[[rules]]\nregex = 'x'"]
)
def test_rules_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadConfig):
        engine.parse(text)


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(BadConfig, match="broken"):
        engine.checked(engine.parse("[[rules]]\nid = 'broken'\nregex = '(a'"))


def test_a_detector_that_fails_lets_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("x")

    monkeypatch.setattr("kaizen.redact.paths.find", fail)
    assert SCRUBBER.text("harmless")[0] == "<redacted:guard>"
    assert SCRUBBER.tree({"a": "harmless"})[0] == "<redacted:guard>"


TREES: list[tuple[Any, Any]] = [
    ({"password": "x"}, {"password": "<redacted:key>"}),
    ({"password": None, "n": 1}, {"password": None, "n": 1}),
    ({"env": {"A": "b"}}, {"env": {"A": "<redacted:key>"}}),
    ({"environment": "production"}, {"environment": "production"}),
    ({"name": "DB_PASS", "value": "x y"}, {"name": "DB_PASS", "value": "<redacted:key>"}),
    (["mysql", "--password", "x y"], ["mysql", "--password", "<redacted:key>"]),
    ([["Authorization", "x y"]], [["Authorization", "<redacted:key>"]]),
    (["curl", "-u", "bob:hunter2", "x"], ["curl", "-u", "<redacted:curl-auth-user>", "x"]),
    ({KEY: 1, KEY[:-1] + "x": 2}, {"<redacted:github-pat>": 1, "<redacted:github-pat>'": 2}),
    ({"AWS_SESSION": "abc"}, {"AWS_SESSION": "<redacted:key>"}),
    ({"environment": ["DB_PASS=hunter2"]}, {"environment": ["<redacted:key>"]}),
    ({"tokens": 3, "max_token": 4, "next_token": "abc", "primary_key": "id"},) * 2,
    ({"secrets": [{"a": "b"}]}, {"secrets": [{"a": "<redacted:key>"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "shown"), TREES)
def test_trees(tree: Any, shown: Any) -> None:
    out, _ = SCRUBBER.tree(tree)
    assert out == shown and str(out) == str(shown)
    assert SCRUBBER.tree(out) == (out, [])


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=())) | leaves.filter(lambda leaf: isinstance(leaf, str)))
def test_any_text_comes_to_rest(text: str) -> None:
    shown, found = SCRUBBER.text(text)
    assert (shown == text) == (not found)
    assert SCRUBBER.text(shown) == (shown, [])
    assert SCRUBBER.text(text) == (shown, found)


PIECES = st.sampled_from([
    *(text for text, _ in GOES), *STAYS, "<path:0123456789abcdef.py>", "<redacted:x>", "<email>", "@", "/", "://", "=",
    " ", "\n", '"', "%3D", "\\u0041", "&amp;", "\u200b", "\ud800", "password", "token", "key: ",
])  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join))
def test_scrubbing_twice_is_scrubbing_once(text: str) -> None:
    shown, _ = SCRUBBER.text(text)
    assert SCRUBBER.text(shown) == (shown, [])


@settings(max_examples=50, deadline=None)
@given(objects)
def test_any_tree_comes_to_rest(tree: dict[str, Any]) -> None:
    shown, _ = SCRUBBER.tree(tree)
    again, found = SCRUBBER.tree(shown)
    assert found == [] and list(strings(again)) == list(strings(shown))


def test_a_thousand_levels() -> None:
    deep: Any = KEY
    for number in range(1_000):
        deep = [deep] if number % 2 else {"a": deep}
    shown, found = SCRUBBER.tree(deep)
    assert found and KEY not in str(shown) and SCRUBBER.tree(shown) == (shown, [])


UNITS = ["a", "/", "@", "\\", "a/", "%41", "a.", "::", "key=x ", "\u200b", "-----BEGIN PRIVATE KEY-----", "QUFB",
         "\\u0041", "a@", "http://a/.gi", " ~", "<ip> ", "a.lab.example.com."]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_takes_as_long_as_it_is_long(unit: str) -> None:
    def taken(size: int) -> float:
        started = time.perf_counter()
        SCRUBBER.text((unit * size)[:size])
        return time.perf_counter() - started

    taken(1_000)
    # Twice as much as four times the text costs, and what a busy machine adds.
    assert taken(200_000) < 8 * taken(50_000) + 1


def test_a_megabyte_is_no_problem() -> None:
    text = "def f(x):\n    return x  # see docs/guide.md\n" * 24_000
    assert len(text) > 1_000_000 and SCRUBBER.text(text) == (text, [])
