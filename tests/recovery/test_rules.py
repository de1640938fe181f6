"""Rules: what applies to one tenant or module stands above what applies to all."""

from typing import Any

import pytest

from goldseam.recovery import RecoveryConfig, RecoveryConfigError, Rule, load_config
from goldseam.recovery.config import parse_config

DOCUMENT: dict[str, Any] = {
    "recovery": {
        "mode": "on",
        "fallback": ["ollama"],
        "rules": [
            {"tenant": "acme", "same_model_only": True},
            {"module": "summaries", "trim": True, "fallback": []},
            {"tenant": "acme", "module": "chat", "mode": "observe"},
        ],
    }
}


@pytest.mark.parametrize(
    ("tenant", "module", "expected"),
    [
        (None, None, ("on", False, False, ("ollama",))),
        ("other", "chat", ("on", False, False, ("ollama",))),
        ("acme", None, ("on", True, False, ("ollama",))),
        ("acme", "summaries", ("on", True, True, ())),
        ("acme", "chat", ("observe", True, False, ("ollama",))),
    ],
    ids=["nobody", "other-tenant", "tenant", "tenant-and-module", "both-in-one-rule"],
)
def test_rules_apply_to_whom_they_name(
    tenant: str | None, module: str | None, expected: tuple[Any, ...]
) -> None:
    """All rules that match apply, the later above the earlier; others' calls are as before."""
    found = parse_config(DOCUMENT).of(tenant, module)
    policy = found.policy

    assert (found.mode, policy.same_model_only, policy.trim, policy.fallback) == expected


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"tenant": "acme", "same_modle_only": True}], "did you mean 'same_model_only'"),
        ([{"trim": True}], "needs tenant or module"),
        ([{"tenant": "acme", "fallback": ["olama"]}], "did you mean 'ollama'"),
        ([{"tenant": 3}], "rules]] 1 tenant is 3"),
        ([{"tenant": "acme"}, {"tenant": "b", "mode": "loud"}], "rules]] 2 mode is 'loud'"),
        ({"tenant": "acme"}, "each headed [[recovery.rules]]"),
    ],
    ids=["typo", "nobody", "provider", "type", "second", "one-table"],
)
def test_wrong_rule_is_named(rules: Any, message: str) -> None:
    """The message says which rule, and the nearest name that is known."""
    with pytest.raises(RecoveryConfigError) as raised:
        parse_config({"recovery": {"rules": rules}})

    assert message in str(raised.value)


def test_mode_of_the_environment_bounds_all_rules(tmp_path: Any) -> None:
    """`GOLDSEAM_RECOVERY=observe` lets nobody's calls be mended, whatever a rule says."""
    file = tmp_path / "goldseam.toml"
    file.write_text('[[recovery.rules]]\ntenant = "acme"\nmode = "on"\n')
    path = {"GOLDSEAM_CONFIG": str(file)}

    assert load_config(path).of("acme", None).mode == "on"
    assert load_config({**path, "GOLDSEAM_RECOVERY": "observe"}).of("acme", None).mode == "observe"
    assert not load_config({**path, "GOLDSEAM_RECOVERY": "off"}).is_ever_on


def test_configuration_is_on_where_a_rule_is() -> None:
    """Mending may be for one module only."""
    config = RecoveryConfig(rules=(Rule(module="chat", mode="on"),))

    assert config.is_ever_on
    assert [config.of(None, module).mode for module in ("chat", None)] == ["on", "off"]
