"""What a consumer hands out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class ConsumedRecord(NamedTuple):
    """One record as stored on a topic; of headers with one name the last counts.

    A named tuple, because a hundred thousand are made in a second.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


def headers_by_name(found: Any) -> dict[str, bytes]:
    """Return headers as a client gives them (pairs, or None) by name; one without a value is empty."""
    if not found:
        return {}
    headers: dict[str, bytes] = dict(found)
    if None in headers.values():
        return {name: value or b"" for name, value in headers.items()}
    return headers
