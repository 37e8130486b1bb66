"""The records of a run, on disk twice: as a spool whose writer is dead, and as a file with one record a line."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shipper.clock import SystemClock
from shipper.spool.policy import SpoolPolicy
from shipper.spool.reader import SpoolReader
from shipper.spool.writer import SpoolWriter

PRODUCER: Final = "0123456789abcdef0123"
DATASET: Final = "ml.inference"
_DAY_US: Final = 1_790_000_000_000_000
_HEAD: Final = b'{"@timestamp":"2026-09-21T14:13:20.000000Z","event":{'
_STAMP: Final = b'"id":"' + PRODUCER.encode() + b'-%d","sequence":%d,'
_DIFFERENT: Final = 2000
_WORDS: Final = (
    "served",
    "model",
    "batch",
    "request",
    "cache",
    "window",
    "score",
    "feature",
    "drift",
    "retry",
)


def suffixes(count: int, size: int, seed: int) -> Iterator[bytes]:
    """Give what follows the stamp in each record, so that records have about `size` bytes; numbers differ."""
    rng = random.Random(seed)
    for _ in range(count):
        document = {
            "duration": rng.randrange(10**6, 10**8),
            "outcome": "success",
            "dataset": DATASET,
            "action": "predict",
        }
        rest = {
            "service": {"name": "biopsy", "version": "1.4.2"},
            "git": {"commit": "0123456789abcdef0123456789abcdef01234567"},
            "ml": {
                "model": {"name": "biopsy", "version": "7"},
                "prediction": {"id": f"{rng.getrandbits(128):032x}", "score": round(rng.random(), 6)},
                "features": {"numeric": {f"f{n}": round(rng.gauss(50, 20), 4) for n in range(8)}},
            },
        }
        text = (json.dumps(document)[1:] + "," + json.dumps(rest)[1:-1]).replace(" ", "")
        room = size - len(_HEAD) - len(_STAMP) - 12 - len(text) - len(',"message":""}')
        words = ""
        while len(words) < room:
            words += rng.choice(_WORDS) + " "
        yield f'{text},"message":"{words[: max(0, room)]}"}}'.encode()


def write_spool(root: Path, count: int, size: int, seed: int) -> Path:
    """Write a spool of `count` records under `root`; return its folder. Its writer is gone afterwards."""
    writer = SpoolWriter.open(
        root,
        SpoolPolicy(max_bytes=1 << 34, free_space_floor_bytes=0),
        producer_id=PRODUCER,
        stamp=_STAMP,
        clock=SystemClock(),
        service="benchmark",
    )
    # Different ones as far as any compression looks back, then the same again: making them takes long.
    different = list(suffixes(min(count, _DIFFERENT), size, seed))
    for number in range(count):
        suffix = different[number % _DIFFERENT]
        if writer.append(_HEAD, suffix, timestamp_us=_DAY_US + number, level=20, dataset=DATASET) is None:
            raise OSError(f"the spool in {root} took only {number} of {count} records")
    writer.close()
    return root / PRODUCER


def write_lines(spool: Path, target: Path) -> int:
    """Write the records of a spool to a file, one a line; return the mean size of a record in bytes."""
    reader = SpoolReader.open(spool)
    if reader is None:
        raise OSError(f"{spool} cannot be read")
    records = size = 0
    with target.open("wb") as file:
        while (run := reader.read_run(10_000, 1 << 24)) is not None:
            file.writelines(row[4] + b"\n" for row in run.rows)
            records, size = records + len(run.rows), size + run.size_bytes
    reader.close()
    return size // max(1, records)


def copy_spool(spool: Path, root: Path) -> None:
    """Make a spool root with a copy of the folder: who ships it deletes it."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True, mode=0o700)
    shutil.copytree(spool, root / spool.name)
