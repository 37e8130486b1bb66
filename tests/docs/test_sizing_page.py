"""The arithmetic of the page on sizes, done again: its formulas, from its own figures, give its own table."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from shipper.config import Settings
from shipper.dataset_table import ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "sizing.md").read_text("utf-8")
DAY_S, HOUR_S = 86_400, 3_600
KAFKA_DAYS, INDEX_DAYS, PEAK = 7, 30, 3
PER_INDEXER = 10_000


def number(text: str) -> float:
    """Return a number as the page writes it."""
    return float(text.replace(",", ""))


def row(name: str) -> list[str]:
    """Return the cells of a row of the table."""
    (found,) = re.findall(rf"^\| {re.escape(name)} \|(.+)\|$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in found.split("|")]


def figure(pattern: str) -> list[float]:
    """Return the numbers of the page's own measurements."""
    (found,) = re.findall(pattern, PAGE)
    return [number(one) for one in (found if isinstance(found, tuple) else (found,))]


def bytes_of_a_record() -> tuple[int, int, int]:
    """Return the bytes of the examples' records in spool, Kafka and index: the mean of the two that were measured."""
    one = figure(
        r"prediction with ten features: spool / Kafka / index \| ([\d,]+) / ([\d,]+) / ([\d,]+) bytes"
    )
    other = figure(
        r"short log line with three fields: spool / Kafka / index \| ([\d,]+) / ([\d,]+) / ([\d,]+) bytes"
    )
    spool, kafka, index = (math.ceil((first + second) / 2) for first, second in zip(one, other, strict=True))
    return spool, kafka, index


def test_the_examples_take_the_measured_sizes() -> None:
    """The sizes in the text are the means of the table of figures."""
    stated = figure(r"so ([\d,]+) bytes in the spool, ([\d,]+) in Kafka, ([\d,]+) in an index")
    assert tuple(stated) == bytes_of_a_record()


def expected(rate: float, processes: float, kafka_copies: float, index_copies: float) -> dict[str, str]:
    """Return the rows that follow from the formulas of the page."""
    (agent_cpu,) = figure(r"r × p × ([\d.]+) / 1,000,000 cores")
    (index_cpu,) = figure(r"r × p × ([\d.]+) / 100,000 cores")
    spool, kafka, index = bytes_of_a_record()
    peak = rate * PEAK
    indexers = math.ceil(peak / PER_INDEXER) + 1
    day_gb = rate * DAY_S * index / 1e9
    speed = PER_INDEXER * max(1, indexers - 1)
    return {
        "partitions": f"{max(3, 2 * math.ceil(peak / PER_INDEXER))}",
        "indexers": f"{indexers}",
        "CPU of agents, at the peak, in cores": f"{peak * agent_cpu / 1e6:.2f}",
        "CPU of indexers, at the peak, in cores": f"{peak * index_cpu / 1e5:.2f}",
        "Kafka disk, GB": f"{rate * DAY_S * KAFKA_DAYS * kafka * kafka_copies / 1e9:,.1f}",
        "Elasticsearch disk, GB": f"{day_gb * INDEX_DAYS * index_copies * 1.25:,.1f}",
        "index of a day, GB, one copy": f"{day_gb:,.1f}",
        "shards of a day": f"{math.ceil(day_gb / 40)}",
        "spool of one process for an hour, MB, at the peak": f"{peak / processes * spool * HOUR_S / 1e6:.1f}",
        "catching up after an hour, at 10,000/s for each indexer but one, minutes": f"{60 * rate / (speed - rate):.1f}",
    }


@pytest.mark.parametrize("column", range(3), ids=["one service", "a team", "a company"])
def test_the_table_follows_from_the_formulas(column: int) -> None:
    """Each cell is what its formula gives."""
    rate, processes = (number(row(name)[column]) for name in ("records a second, mean", "processes that log"))
    kafka_copies, index_copies = (
        number(one) for one in row("copies in Kafka / Elasticsearch")[column].split("/")
    )
    wanted = expected(rate, processes, kafka_copies, index_copies)
    assert {name: row(name)[column] for name in wanted} == wanted


def test_an_hour_fits_the_default_spool() -> None:
    """The page says that the default of spool.max_bytes is enough for an hour in all three."""
    default = Settings().spool.max_bytes
    assert all(
        number(cell) * 1e6 < default for cell in row("spool of one process for an hour, MB, at the peak")
    )


def test_an_indexer_is_counted_with_less_than_half_of_what_was_measured() -> None:
    """The speed that the formulas count with is on the safe side of the figure."""
    (measured,) = figure(r"indexer, with `\[fast\]` \| ([\d,]+) documents/s")
    assert measured / 2 > PER_INDEXER


SCALING = (Path(__file__).parents[2] / "docs" / "explanation" / "scaling.md").read_text("utf-8")


def indices_of_a_namespace() -> int:
    """Return how many indices a namespace has at the most: those within retention, and the present one."""
    month_days = 365.2425 / 12
    return sum(days + 1 if period == "day" else math.ceil(days / month_days) + 1 for _, period, days in ROWS)


def test_the_number_of_indices_follows_from_the_schema() -> None:
    """The page on scaling counts them as the schema's retention makes them, and says how many namespaces fit."""
    (stated,) = re.findall(r"<!-- indices -->([\d,]+)<!-- /indices -->", SCALING)
    assert number(stated) == indices_of_a_namespace()
    for name, period, days in ROWS:
        if period == "day":
            assert f"`{name}`" in SCALING
            assert f"{days + 1}" in SCALING
    assert "three nodes hold four full namespaces" in SCALING
    assert 3 * 1000 // (2 * indices_of_a_namespace()) == 4
