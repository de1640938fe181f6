"""The API serves without keys on loopback only."""

import pytest

from goldseam.api import ApiSettings, create_app
from goldseam.api.settings import OpenBindError


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_is_open(host: str) -> None:
    """A loopback address needs no key."""
    create_app(ApiSettings(database_url="postgresql:///none", api_host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_other_addresses_are_refused(host: str) -> None:
    """Anything that others can reach is refused, and the message says what to do."""
    with pytest.raises(OpenBindError, match="Bind it to loopback"):
        create_app(ApiSettings(database_url="postgresql:///none", api_host=host))
