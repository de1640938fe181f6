"""Evidence, suggestions, corrections that are switched on, and those that switch themselves off."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dirty_equals import IsPartialDict, IsStr

from goldseam.api import evidence
from goldseam.errors import ErrorCode
from goldseam.recovery.corrections import read_document
from goldseam.storage.breakdowns import wilson

Get = Callable[..., Any]
Store = Callable[..., Any]
MakeKey = Callable[..., str]

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "playbook.schema.json").read_text())
PATTERN = "TIMEOUT:openai:0123456789ab"
FAILED = {
    "first_error_code": "TIMEOUT",
    "error_pattern": PATTERN,
    "error_message": "Request timed out.",
    "retry_count": 1,
}
LOST = {"status": "error", "error_code": "TIMEOUT", "recovery_outcome": "failed"}
BY_FALLBACK = {"strategy_name": "fallback", "provider": "ollama"}
FALLBACK = {"strategy": "fallback", "provider": "ollama"}


def mended(**step: Any) -> dict[str, Any]:
    """A call that failed with the pattern and was mended by one step."""
    return FAILED | {"recovery_outcome": "recovered", "steps": [BY_FALLBACK | step]}


def lost(**step: Any) -> dict[str, Any]:
    """A call that failed with the pattern and stayed so after one step."""
    return FAILED | LOST | {"steps": [BY_FALLBACK | {"was_successful": False} | step]}


@pytest.fixture
def pattern_path(get: Get, store: Store) -> str:
    """Where a pattern of forty calls stands: fallback mends 38, retry none of 25."""
    vain = {"strategy_name": "retry", "provider": "openai"}
    store(*[mended()] * 38, *[lost()] * 2, *[lost(**vain)] * 25)
    (pattern,) = get("/logs/errors/top").body
    return f"/errors/{pattern['pattern_id']}"


class TestFix:
    """POST /logs/errors/{code}/fix."""

    @pytest.mark.usefixtures("pattern_path")
    def test_says_what_has_worked_here(self, get: Get) -> None:
        """Suggestions begin with measured success, and tell what did not help."""
        body = get("/logs/errors/TIMEOUT/fix", method="POST").body
        low, high = wilson(38, 40)
        assert body["status"] == "evidence"
        assert body["evidence"] == [
            IsPartialDict(
                strategy="fallback",
                provider="ollama",
                condition="as the first step",
                attempts=40,
                successes=38,
                low=low,
                high=high,
                verdict="helps",
            ),
            IsPartialDict(strategy="retry", attempts=25, successes=0, verdict="does_not_help"),
        ]
        helps, helps_not = body["suggestions"][:2]
        assert helps.startswith("fallback at ollama has helped: it mended 38 of 40 calls as the")
        assert helps.endswith("(83 to 99 %).")
        assert helps_not.startswith("retry at openai has not helped: it mended 0 of 25 calls")
        assert body["wasted"] == IsPartialDict(calls=27, seconds=2.7, tokens=810)
        assert body["auto_correction"] == IsPartialDict(eligible=True, enabled=[])

    def test_patch_is_accepted_as_it_is(self, get: Get, pattern_path: str) -> None:
        """The proposed patch, sent to the pattern, switches the correction on."""
        (action,) = get("/logs/errors/TIMEOUT/fix", method="POST").body["actions"]
        assert pattern_path.endswith(action["pattern_id"])
        answer = get(pattern_path, method="PATCH", body=action["config_patch"])
        assert answer.status == 200
        after = get("/logs/errors/TIMEOUT/fix", method="POST").body
        assert after["actions"] == []
        assert after["auto_correction"]["enabled"] == [action["pattern_id"]]

    def test_little_is_not_enough(self, get: Get, store: Store) -> None:
        """Under 20 attempts nothing is concluded, and nothing proposed."""
        store(*[mended()] * 19)
        body = get("/logs/errors/TIMEOUT/fix", method="POST").body
        assert (body["status"], body["actions"]) == ("insufficient_evidence", [])
        assert body["evidence"] == [IsPartialDict(verdict="insufficient_evidence")]

    def test_is_the_tenants_own(self, get: Get, make_key: MakeKey, pattern_path: str) -> None:
        """Another tenant's experience is no evidence, and its patterns are not there."""
        key = {"Authorization": f"Bearer {make_key('globex', 'errors:read', 'errors:write')}"}
        body = get("/logs/errors/TIMEOUT/fix", key, method="POST").body
        assert (body["evidence"], body["wasted"]["calls"]) == ([], 0)
        assert get(pattern_path, key).status == 404
        assert get(pattern_path, key, method="PATCH", body={}).status == 404


