"""The example configuration is one that Goldseam accepts."""

from pathlib import Path

from goldseam.recovery.config import load_config

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_configuration_is_accepted() -> None:
    """The file sets the mode and names a fallback with another model."""
    config = load_config({"GOLDSEAM_CONFIG": str(EXAMPLES / "goldseam.toml")})
    assert config.mode == "on"
    assert [provider.name for provider in config.fallback_providers] == ["ollama"]
    assert config.providers["ollama"].target_for("gpt-4o-mini").model == "llama3.1"
