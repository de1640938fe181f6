"""Our clients of other providers are quick to make, and trust whom the SDK's own would."""

import ssl
import sys

import openai
import pytest
from openai import _base_client

from goldseam.instrumentation import _clients
from goldseam.instrumentation._sdks import OPENAI
from goldseam.recovery import Provider

SPARE = Provider(name="spare", base_url="https://spare.example/v1")
LOCAL = Provider(name="local", base_url="http://127.0.0.1:9/v1")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The certificates that are loaded from files while the test runs."""
    found: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *args: object, **kwargs: object) -> None:
        found.append("loaded")
        load(context, *args, **kwargs)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    _clients._certificates.cache_clear()
    return found


def test_certificates_are_loaded_once(loads: list[str]) -> None:
    """A second client costs no second reading of what is trusted."""
    for class_name in ("OpenAI", "AsyncOpenAI", "OpenAI"):
        _clients.new_client(OPENAI, class_name, SPARE)

    assert loads == ["loaded"]


def test_address_without_tls_needs_no_certificates(loads: list[str]) -> None:
    """A client of a local server is made without reading any."""
    _clients.new_client(OPENAI, "OpenAI", LOCAL)

    assert loads == []


def test_servers_are_verified() -> None:
    """Whoever answers with TLS must have a certificate for its name, also after a redirect."""
    library = _clients._library_of(_base_client.SyncHttpxClientWrapper)

    for context in (_clients._certificates(library), _clients._no_certificates()):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_client_has_the_sdks_own_limits() -> None:
    """Time-out and redirects are those of a client that the SDK makes."""
    own = _clients.new_client(OPENAI, "OpenAI", LOCAL)
    theirs = openai.OpenAI(api_key="test", base_url=LOCAL.base_url)

    assert type(own._client) is type(theirs._client)
    assert own.timeout == theirs.timeout
    assert own._client.timeout == theirs._client.timeout
    assert own._client.follow_redirects == theirs._client.follow_redirects
    theirs.close()


def test_sdk_with_other_parts_makes_its_client_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the SDK's class for HTTP is not found, the client is the SDK's default."""
    monkeypatch.delattr(sys.modules[OPENAI.base_module], "SyncHttpxClientWrapper")

    assert _clients._http_client(OPENAI, "OpenAI", LOCAL) is None
