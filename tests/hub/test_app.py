"""The contract over HTTP: each code it names, replays, partial acceptance, tenancy."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
import zstandard
from blake3 import blake3

from kaizen.hub.address import Proxies, networks
from kaizen.hub.answer import CODES
from kaizen.hub.limits import Limits
from kaizen.hub.store.protocol import Full, HubStore, Settings, Team, Unavailable
from kaizen.hub.store.sqlite import SqliteStore
from kaizen.wire.ingest import KINDS

from .made import MAKE, NOW, TEAM, WORKSPACE, body, chunk, cost, event, feedback, hashed, session
from .serving import Client, code, serving, zipped

KEY = "X-Kaizen-Idempotency-Key"


@pytest.fixture
def hub(store: HubStore) -> Iterator[Client]:
    with serving(store, clock=lambda: NOW) as client:
        yield client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """For questions that leave nothing behind that another one could notice."""
    with closing(SqliteStore(tmp_path_factory.mktemp("hub"))) as store:
        store.add_team(Team(TEAM, NOW))
        with serving(store, clock=lambda: NOW) as client:
            yield client


@pytest.mark.parametrize("kind", MAKE)
def test_every_kind_is_taken_once(kind: str, hub: Client) -> None:
    text, key = body(kind, MAKE[kind]()), str(uuid.uuid4())
    first = hub.post(KINDS[kind].path, text, key=key)
    assert (first.status_code, first.json()) == (202, {"received": 1, "deduped": 0, "updated": 0, "conflicts": 0,
                                                       "rejected": [], "rejected_total": 0})  # fmt: skip
    again = hub.post(KINDS[kind].path, text, key=key.upper())
    assert code(again) == (409, "idempotent_replay")
    assert again.headers["x-kaizen-replay"] == "true"
    assert again.json().items() >= first.json().items()
    fresh = hub.post(KINDS[kind].path, text)
    assert (fresh.status_code, fresh.json()["deduped"]) == (202, 1)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({KEY: None}, (400, "idempotency_key_missing")),
        ({KEY: "seven"}, (400, "idempotency_key_invalid")),
        ({"X-Kaizen-Schema": "2"}, (400, "schema_unsupported")),
        ({"X-Kaizen-Body-Digest": "blake3:00"}, (400, "digest_mismatch")),
        ({"Authorization": None}, (401, "unauthorized")),
        ({"Authorization": "Bearer kzn_wrong"}, (401, "unauthorized")),
        ({"Authorization": "Basic x"}, (401, "unauthorized")),
        ({"Authorization": "Bearer"}, (401, "unauthorized")),
        ({"Content-Encoding": "br"}, (415, "unsupported_encoding")),
        ({"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
        ({"X-Kaizen-Client": "kaizen/0.0.9"}, (426, "client_too_old")),
    ],
)
def test_headers_are_checked(headers: dict[str, str | None], expected: tuple[int, str], shared: Client) -> None:
    answer = shared.events(event(99), headers=headers)
    assert code(answer) == expected
    assert ("www-authenticate" in answer.headers) == (expected[0] == 401)
    assert 99 not in [one["event_seq"] for one in shared.get("/v1/query/events").json()["items"]]


def deep(levels: int) -> bytes:
    return body("events", event(payload={})).replace(b'"payload":{}', b'"payload":' + b"[" * levels + b"]" * levels)


def with_items(text: bytes) -> bytes:
    return b'{"team_id":"acme","workspace_hash":"%s","events":%s}' % (WORKSPACE.encode(), text)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (400, "bad_json")),
        (b"{", (400, "bad_json")),
        (b"\xff\xfe", (400, "bad_json")),
        (b"[]", (400, "bad_envelope")),
        (b"null", (400, "bad_envelope")),
        (with_items(b"7"), (400, "bad_envelope")),
        (with_items(b"[]"), (400, "empty_batch")),
        (with_items(b"[NaN]"), (400, "bad_json")),
        (with_items(b'[{"event_seq":1e999}]'), (400, "item_invalid")),
        (with_items(b'[{"event_seq":1,"event_seq":2}]'), (400, "bad_json")),
        (with_items(b"[]").replace(b"{", b'{"team_id":"other",', 1), (400, "bad_json")),
        (b'{"events":[{}]}', (400, "envelope_missing")),
        (body("events", event(), team="other"), (403, "team_mismatch")),
        (deep(10_000), (400, "json_too_deep")),
        (deep(900), (400, "json_too_deep")),
        (deep(63), (400, "json_too_deep")),
        (deep(61), (202, "")),
        (with_items(b"[{}]").replace(b"{", b'{"x":' + b"[" * 90 + b"]" * 90 + b",", 1), (400, "json_too_deep")),
        (body("events", *[{}] * 5_001), (413, "too_many_items")),
        (body("events", event(payload={"t": "x" * 9_000_000})), (413, "body_too_large")),
        (b"9" * 5000, (400, "bad_json")),
        (with_items(b"[" + b"[]," * 2_000_000 + b"[]]"), (413, "too_many_items")),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, bytes) else None,
)
def test_bodies_are_checked(content: bytes, expected: tuple[int, str], shared: Client) -> None:
    answer = shared.post("/v1/events", content)
    if expected[0] == 202:
        assert answer.status_code == 202, answer.text
    else:
        assert code(answer) == expected, answer.text


@pytest.mark.parametrize(
    ("item", "item_code", "field"),
    [
        (event(event_seq=-1), "number_out_of_range", "event_seq"),
        (event(tokens_in=2**53 + 1), "number_out_of_range", "tokens_in"),
        (event(cost_usd_e6=10**13), "number_out_of_range", "cost_usd_e6"),
        (event(payload={"a": [2**60]}), "number_out_of_range", "payload"),
        (event(payload={"a": "x" * 70_000}), "field_too_long", "payload"),
        (event(payload={"x" * 70_000: 1}), "field_too_long", "payload"),
        (event(agent="x" * 129), "field_too_long", "agent"),
        (event(kind="x" * 33), "field_too_long", "kind"),
        (event(ts_ms=NOW + 86_400_001), "ts_out_of_range", "ts_ms"),
        (event(session_id_hash="blake3:test-session"), "item_invalid", "session_id_hash"),
        (event(event_seq="7"), "item_invalid", "event_seq"),
        ({}, "item_invalid", None),
        ([], "item_invalid", None),
        (event(payload={"a": ["x" * 60_000] * 20}), "item_too_large", None),
    ],
)
def test_a_bad_item_refuses_the_batch_or_is_left_out(
    item: Any, item_code: str, field: str | None, shared: Client
) -> None:
    session = str(uuid.uuid4())
    whole = shared.events(event(1, session), item)
    assert code(whole) == (400, "item_invalid")
    assert whole.json()["item_code"] == item_code
    assert whole.json()["field"] == "events[1]" + (f".{field}" if field else "")
    partial = shared.events(event(1, session), item, headers={"X-Kaizen-Accept": "partial"})
    assert partial.status_code == 202
    counts = partial.json()
    assert (counts["received"], counts["deduped"], counts["rejected_total"]) == (2, 0, 1)
    assert (counts["rejected"][0]["index"], counts["rejected"][0]["code"]) == (1, item_code)


def test_at_most_a_hundred_rejections_are_listed(hub: Client) -> None:
    counts = hub.events(*[{}] * 150, event(), headers={"X-Kaizen-Accept": "partial"}).json()
    assert (counts["received"], len(counts["rejected"]), counts["rejected_total"]) == (151, 100, 150)


def test_an_old_client_is_never_blocked_and_its_payloads_are_reduced(store: HubStore) -> None:
    def keep_name(kind: str, payload: Any) -> dict[str, Any]:
        return {"name": payload["name"]}

    with serving(store, clock=lambda: NOW, reduce=keep_name) as hub:
        old = {"X-Kaizen-Client": "kaizen/0.4.1"}
        sent = event(payload={"name": "Bash", "secret": "x"})
        assert hub.events(sent, {}, headers=old).json()["rejected_total"] == 1
        assert hub.get("/v1/query/events").json()["items"][0]["payload"] == {"name": "Bash"}
        strict = hub.grant(team="strict", settings=Settings(strict_clients=True))
        answer = hub.post("/v1/events", body("events", {}, team="strict"), headers=old, token=strict)
        assert code(answer) == (400, "item_invalid")


def test_what_should_have_been_redacted_is_neither_stored_nor_logged(store: HubStore) -> None:
    with serving(store, clock=lambda: NOW, guard=lambda text: b"hunter2" in text) as hub:
        bad = event(2, payload={"text": "hunter2"})
        counts = hub.events(event(1), bad, headers={"X-Kaizen-Accept": "partial"}).json()
        assert counts["rejected"][0]["code"] == "unredacted_content"
        assert "hunter2" not in msgspec.json.encode([counts, hub.log]).decode()
        assert len(hub.get("/v1/query/events").json()["items"]) == 1
        assert (hub.hub.alerts, hub.log[0]["unredacted"]) == (1, 1)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_compressed_bodies(encoding: str, hub: Client) -> None:
    def pack(text: bytes) -> bytes:
        return zipped(text) if encoding == "gzip" else zstandard.compress(text)

    headers: dict[str, str | None] = {"Content-Encoding": encoding}
    text = body("events", event())
    digest = {"X-Kaizen-Body-Digest": f"blake3:{blake3(text).hexdigest()}"}
    assert hub.post("/v1/events", pack(text), headers={**headers, **digest}).status_code == 202
    assert code(hub.post("/v1/events", pack(b" " * 9_000_000), headers=headers)) == (413, "bad_compression")
    wide = b" ".join(b"%x" % (i * i) for i in range(900_000))
    assert code(hub.post("/v1/events", pack(wide), headers=headers)) == (413, "body_too_large")
    assert code(hub.post("/v1/events", pack(text)[:-9], headers=headers)) == (400, "bad_json")
    assert code(hub.post("/v1/events", b"nonsense", headers=headers)) == (400, "bad_json")


def test_a_key_is_bound_to_its_body_and_route(hub: Client) -> None:
    key = str(uuid.uuid4())
    assert hub.events(event(1), key=key).status_code == 202
    assert code(hub.events(event(2), key=key)) == (422, "idempotency_key_reused")
    assert hub.post("/v1/sessions", body("sessions", session()), key=key).status_code == 202


def test_a_refused_batch_may_come_again_under_its_key(hub: Client) -> None:
    key = str(uuid.uuid4())
    assert hub.events({}, key=key).status_code == 400
    assert hub.events(event(), key=key).status_code == 202


def test_the_same_key_at_once_is_stored_once(hub: Client) -> None:
    key, answers = str(uuid.uuid4()), []

    def send() -> None:
        answers.append(hub.events(*map(event, range(500)), key=key).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers.count(202) == 1
    assert set(answers) <= {202, 409, 429}
    assert hub.events(*map(event, range(500))).json()["deduped"] == 500


def test_a_chunk_that_contradicts_the_stored_ones(hub: Client) -> None:
    hub.post("/v1/repo-snapshots", body("repo_snapshots", chunk(0, 2)))
    answer = hub.post("/v1/repo-snapshots", body("repo_snapshots", chunk(1, 3)))
    assert (answer.status_code, answer.json()["field"]) == (400, "snapshots[0].chunk_total")


def test_free_text_needs_the_teams_consent(hub: Client) -> None:
    text = body("session_feedback", feedback(note="well done"))
    assert code(hub.post("/v1/session-feedback", text)) == (400, "item_invalid")
    token = hub.grant(team="open", settings=Settings(allow_free_text=True))
    text = body("session_feedback", feedback(note="well done"), team="open")
    assert hub.post("/v1/session-feedback", text, token=token).status_code == 202


def test_one_session_may_be_posted_alone(hub: Client) -> None:
    one = {"team_id": TEAM, "workspace_hash": WORKSPACE, **session(status="done", ended_at_ms=NOW)}
    assert hub.post("/v1/sessions", msgspec.json.encode(one), headers={KEY: None}).json()["received"] == 1
    assert hub.get("/v1/query/sessions").json()["items"][0]["status"] == "done"
    several = hub.post("/v1/sessions", body("sessions", session()), headers={KEY: None})
    assert code(several) == (400, "idempotency_key_missing")


def test_observations_of_an_experiment(hub: Client) -> None:
    def send(name: str, **more: Any) -> Any:
        said = {"team_id": TEAM, "session_id_hash": hashed("s"), "variant": "control", **more}
        return hub.post(f"/v1/experiments/{name}/observation", msgspec.json.encode(said), headers={KEY: None})

    assert send("exp-1", binding_kind="git_commit", metric_snapshot={"tokens": 7}).status_code == 202
    assert send("exp-1", variant="treatment").json()["updated"] == 1
    assert send("exp-2").json()["updated"] == 0
    assert code(send("no.such")) == (400, "bad_query")
    assert code(send("exp-1", variant="")) == (400, "item_invalid")
    assert code(send("exp-1", team_id="other")) == (403, "team_mismatch")


def test_synthetic_hashes_in_test_mode_only(hub: Client) -> None:
    text = body("events", event(session_id_hash="blake3:test-session"), workspace="blake3:test-workspace")
    assert hub.post("/v1/events", text).status_code == 400
    assert hub.post("/v1/events?test=1", text).status_code == 202
    assert hub.post("/v1/events?test=1", text).json()["deduped"] == 1


@pytest.mark.parametrize(
    ("scopes", "path", "method", "expected"),
    [
        (["read"], "/v1/events", "POST", (403, "scope_missing")),
        (["ingest"], "/v1/query/summary", "GET", (403, "scope_missing")),
        (["ingest"], "/v1/stream", "GET", (403, "scope_missing")),
        (["ingest", "read"], f"/v1/sessions/{hashed('s')}", "DELETE", (403, "scope_missing")),
        (["admin"], "/v1/sessions/nonsense", "DELETE", (400, "bad_query")),
        (["read"], "/v1/config", "GET", (403, "scope_missing")),
        (["read"], "/v1/nothing", "GET", (404, "unknown_route")),
        (["read"], "/", "GET", (404, "unknown_route")),
        (["read"], "/v1/events", "GET", (405, "method_not_allowed")),
        (["read"], "/v1/health", "POST", (405, "method_not_allowed")),
        (["read"], "/v1/query/events?limit=0", "GET", (400, "bad_query")),
        (["read"], "/v1/query/events?limit=1001", "GET", (400, "bad_query")),
        (["read"], "/v1/query/events?cursor=x", "GET", (400, "bad_query")),
        (["read"], "/v1/query/events?from_ms=-1", "GET", (400, "bad_query")),
        (["read"], "/v1/query/events?workspace_hash=x", "GET", (400, "bad_query")),
        (["read"], "/v1/query/cost?by=colour", "GET", (400, "bad_query")),
        (["read"], "/v1/query/cost?tz=Nowhere", "GET", (400, "bad_query")),
        (["read"], "/v1/query/cost?tz=../../etc/passwd", "GET", (400, "bad_query")),
        (["read"], "/v1/stream?after=x", "GET", (400, "bad_query")),
    ],
)
def test_scopes_and_routes(
    scopes: list[Any], path: str, method: str, expected: tuple[int, str], shared: Client
) -> None:
    token = shared.grant(*scopes)
    answer = shared.http.request(method, path, headers={"Authorization": f"Bearer {token}"}, content=b"{}")
    assert code(answer) == expected


@pytest.mark.parametrize("kind", MAKE)
def test_another_teams_token_reaches_nothing(kind: str, hub: Client) -> None:
    other = hub.grant(team="other")
    hub.post(KINDS[kind].path, body(kind, MAKE[kind]()))
    hub.events(cost(7))
    assert code(hub.post(KINDS[kind].path, body(kind, MAKE[kind]()), token=other)) == (403, "team_mismatch")
    for path in ("events", "sessions", "tool-spans"):
        assert hub.get(f"/v1/query/{path}", token=other).json()["items"] == []
    assert hub.get("/v1/query/summary", token=other).json()["usage"]["requests"] == 0
    gone = hub.http.delete(f"/v1/workspaces/{WORKSPACE}", headers={"Authorization": f"Bearer {other}"})
    assert gone.json() == {"erased": 0}
    assert hub.get("/v1/query/summary").json()["usage"]["requests"] == 1


def test_requests_are_limited_per_token(store: HubStore) -> None:
    with serving(store, Limits(burst=3, requests_per_minute=6)) as hub:
        assert [hub.get("/v1/query/summary").status_code for _ in range(3)] == [200] * 3
        for _ in range(2):  # by the store's word, and by what is remembered of it
            answer = hub.get("/v1/query/summary")
            assert code(answer) == (429, "rate_limited")
            assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert hub.get("/v1/query/summary", token=hub.grant()).status_code == 200


def test_a_team_may_have_a_limit_of_its_own(store: HubStore) -> None:
    with serving(store, Limits(burst=1, requests_per_minute=1)) as hub:
        token = hub.grant(team="busy", settings=Settings(requests_per_minute=20))
        assert [hub.get("/v1/query/summary", token=token).status_code for _ in range(5)] == [200] * 4 + [429]


def test_failed_attempts_are_limited_per_address(store: HubStore) -> None:
    with serving(store, Limits(failures_per_minute=6)) as hub:
        assert {hub.get("/v1/config", token=f"x{i}").status_code for i in range(6)} == {401}
        answer = hub.get("/v1/config", token="x")
        assert code(answer) == (429, "rate_limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 10


def test_behind_a_trusted_proxy_each_client_has_its_own_attempts(store: HubStore) -> None:
    def attempt(hub: Client, said: str) -> int:
        headers = {"Authorization": "Bearer x", "X-Forwarded-For": said}
        return hub.http.get("/v1/config", headers=headers).status_code

    limits = Limits(failures_per_minute=2)
    with serving(store, limits, proxies=Proxies(networks(["127.0.0.1"]))) as hub:
        assert [attempt(hub, "192.0.2.1") for _ in range(3)] == [401, 401, 429]
        assert attempt(hub, "192.0.2.2") == 401
        # What the client wrote itself stands to the left of what the proxy says, and changes nothing.
        assert attempt(hub, "198.51.100.7, 192.0.2.1") == 429
        assert hub.log[-1]["address"] == "192.0.2.1"


def test_without_a_trusted_proxy_the_header_means_nothing(store: HubStore) -> None:
    with serving(store, Limits(failures_per_minute=2)) as hub:
        said = [hub.http.get("/v1/config", headers={"Authorization": "Bearer x", "X-Forwarded-For": f"192.0.2.{i}"})
                for i in range(3)]  # fmt: skip
        assert [one.status_code for one in said] == [401, 401, 429]
        assert hub.log[-1]["address"] == "127.0.0.1"


def test_a_revoked_token_stops_working(store: HubStore) -> None:
    now = NOW
    with serving(store, clock=lambda: now) as hub:
        assert hub.get("/v1/config").status_code == 200
        assert store.revoke(TEAM, store.tokens(TEAM)[0].token_id, NOW)
        now += 5_000
        assert code(hub.get("/v1/config")) == (401, "unauthorized")


def test_health_is_public_and_says_what_is_possible(hub: Client) -> None:
    said = hub.http.get("/v1/health").json()
    assert said["status"] == "ok"
    assert said["encodings"] == ["identity", "gzip", "zstd"]
    assert set(said["routes"]) == {kind.path.removeprefix("/v1/") for kind in KINDS.values()} | {"experiments"}
    assert said["limits"]["max_items"] == 5000


@pytest.mark.parametrize(("error", "expected"), [(Full(), "storage_full"), (Unavailable(), "store: Unavailable"),
                                                (OSError(), "store: OSError")])
def test_health_is_degraded_when_nothing_can_be_stored(
    error: Exception, expected: str, store: HubStore, hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(store, "check", broken)
    monkeypatch.setattr(store, "commit", broken)
    answer = hub.http.get("/v1/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "degraded", "reason": expected})
    key = str(uuid.uuid4())
    codes = {Full: (503, "storage_full"), Unavailable: (503, "degraded"), OSError: (500, "internal")}
    assert code(hub.events(event(), key=key)) == codes[type(error)]
    assert all("events" not in str(line.get("error")) for line in hub.log)
    monkeypatch.undo()
    assert hub.events(event(), key=key).status_code == 202


def test_a_stopping_hub_takes_nothing_more(hub: Client) -> None:
    hub.hub.is_stopping.set()
    answer = hub.events(event())
    assert code(answer) == (503, "maintenance")
    assert answer.headers["retry-after"] == "5"
    assert hub.http.get("/v1/health").status_code == 503


def test_config_is_the_teams_and_can_be_cached(hub: Client) -> None:
    token = hub.grant(team="slow", settings=Settings(flush_interval_ms=60_000, events_per_batch_max=100))
    first = hub.get("/v1/config", token=token)
    assert (first.json()["flush_interval_ms"], first.json()["events_per_batch_max"]) == (60_000, 100)
    headers = {"Authorization": f"Bearer {token}", "If-None-Match": first.headers["etag"]}
    assert hub.http.get("/v1/config", headers=headers).status_code == 304


def test_an_erased_session_is_gone_and_stays_away(hub: Client) -> None:
    hub.events(cost(1), cost(1, "t"))
    gone = hub.http.delete(f"/v1/sessions/{hashed('s')}", headers={"Authorization": f"Bearer {hub.token}"})
    assert (gone.status_code, gone.json()) == (202, {"erased": 1})
    assert hub.events(cost(1)).json()["deduped"] == 1
    assert hub.get("/v1/query/summary").json()["usage"]["requests"] == 1


def test_a_request_is_one_line_of_the_log(hub: Client) -> None:
    hub.events(event(1, payload={"text": "private words"}), event(1, payload={"text": "other"}))
    line = hub.log[-1]
    assert {"method": "POST", "path": "/v1/events", "status": 202, "team": TEAM, "items": 2,
            "conflicts": 1}.items() <= line.items()  # fmt: skip
    assert len(line["conflict_digests"]) == 1
    assert "private" not in str(hub.log)
    assert hub.token not in str(hub.log)


def test_the_table_of_codes_is_complete() -> None:
    """Every code is asserted by a test of this folder."""
    from pathlib import Path

    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in CODES if f'"{name}"' not in text] == []
