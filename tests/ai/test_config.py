"""A configuration that could never work is refused in one sentence that names its cure."""

import pytest

from koo.ai import VENDORS, ServiceConfig


@pytest.mark.parametrize(
    ("name", "vendor", "variable", "base_url"),
    [
        ("claude", "anthropic", "ANTHROPIC_API_KEY", "https://api.anthropic.com"),
        ("openai", "openai", "OPENAI_API_KEY", "https://api.openai.com/v1"),
        ("gemini", "gemini", "GEMINI_API_KEY", "https://generativelanguage.googleapis.com"),
        ("perplexity", "perplexity", "PERPLEXITY_API_KEY", "https://api.perplexity.ai"),
    ],
)
def test_a_documented_service_brings_its_vendor_with_it(name, vendor, variable, base_url):
    config = ServiceConfig(name=name)
    assert (config.vendor, config.key_variable, config.base_url) == (vendor, variable, base_url)
    assert config.model == VENDORS[vendor].model
    assert not config.is_configured


def test_any_other_name_is_a_compatible_server():
    config = ServiceConfig(name="my-groq", base_url="http://localhost:1/v1/", model="m")
    assert (config.vendor, config.key_variable) == ("compatible", "AI_MY_GROQ_API_KEY")
    assert config.price_list == "my-groq"
    assert config.base_url == "http://localhost:1/v1"


@pytest.mark.parametrize("base_url", ["http://[::1]:8000/v1", "http://vllm_1:80", "https://a.b."])
def test_an_address_may_be_of_any_host(base_url):
    assert ServiceConfig(name="lab", model="m", base_url=base_url).base_url == base_url


def test_responses_are_a_service_of_their_own_with_openais_prices():
    config = ServiceConfig(name="openai-responses")
    assert (config.vendor, config.price_list) == ("openai-responses", "openai")
    assert config.base_url == "https://api.openai.com/v1"
    assert config.key_variable == "AI_OPENAI_RESPONSES_API_KEY"


def test_a_second_service_of_a_vendor_has_a_variable_of_its_own():
    config = ServiceConfig(name="claude-eu", vendor="anthropic")
    assert (config.key_variable, config.price_list) == ("AI_CLAUDE_EU_API_KEY", "anthropic")


def test_the_key_is_trimmed_and_never_shown():
    config = ServiceConfig(name="claude", api_key=" test-key\n")
    assert config.api_key == "test-key"
    assert "test-key" not in repr(config)
    assert ServiceConfig(name="claude", api_key="  ").api_key is None


def test_several_keys_are_separated_by_commas():
    config = ServiceConfig(name="claude", api_key=" one, two,,three ")
    assert config.api_keys == ("one", "two", "three")
    assert config.is_configured
    assert ServiceConfig(name="claude").api_keys == ()
    assert not ServiceConfig(name="claude", api_key=" , ").is_configured


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "Claude"}, "^ServiceConfig: name must be"),
        ({"name": ""}, "^ServiceConfig: name must be"),
        ({"name": "claude", "vendor": "grok"}, "^claude: vendor must be one of anthropic"),
        ({"name": "groq", "base_url": "http://h"}, "^groq: no model is named; set AI_GROQ_MODEL"),
        ({"name": "groq", "model": "m"}, "AI_GROQ_BASE_URL is not an address"),
        ({"name": "claude", "api_key": "two words"}, "^claude: ANTHROPIC_API_KEY holds"),
        ({"name": "claude", "api_key": "good,two words"}, "^claude: ANTHROPIC_API_KEY holds"),
        ({"name": "claude", "api_key": "k\u00e9y"}, "^claude: ANTHROPIC_API_KEY holds"),
        ({"name": "claude", "requests_per_minute": 0}, "requests_per_minute must be at least 1"),
        ({"name": "claude", "requests_per_day": -5}, "requests_per_day must be at least 1"),
        ({"name": "claude", "max_tokens": 0}, "max_tokens must be at least 1"),
        ({"name": "claude", "timeout": 0}, "timeout must be above 0 seconds"),
        ({"name": "claude", "timeout": float("nan")}, "timeout must be above 0 seconds"),
        ({"name": "claude", "check_interval": float("inf")}, "check_interval must be above 0"),
        ({"name": "claude", "patience": 0.0}, "patience must be above 0 seconds"),
        ({"name": "claude", "patience": float("nan")}, "patience must be above 0 seconds"),
        ({"name": "claude", "timeout": 0.4}, "raise AI_CLAUDE_TIMEOUT or lower the base delay"),
        (
            {"name": "claude", "daily_budget_nanousd": -1},
            "^claude: the daily budget is wrong: .*can't be negative",
        ),
        (
            {"name": "claude", "budget_zone": "UTC"},
            "^claude: the daily budget is wrong: .*zone must be",
        ),
    ],
)
def test_what_could_never_work_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        ServiceConfig(**settings)


@pytest.mark.parametrize(
    "base_url",
    [
        "localhost:8000", "ftp://host", "https://", "https://user:pw@host", "https://host?x=1",
        "https://host#x", "https://ho st", "http://host:99999", "http://host:0", "http://[::1",
        "https://h\u00f6st", "https://host/\n", "http://a..b", "http://" + "a" * 64, "http://<>",
        "http://a\\b",
    ],
)  # fmt: skip
def test_a_malformed_address_is_one_clear_sentence(base_url):
    with pytest.raises(ValueError, match=r"^claude: AI_CLAUDE_BASE_URL is not an address like"):
        ServiceConfig(name="claude", base_url=base_url)
