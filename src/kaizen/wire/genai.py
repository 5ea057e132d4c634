"""Words of the OpenTelemetry conventions for generative AI: data, because they are in development and will change.

Source: github.com/open-telemetry/semantic-conventions-genai, its state of 2026, and semantic-conventions 1.36 for the
older names. `kaizen.*` attributes are ours.
"""

import re
from collections.abc import Mapping
from typing import Literal

Semconv = Literal["genai-2026", "genai-1.36"]

SCHEMA_URLS: Mapping[Semconv, str] = {
    "genai-2026": "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev",
    "genai-1.36": "https://opentelemetry.io/schemas/1.36.0",
}
# What an attribute was called; an empty name: it did not exist.
OLDER_NAMES: Mapping[str, str] = {
    "gen_ai.provider.name": "gen_ai.system",
    "gen_ai.usage.input_tokens": "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.output_tokens": "gen_ai.usage.completion_tokens",
    "gen_ai.usage.cache_read.input_tokens": "",
    "gen_ai.usage.cache_creation.input_tokens": "",
    "gen_ai.usage.reasoning.output_tokens": "",
    "gen_ai.response.time_to_first_chunk": "",
    "gen_ai.agent.version": "",
}
# A model's name begins with: who serves it, unless it says otherwise. The first that fits.
_PROVIDERS = (
    (r"(global\.|us-gov\.|us\.|eu\.|apac\.|au\.|jp\.)?(anthropic|amazon|meta|mistral|cohere|ai21)\.", "aws.bedrock"),
    (r"bedrock/|amazon/", "aws.bedrock"),
    (r"vertex(_ai|-ai)?/|publishers/", "gcp.vertex_ai"),
    (r"azure/", "azure.ai.openai"),
    (r"(anthropic/)?claude", "anthropic"),
    (r"(openai/)?(gpt|o[1345](-|$)|codex|chatgpt)", "openai"),
    (r"(google/|models/)?gemini", "gcp.gemini"),
    (r"(x-ai/|xai/)?grok", "x_ai"),
    (r"(deepseek/|deepseek-ai/)?deepseek", "deepseek"),
    (r"(mistralai/|mistral/)?(mistral|codestral|devstral|magistral|ministral)", "mistral_ai"),
    (r"(moonshotai/|moonshot/)?(kimi|moonshot)", "moonshot_ai"),
    (r"(perplexity/)?sonar", "perplexity"),
    (r"(cohere/)?command", "cohere"),
    (r"groq/", "groq"),
    (r"granite", "ibm.watsonx.ai"),
)
_COMPILED = tuple((re.compile(pattern), provider) for pattern, provider in _PROVIDERS)
UNKNOWN_PROVIDER = "_OTHER"


def provider(model: str | None) -> str:
    """`gen_ai.provider.name` of a model, as far as its name tells; else its vendor's prefix, else `_OTHER`."""
    name = (model or "").lower()
    for pattern, found in _COMPILED:
        if pattern.match(name):
            return found
    vendor, slash, _ = name.partition("/")
    return vendor if slash and vendor else UNKNOWN_PROVIDER


def tool_type(tool: str | None) -> str:
    """An MCP server's tools run outside the agent's own process: `extension`."""
    return "extension" if (tool or "").startswith(("mcp:", "mcp__")) else "function"
