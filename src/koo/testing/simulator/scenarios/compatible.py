"""What those send who speak OpenAI's format with an accent, each by its name."""

from __future__ import annotations

import json
from functools import partial

from .form import Scenario, told
from .openai import QUOTES, answer, chunks, error

INVALID = "invalid_request_error"
FAST = "rate_limit_exceeded"


def bare(text: str) -> str:
    """Ollama's: nothing but a text."""
    return json.dumps({"error": f"{text} {QUOTES}"})


def routed(code: int, words: str = "It failed.", metadata: object = None) -> str:
    """OpenRouter's: the code is a number, and *metadata* says where the error is from."""
    told_of = {"code": code, "message": f"{words} {QUOTES}", "metadata": metadata or {}}
    return json.dumps({"error": told_of})


def flat(**fields: object) -> str:
    """Without a frame."""
    return json.dumps({**fields, "message": f"It failed. {QUOTES}"})


def broken_off() -> str:
    """OpenRouter's answer that broke off: the error is in the choice."""
    message = {"role": "assistant", "content": "Beca"}
    told_of = {"code": 502, "message": f"Provider disconnected {QUOTES}"}
    choice = {"index": 0, "message": message, "finish_reason": "error", "error": told_of}
    return json.dumps({"choices": [choice]})


def using(usage: object) -> str:
    """An answer with such a usage."""
    return json.dumps({**json.loads(answer()), "usage": usage})


groq = partial(Scenario, "groq")
openrouter = partial(Scenario, "openrouter")
vllm = partial(Scenario, "vllm")
ollama = partial(Scenario, "ollama")
perplexity = partial(Scenario, "perplexity")

GROQ_DAY = "Rate limit reached on requests per day (RPD): Limit 1000. Please try again in 1m26.4s."
QUOTING = "Too many requests; you said: explain insufficient balance, retry in 20h."
TEAM = "Your team t has either used all credits or reached its monthly spending limit."
CONTEXT = "This model's maximum context length is 4096 tokens."
FREE = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock more."
IN_FLIGHT = {"limit_source": "openrouter_in_flight_budget"}
FLAGGED = {"flagged_input": "$prompt", "reasons": ["violence"]}
KEY_LIMIT = {"limit_source": "openrouter_key_limit", "resets_at": "$moment"}
GUARDRAIL = {"limit_source": "openrouter_guardrail_budget"}
WORKSPACE = {"limit_source": "openrouter_workspace_budget"}
LIMITED = {"headers": {"X-RateLimit-Limit": "50", "X-RateLimit-Reset": "$epoch_ms"}}
COUNTED = {"prompt_tokens": 10, "completion_tokens": 5}
BILLED = {**COUNTED, "cost": {"total_cost": 0.00512}}
CHARGED = {**COUNTED, "cost": 0.00014, "is_byok": False}
BYOK = {
    **COUNTED,
    "cost": 0.001,
    "is_byok": True,
    "cost_details": {"upstream_inference_cost": 0.02},
}
VLLM = {**COUNTED, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 8}}
PROCESSING = ": OPENROUTER PROCESSING\n\n"
#: Groq's requests are those of a day, its tokens those of a minute.
DAY_WINDOW = (
    ("x-ratelimit-limit-requests", "14400"),
    ("x-ratelimit-remaining-requests", "14370"),
    ("x-ratelimit-reset-requests", "2m59.56s"),
    ("x-ratelimit-limit-tokens", "18000"),
    ("x-ratelimit-remaining-tokens", "17997"),
    ("x-ratelimit-reset-tokens", "7.66s"),
)
DAY_SPENT = (
    ("retry-after", "$seconds"),
    ("x-ratelimit-limit-requests", "14400"),
    ("x-ratelimit-remaining-requests", "0"),
    ("x-ratelimit-reset-requests", "${seconds}s"),
)
POOR = "You exceeded your current quota: out of credits"

