"""Settings are read once, checked, and refused with words that help."""

from pathlib import Path

import pytest

from goldseam.recovery import (
    Policy,
    Preset,
    Provider,
    RecoveryConfigError,
    Target,
    load_config,
    preset_config,
    preset_providers,
)
from goldseam.recovery.cached import CacheStrategy
from goldseam.recovery.config import parse_config
from goldseam.recovery.providers import ready_alternatives

DOCUMENT = """
[recovery]
mode = "observe"
fallback = ["spare", "ollama"]
deadline_s = 20
max_attempts = 4
backoff_caps_s = [0, 0.25]

[providers.spare]
base_url = "https://spare.example/v1"
api_key_env = "SPARE_KEY"
models = { "gpt-4o" = "big", "*" = "small" }
timeout_s = 7

[providers.ollama]
models = { "*" = "llama3.1" }

[collector]
unrelated = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write the settings."""
    path = tmp_path / "goldseam.toml"
    path.write_text(DOCUMENT, encoding="utf-8")
    return path


def test_nothing_set_is_off() -> None:
    """Recovery is off unless asked for."""
    config = load_config({})

    assert (config.mode, config.policy) == ("off", Policy())


def test_file_is_read(file: Path) -> None:
    """Mode, policy and providers come from the file; a preset supplies what a table leaves out."""
    config = load_config({"GOLDSEAM_CONFIG": str(file)})

    assert config.mode == "observe"
    assert config.policy == Policy(
        fallback=("spare", "ollama"), deadline_s=20.0, max_attempts=4, backoff_caps_s=(0.0, 0.25)
    )
    assert config.providers["spare"] == Provider(
        name="spare",
        base_url="https://spare.example/v1",
        api_key_env="SPARE_KEY",
        models={"gpt-4o": "big", "*": "small"},
        timeout_s=7.0,
    )
    assert config.providers["ollama"].base_url == "http://127.0.0.1:11434/v1"
    assert [provider.name for provider in config.fallback_providers] == ["spare", "ollama"]


def test_environment_decides_the_mode(file: Path) -> None:
    """`GOLDSEAM_RECOVERY` stands above the file."""
    assert load_config({"GOLDSEAM_CONFIG": str(file), "GOLDSEAM_RECOVERY": "ON"}).mode == "on"


WRONG: tuple[tuple[str, dict[str, object], str], ...] = (
    ("unknown-option", {"recovery": {"fallbacks": []}}, "did you mean 'fallback'?"),
    ("unknown-option-of-a-provider", {"providers": {"ollama": {"url": ""}}}, "no option 'url'"),
    ("unknown-mode", {"recovery": {"mode": "yes"}}, "must be one of off, observe, on"),
    ("unknown-provider", {"recovery": {"fallback": ["olama"]}}, "did you mean 'ollama'?"),
    ("provider-without-address", {"providers": {"mine": {}}}, "needs base_url"),
    (
        "address-without-scheme",
        {"providers": {"mine": {"base_url": "host:1"}}},
        "must start with http:// or https://",
    ),
    ("no-attempts", {"recovery": {"max_attempts": 0}}, "a whole number from 1"),
    ("count-that-is-a-switch", {"recovery": {"max_attempts": True}}, "a whole number from 1"),
    ("no-time", {"recovery": {"deadline_s": 0}}, "seconds above 0"),
    ("time-as-text", {"recovery": {"deadline_s": "20s"}}, "seconds above 0"),
    ("no-waits", {"recovery": {"backoff_caps_s": []}}, "a list such as"),
    ("share-of-all", {"recovery": {"reserve_share": 1}}, "from 0 to below 1"),
    ("fallback-as-text", {"recovery": {"fallback": "ollama"}}, "a list such as"),
    ("switch-as-text", {"recovery": {"prefer_same_model": "no"}}, "true or false"),
    ("models-as-list", {"providers": {"ollama": {"models": []}}}, "must be a table"),
    ("recovery-as-text", {"recovery": "on"}, "must be a table"),
    ("unknown-preset", {"recovery": {"preset": "prod"}}, "one of development, production"),
    ("unknown-api", {"providers": {"ollama": {"api": "claude"}}}, "one of openai, anthropic"),
)


