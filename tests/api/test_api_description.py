"""The OpenAPI description: complete, and true in what it says of errors."""

from typing import Any

import pytest

from goldseam.api import ApiSettings, create_app

DESCRIPTION = create_app(ApiSettings(database_url="postgresql://nobody@127.0.0.1:1/x")).openapi()
OPERATIONS = [
    (method, path, operation)
    for path, operations in DESCRIPTION["paths"].items()
    for method, operation in operations.items()
]


def test_is_openapi_3_1() -> None:
    """Tools know which version to expect."""
    assert DESCRIPTION["openapi"].startswith("3.1")


@pytest.mark.parametrize("name", DESCRIPTION["components"]["schemas"])
def test_every_field_is_described(name: str) -> None:
    """Each field of each body says its meaning."""
    fields = DESCRIPTION["components"]["schemas"][name].get("properties", {})
    assert [field for field, schema in fields.items() if "description" not in schema] == []


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[f"{m} {p}" for m, p, _ in OPERATIONS]
)
def test_every_operation_is_described(method: str, path: str, operation: Any) -> None:
    """Each operation and parameter has its words, and refusals have their form."""
    assert operation["summary"]
    assert [p["name"] for p in operation.get("parameters", []) if not p.get("description")] == []
    if path.startswith("/api/"):
        assert operation["responses"]["422"] == {"$ref": "#/components/responses/422"}
        refusal = DESCRIPTION["components"]["responses"]["422"]["content"]
        assert list(refusal) == ["application/problem+json"]


UNITS = {"_ms": "ms", "_s": "seconds", "_tokens": "tokens", "_usd": "US dollars"}


@pytest.mark.parametrize("name", DESCRIPTION["components"]["schemas"])
def test_quantities_have_units(name: str) -> None:
    """A field whose name ends in a unit says it in words; a rate says its range."""
    for field, schema in DESCRIPTION["components"]["schemas"][name].get("properties", {}).items():
        words = schema["description"]
        for ending, unit in UNITS.items():
            if field.endswith(ending):
                assert unit.lower() in words.lower(), field
        if field.endswith(("_rate", "_ratio")):
            assert "0 to" in words or "%" in words, field
