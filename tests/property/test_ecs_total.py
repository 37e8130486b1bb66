"""The encoder is total: whatever a caller gives, one valid, bounded document comes out, and nothing changes."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.ecs.constants import Constants
from shipper.ecs.encode import Encoder, stamp
from shipper.ecs.event import Event
from shipper.ecs.fields import FIELDS
from shipper.ecs.limits import Limits
from tests.property.ecs_strategies import CYCLE, EVENTS, NAMES, Hostile, HostileClass, HostileDict
from tests.unit.emit.spooled import strict

NOW_US = 1_795_000_000_000_000
LIMITS = Limits()
CONSTANTS = Constants(
    {"service.name": "checkout", "git.commit": "a" * 40, "ml.model.name": "fraud", "ml.model.version": "7"},
    {"agent": {"type": "shipper", "ephemeral_id": "p"}, "process": {"pid": 1}},
    "default",
    LIMITS,
)
CANONICAL = re.compile(
    rb'\{"@timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","event":\{"id":"p-7","sequence":7,'
)


def encode(event: Event, limits: Limits = LIMITS) -> tuple[bytes, dict[str, Any]]:
    """Return the whole document, raw and parsed."""
    encoded = Encoder(CONSTANTS, limits).encode(event, NOW_US)
    raw = encoded.prefix + stamp("p", 7) + encoded.suffix
    return raw, strict(raw)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_any_event_becomes_one_valid_document(event: Event) -> None:
    """U40: whatever an event holds, one line of strict JSON in the canonical form comes out, with its call in it."""
    raw, document = encode(event)
    assert CANONICAL.match(raw)
    assert "shipper.incomplete" not in document.get("labels", {}), document["labels"]
    assert document["log"]["level"] in {"debug", "info", "warning", "error", "critical"}
    assert isinstance(document["message"], str)
    assert document["agent"]["ephemeral_id"] == "p"
    assert document["process"]["pid"] == 1
    assert document["data_stream"] == {
        "type": "logs",
        "dataset": document["event"]["dataset"],
        "namespace": "default",
    }
    assert all(isinstance(value, str) for value in document.get("labels", {}).values())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_only_declared_fields_leave(event: Event) -> None:
    """U30: each leaf of a document is declared in the schema, or lies under one of its open objects."""
    _, document = encode(event)
    opened = tuple(
        f"{name}." for name, spec in FIELDS.items() if spec.type in {"doubles", "keywords", "flattened"}
    )
    for name in leaves(document):
        assert name in FIELDS or name.startswith(opened), name


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_size_is_bounded(event: Event) -> None:
    """U38: a document stays below the limit of a record, however little that is."""
    raw, _ = encode(event, Limits(record_bytes=6_000))
    assert len(raw) <= 6_000


@pytest.mark.parametrize("make", [Hostile, lambda: HostileDict(a=1), HostileClass, lambda: CYCLE, object])
def test_hostile_values_at_every_place(make: Callable[[], object]) -> None:
    """U16: an object that raises whatever it is asked leaves as text, at each declared field and elsewhere."""
    odd = make()
    for name in [
        *FIELDS,
        "x",
        "host",
        "event",
        "labels.x",
        "ml.metrics.l",
        "ml.params.p",
        "timestamp",
        "dataset",
    ]:
        for value in (odd, [odd], {"a": odd}, {"a": {"b": odd}}):
            _, document = encode(Event(20, "hello", "app", {name: value}))
            assert "shipper.incomplete" not in document.get("labels", {})
    assert "message" in encode(Event(20, odd, "app", {}))[1]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, PLAIN, max_size=6))
def test_callers_objects_are_unchanged(fields: dict[object, object]) -> None:
    """U46: encoding changes nothing of what it is given, and the same event gives the same document again."""
    before = copy.deepcopy(fields)
    event = Event(20, "hello", "app", fields)
    first, _ = encode(event)
    assert fields == before
    assert encode(event)[0] == first


@pytest.mark.parametrize("limits", [Limits(record_bytes=1_000)])
def test_even_the_smallest_limit_gives_a_document(limits: Limits) -> None:
    """U38: where nothing of the caller's fits, what is left is still a valid document that says so."""
    fields: dict[object, object] = {f"k{number}": "x" * 500 for number in range(100)}
    _, document = encode(Event(40, "m" * 10_000, "app", fields), limits)
    assert document["labels"]["shipper.incomplete"]
    assert document["message"].startswith("mmm")


def leaves(tree: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted names of all leaves; an empty object has none."""
    found = []
    for name, value in tree.items():
        full = f"{prefix}{name}"
        found.extend(leaves(value, f"{full}.") if isinstance(value, dict) else [full])
    return found
