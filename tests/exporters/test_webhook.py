"""A receiver checks the signature as documented, and gets the bytes of the batch."""

import hashlib
import hmac
import time
from pathlib import Path

import pytest

from kaizen.wire.sink import Done
from loopback import Received, Server, reply

from .made import asked, batch, cost, problem, sent

SECRET = "correct horse battery staple"


def verified(one: Received, secret: str = SECRET) -> bool:
    parts = dict(part.split("=", 1) for part in one.headers["x-kaizen-signature"].split(","))
    mac = hmac.new(secret.encode(), parts["t"].encode() + b"." + one.raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(mac, parts["v1"]) and abs(int(parts["t"]) - time.time()) < 60


def test_a_receiver_can_check_who_sent_what(server: Server, tmp_path: Path) -> None:
    row = {"type": "webhook", "url": f"{server.url}/in", "secret_env": "MINE", "headers": {"X-Team": "blue"}}
    one = batch(cost())
    assert sent(tmp_path, row, one, env={"MINE": SECRET}) == [Done()]
    (got,) = server.received
    assert (got.path, got.raw) == ("/in", one.body)
    assert verified(got) and not verified(got, "other")
    assert [got.headers[name] for name in ("x-kaizen-kind", "x-kaizen-batch", "x-team", "content-type")] == [
        "events", "b-1", "blue", "application/json"]


def test_health_is_a_signed_ping(server: Server, tmp_path: Path) -> None:
    row = {"type": "webhook", "url": server.url, "secret": SECRET}
    assert asked(tmp_path, row).is_ok
    assert server.received[0].headers["x-kaizen-kind"] == "ping" and verified(server.received[0])
    server.default = reply(401)
    assert not asked(tmp_path, row).is_ok


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"secret": SECRET}, "url is missing"),
        ({"url": "http://localhost:1"}, "secret is missing"),
        ({"url": "http://example.com", "secret": SECRET}, "not encrypted"),
        ({"url": "https://user:pass@example.com", "secret": SECRET}, "holds credentials"),
        ({"url": "ftp://example.com", "secret": SECRET}, "no http(s) URL"),
        ({"url": "https://example.com:99999", "secret": SECRET}, "no http(s) URL"),
        ({"url": "https://example.com", "secret": SECRET, "kinds": ["event"]}, "no kind 'event'"),
        ({"url": "https://example.com", "secret": SECRET, "headers": {"Host": "x"}}, "is ours"),
        ({"url": "https://example.com", "secret": SECRET, "headers": {"A": f"{SECRET}\n"}}, "line break"),
        ({"url": "https://example.com", "secret": SECRET, "headers": {"A B": "x"}}, "no header"),
        ({"url": "https://example.com", "secret_env": "NOT_THERE"}, "NOT_THERE, which is not set"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(row: dict[str, object], said: str, tmp_path: Path) -> None:
    found = problem(tmp_path, {"type": "webhook", **row})
    assert said in found
    assert SECRET not in found


def test_only_the_kinds_that_are_wanted(tmp_path: Path) -> None:
    from .made import opened

    row = {"type": "webhook", "url": "https://example.com", "secret": SECRET}
    (every,) = opened(tmp_path, row)
    (some,) = opened(tmp_path, {**row, "kinds": ["sessions"]})
    assert every.accepts("events") and not every.accepts("nonsense")
    assert some.accepts("sessions") and not some.accepts("events")