SCENARIOS = (
    groq("bad-request", 400, error(INVALID)),
    groq("bad-key", 401, error(INVALID, "invalid_api_key", "Invalid API Key")),
    groq("no-permission", 403, error("permissions_error")),
    groq("restricted", 400, error(INVALID, "organization_restricted")),
    groq("no-model", 404, error(INVALID, "model_not_found")),
    groq("too-large", 413, error("tokens", FAST, "Request too large for model")),
    groq("unprocessable", 422, error(INVALID)),
    groq("dependency", 424, error(None)),
    groq("rate-limit", 429, error("tokens", FAST), told(retry_after="$seconds"), 2),
    groq("rate-limit-words", 429, error("tokens", FAST, "Please try again in 7.66s.")),
    groq("rate-limit-quoting", 429, error("tokens", None, QUOTING)),
    groq("requests-a-day", 429, error("requests", FAST, GROQ_DAY)),
    groq("requests-a-day-header", 429, error("requests", FAST), DAY_SPENT, 6),
    groq("day-window", 200, answer(), DAY_WINDOW, events=chunks()),
    groq("capacity", 498, error("capacity", "capacity_exceeded")),
    groq("gone", 499, error(None)),
    groq("server-error", 500, error("internal_server_error")),
    groq("unavailable", 503, error("internal_server_error")),
    groq("capacity-inside", 200, error("capacity", "capacity_exceeded"), event=""),
    openrouter("bad-request", 400, routed(400)),
    openrouter("bad-key", 401, routed(401, "No auth credentials found")),
    openrouter("no-credit", 402, routed(402, "Insufficient credits")),
    openrouter("in-flight", 402, routed(402, metadata=IN_FLIGHT), told(retry_after="$seconds"), 4),
    openrouter("moderated", 403, routed(403, metadata=FLAGGED)),
    openrouter("moderated-words", 403, routed(403, "Your input was flagged by moderation.")),
    openrouter("guardrail-budget", 403, routed(403, metadata=GUARDRAIL)),
    openrouter(
        "key-limit",
        403,
        routed(403, metadata=KEY_LIMIT),
        wait=7200,
    ),
    openrouter("workspace-budget", 403, routed(403, metadata=WORKSPACE)),
    openrouter("timeout", 408, routed(408)),
    openrouter("rate-limit", 429, routed(429, metadata=LIMITED), wait=15),
    openrouter("rate-limit-header", 429, routed(429), told(x_ratelimit_reset="$epoch_ms"), 15),
    openrouter("free-day", 429, routed(429, FREE, LIMITED), wait=50_000),
    openrouter("upstream-down", 502, routed(502, metadata={"provider_name": "somebody"})),
    openrouter("nobody-there", 503, routed(503), told(retry_after="$seconds"), 6),
    openrouter("rate-limit-inside", 200, routed(429, "Slow."), event=""),
    openrouter("no-credit-inside", 200, routed(402, "Insufficient credits"), event=""),
    openrouter("upstream-inside", 200, routed(502), event=""),
    openrouter("broken-off", 200, broken_off()),
    openrouter("charged", 200, using(CHARGED), events=chunks(CHARGED)),
    openrouter("own-key", 200, using(BYOK), events=chunks(BYOK)),
    openrouter("processing", 200, using(CHARGED), events=chunks(CHARGED, PROCESSING)),
    vllm("cached", 200, using(VLLM), events=chunks(VLLM)),
    vllm("bad-request", 400, error("BadRequestError", 400)),
    vllm("no-key", 401, json.dumps({"error": "Unauthorized"})),
    vllm("no-model", 404, error("NotFoundError", 404)),
    vllm("context", 400, error("BadRequestError", 400, CONTEXT)),
    vllm("context-size", 400, error(None, 400, "the request exceeds the available context size")),
    vllm("without-frame", 400, flat(object="error", type="BadRequestError", code=400)),
    vllm("server-error", 500, error("InternalServerError", 500)),
    vllm("server-error-inside", 200, error("InternalServerError", 500), event=""),
    vllm("bad-request-inside", 200, error("BadRequestError", 400, CONTEXT), event=""),
    ollama("bad-request", 400, bare("invalid options")),
    ollama("cloud-key", 401, bare("unauthorized")),
    ollama("cloud-credit", 402, bare("payment required")),
    ollama("no-model", 404, bare("model not found, try pulling it first")),
    ollama("too-large", 413, bare("too large")),
    ollama("rate-limit", 429, bare("too many concurrent requests")),
    ollama("broken", 500, bare("model runner has unexpectedly stopped")),
    ollama("cloud-down", 502, bare("bad gateway")),
    ollama("queue-full", 503, bare("server busy, please try again. maximum pending requests")),
    ollama(
        "broken-inside", 200, bare("an error was encountered while running the model"), event=""
    ),
    perplexity("bad-key", 401, error("unauthorized", 401)),
    perplexity("out-of-credit", 401, error(None, 401, POOR)),
    perplexity("no-permission", 403, error("forbidden", 403)),
    perplexity("bad-model", 400, error("invalid_model", 400)),
    perplexity("no-model", 404, error("not_found", 404)),
    perplexity("rate-limit", 429, error("too_many_requests", 429)),
    perplexity("server-error", 500, error("internal_server_error", 500)),
    perplexity("billed", 200, using(BILLED), events=chunks(BILLED)),
    Scenario("deepseek", "no-balance", 402, error(None, None, "Insufficient Balance")),
    Scenario("deepseek", "busy", 503, error("service_unavailable_error")),
    Scenario("mistral", "rate-limit", 429, flat(object="error", type="rate_limited", code=1300)),
    Scenario("mistral", "no-key", 401, json.dumps({"detail": "Unauthorized"})),
    Scenario("xai", "spending-limit", 429, error(None, None, TEAM)),
    Scenario("together", "credit-limit", 429, error("credit_limit", None, "Credit limit exceeded")),
)
