"""The README's tables are in step with the code."""

import re
from pathlib import Path

from goldseam.collector import CollectorSettings
from goldseam.collector.dialects import DIALECTS
from goldseam.collector.metrics import create_metrics

README = Path(__file__).parents[2] / "collector" / "README.md"


def table(first_heading: str) -> dict[str, list[str]]:
    """Read the Markdown table whose first heading is this one: name → other cells."""
    lines = README.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = (line for line in lines[start + 2 :])
    cells = []
    for line in rows:
        if not line.startswith("|"):
            break
        cells.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return {name.strip("`"): rest for name, *rest in cells}


def test_every_setting_is_documented() -> None:
    """Name, default and meaning of each setting stand in the README as in the code."""
    expected = {
        f"GOLDSEAM_{name.upper()}": [
            "required" if field.is_required() else str(field.default),
            field.description,
        ]
        for name, field in CollectorSettings.model_fields.items()
    }

    assert table("setting") == expected


def test_every_metric_is_documented() -> None:
    """Name, type and meaning of each metric stand in the README as in the code."""
    families = create_metrics().registry.collect()
    expected = {
        family.name: [family.type, family.documentation]
        for family in families
        if re.match("goldseam_", family.name)
    }

    assert table("metric") == expected


def test_every_dialect_is_documented() -> None:
    """Id, instrumentation and scopes of each dialect stand in the README as in the code."""
    expected = {
        dialect.id: [dialect.name, ", ".join(f"`{scope}`" for scope in dialect.scopes) or "any"]
        for dialect in DIALECTS
    }
    rows = (
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in README.read_text().splitlines()
        if re.match(r"\| [A-Z0-9]{2,3} \|", line)
    )

    assert {name: rest for name, *rest in rows} == expected
