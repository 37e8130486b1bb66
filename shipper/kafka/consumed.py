"""What a consumer hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

METADATA_MAX_AGE_MS: Final = 10_000
"""After so long a member of a group looks whether the topic has other partitions than it knows. The clients' own
five minutes are as long as records wait whose partition was not known yet when the group came together."""


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


class Batch(Protocol):
    """Records as they came, for who wants their values alone: nothing is made for a record until it is asked for.

    Reading the headers of a record costs about as much as fetching it.
    """

    @property
    def values(self) -> Sequence[bytes | None]:
        """The value of each record; None for a tombstone. Those of one partition are in order."""

    def __len__(self) -> int:
        """How many records these are."""

    def record(self, position: int) -> ConsumedRecord:
        """Return one of them whole; positions are those of `values`."""

    def ends(self) -> Mapping[tuple[str, int], int]:
        """Return the offset behind the last record of each (topic, partition)."""


def headers_by_name(found: Any) -> dict[str, bytes]:
    """Return headers as a client gives them (pairs, or None) by name; one without a value is empty."""
    if not found:
        return {}
    headers: dict[str, bytes] = dict(found)
    if None in headers.values():
        return {name: value or b"" for name, value in headers.items()}
    return headers
