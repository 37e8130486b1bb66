"""The embedded Elasticsearch with what it lacks: lifecycle policies and stored roles, kept by this proxy.

The module for lifecycle management is published nowhere that the tests could fetch it from. So this answers as its
documentation says, and only as far as an installation asks; nothing here ever deletes an index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.service.front import Front, serving

_KEPT = {
    "policy": re.compile(r"/_ilm/policy/([^?]+)"),
    "role": re.compile(r"/_security/role/([^?]+)"),
    "component": re.compile(r"/_component_template/(shipper-lifecycle-[^?]+)"),
}


@dataclass
class FullServer:
    """What was stored, by kind and name, and which existing indices were bound to a policy."""

    url: str = ""
    bound: set[str] = field(default_factory=set)
    stored: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in _KEPT})

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any] | None:
        """Answer what the embedded server cannot, or return None."""
        if path in ("/_ilm/status", "/_security/role"):
            return 200, {}
        if method == "PUT" and path.endswith("/_settings") and b"index.lifecycle.name" in body:
            self.bound.add(path.split("/")[1])
            return 200, {"acknowledged": True}
        for kind, pattern in _KEPT.items():
            match = pattern.match(path)
            if match is not None:
                return self._keep(kind, match[1], method, body)
        return None

    def _keep(self, kind: str, name: str, method: str, body: bytes) -> tuple[int, Any]:
        if method == "PUT":
            self.stored[kind][name] = json.loads(body)
            return 200, {"acknowledged": True}
        found = self.stored[kind].get(name)
        if found is None:
            return 404, {}
        if kind == "policy":
            return 200, {name: {"version": 1, "modified_date": 1, "policy": found["policy"], "in_use_by": {}}}
        if kind == "role":
            return 200, {name: {**found, "run_as": [], "transient_metadata": {"enabled": True}}}
        return 200, {"component_templates": [{"name": name, "component_template": found}]}

    def spoil(self, path: str, answer: Any) -> Any:
        """Put what is kept here into an answer of the embedded server."""
        if path.startswith("/_nodes/_local/plugins"):
            for node in answer["nodes"].values():
                node["modules"].append({"name": "analysis-common"})
        match = re.match(r"/_index_template/_simulate_index/logs-([^-]+)-", path)
        component = match and self.stored["component"].get(f"shipper-lifecycle-{match[1]}")
        if component:
            answer["template"]["settings"]["index"] |= component["template"]["settings"]["index"]
        return answer


@contextmanager
def full_server(elasticsearch_url: str) -> Iterator[FullServer]:
    """Serve until the block ends."""
    full = FullServer()

    class FullFront(Front):
        def serve(self, body: bytes) -> None:
            known = full.answer(self.command, self.path, body)
            if known is None:
                status, content = self.ask(body)
                known = status, full.spoil(self.path, json.loads(content))
            self.send(known[0], json.dumps(known[1]).encode())

    with serving(FullFront, elasticsearch_url) as full.url:
        yield full
