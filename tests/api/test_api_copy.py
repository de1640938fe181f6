"""The committed description: current, and nothing that users rely on goes away unseen."""

import copy
import json
from pathlib import Path

from goldseam.api import description

COPY = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_nothing_is_removed() -> None:
    """Every path, method, parameter, status and field of the committed copy is still served."""
    committed = json.loads(COPY.read_text(encoding="utf-8"))
    assert description.removed(committed, description.described()) == []


def test_copy_is_current() -> None:
    """After a change: `make reference`."""
    assert COPY.read_text(encoding="utf-8") == description.text(description.described())


def test_what_is_removed_is_named() -> None:
    """A path, a parameter and a field that are gone are each told."""
    before = description.described()
    after = copy.deepcopy(before)
    del after["paths"]["/api/v1/ai/logs/recent"]["get"]["parameters"][0]
    del after["paths"]["/readyz"]
    del after["components"]["schemas"]["Statistics"]["properties"]["p95"]
    gone = description.removed(before, after)
    assert "GET /readyz" in gone
    assert "Statistics.p95" in gone
    assert [name for name in gone if name.startswith("GET /api/v1/ai/logs/recent ? ")]


def test_is_not_written_over_a_loss(tmp_path: Path) -> None:
    """The copy is written anew unless that would remove something; then it has to be said."""
    path = tmp_path / "openapi.json"
    richer = description.described()
    richer["paths"]["/gone"] = {"get": {"responses": {}}}
    path.write_text(json.dumps(richer))
    assert description.main([str(path)]) == 1
    assert json.loads(path.read_text()) == richer
    assert description.main([str(path), "--remove"]) == 0
    assert description.main([str(path)]) == 0
