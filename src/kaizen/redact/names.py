"""Names that leave beside a payload: public ones pass, private ones are hashed.

    tool    `Bash` | `mcp:<16 hex>:<public name or 16 hex>` | `custom:<16 hex>`
    model   `claude-sonnet-4-5` | `custom:<16 hex>`

A public model is one of `models.txt` (written by scripts/build_model_names.py), or its name is made of their words and
of version numbers only: so dated and regional variants pass that no price book lists, and `acme-gpt-5` does not.
"""

import re
from functools import cache, lru_cache

from kaizen.redact import words
from kaizen.redact.hashes import Salt

# At least one of them is in a public name; the other words are too common to prove anything.
_FAMILIES = """
    bison chatgpt claude codestral codex cogito command composer deepseek devstral embed ernie fable flash gemini
    gemma glm gpt granite grok haiku hermes hunyuan jamba kimi llama longcat magistral mai mercury mimo minimax
    ministral mistral mixtral mythos nemotron nova o1 o3 o4 olmo opus palm phi pixtral qwen qwen2 qwen3 qwq seed
    sonar sonnet voxtral
"""
FAMILIES = frozenset(_FAMILIES.split())
_DOT = re.compile(r"(?<=\d)\.(?=\d)")
_SEPARATORS = re.compile(r"[-_./:@ ()\[\]]{1,2}")
# A version, a size, a year or date, a month and day.
_NUMBER = re.compile(
    r"v?\d{1,2}[a-z]?|\d{1,3}[bkm]|20\d\d(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))?|0[1-9]\d\d|1[0-2]\d\d"
)
_SPECIAL = frozenset(("auto", "default", "unknown", "<synthetic>", "codex-auto-review"))
_HOSTS = frozenset(("openrouter", "bedrock", "vertex", "ollama", "us", "eu"))
_MAX_MODEL = 80


def tool_name(tool: str | None, salt: Salt) -> str | None:
    if tool is None or tool in words.CLASS_OF_TOOL:
        return tool
    if tool.startswith("mcp__"):
        server, _, name = tool[5:].partition("__")
        shown = name if name in words.CLASS_OF_TOOL else salt.short("tool v1", name)
        return f"mcp:{server_id(server, salt)}:{shown}"
    return f"custom:{salt.short('tool v1', tool)}"


def server_id(server: str, salt: Salt) -> str:
    return salt.short("mcp server v1", server)


def model_name(model: str | None, salt: Salt) -> str | None:
    return model if model is None or is_public_model(model) else f"custom:{salt.short('model v1', model)}"


def agent_name(agent: str) -> str:
    return agent if agent in words.AGENTS else words.OTHER


def call_id(id: str | None, salt: Salt) -> str | None:
    return None if id is None else salt.hash(f"call:{id}")


def stop_reason(text: str | None) -> str | None:
    if text is None or text in words.STOP_REASONS:
        return text
    return lower if (lower := text.lower()) in words.STOP_REASONS else words.OTHER


@lru_cache(1024)
def is_public_model(model: str) -> bool:
    if model in _SPECIAL:
        return True
    if len(model) > _MAX_MODEL or not model.isascii():
        return False
    name = _DOT.sub("-", model.lower())
    listed, known = _models()
    found = [part for part in _SEPARATORS.split(name) if part]
    return name in listed or (
        any(part.rstrip("0123456789p") in FAMILIES or part in FAMILIES for part in found)
        and all(part in known or part in _HOSTS or _NUMBER.fullmatch(part) for part in found)
    )


@cache
def _models() -> tuple[frozenset[str], frozenset[str]]:
    """The names, and the words in them."""
    from pathlib import Path  # not worth a third of the time that importing this level takes

    names = Path(__file__).with_name("models.txt").read_text(encoding="utf-8").split("\n")
    words = {word for name in names for word in _SEPARATORS.split(name) if not word.isdigit()}
    return frozenset(filter(None, names)), frozenset(filter(None, words))
