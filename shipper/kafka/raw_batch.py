"""Batches that come to kafka-python's producer ready made: all but checksum, compression and the producer's state.

The client's own way makes a dozen objects for each record. A block of ours enters its accumulator as a whole
batch; from there on everything is the client's: idempotence, retries, leaders, deadlines. What is relied upon of
its inside is listed by `fits`, which a test and the producer ask.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import lz4.frame
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.util import calc_crc32c

_HEADER_BYTES: Final = 61
_MAGIC: Final = 2
CODECS: Final = {"none": 0, "gzip": 1, "lz4": 3}
_GZIP_LEVEL: Final = 3
_GZIP_WINDOW: Final = 31


def compress(codec: str, data: bytes) -> bytes:
    """Return `data` compressed; `codec` is one of `CODECS`. The interpreter is free for others meanwhile."""
    if codec == "lz4":
        # Blocks that fit a processor's own cache: as small as the default, in half the time.
        found: bytes = lz4.frame.compress(data, block_size=lz4.frame.BLOCKSIZE_MAX64KB, block_linked=False)
        return found
    if codec == "gzip":
        packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
        return packer.compress(data) + packer.flush()
    return data


class RawRecords:
    """Stands in for the client's `MemoryRecordsBuilder`: closed once, by the client's thread."""

    def __init__(self, body: bytes, count: int, timestamp_ms: int, codec: str) -> None:
        self._body = body
        self._count = count
        self._timestamp_ms = timestamp_ms
        self._codec = codec
        self._buffer: bytes | None = None
        self.producer_id = -1
        self.producer_epoch = -1
        self.base_sequence = -1

    def set_producer_state(
        self, producer_id: int, producer_epoch: int, base_sequence: int, _is_transactional: bool
    ) -> None:
        """Take what makes the batch recognisable when it comes twice."""
        self.producer_id, self.producer_epoch, self.base_sequence = producer_id, producer_epoch, base_sequence

    def close(self) -> None:
        """Compress, and put the header in front; a second call does nothing."""
        if self._buffer is not None:
            return
        body = compress(self._codec, self._body)
        is_smaller = len(body) < len(self._body)
        if not is_smaller:
            body = self._body
        self._body = b""
        rest = struct.pack(
            ">hiqqqhii",
            CODECS[self._codec] if is_smaller else 0,
            self._count - 1,
            self._timestamp_ms,
            self._timestamp_ms,
            self.producer_id,
            self.producer_epoch,
            self.base_sequence,
            self._count,
        )
        checked = rest + body
        crc = calc_crc32c(memoryview(checked))
        head = struct.pack(">qiibI", 0, 9 + len(checked), 0, _MAGIC, crc)
        self._buffer = head + checked

    def buffer(self) -> bytes:
        """Return the whole batch; only after `close`."""
        if self._buffer is None:
            raise ValueError("the batch is not closed yet")
        return self._buffer

    def size_in_bytes(self) -> int:
        """Return its size now."""
        return len(self._buffer) if self._buffer is not None else len(self._body) + _HEADER_BYTES

    def next_offset(self) -> int:
        """Return the number of records."""
        return self._count

    def is_full(self) -> bool:
        """It leaves at once."""
        return True

    def compression_rate(self) -> float:
        """Only the client's metrics ask, which are off."""
        return 1.0


class RawBatch(ProducerBatch):  # type: ignore[misc]  # the client is not annotated
    """A batch of the client around ready records."""

    @property
    def record_count(self) -> int:
        """One, so that the client does not take a batch apart that is too large: that is our part."""
        return 1


def fits(producer: Any) -> bool:
    """Return whether a client object has inside what `enqueue` needs; otherwise messages go the client's own way."""
    accumulator = getattr(producer, "_accumulator", None)
    return (
        all(hasattr(accumulator, name) for name in ("_batches", "_incomplete", "_tp_lock"))
        and hasattr(getattr(accumulator, "_incomplete", None), "add")
        and hasattr(getattr(producer, "_sender", None), "wakeup")
        and hasattr(producer, "_partition")
    )


def enqueue(producer: Any, topic_partition: Any, records: RawRecords) -> Any:
    """Give a batch to the client; return the future of its result."""
    batch = RawBatch(topic_partition, records)
    accumulator = producer._accumulator  # noqa: SLF001  # see the module
    with accumulator._tp_lock(topic_partition):  # noqa: SLF001
        accumulator._batches[topic_partition].append(batch)  # noqa: SLF001
        accumulator._incomplete.add(batch)  # noqa: SLF001
    producer._sender.wakeup()  # noqa: SLF001
    return batch.produce_future
