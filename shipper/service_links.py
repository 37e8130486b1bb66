"""Variables that Kubernetes puts into each container for each Service of its namespace.

A Service named `shipper-index` gives `SHIPPER_INDEX_SERVICE_HOST`, `SHIPPER_INDEX_PORT` and more of the kind, which
look like settings that nobody knows. They say nothing to us, and must not make a configuration unusable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HOST: Final = "_service_host"


def without_service_links(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return `variables` without those that belong to a Service: where there is its host, there are its ports.

    Args:
        variables: names in lower case.
    """
    services = [
        name.removesuffix(_HOST)
        for name in variables
        if name.endswith(_HOST) and name.replace(_HOST, "_service_port") in variables
    ]
    return {
        name: value
        for name, value in variables.items()
        if not any(_belongs_to(name, service) for service in services)
    }


def _belongs_to(name: str, service: str) -> bool:
    rest = name.removeprefix(service)
    if rest == name:
        return False
    return rest in (_HOST, "_service_port", "_port") or rest.startswith(("_service_port_", "_port_"))
