"""Settings that do not fit together are refused by both names; every bound of every part is tried."""

from typing import Any

import pytest
from pydantic import ValidationError

from cli.environment import MODELS, explain
from cli.settings import Settings as TopicSettings
from gateway.settings import Settings as GatewaySettings
from runtime.bounds import BoundSettings

_REPLICA = {"database_read_url": "postgresql+asyncpg://reader@127.0.0.1/headgate"}
_BODIES = {"bodies_max_bytes": 7 * 1024 * 1024}
_IMPOSSIBLE: list[tuple[type[BoundSettings], str, str, dict[str, Any]]] = [
    (GatewaySettings, "send_timeout_seconds", "lease_seconds", {"send_timeout_seconds": 6.1}),
    (GatewaySettings, "send_timeout_seconds", "lease_seconds", {"lease_seconds": 7.9}),
    (GatewaySettings, "lease_seconds", "read_lag_seconds_max", {"read_lag_seconds_max": 5.9, **_REPLICA}),
    (GatewaySettings, "batch_max_items", "commit_queue_max", {"commit_queue_max": 999}),
    (GatewaySettings, "batch_body_max_bytes", "commit_queue_max_bytes", {"commit_queue_max_bytes": 4 * 1024 * 1024}),
    (GatewaySettings, "body_max_bytes", "commit_queue_max_bytes", {"body_max_bytes": 17 * 1024 * 1024}),
    (GatewaySettings, "body_max_bytes", "bodies_max_bytes", {"body_max_bytes": 9 * 1024 * 1024, **_BODIES}),
    (GatewaySettings, "batch_body_max_bytes", "bodies_max_bytes", _BODIES),
    (TopicSettings, "kafka_min_insync_replicas", "kafka_replication_factor", {"kafka_min_insync_replicas": 2}),
]


@pytest.mark.parametrize(("model", "less", "more", "values"), _IMPOSSIBLE)
def test_what_does_not_fit_is_refused_by_both_names(
    model: type[BoundSettings], less: str, more: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as refused:
        model(_env_file=None, **values)
    said = explain(model, refused.value)
    assert said.startswith(f"{less.upper()} is ")
    assert f"or raise {more.upper()} to " in said


def test_every_bound_is_tried_and_the_defaults_keep_all() -> None:
    bounds = {(model, bound.less, bound.more) for model in MODELS for bound in getattr(model, "bounds", ())}
    assert bounds == {(model, less, more) for model, less, more, _ in _IMPOSSIBLE}
    for model in MODELS:
        model(_env_file=None)


def test_a_bound_that_concerns_a_setting_without_value_does_not_bind() -> None:
    assert GatewaySettings(_env_file=None, read_lag_seconds_max=1).database_read_url is None


_PROXIES = {"proxy_protocol": True, "trusted_proxies": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gateway_tls_key": "key.pem"}, "GATEWAY_TLS_KEY is set: set GATEWAY_TLS_CERTIFICATE"),
        ({"gateway_tls_certificate": "c.pem", **_PROXIES}, "PROXY_PROTOCOL cannot go with GATEWAY_TLS_CERTIFICATE"),
        ({"proxy_protocol": True}, "PROXY_PROTOCOL is set: set TRUSTED_PROXIES"),
        ({"database_read_url": "postgresql://reader@one,two/headgate"}, "DATABASE_READ_URL must name one replica"),
        (_REPLICA | {"database_read_url_file": "url"}, "DATABASE_READ_URL and DATABASE_READ_URL_FILE are both set"),
    ],
)
def test_what_the_gateway_cannot_do_at_once_is_refused_by_name(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        GatewaySettings(_env_file=None, **values)
    assert said in explain(GatewaySettings, refused.value)
