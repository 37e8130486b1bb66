"""Settings in a container of Kubernetes, which is told of all Services around it by variables."""

from __future__ import annotations

import pytest

from shipper.config import load_settings
from shipper.errors import ConfigurationError


@pytest.mark.parametrize("service", ["shipper", "shipper-index", "shipper-kafka", "shipper-x-y"])
def test_a_service_of_our_name_is_no_setting(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service beside the pod whose name begins like our variables leaves the configuration usable."""
    name = service.upper().replace("-", "_")
    links = {
        f"{name}_SERVICE_HOST": "10.0.0.11", f"{name}_SERVICE_PORT": "9600", f"{name}_SERVICE_PORT_METRICS": "9600",
        f"{name}_PORT": "tcp://10.0.0.11:9600", f"{name}_PORT_9600_TCP": "tcp://10.0.0.11:9600",
        f"{name}_PORT_9600_TCP_PROTO": "tcp", f"{name}_PORT_9600_TCP_PORT": "9600",
        f"{name}_PORT_9600_TCP_ADDR": "10.0.0.11",
    }  # fmt: skip
    for variable, value in links.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("SHIPPER_SERVICE_NAME", "checkout")
    monkeypatch.setenv("SHIPPER_KAFKA_TOPIC", "t")
    settings = load_settings()
    assert (settings.service.name, settings.kafka.topic) == ("checkout", "t")


def test_what_is_no_service_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that nobody knows is an error, also one that ends like a Service's."""
    monkeypatch.setenv("SHIPPER_INDEX_PORT", "9600")
    with pytest.raises(ConfigurationError, match="port"):
        load_settings()
