"""Numbers, links and sentences for people."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import pytest

from shipper.alert.discover import discover_url
from shipper.alert.wording import group_text, number, sentence, suspects_text
from tests.unit.alert.made import MEASURED, RULE, START_US, alert


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.253, "share", "25.3%"),
        (2.5e9, "ns", "2.5 s"),
        (48e6, "ns", "48 ms"),
        (1500.0, "ns", "1.5 µs"),
        (12.0, "ns", "12 ns"),
        (7.0, "events", "7 events"),
        (0.314, "moved", "31.4% of its values elsewhere"),
        (0.91234, "", "0.9123"),
    ],
)
def test_numbers_have_their_unit(value: float, unit: str, text: str) -> None:
    """A person reads percent and milliseconds, not fractions and nanoseconds."""
    assert number(value, unit) == text


def test_a_drift_names_its_feature() -> None:
    """The sentence of a drift says which feature and where ordinary ends."""
    drift = replace(MEASURED, unit="moved", observed=0.8, threshold=0.02, facts={"feature": "age"})
    assert "age has 80.0% of its values elsewhere, ordinary is up to 2.0%" in sentence(
        RULE, {}, START_US, drift
    )


def test_no_group_is_everything() -> None:
    """A rule without groups is about everything."""
    assert group_text({}) == "everything"


def test_commits_are_shortened() -> None:
    """Ten characters of a commit are enough to find it."""
    assert suspects_text(alert()) == "commit cccccccccc, feature age"
    assert suspects_text(alert(), limit=1).endswith("and 1 more")


def test_a_link_opens_the_sample_events() -> None:
    """The link has the data view of all logs, the time with a margin, and the events' ids."""
    link = unquote(discover_url("https://kibana/s/ml/", START_US, START_US + 60_000_000, ("a-1", "it's")))
    assert link.startswith("https://kibana/s/ml/app/discover#/?_g=(time:(from:'2026-")
    assert "dataViewId:'shipper-view-logs'" in link
    assert "it!'s" in link


def test_there_is_no_link_without_kibana() -> None:
    """No address, no link."""
    assert discover_url("", 0, 1, ()) == ""
