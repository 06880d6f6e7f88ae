//! Attribute names of spans about language models, by version. Names move: this table is the only place that knows them.
//! The newest name stands first; the first that is present counts.

/// Version of this table: the newest of the conventions that it knows.
pub(super) const VERSION: &str = "OpenTelemetry GenAI 1.38, OpenInference 0.1, Vercel AI SDK 6";

/// What kind of operation a span is.
pub(super) const OPERATION: &[&str] = &[
    "gen_ai.operation.name",
    "openinference.span.kind",
    "ai.operationId",
    "llm.request.type",
    "traceloop.span.kind",
    // Phoenix has the kind beside the attributes.
    "span_kind",
];
/// Kinds that are calls of a language model, in lower case.
pub(super) const CALLS: &[&str] = &[
    "chat",
    "generate_content",
    "text_completion",
    "completion",
    "acompletion",
    "atext_completion",
    "responses",
    "aresponses",
    "anthropic_messages",
    "llm",
    "ai.generatetext.dogenerate",
    "ai.generateobject.dogenerate",
    "ai.streamtext.dostream",
    "ai.streamobject.dostream",
];
/// Kinds that stand for an agent at work, in lower case.
pub(super) const AGENTS: &[&str] = &["invoke_agent", "create_agent", "agent"];
/// Kinds that stand for a tool at work, in lower case.
pub(super) const TOOLS: &[&str] = &["execute_tool", "tool"];
/// Where OTLP-JSON and its relatives keep their spans.
pub(super) const RESOURCES: &[&str] = &["resourceSpans", "resource_spans", "batches"];
pub(super) const REQUEST_MODEL: &[&str] =
    &["gen_ai.request.model", "llm.model_name", "ai.model.id", "llm.request.model"];
pub(super) const RESPONSE_MODEL: &[&str] = &["gen_ai.response.model", "ai.response.model", "llm.response.model"];
pub(super) const RESPONSE_ID: &[&str] = &["gen_ai.response.id", "ai.response.id"];
pub(super) const PROVIDER: &[&str] =
    &["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"];
pub(super) const FINISH: &[&str] = &["gen_ai.response.finish_reasons", "ai.response.finishReason", "llm.finish_reason"];
pub(super) const PROMPT_TOKENS: &[&str] = &[
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
];
pub(super) const COMPLETION_TOKENS: &[&str] = &[
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
];
pub(super) const CACHED_TOKENS: &[&str] = &[
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.cachedInputTokens",
];
pub(super) const CACHE_WRITE_TOKENS: &[&str] = &[
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
];
/// Cached tokens under the names that Anthropic's own usage has, which are not in its prompt tokens.
pub(super) const CACHED_APART: &[&str] =
    &["gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_creation_input_tokens"];
pub(super) const TOTAL_TOKENS: &[&str] =
    &["gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens"];
pub(super) const REASONING_TOKENS: &[&str] = &[
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.reasoningTokens",
];
pub(super) const COST: &[&str] =
    &["llm.cost.total", "gen_ai.usage.cost", "operation.cost", "gen_ai.usage.total_cost", "gen_ai.cost.total_cost"];
pub(super) const SESSION: &[&str] =
    &["gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id"];
pub(super) const AGENT: &[&str] =
    &["gen_ai.agent.name", "agent.name", "gen_ai.agent.id", "graph.node.id", "traceloop.entity.name"];
/// Seconds or milliseconds from dispatch to the first part of the answer.
pub(super) const FIRST_CHUNK_S: &[&str] = &["gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token"];
pub(super) const FIRST_CHUNK_MS: &[&str] = &["ai.response.msToFirstChunk", "ai.stream.msToFirstChunk"];
/// Messages as JSON text.
pub(super) const INPUT: &[&str] =
    &["gen_ai.input.messages", "ai.prompt.messages", "gen_ai.prompt", "ai.prompt", "input.value"];
pub(super) const SYSTEM: &[&str] = &["gen_ai.system_instructions"];
pub(super) const OUTPUT: &[&str] =
    &["gen_ai.output.messages", "ai.response.text", "ai.response.object", "gen_ai.completion", "output.value"];
/// Messages as one attribute per part: `PREFIX.N.[message.]role`, `PREFIX.N.[message.]content`.
pub(super) const INPUT_PARTS: &[&str] = &["llm.input_messages", "gen_ai.prompt"];
pub(super) const OUTPUT_PARTS: &[&str] = &["llm.output_messages", "gen_ai.completion"];
pub(super) const PARAMETERS: &[(&str, &str)] = &[
    ("gen_ai.request.max_tokens", "max_tokens"),
    ("gen_ai.request.temperature", "temperature"),
    ("gen_ai.request.top_p", "top_p"),
    ("gen_ai.request.seed", "seed"),
    ("gen_ai.request.stream", "stream"),
];
