"""Who is suspected, from the answers that Elasticsearch gives."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.alert.suspects import SEGMENTS, Interval, read_context, read_suspects

START_US = 10_000_000_000
INTERVAL = Interval(START_US, START_US + 900_000_000, START_US - 3_600_000_000)
OLD_US, NEW_US = START_US - 7_200_000_000, START_US - 60_000_000


def bucket(key: str, first_us: int, inside: int, bad: int) -> dict[str, Any]:
    """One value of a deployed field."""
    return {
        "key": key,
        "first": {"value": first_us / 1000},
        "inside": {"doc_count": inside, "bad": {"doc_count": bad}},
    }


def answer(
    commits: list[dict[str, Any]],
    segments: dict[str, list[dict[str, Any]]] | None = None,
    *,
    total: int = 100,
    bad: int = 40,
    past: int = 500,
) -> dict[str, Any]:
    """Aggregations as Elasticsearch returns them."""
    names = (*SEGMENTS, "ml.model.name", "ml.model.version", "git.commit")
    inside: dict[str, Any] = {name: {"buckets": (segments or {}).get(name, [])} for name in names}
    inside |= {"doc_count": total, "bad": {"doc_count": bad}}
    return {
        "git.commit": {"buckets": commits},
        "ml.model.version": {"buckets": []},
        "inside": inside,
        "before": {"doc_count": past},
    }


def suspects(found: dict[str, Any], group: dict[str, str | None] | None = None) -> list[tuple[str, str]]:
    """Kinds and values of the suspects."""
    return [(one.kind, one.value) for one in read_suspects(found, INTERVAL, group or {}, has_bad=True)]


def test_a_commit_that_has_just_appeared_is_suspected() -> None:
    """What is new where things went wrong comes first; what was always there does not come at all."""
    found = answer([bucket("old", OLD_US, 30, 2), bucket("new", NEW_US, 70, 38)])
    assert suspects(found) == [("commit", "new")]


def test_nothing_is_new_without_a_past() -> None:
    """At the very beginning everything is new, which says nothing."""
    assert suspects(answer([bucket("a", NEW_US, 100, 40)], past=0)) == []


def test_a_new_commit_that_hardly_runs_is_no_suspect() -> None:
    """A canary with hardly any of the events explains nothing."""
    assert suspects(answer([bucket("old", OLD_US, 97, 39), bucket("new", NEW_US, 3, 1)])) == []


def test_the_newest_comes_first() -> None:
    """Of two new commits the later is the likelier."""
    commits = [bucket("a", NEW_US - 1_000_000, 50, 20), bucket("b", NEW_US, 50, 20)]
    assert suspects(answer(commits)) == [("commit", "b"), ("commit", "a")]


def test_an_old_commit_with_most_of_the_trouble_is_suspected() -> None:
    """A value that has far more of the bad events than of all events is suspected by its lift."""
    commits = [bucket("a", OLD_US, 70, 2), bucket("b", OLD_US, 30, 38)]
    assert suspects(answer(commits)) == [("commit", "b")]


def test_a_segment_with_most_of_the_trouble_is_suspected() -> None:
    """One host with nearly all bad events is named with its field."""
    hosts = [
        {"key": "h1", "doc_count": 50, "bad": {"doc_count": 39}},
        {"key": "h2", "doc_count": 50, "bad": {"doc_count": 1}},
    ]
    assert suspects(answer([], {"host.name": hosts})) == [("segment", "host.name=h1")]


@pytest.mark.parametrize("total", [0, 100])
def test_what_the_rule_groups_by_is_no_suspect(total: int) -> None:
    """A field that all events share by the rule's choice tells nothing; nor does an empty interval."""
    services = [{"key": "api", "doc_count": 100, "bad": {"doc_count": 40}}]
    found = answer([], {"service.name": services}, total=total)
    assert suspects(found, {"service.name": "api"}) == []


def test_the_context_is_what_all_events_share() -> None:
    """A single model version is told; of two versions none is."""
    one = [{"key": "2", "doc_count": 100, "bad": {"doc_count": 4}}]
    two = [*one, {"key": "1", "doc_count": 9, "bad": {"doc_count": 1}}]
    assert read_context(answer([], {"ml.model.version": one}), {}, "").model_version == "2"
    assert read_context(answer([], {"ml.model.version": two}), {}, "abc").model_version == ""
    assert read_context(answer([]), {"service.name": "api"}, "abc").git_commit == "abc"
