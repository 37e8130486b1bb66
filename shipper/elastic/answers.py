"""What Elasticsearch answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

JsonObject = dict[str, Any]
"""A JSON object as the server sent it or as it shall be sent."""


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """The answer for one item of a bulk request.

    Attributes:
        status: HTTP status of this item alone.
        error_type: Elasticsearch's name of the error, empty where there is none.
        reason: its sentence with its causes, empty where there is none.
        in_failure_store: the server set the document aside instead of storing it where it belongs.
    """

    status: int
    error_type: str = ""
    reason: str = ""
    in_failure_store: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One stored document; `seq_no` and `primary_term` make a later write conditional on it."""

    index: str
    id: str
    source: Mapping[str, Any]
    seq_no: int
    primary_term: int


@dataclass(frozen=True, slots=True)
class ClusterHealth:
    """Health of the cluster as a whole; `status` is green, yellow or red."""

    name: str
    status: str
    nodes: int


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One node: its version, and its wall-clock time in microseconds since the epoch."""

    version: str
    time_us: int


@dataclass(frozen=True, slots=True)
class SavedObjectsImport:
    """What Kibana made of an import; `problems` has one sentence per object that it refused."""

    imported: int
    problems: tuple[str, ...]


def item_answer(item: Mapping[str, Any]) -> ItemAnswer:
    """Read one member of `items` of a bulk answer, whatever its action is called."""
    (result,) = item.values()
    error = result.get("error") or {}
    return ItemAnswer(
        status=int(result["status"]),
        error_type=str(error.get("type", "")),
        reason=failure_reason(error),
        in_failure_store=result.get("failure_store") == "used",
    )


_NO_SHARD: Final = "no_shard_available_action_exception"
MISSING_SHARDS: Final = "missing shards"
"""Part of every reason that says: shards which the server knows of are not there to be searched (yet)."""


def failure_reason(error: object) -> str:
    """Return the sentence of an error object of Elasticsearch followed by those of its causes.

    The outermost sentence alone ("failed to parse field [x]") seldom says why.
    """
    if isinstance(error, str):
        return _one_line(error)
    text = ""
    while isinstance(error, Mapping):
        text = _joined(text, error)
        # "all shards failed" has its reason only among the root causes.
        for cause in error.get("root_cause", ())[:1]:
            text = _joined(text, cause)
        error = error.get("caused_by")
    return text


def _joined(text: str, error: Mapping[str, Any]) -> str:
    if error.get("type") == _NO_SHARD:  # its reason is only the name of an action, or nothing
        reason = MISSING_SHARDS
    else:
        reason = _one_line(str(error.get("reason") or error.get("type") or ""))
    if reason in text:
        return text
    return f"{text}: {reason}" if text else reason


def _one_line(text: str) -> str:
    return " ".join(text.split())
