"""What the name of an index says, and when retention may delete it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.datasets import DATASETS, expiry_us, index_name, period_index

DAYS = st.datetimes(datetime(1971, 1, 1), datetime(2400, 1, 1))  # noqa: DTZ001 - made UTC below
NAMESPACES = st.from_regex(r"[a-z0-9_]{1,20}", fullmatch=True)


def at_us(moment: datetime) -> int:
    """Return a moment in microseconds."""
    return round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000


@given(st.sampled_from(sorted(DATASETS)), NAMESPACES, DAYS, st.integers(2, 999_999))
def test_a_name_is_read_as_it_was_made(
    dataset: str, namespace: str, moment: datetime, generation: int
) -> None:
    """Whatever name the indexer makes, and a migration after it, is read back: dataset, namespace, and a period that
    holds the moment."""
    name = index_name(dataset, namespace, at_us(moment))
    for full, number in ((name, 1), (f"{name}-{generation:06d}", generation)):
        found = period_index(full)
        assert found is not None
        assert (found.base, found.dataset.name, found.namespace, found.generation) == (
            name,
            dataset,
            namespace,
            number,
        )
        assert found.start <= moment.replace(tzinfo=UTC) < found.end


@given(st.sampled_from(sorted(DATASETS)), DAYS, st.integers(1, 5000))
def test_no_moment_goes_before_its_time(dataset: str, moment: datetime, days: int) -> None:
    """Whatever the dataset and the days it is kept, no event is deleted that is not older than that."""
    name = index_name(dataset, "default", at_us(moment))
    expires = expiry_us(name, {dataset: days})
    assert expires is not None
    assert expires - at_us(moment) >= days * 86_400_000_000
    longest_days = days + (31 if DATASETS[dataset].period == "month" else 1)
    assert expires - at_us(moment) <= longest_days * 86_400_000_000


@pytest.mark.parametrize(
    "name",
    [
        "logs-ml.app-default-2026.11.21-1", "logs-ml.app-default-2026.11.21-0000001", "logs-ml.app-default-2026.11.31",
        "logs-ml.app-default-2026.11", "logs-ml.app-default-26.11.21", "logs-ml.app-2026.11.21", "logs-ml.app-a-b-2026.11.21",
        "logs-ml.training-default-2026.11.21", "logs-ml.none-default-2026.11.21", "alerts-ml-default", "",
        ".ds-logs-ml.app-default-2026.11.21-000001", "restored-logs-ml.app-default-2026.11.21",
        "logs-ml.app-default-2026.11.21\n", "logs-ml.app-default-\uff12\uff10\uff12\uff16.11.21",
    ],
)  # fmt: skip
def test_names_that_tell_nothing(name: str) -> None:
    """A name that is not ours in every part is no index of ours, so nothing of that name is ever deleted."""
    assert period_index(name) is None


def test_an_old_record_of_an_impossible_index_is_old() -> None:
    """A dead letter may name an index that cannot be; its day and dataset tell its age all the same."""
    assert expiry_us("logs-ml.app-UPPER/../x-2026.01.01") == expiry_us("logs-ml.app-default-2026.01.01")
    assert expiry_us("logs-a-b-c-d-e") is None
    assert expiry_us("logs-ml.app-default-2026.02.30") is None
