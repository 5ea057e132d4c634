"""The team's hub as the `team` commands see it: where it is, and its answers as structs or as errors."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kaizen import net
from kaizen.cli.run import Run
from kaizen.errors import BadConfig, HubRefused, HubUnreachable

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

TIMEOUT_S = 30.0
# The hub says that it is there every 15 seconds.
SILENCE_S = 45.0
RETRY_S = 2.0


class TeamHub:
    def __init__(self, run: Run) -> None:
        import httpx

        from kaizen.outbox.client import check_endpoint
        from kaizen.outbox.gate import token_of

        sync = run.config.sync
        if not sync.endpoint:
            raise BadConfig("No hub is configured.", hint="Set it up with: kaizen sync configure URL --token-stdin")
        self._endpoint = check_endpoint(sync.endpoint, allow_insecure=sync.allow_insecure)
        token = token_of(run.config, run.env)
        if not token:
            raise BadConfig("No token for the hub.", hint="Set it: kaizen sync configure URL --token-stdin")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self._endpoint, headers=headers, timeout=TIMEOUT_S,
                                  **net.options(self._endpoint))  # fmt: skip

    def get(self, path: str, kind: type[T], params: Mapping[str, Any] | None = None) -> T:
        import httpx

        try:
            answer = self._http.get(path, params={k: v for k, v in (params or {}).items() if v is not None})
        except httpx.InvalidURL as error:
            raise BadConfig("sync.endpoint is no address.", hint="Set it: kaizen sync configure URL") from error
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        self._check(answer)
        return self._decoded(answer.content, kind)

    def follow(self, kind: type[T]) -> Iterator[T]:
        """What the hub stores from now on; after a lost connection, what came meanwhile."""
        import httpx

        last: str | None = None
        while True:
            try:
                headers = {"Last-Event-ID": last} if last else {}
                with self._http.stream("GET", "/v1/stream", headers=headers, timeout=SILENCE_S) as answer:
                    if answer.status_code != 200:
                        answer.read()
                        self._check(answer)
                    for line in answer.iter_lines():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            last = value
                        elif name == "data":
                            yield self._decoded(value.encode(), kind)
            except httpx.HTTPError as error:
                if last is None and isinstance(error, httpx.ConnectError):
                    raise self._unreachable(error) from error
            time.sleep(RETRY_S)

    def close(self) -> None:
        self._http.close()

    def _check(self, answer: "httpx.Response") -> None:
        if answer.status_code == 200:
            return
        try:
            said = msgspec.json.decode(answer.content)
            code, message = str(said["code"]), str(said["message"])
        except (msgspec.DecodeError, KeyError, TypeError):
            code, message = str(answer.status_code), "no hub answers there"
        hint = {401: "Get a new token: kaizen hub token create TEAM",
                403: "The token needs the scope read."}.get(answer.status_code, "")  # fmt: skip
        raise HubRefused(f"The hub refuses: {message}", hint=hint, status=answer.status_code, answer=code)

    def _decoded(self, content: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise HubRefused(f"The answer of {self._endpoint} is not that of a hub: {error}.",
                             hint="Check sync.endpoint.", answer="") from error  # fmt: skip

    def _unreachable(self, error: "httpx.HTTPError") -> HubUnreachable:
        return HubUnreachable(f"{self._endpoint} does not answer: {net.why(error)}.",
                              hint="Is `kaizen hub serve` running, and sync.endpoint right?")  # fmt: skip
