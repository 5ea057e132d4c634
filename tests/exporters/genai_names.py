"""Every `gen_ai.*` name that may leave us, from the registry of semantic-conventions-genai (2026) and from 1.36."""

ATTRIBUTES_2026 = {
    "gen_ai.agent.name", "gen_ai.agent.version", "gen_ai.conversation.id", "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.label", "gen_ai.evaluation.score.value", "gen_ai.operation.name", "gen_ai.provider.name",
    "gen_ai.request.model", "gen_ai.request.stream", "gen_ai.response.finish_reasons", "gen_ai.response.model",
    "gen_ai.response.time_to_first_chunk", "gen_ai.token.type", "gen_ai.tool.call.id", "gen_ai.tool.name",
    "gen_ai.tool.type", "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.reasoning.output_tokens",
}
ATTRIBUTES_1_36 = {
    "gen_ai.agent.name", "gen_ai.conversation.id", "gen_ai.evaluation.name", "gen_ai.evaluation.score.label",
    "gen_ai.evaluation.score.value", "gen_ai.operation.name", "gen_ai.request.model", "gen_ai.request.stream",
    "gen_ai.response.finish_reasons", "gen_ai.response.model", "gen_ai.system", "gen_ai.token.type",
    "gen_ai.tool.call.id", "gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.usage.completion_tokens",
    "gen_ai.usage.prompt_tokens",
}
METRICS = {
    "gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.token.usage",
    "gen_ai.execute_tool.duration", "gen_ai.invoke_agent.duration",
}
# Numbers that may be whole or not; everything else has the type that the registry says.
DOUBLES = {"gen_ai.response.time_to_first_chunk", "gen_ai.evaluation.score.value"}
INTS = {name for name in ATTRIBUTES_2026 | ATTRIBUTES_1_36 if name.startswith("gen_ai.usage.")}
