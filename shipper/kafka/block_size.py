"""How much goes into one block: as much as the broker takes when it is compressed, by how far those before it shrank."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from shipper.kafka.wire import BlockLimits

_STORED_BYTES: Final = 700 << 10
"""Of a block as it is sent: with room for others that shrink less it fits a topic of Kafka's own limit, 1 MB."""
_LARGEST_BYTES: Final = 4 << 20
_BYTES_OF_A_RECORD: Final = 700
_EXPECTED_SHRINKING: Final = 2.0
"""JSON shrinks by far more. Where it does not, the broker may refuse a block, and it is sent again in halves."""
_SMALLEST_SAMPLE_BYTES: Final = 64 << 10
_TRUST: Final = 0.125
"""A block that shrinks further than those before it counts so much; one that shrinks less counts in full."""


class BlockSize:
    """Learns from the blocks of one producer; each block costs client and broker work, however little it holds."""

    def __init__(self, *, is_compressed: bool) -> None:
        self._first = _EXPECTED_SHRINKING if is_compressed else 1.0
        self._shrinking = self._first

    def within(self, limits: BlockLimits) -> BlockLimits:
        """Return the limits of the next blocks; what one record may have stays as it is."""
        size_bytes = round(min(_STORED_BYTES * max(1.0, self._shrinking), _LARGEST_BYTES))
        return replace(
            limits,
            max_records=min(limits.max_records, size_bytes // _BYTES_OF_A_RECORD),
            max_bytes=min(limits.max_bytes, size_bytes),
        )

    def stored(self, payload_bytes: int, stored_bytes: int) -> None:
        """Note what a block held, and its size when it was sent."""
        if stored_bytes <= 0 or payload_bytes < _SMALLEST_SAMPLE_BYTES:
            return
        found = payload_bytes / stored_bytes
        self._shrinking += (found - self._shrinking) * (_TRUST if found > self._shrinking else 1.0)

    def refused(self) -> None:
        """A block was not stored, perhaps for its size: begin anew."""
        self._shrinking = min(self._shrinking, self._first)
