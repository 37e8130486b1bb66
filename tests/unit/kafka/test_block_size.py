"""How large a block may be, learnt from those before."""

from __future__ import annotations

from shipper.kafka.block_size import BlockSize
from shipper.kafka.wire import BlockLimits

LIMITS = BlockLimits(6000, 4 << 20, 1 << 20)
BROKERS_OWN_LIMIT = 1_048_588


def bytes_now(size: BlockSize) -> int:
    """Return what a block may hold."""
    return size.within(LIMITS).max_bytes


def test_a_first_block_fits_a_topic_as_kafka_makes_it() -> None:
    """Uncompressed it fits as it is; compressed it may hold twice as much, as JSON shrinks by more."""
    assert bytes_now(BlockSize(is_compressed=False)) < 0.7 * BROKERS_OWN_LIMIT
    assert bytes_now(BlockSize(is_compressed=True)) < 1.4 * BROKERS_OWN_LIMIT
    assert BlockSize(is_compressed=True).within(LIMITS).max_record_bytes == LIMITS.max_record_bytes


def test_blocks_grow_as_far_as_they_shrink() -> None:
    """With records that shrink to a quarter blocks hold more and more, and are stored well under the limit."""
    size = BlockSize(is_compressed=True)
    for _ in range(60):
        held = bytes_now(size)
        assert held / 4 < 0.7 * BROKERS_OWN_LIMIT
        size.stored(held, held // 4)
    assert held > 2.7 * BROKERS_OWN_LIMIT * 0.9
    for _ in range(60):
        size.stored(bytes_now(size), bytes_now(size) // 50)
    assert bytes_now(size) == LIMITS.max_bytes, "never more than asked for"


def test_other_records_count_at_once() -> None:
    """One block that shrinks less, and the next ones are as small as that needs; at least what fits uncompressed."""
    size = BlockSize(is_compressed=True)
    for _ in range(30):
        size.stored(1 << 20, 1 << 17)
    size.stored(1 << 20, 1 << 19)
    assert bytes_now(size) == 2 * (700 << 10)
    size.stored(1 << 20, 1 << 21)
    assert bytes_now(size) == 700 << 10


def test_a_refusal_begins_anew_and_little_says_little() -> None:
    """After a block that was not stored the size is the first one again; a small block teaches nothing."""
    size = BlockSize(is_compressed=True)
    first = bytes_now(size)
    for _ in range(30):
        size.stored(1 << 20, 1 << 17)
    assert bytes_now(size) > first
    size.refused()
    assert bytes_now(size) == first
    size.stored(100, 5000)
    size.stored(1 << 20, 0)
    assert bytes_now(size) == first
