"""The document is what the hub does: it is current, valid, and no generated request gets an answer it does not name."""

import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from kaizen.hub.app import make
from kaizen.hub.openapi import document
from kaizen.hub.store.protocol import Team

from .conftest import STORES, opened
from .made import TEAM
from .serving import Client, serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# A long look: KAIZEN_EXAMPLES=300 pytest tests/hub/test_openapi.py
EXAMPLES = int(os.environ.get("KAIZEN_EXAMPLES", "4"))
CHECKED_IN = Path(__file__).parents[2] / "docs" / "openapi.json"

schema = schemathesis.openapi.from_dict(document()).exclude(path="/v1/stream")
# Hundreds of requests for every route: part of the long look.
schema.config.phases.coverage.enabled = "KAIZEN_EXAMPLES" in os.environ


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with closing(opened(STORES[-1], tmp_path_factory.mktemp("hub"))) as store:
        store.add_team(Team(TEAM, 1))
        with serving(store) as client:
            yield client


def test_the_document_checked_in_is_current() -> None:
    assert msgspec.json.decode(CHECKED_IN.read_bytes()) == msgspec.json.decode(msgspec.json.encode(document()))


def test_every_route_is_in_the_document(hub: Client) -> None:
    app = make(hub.hub, lambda _: None)
    routes = {
        (route.path, method.lower())
        for route in app._inner.routes  # type: ignore[attr-defined]
        for method in route.methods - {"HEAD"}
        if isinstance(route, Route)
    }
    assert routes == {(path, method) for path, found in document()["paths"].items() for method in found}


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(case: schemathesis.Case, hub: Client) -> None:
    if isinstance(case.body, dict) and "team_id" in case.body:
        case.body["team_id"] = TEAM
    # Headers that would end most requests early have tests of their own.
    headers = {"Authorization": f"Bearer {hub.token}"}
    if case.method == "POST":
        for name in ("X-Kaizen-Body-Digest", "Content-Encoding", "X-Kaizen-Client"):
            case.headers.pop(name, None)
        headers["X-Kaizen-Idempotency-Key"] = str(uuid.uuid4())
    answer = case.call(base_url=hub.url, headers=headers)
    case.validate_response(answer, checks=CHECKS)
