"""Tokens: made here, shown once, kept as a keyed hash."""

import hmac
import secrets

from kaizen.hub.answer import Refusal
from kaizen.hub.store.protocol import Grant, HubStore, Scope, Token

PREFIX = "kzn_"
# How long a revoked token may still work.
REMEMBER_MS = 5_000
_MAX_REMEMBERED = 10_000


def hashed(secret: bytes, token: str) -> bytes:
    return hmac.digest(secret, token.encode(errors="surrogateescape"), "sha256")


def new_token(store: HubStore, team_id: str, scopes: list[Scope], label: str, now_ms: int) -> tuple[Token, str]:
    """The token, 32 random bytes as text, is nowhere else afterwards."""
    text = PREFIX + secrets.token_urlsafe(32)
    made = Token(f"t-{secrets.token_hex(4)}", team_id, scopes, label, now_ms)
    store.add_token(made, hashed(store.secret(), text))
    return made, text


class Authority:
    """Who a token belongs to. Finding it by a keyed hash gives nothing away by timing: nobody can choose a hash."""

    def __init__(self, store: HubStore) -> None:
        self._store, self._secret = store, store.secret()
        self._remembered: dict[bytes, tuple[Grant, int]] = {}

    def recall(self, header: str, now_ms: int) -> Grant | None:
        """Without the store: a grant that was looked up a moment ago."""
        found = self._remembered.get(self._hash(header))
        return found[0] if found is not None and 0 <= now_ms - found[1] < REMEMBER_MS else None

    def find(self, header: str, now_ms: int) -> Grant | None:
        """`header` is that of Authorization. Blocks."""
        key = self._hash(header)
        grant = self._store.team_of(key) if key else None
        if grant is None:
            self._remembered.pop(key, None)
            return None
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = grant, now_ms
        return grant

    def _hash(self, header: str) -> bytes:
        scheme, _, token = header.partition(" ")
        return hashed(self._secret, token.strip()) if scheme.lower() == "bearer" and token else b""


def require(grant: Grant, scope: Scope) -> None:
    if scope not in grant.scopes:
        raise Refusal("scope_missing", f"This token lacks the scope {scope!r}.")