class TestPattern:
    """GET and PATCH /errors/{pattern_id}."""

    def test_shows_evidence(self, get: Get, pattern_path: str) -> None:
        """A pattern comes with what has helped against it."""
        body = get(pattern_path).body
        assert body == IsPartialDict(
            error_pattern=PATTERN, occurrence_count=65, auto_correction_enabled=False, effect=None
        )
        assert [each["verdict"] for each in body["evidence"]] == ["helps", "does_not_help"]

    def test_resolution(self, get: Get, pattern_path: str) -> None:
        """Work on a pattern can be closed and opened."""
        resolved = get(pattern_path, method="PATCH", body={"resolution_status": "resolved"}).body
        assert resolved == IsPartialDict(resolution_status="resolved", resolved_at=IsStr())
        reopened = get(pattern_path, method="PATCH", body={"resolution_status": "open"}).body
        assert reopened == IsPartialDict(resolution_status="open", resolved_at=None)

    @pytest.mark.parametrize(
        ("body", "status", "words"),
        [
            ({"correction_config": {"strategy": "retry"}}, 409, "25 attempts are fewer than 30"),
            ({"correction_config": FALLBACK | {"provider": "x"}}, 409, "0 attempts"),
            ({"correction_config": {"strategy": "fallback"}}, 422, "needs one of"),
            ({"correction_config": {"strategy": "pray"}}, 422, "config: asks for strategy 'pray'"),
            ({}, 422, "correction_config: none is stored"),
            ({"correction_config": {"strategy": "retry"}, "override": True}, 422, "reason"),
        ],
    )
    def test_is_not_switched_on_without_evidence(
        self, get: Get, pattern_path: str, body: dict[str, Any], status: int, words: str
    ) -> None:
        """Too few attempts, a config that applications refuse, an override without a reason."""
        answer = get(pattern_path, method="PATCH", body={"auto_correction_enabled": True} | body)
        assert answer.status == status
        assert words in answer.body["detail"]

    def test_changes_are_written_down(self, get: Get, database: str, pattern_path: str) -> None:
        """An override is in the audit with its reason, and marked on the pattern."""
        patch = {"auto_correction_enabled": True, "correction_config": {"strategy": "retry"}}
        override = {"override": True, "reason": "the provider asked us to"}
        changed = get(pattern_path, method="PATCH", body=patch | override).body
        assert changed["correction_config"] == {"strategy": "retry", "override": True}
        get(pattern_path, method="PATCH", body={"auto_correction_enabled": False})
        assert audit(database) == [
            ("loopback", "errors.correction.enable", IsPartialDict(override)),
            ("loopback", "errors.correction.disable", IsPartialDict(override=False)),
        ]


