"""Alerts as documents."""

from __future__ import annotations

import json

import pytest

from shipper.alert.alert import Alert, State
from shipper.alert.document import from_document, to_document, to_transition, transition_id
from shipper.datasets import DATASETS, REQUIRED_FIELDS
from shipper.ecs.fields import FIELDS
from tests.unit.alert.made import START_US, alert

ALERTS = (
    alert(),
    alert(state=State.ACKNOWLEDGED, note="mine", revision=3),
    alert(state=State.RECOVERED, ended_us=START_US + 5, reason="withdrawn"),
    alert(group={}),
)


def leaves(document: dict[str, object], prefix: str = "") -> set[str]:
    """Dotted names of all values."""
    found: set[str] = set()
    for name, value in document.items():
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name}
    return found


def has_value(document: dict[str, object], name: str) -> bool:
    """Whether the dotted name is there."""
    return name in leaves(document)


@pytest.mark.parametrize("one", ALERTS)
def test_an_alert_reads_back(one: Alert) -> None:
    """What is stored, through JSON, is what was."""
    assert from_document(json.loads(json.dumps(to_document(one)))) == one


@pytest.mark.parametrize("one", ALERTS)
def test_every_field_is_declared(one: Alert) -> None:
    """No alert has a field that the field table does not know."""
    flattened = {name for name, spec in FIELDS.items() if spec.type == "flattened"}
    for name in leaves(to_document(one)):
        assert name in FIELDS or any(name.startswith(f"{known}.") for known in flattened), name


def test_a_transition_has_all_required_fields() -> None:
    """A change of state is a full document of its dataset."""
    document = to_transition(alert(), None, START_US, ingested_us=START_US, namespace="test")
    for name in (*REQUIRED_FIELDS, *DATASETS["ml.alert"].expected, "event.ingested", "alert.previous_state"):
        assert has_value(document, name), name


def test_a_transition_has_the_same_id_each_time() -> None:
    """U60: telling a change twice is one document; two changes are two."""
    assert transition_id(alert()) == transition_id(alert())
    assert transition_id(alert()) != transition_id(alert(revision=2))


def test_the_commit_is_the_first_suspect() -> None:
    """The suspected commit stands where a commit is looked for, and makes the incident."""
    document = to_document(alert())
    assert document["git"]["commit"] == "c" * 40
    assert document["alert"]["incident"] == alert().incident != ""
    assert document["ml"]["model"]["version"] == "2"


def test_the_sentence_says_it_all() -> None:
    """The message names rule, numbers with their unit, since when, and what it is about."""
    said = to_document(alert())["message"]
    for part in ("Too many fail", "25.0%", "1.0%", "UTC", "service.name api"):
        assert part in said
