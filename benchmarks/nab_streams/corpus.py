"""Streams and their labelled windows, as the Numenta Anomaly Benchmark lays them out."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shipper.detect.event_time.window import parse_iso
from shipper.detect.fetching.table import Floats, Ints


class Unusable(Exception):
    """What was given cannot be read; the message says what."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One file.

    Attributes:
        name: `<folder>/<stream>.csv`.
        stamps: the timestamps as written.
        times: microseconds, in the order of the file.
        values: one per row; NaN where the file has no number.
    """

    name: str
    stamps: tuple[str, ...]
    times: Ints
    values: Floats


def read_streams(folder: Path) -> list[Stream]:
    """Return all streams at `<folder>/*/*.csv`, or at `<folder>/data/*/*.csv`.

    Raises:
        Unusable: there are none, or one is not `timestamp,value`.
    """
    root = folder / "data" if (folder / "data").is_dir() else folder
    paths = sorted(root.glob("*/*.csv"))
    if not paths:
        raise Unusable(f"There is no stream at {root}/<folder>/<stream>.csv.")
    return [_read(path, f"{path.parent.name}/{path.name}") for path in paths]


def read_windows(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Return first and last moment of each labelled window by stream.

    Raises:
        Unusable: it is not a JSON object of lists of pairs of timestamps.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        return {
            str(name): sorted((parse_iso(first), parse_iso(last)) for first, last in pairs)
            for name, pairs in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Unusable(f"{path} does not hold labelled windows: {error}.") from error


def _read(path: Path, name: str) -> Stream:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["timestamp"], _number(row["value"])) for row in csv.DictReader(file)]
        times = np.array([parse_iso(stamp) for stamp, _ in rows], dtype=np.int64)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise Unusable(f"{path} is not a table of timestamp,value: {error!r}.") from error
    return Stream(name, tuple(stamp for stamp, _ in rows), times, np.array([value for _, value in rows]))


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
