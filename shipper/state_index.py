"""The index of what jobs remember of a namespace, and of who is at work on it: `shipper-state-<namespace>`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from shipper.errors import RequestRefused

_DEFINITION: Final = {
    "settings": {"index": {"number_of_shards": 1, "number_of_replicas": 0, "auto_expand_replicas": "0-1"}},
    "mappings": {
        "dynamic": False,
        "properties": {
            "kind": {"type": "keyword"},
            "name": {"type": "keyword"},
            "updated": {"type": "date"},
            "expires": {"type": "date"},
            "holder": {"type": "keyword"},
            # Never searched: only stored and read back whole.
            "body": {"type": "object", "enabled": False},
        },
    },
}


class Indices(Protocol):
    """Definitions of indices."""

    def index_definition(self, index: str) -> dict[str, Any] | None:
        """Return settings and mappings of an index, or None."""

    def create_index(self, index: str, definition: Mapping[str, Any] | None = None) -> None:
        """Create an index; `RequestRefused` with status 400 where it exists."""


def state_index(namespace: str) -> str:
    """Return the plain index of the state of jobs."""
    return f"shipper-state-{namespace}"


def ensure_state_index(store: Indices, namespace: str) -> None:
    """Create the state index where it is missing; a race for it is no error."""
    index = state_index(namespace)
    if store.index_definition(index) is not None:
        return
    try:
        store.create_index(index, _DEFINITION)
    except RequestRefused as error:
        if error.status != 400:
            raise
