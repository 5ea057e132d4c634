"""Gates of the rules whose keywords are everywhere (`key`, `s.`, `://`): what a match of theirs must hold.

A gate is found wherever its rule finds something, and can be walked together with all others (`patterns.Gates`): an
alternative, a class or a number of the rule is only ever widened here. It belongs to the rule as it is; a test knows
which one that was.
"""

# Ten characters, one of which no word has: the rule allows words. After longer words such a character follows.
_NOT_A_WORD = "|".join(rf"[a-z_.-]{{{at}}}[0-9=+/][\w.=+/-]{{{9 - at}}}" for at in range(10))
_PASSWORD = r"passw(?:or)?d|passphrase|pwd"
# Their names begin with `rule-`, so that they are not confused with those of other detectors.
GATES = {
    "rule-argument": (
        r"""(?i)(?:^|[\s"'`(\[])-{1,2}(?:[a-z]+[-_])*(?:passw(?:or)?d|passphrase|token|secret|api-?key|access-key"""
        r"""|secret-key|private-key|pwd)(?:=|[ \t]|["'])"""
    ),
    "rule-assignment": (
        r"""(?i)(?:access|auth|api|creds|key|credential|passw(?:or)?d|secret|token)[ \t\w.-]{0,20}[\s'"]{0,3}"""
        rf"""(?:=|>|:|\|\||\?=|,)[\x60'"\s=>:]{{0,8}}(?:[a-z_.-]{{10,}}[0-9=+/]|{_NOT_A_WORD})"""
    ),
    "rule-authress": r"\.acc[_-]",
    "rule-cursor": r"\b(?:key|crsr)_[0-9a-f]{8}",
    "rule-environment": (
        r"(?i)(?:passw(?:or)?d|passphrase|_pass|_pwd|secret|token|api_?key|access_?key|private_?key|credentials?)(?:_\w*)?"
        r"""(?:=|[ \t]=[ \t]|[ \t]+)["']?[^\s"'`<>$(){}\[\],;]{3}"""
    ),
    "rule-jwt": r"\bey[a-zA-Z0-9]{17,}\.ey",
    "rule-password": rf"""(?i)(?:{_PASSWORD})["'\\]{{0,3}}[ \t]{{0,3}}[:=,]""",
    "rule-url-user": r"""://[^\s/?#"'`<>]*@""",
    "rule-vault": r"\bhvs\.|\bs\.[A-Za-z0-9]{24}",
}
OF_RULE = {
    "authress-service-client-access-key": "rule-authress",
    "generic-api-key": "rule-assignment",
    "jwt": "rule-jwt",
    "kaizen-argument": "rule-argument",
    "kaizen-connection-string": "rule-password",
    "kaizen-cursor-key": "rule-cursor",
    "kaizen-environment": "rule-environment",
    "kaizen-password": "rule-password",
    "kaizen-quoted-password": "rule-password",
    "kaizen-url-password": "rule-url-user",
    "kaizen-url-token": "rule-url-user",
    "vault-service-token": "rule-vault",
}
