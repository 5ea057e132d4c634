"""What the place of a string in a JSON tree says about it: keys that name secrets, and names that stand beside values.

    {"api_key": "..."}                      a key that names a secret
    {"env": {"DB_PASS": "..."}}             an environment: all of its values
    {"name": "DB_PASS", "value": "..."}     a pair
    ["--password", "..."]                   an argument, also headers as one list
    [["Authorization", "..."], ...]         headers as pairs
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[^a-z0-9]+")
_SECRET_ENDS = (
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "token", "apikey", "accesskey",
    "privatekey", "secretkey", "authkey", "signingkey", "encryptionkey", "servicekey", "accountkey", "sharedkey",
    "masterkey", "licensekey", "deploykey", "subscriptionkey", "credential", "credentials", "authorization", "cookie",
    "cookies", "connectionstring", "otp", "jwt", "bearer", "sessionid", "sessionkey", "xapikey", "dsn",
)  # fmt: skip
_SECRET_WORDS = frozenset(("auth", "pass", "sid", "pin"))
# `DB_PASS`, and the reference's rule: names of environment variables that end like this.
_VARIABLE = re.compile(r"(?:.*_)?(?:PASS|PWD|PW|KEY|TOKEN|SECRET|AUTH|CREDS?|SALT|DSN|SESSION)|[A-Za-z]\w*_pass")
_NOT_SECRET = re.compile(
    r"(?:public|primary|foreign|sort|partition|cache|next|previous|page|continuation|stop|eos|bos|pad)\w*"
)
_ENVIRONMENTS = frozenset((
    "env", "environ", "environment", "environmentvariables", "envs", "envvars", "processenv", "secrets",
))  # fmt: skip
_FLAG = re.compile(r"--?([A-Za-z][\w-]*)")
NAME_KEYS = (
    "name", "key", "header", "variable", "var", "field", "id", "k", "label", "type", "title", "identifier", "parameter",
)  # fmt: skip
VALUE_KEYS = ("value", "val", "v", "content", "default", "data", "secret", "plaintext")
IDENTIFIER = re.compile(r"-{0,2}[\w.-][\w .:/-]{0,62}")


def is_secret_key(key: str) -> bool:
    """Whether what stands under this key, or behind this name, is a secret whatever it looks like."""
    if _VARIABLE.fullmatch(key) and not _NOT_SECRET.fullmatch(key.lower()):
        return True
    plain = _PLAIN.sub("", key.lower())
    return plain in _SECRET_WORDS or (plain.endswith(_SECRET_ENDS) and not _NOT_SECRET.fullmatch(plain))


def is_environment(key: str) -> bool:
    return _PLAIN.sub("", key.lower()) in _ENVIRONMENTS


def is_secret_flag(word: str) -> bool:
    """Whether the next argument is a secret."""
    found = _FLAG.fullmatch(word)
    return found is not None and is_secret_key(found[1])


def names_beside(fields: Mapping[Any, Any]) -> list[str]:
    """What an object calls itself: names that may belong to the values in it."""
    found = (fields.get(key, fields.get(key.title())) for key in NAME_KEYS)
    return [one for one in found if isinstance(one, str) and IDENTIFIER.fullmatch(one)][:3]


def is_value_key(key: str) -> bool:
    return key.lower() in VALUE_KEYS


def before(words: Sequence[Any]) -> Iterator[str | None]:
    """For each element of a list the string before it, as a name; None where there is none."""
    last: str | None = None
    for word in words:
        yield last
        last = word.lstrip("-") if isinstance(word, str) and IDENTIFIER.fullmatch(word) else None