@pytest.mark.parametrize(
    ("document", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_wrong_setting_is_refused_with_advice(document: dict[str, object], words: str) -> None:
    """The message names the place and says what to write instead."""
    with pytest.raises(RecoveryConfigError) as raised:
        parse_config(document, source="goldseam.toml")

    assert words in str(raised.value)
    assert "goldseam.toml" in str(raised.value)


def test_fallback_keeps_to_one_api() -> None:
    """Of the fallback's providers only those that speak an API are left for its requests."""
    config = parse_config(
        {
            "recovery": {"fallback": ["spare", "anthropic", "ollama"], "max_attempts": 4},
            "providers": {"spare": {"base_url": "http://spare.local", "api": "anthropic"}},
        }
    )

    spoken = {api: config.speaking(api) for api in ("openai", "anthropic", "other")}

    assert {api: each.policy.fallback for api, each in spoken.items()} == {
        "openai": ("ollama",),
        "anthropic": ("spare", "anthropic"),
        "other": (),
    }
    assert all(each.policy.max_attempts == 4 for each in spoken.values())


@pytest.mark.parametrize(
    ("preset", "first"), [("development", "ollama"), ("production", "ovhcloud")]
)
def test_preset_goes_to_openai_second(preset: Preset, first: str) -> None:
    """A local or European provider comes first; OpenAI answers with a model that it has."""
    asked, behind = preset_providers(preset)

    assert (asked.name, behind.name) == (first, "openai")
    assert behind.target_for(asked.models["*"]) == Target("openai", "gpt-4o-mini")
    assert preset_config(preset).policy.fallback == (first, "openai")


def test_defaults_keep_the_documented_names_and_numbers() -> None:
    """Strategies are `retry`, `simplify`, `fallback` and `cache`; three tries, waits up to 2 s."""
    config = preset_config("development")

    names = {each.name for each in config.strategies}
    assert names | {CacheStrategy.name} == {"retry", "simplify", "fallback", "cache"}
    assert config.policy.max_attempts_per_provider == 3
    assert config.policy.backoff_caps_s == (0.5, 1.0, 2.0)


def test_preset_is_where_a_document_starts() -> None:
    """A document's own tables change a preset's providers and policy."""
    config = parse_config(
        {
            "recovery": {"mode": "on", "preset": "development", "max_attempts": 2},
            "providers": {"openai": {"models": {"*": "gpt-4o"}}},
        }
    )

    assert (config.mode, config.policy) == (
        "on",
        Policy(fallback=("ollama", "openai"), max_attempts=2),
    )
    assert config.providers["openai"].target_for("llama3.2") == Target("openai", "gpt-4o")
    assert config.providers["ollama"].models == {"*": "llama3.2"}


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere is said, not ignored."""
    with pytest.raises(RecoveryConfigError, match="GOLDSEAM_CONFIG: cannot read"):
        load_config({"GOLDSEAM_CONFIG": str(tmp_path / "none.toml")})


def test_broken_file_is_refused(tmp_path: Path) -> None:
    """A file that is no TOML is said, with its line."""
    path = tmp_path / "broken.toml"
    path.write_text("[recovery\n", encoding="utf-8")

    with pytest.raises(RecoveryConfigError, match="line 1"):
        load_config({"GOLDSEAM_CONFIG": str(path)})


def test_unknown_mode_in_the_environment_is_refused() -> None:
    """A typo in the variable does not switch recovery off silently."""
    with pytest.raises(RecoveryConfigError, match="GOLDSEAM_RECOVERY is 'onn'"):
        load_config({"GOLDSEAM_RECOVERY": "onn"})


def test_key_is_read_when_needed_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that comes later is found; no repr holds it."""
    provider = Provider(name="spare", base_url="https://spare.example/v1", api_key_env="SPARE_KEY")
    monkeypatch.delenv("SPARE_KEY", raising=False)
    assert (provider.is_ready, provider.api_key()) == (False, None)

    monkeypatch.setenv("SPARE_KEY", "marker-secret")

    assert (provider.is_ready, provider.api_key()) == (True, "marker-secret")
    assert "marker-secret" not in repr(provider)


MODELS = (
    ("named", "gpt-4o", "big"),
    ("others", "o3", "small"),
    ("none-asked", None, "small"),
)


@pytest.mark.parametrize(
    ("asked", "here"), [row[1:] for row in MODELS], ids=[row[0] for row in MODELS]
)
def test_model_is_translated(asked: str | None, here: str) -> None:
    """A provider may have other names for what was asked."""
    provider = Provider(name="p", base_url="http://p", models={"gpt-4o": "big", "*": "small"})

    assert provider.target_for(asked) == Target("p", here)


def test_model_keeps_its_name_without_translation() -> None:
    """No table, no change."""
    assert Provider(name="p", base_url="http://p").target_for("m") == Target("p", "m")


def test_only_ready_others_are_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider without its key, and the one that was asked, are no alternatives."""
    monkeypatch.delenv("SPARE_KEY", raising=False)
    providers = (
        Provider(name="spare", base_url="http://s", api_key_env="SPARE_KEY"),
        Provider(name="openai", base_url="http://o"),
        Provider(name="ollama", base_url="http://l", timeout_s=9.0),
    )

    found = ready_alternatives(providers, Target("openai", "m"))

    assert [(ready.target, ready.timeout_s) for ready in found] == [(Target("ollama", "m"), 9.0)]
