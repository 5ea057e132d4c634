"""What a model id says: who serves it, and which known id it could be another spelling of.

An id is looked up whole; if that fails, one suffix of a closed list is peeled off and it is looked up again. Nothing
is ever matched by prefix or by substring: `gpt-5` does not price `gpt-5-mini`, and an id with a suffix we do not know
stays unknown.
"""

import re
from collections.abc import Iterator

# Spellings of a provider in front of a `/`, besides its own id.
PROVIDERS = {
    "amazon": "aws", "amazon-bedrock": "aws", "bedrock": "aws", "bedrock_converse": "aws",
    "azure-openai": "azure", "azure_ai": "azure", "azure-cognitive-services": "azure",
    "copilot": "github-copilot", "github_copilot": "github-copilot", "githubcopilot": "github-copilot",
    "fireworks-ai": "fireworks", "fireworks_ai": "fireworks",
    "gemini": "google", "google-vertex": "google", "vertex_ai": "google", "vertex": "google", "vertex-ai": "google",
    "mistralai": "mistral",
    "moonshot": "moonshotai", "moonshot-ai": "moonshotai", "kimi": "moonshotai",
    "together-ai": "together", "together_ai": "together", "togetherai": "together",
    "xai": "x-ai", "z-ai": "zai", "zhipu": "zhipuai", "minimax-ai": "minimax", "minimaxai": "minimax",
}
# Served from the user's own machine: no maker's price applies.
LOCAL = frozenset({"ollama", "ollama_chat", "lmstudio", "lm-studio", "lm_studio", "llama.cpp", "llamacpp", "llama-cpp",
                   "local", "mlx", "vllm", "hosted_vllm", "localai", "jan"})
# The host picks the model and does not say which.
SERVER_DECIDES = frozenset({"auto", "default", "cursor-auto", "unknown"})

_EFFORT = "minimal|low|medium|high|xhigh"
# Peeled one at a time, each at most once, from the right; `thinking` is a mode of Claude and a model of others.
_SUFFIXES = (
    ("context window", re.compile(r"\[1m\]$")),
    ("version of the host", re.compile(r"@(?:\d{8}|default|latest)$")),
    ("effort label", re.compile(rf"-?\((?:{_EFFORT}|max|thinking|reasoning)\)$")),
    ("date", re.compile(r"-20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$")),
    ("date", re.compile(r"-20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$")),
    ("latest", re.compile(r"-latest$")),
    ("thinking", re.compile(r"(?<=^claude-).*(?P<cut>-thinking)$")),
    ("effort", re.compile(rf"-(?:{_EFFORT})$")),
)
_DOT = re.compile(r"(?<=\d)\.(?=\d)")
_COMPACT_DATE = re.compile(r"-(20\d\d)(\d\d)(\d\d)$")
_DASHED_DATE = re.compile(r"-(20\d\d)-(\d\d)-(\d\d)$")
_BEDROCK = re.compile(
    r"(?:(?P<region>global|us-gov|us|eu|apac|au|jp|in|ca|sa|me|af)\.)?"
    r"(?P<model>(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshotai|nvidia|openai|qwen|writer|zai)"
    r"\.(?P<bare>[a-z0-9][^/]*?))(?:-v\d+)?(?::\d+)?")


def canonical(name: str) -> str:
    """Lower case, blanks and dots between digits as dashes: `Claude Sonnet 4.5` and `claude-sonnet-4-5` are one."""
    return _DOT.sub("-", "-".join(name.lower().split()))


def spellings(name: str) -> Iterator[tuple[str, str]]:
    """`(name, what was dropped)` of a canonical name, most specific first; the first one is `name` itself."""
    yield name, ""
    for date, other in ((_COMPACT_DATE, r"-\1-\2-\3"), (_DASHED_DATE, r"-\1\2\3")):
        if date.search(name):
            yield date.sub(other, name), "date as written elsewhere"
    seen: set[str] = set()
    while cut := _cut(name, seen):
        name, what = cut
        seen.add(what)
        yield name, f"without {what}"


def _cut(name: str, seen: set[str]) -> tuple[str, str] | None:
    for what, pattern in _SUFFIXES:
        found = pattern.search(name)
        if found and what not in seen:
            at = found.start("cut") if "cut" in pattern.groupindex else found.start()
            if at > 0:
                return name[:at], what
    return None


def bedrock(name: str) -> tuple[str, str] | None:
    """`(id in our AWS list, the maker's id)` of a Bedrock id like `us.anthropic.claude-opus-4-5-20251101-v1:0`.

    AWS has two prices: `global` endpoints, and every single region.
    """
    found = _BEDROCK.fullmatch(name)
    if found is None:
        return None
    scope = "global" if found["region"] == "global" else "regional"
    return f"{scope}.{found['model']}", found["bare"]
