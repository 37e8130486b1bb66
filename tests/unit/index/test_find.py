"""From what a person types to a search."""

from __future__ import annotations

import pytest

from shipper.errors import ConfigurationError
from shipper.index.find import SHORT_NAMES, Search, field_names, moment_us

NOW_US = 1_795_258_800_000_000  # 2026-11-21T11:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15m", NOW_US - 900_000_000),
        ("1.5h", NOW_US - 5_400_000_000),
        ("2d", NOW_US - 172_800_000_000),
        ("1w", NOW_US - 604_800_000_000),
        ("2026-11-21T11:00:00Z", NOW_US),
        ("2026-11-21T11:00", NOW_US),
        ("2026-11-21 13:00:00+02:00", NOW_US),
        ("2026-11-21", NOW_US - 11 * 3_600_000_000),
    ],
)
def test_times_are_ages_or_moments(text: str, expected: int) -> None:
    """U50: an age counts back from now; a time without zone is UTC."""
    assert moment_us(text, NOW_US) == expected


@pytest.mark.parametrize("text", ["", "soon", "15", "m", "2026-13-01", "-5m", "5 minutes"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Anything else is one sentence with examples."""
    with pytest.raises(ConfigurationError, match="is no time"):
        moment_us(text, NOW_US)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("level:error", ["log.level"]),
        ("plain words", []),
        ('"level:error in quotes"', []),
        ('message:"a level:b" service:x', ["message", "service.name"]),
        ("(level:error OR NOT ml.metrics.loss:>1)", ["log.level", "ml.metrics.loss"]),
        ("see http://example.org/x", []),
        ("@timestamp:[2026 TO *]", ["@timestamp"]),
        ("_exists_:error", []),
        ("-level:debug", ["log.level"]),
        ("10:30:12", []),
        ("labels.user-id:7", ["labels.user-id"]),
        (r"escaped\:colon", []),
    ],
)
def test_fields_of_a_query_are_recognised(text: str, names: list[str]) -> None:
    """Short names are expanded outside quotes only; addresses and times of day are no fields."""
    assert field_names(text) == names


def test_short_names_reach_the_query() -> None:
    """What is sent holds full names; quoted text stays as it is."""
    query = Search(text='level:error "level:x"').query()
    _, clause = query["bool"]["filter"]
    assert clause["query_string"]["query"] == 'log.level:error "level:x"'


def test_an_empty_search_matches_every_record() -> None:
    """No words and no options: everything but what stands in the place of erased records, which has no time."""
    assert Search(text="  ").query() == {"bool": {"filter": [{"exists": {"field": "@timestamp"}}]}}


def test_a_level_means_it_and_those_above() -> None:
    """--level warning finds warning, error and critical; an unknown one is refused."""
    _, clause = Search(min_level="WARNING").query()["bool"]["filter"]
    assert clause == {"terms": {"log.level": ["warning", "error", "critical"]}}
    with pytest.raises(ConfigurationError, match="is no level"):
        Search(min_level="loud").query()


def test_short_names_stand_for_declared_fields() -> None:
    """Each short name leads to a field that documents have."""
    from shipper.ecs.fields import FIELDS

    assert set(SHORT_NAMES.values()) <= set(FIELDS)
