"""The same gateways as for the other tests of the HTTP interface."""

from tests.integration.conftest import http, http_settings

__all__ = ["http", "http_settings"]