class TestPlaybook:
    """GET /recovery/playbook."""

    @staticmethod
    def switch_on(get: Get, path: str, **more: Any) -> dict[str, Any]:
        """Switch a fallback to Ollama on, and return the correction of the playbook."""
        patch = {"auto_correction_enabled": True, "correction_config": FALLBACK} | more
        assert get(path, method="PATCH", body=patch).status == 200
        (correction,) = get("/recovery/playbook").body["corrections"]
        return dict(correction)

    def test_is_what_applications_read(self, get: Get, pattern_path: str) -> None:
        """The document fits its schema, and the application's reader takes all of it."""
        assert get("/recovery/playbook").body["corrections"] == []
        self.switch_on(get, pattern_path)
        body = get("/recovery/playbook").body
        pytest.importorskip("jsonschema").validate(body, SCHEMA)
        read = read_document(json.dumps(body).encode())
        assert (list(read.corrections), read.refused) == ([(PATTERN, 1)], ())

    def test_is_sent_once(self, get: Get, pattern_path: str) -> None:
        """An unchanged playbook is a 304, a changed one is not."""
        etag = {"If-None-Match": get("/recovery/playbook").headers["etag"]}
        assert get("/recovery/playbook", etag).status == 304
        self.switch_on(get, pattern_path)
        assert get("/recovery/playbook", etag).status == 200

    @pytest.mark.parametrize(
        ("override", "outcomes", "is_on"),
        [
            ({}, [False] * 19, True),
            ({}, [False] * 16 + [True] * 4, False),
            ({}, [True] * 15 + [False] * 15, True),
            ({"override": True, "reason": "try"}, [False] * 19 + [True] * 20, True),
            ({"override": True, "reason": "try"}, [False] * 20 + [True] * 20, False),
        ],
        ids=["too few", "surely bad", "maybe good", "override: 19 bad", "override: 20 bad"],
    )
    def test_ends_what_does_not_work(
        self,
        get: Get,
        store: Store,
        database: str,
        pattern_path: str,
        override: dict[str, Any],
        outcomes: list[bool],
        is_on: bool,  # noqa: FBT001 - the expectation
    ) -> None:
        """A correction that keeps failing is off, in the playbook, on the pattern, in the audit."""
        correction = self.switch_on(get, pattern_path, **override)
        result = {"recovery_result": {"correction_id": correction["id"]}}
        store(*(mended(**result) if good else lost(**result) for good in outcomes))
        move_steps_after(database, correction["id"])
        left = get("/recovery/playbook").body["corrections"]
        assert [each["id"] for each in left] == ([correction["id"]] if is_on else [])
        after = get(pattern_path).body
        assert after["auto_correction_enabled"] is is_on
        assert after["effect"] == IsPartialDict(applied=len(outcomes), successes=sum(outcomes))
        actors = [actor for actor, *_ in audit(database)]
        assert actors == ["loopback"] + ([] if is_on else ["guard"])


def test_strategies_tell_their_condition(get: Get, store: Store) -> None:
    """Success is told apart by what had been tried before."""
    retry = {"was_successful": False}
    store(mended(), FAILED | {"recovery_outcome": "recovered", "steps": [retry, BY_FALLBACK]})
    body = get("/recovery/strategies").body
    assert sorted((each["strategy"], each["condition"]) for each in body) == [
        ("fallback", "after retry had failed"),
        ("fallback", "as the first step"),
        ("retry", "as the first step"),
    ]


@pytest.mark.parametrize(
    ("code", "strategy", "works"),
    [
        (ErrorCode.TIMEOUT, "retry", True),
        (ErrorCode.AUTH, "retry", False),
        (ErrorCode.AUTH, "fallback", True),
        (ErrorCode.CONTENT_FILTER, "fallback", False),
    ],
)
def test_what_cannot_work(code: ErrorCode, strategy: str, *, works: bool) -> None:
    """Nobody is asked again who refused the key, and moderation is not evaded."""
    assert (evidence.cannot_work(code, strategy) is None) is works


def audit(database: str) -> list[tuple[str, str, Any]]:
    """Return what was written down, in order."""
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE goldseam_owner")
        rows = connection.execute(
            "SELECT actor, action, details FROM goldseam_audit ORDER BY created_at"
        )
        return [(actor, action, details) for actor, action, details in rows]


def move_steps_after(database: str, correction_id: str) -> None:
    """Let the steps of a correction start after it was switched on."""
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE goldseam_owner")
        connection.execute(
            "UPDATE ai_error_recovery SET created_at = now() + interval '1 second'"
            " WHERE recovery_result ->> 'correction_id' = %s",
            (correction_id,),
        )
