"""Keys over HTTP: made, listed and revoked by an admin, shown once, and written down."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from dirty_equals import IsPartialDict, IsStr

Get = Callable[..., Any]
MakeKey = Callable[..., str]

KEYS = "/keys"


@pytest.fixture
def admin(make_key: MakeKey) -> dict[str, str]:
    """The header of an admin."""
    return bearer(make_key("*", "admin"))


def bearer(key: str) -> dict[str, str]:
    """The header that presents a key."""
    return {"Authorization": f"Bearer {key}"}


def test_is_shown_once(get: Get, admin: dict[str, str]) -> None:
    """The answer to the creation holds the key, the list does not, and the key opens its tenant."""
    wanted = {"scopes": ["logs:read"], "tenant_id": "acme", "label": "night shift"}
    made = get(KEYS, admin, method="POST", body=wanted)
    assert made.status == 201
    assert made.headers["cache-control"] == "no-store"
    assert made.body == IsPartialDict(
        wanted | {"key": IsStr(regex="gs_live_[0-9a-f]{12}_[0-9a-f]{48}")}
    )
    assert get("/logs/recent", bearer(made.body["key"])).status == 200
    listed = get(KEYS, admin).body
    assert listed[1] == IsPartialDict(wanted | {"key_id": made.body["key_id"]})
    assert made.body["key"].rpartition("_")[2] not in json.dumps(listed)


def test_is_refused_at_once_when_revoked(get: Get, admin: dict[str, str]) -> None:
    """A revoked key opens nothing; revoking it again changes nothing, an unknown one is a 404."""
    body = {"scopes": ["logs:read"], "tenant_id": "acme"}
    made = get(KEYS, admin, method="POST", body=body).body
    assert get("/logs/recent", bearer(made["key"])).status == 200
    first, second = (get(f"{KEYS}/{made['key_id']}", admin, method="DELETE") for _ in range(2))
    assert (first.status, first.body) == (200, second.body)
    assert first.body["revoked_at"] is not None
    assert get("/logs/recent", bearer(made["key"])).status == 401
    assert get(f"{KEYS}/000000000000", admin, method="DELETE").status == 404


def test_is_written_down(get: Get, admin: dict[str, str], database: str) -> None:
    """Creation and revocation are in the audit, with who did it and without the secret."""
    made = get(KEYS, admin, method="POST", body={"scopes": ["admin"]}).body
    get(f"{KEYS}/{made['key_id']}", admin, method="DELETE")
    actor = admin["Authorization"].split("_")[2]
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE goldseam_owner")
        rows = connection.execute(
            "SELECT action, actor, goldseam_audit::text FROM goldseam_audit WHERE target = %s"
            " ORDER BY created_at",
            [made["key_id"]],
        ).fetchall()
    assert [row[:2] for row in rows] == [("keys.create", actor), ("keys.revoke", actor)]
    assert made["key"].rpartition("_")[2] not in str(rows)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", ""), ("DELETE", "/0")])
def test_is_for_admins(get: Get, make_key: MakeKey, method: str, path: str) -> None:
    """A key with every other scope neither sees nor makes nor ends keys."""
    scopes = "logs:read stats:read errors:read errors:write logs:delete playbook:read ingest:write"
    key = bearer(make_key("acme", *scopes.split()))
    body = {"scopes": ["logs:read"]} if method == "POST" else None
    assert get(f"{KEYS}{path}", key, method=method, body=body).status == 403


def test_list_of_one_tenant(get: Get, admin: dict[str, str], make_key: MakeKey) -> None:
    """An admin may ask for one tenant's keys."""
    make_key("acme", "logs:read")
    make_key("globex", "logs:read")
    tenants = [key["tenant_id"] for key in get(f"{KEYS}?tenant_id=acme", admin).body]
    assert tenants == ["acme"]


def test_first_key_is_for_admin(get: Get) -> None:
    """On an open server, a first key that could not make others would lock everybody out."""
    refused = get(KEYS, method="POST", body={"scopes": ["logs:read"], "tenant_id": "acme"})
    assert refused.status == 409
    made = get(KEYS, method="POST", body={"scopes": ["admin"]})
    assert (made.status, made.body["created_by"]) == (201, "loopback")
    assert get(KEYS, bearer(made.body["key"])).status == 200


def test_does_not_revoke_itself(get: Get, admin: dict[str, str]) -> None:
    """The last door is not closed from the inside."""
    own = admin["Authorization"].split("_")[2]
    assert get(f"{KEYS}/{own}", admin, method="DELETE").status == 409
    assert get(KEYS, admin).status == 200


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"scopes": ["admin"], "tenant_id": "acme"}, "scopes"),
        ({"scopes": ["admin"], "environment": "A B"}, "environment"),
        ({"scopes": ["admin"], "label": "a\x00b"}, "label"),
        ({"scopes": ["admin"], "expires_days": 0}, "expires_days"),
    ],
    ids=["none", "unknown", "admin of one tenant", "environment", "NUL", "no day"],
)
def test_mistakes_are_named(
    get: Get, admin: dict[str, str], body: dict[str, Any], name: str
) -> None:
    """What cannot be made is refused by the name of its field."""
    answer = get(KEYS, admin, method="POST", body=body)
    assert answer.status == 422
    assert [each["name"] for each in answer.body["invalid_parameters"]] == [name]
