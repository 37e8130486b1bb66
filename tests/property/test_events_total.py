"""Builders and blocks are total: whatever they are given, nothing raises and a valid document comes out."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.ecs.fields import FIELDS
from shipper.emit import events
from shipper.emit.events.features import sort_features
from shipper.emit.events.frames import profile
from shipper.testing import capture
from tests.property.ecs_strategies import CYCLE, VALUES, Hostile, HostileClass, HostileDict
from tests.property.test_ecs_total import leaves
from tests.unit.emit.spooled import strict

pytestmark = pytest.mark.slow

OPENED = tuple(
    f"{name}." for name, spec in FIELDS.items() if spec.type in {"doubles", "keywords", "flattened"}
)
HOSTILE: list[Any] = [
    Hostile(),
    HostileDict(a=1),
    HostileClass(),
    CYCLE,
    object(),
    b"\xff",
    "\ud800",
    10**400,
]


class Fortress:
    """A sequence that has a length and nothing else."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        raise RuntimeError("no items")

    def __iter__(self) -> Any:
        raise RuntimeError("no iteration")


HOSTILE.append(Fortress())


def check(event: dict[str, object]) -> None:
    """Log an event and check its document: strict JSON of declared fields."""
    with capture() as records:
        events.log(None, event)
    (record,) = records.records
    document = strict(record.payload)
    assert "shipper.incomplete" not in document.get("labels", {})
    for name in leaves(document):
        assert name in FIELDS or name.startswith(OPENED), name


@pytest.mark.parametrize("builder", events.BUILDERS, ids=lambda builder: builder.__name__)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_argument_gives_a_valid_event(builder: Any, data: st.DataObject) -> None:
    """U16, U40: each builder takes any value for any argument, and what it returns is logged as one valid document."""
    names = inspect.signature(builder).parameters
    check(builder(**{name: data.draw(VALUES, label=name) for name in names}))


@pytest.mark.parametrize("builder", events.BUILDERS, ids=lambda builder: builder.__name__)
def test_hostile_values_at_every_argument(builder: Any) -> None:
    """U16: a value that raises wherever it is asked costs at most its event's other fields, at any argument."""
    names = inspect.signature(builder).parameters
    required = [name for name, one in names.items() if one.default is inspect.Parameter.empty]
    for odd in HOSTILE:
        for name in names:
            for value in (odd, [odd], {"a": odd}, {"a": {"b": odd}}):
                check(builder(**{**dict.fromkeys(required, "x"), name: value}))


@pytest.mark.parametrize("builder", events.BUILDERS, ids=lambda builder: builder.__name__)
def test_a_wrong_call_is_no_odd_value(builder: Any) -> None:
    """A misspelt argument raises TypeError, as with any function."""
    with pytest.raises(TypeError):
        builder(no_such_argument=1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, VALUES)
def test_any_output_of_a_block(output: object, features: object) -> None:
    """U16: a block takes any output and inputs, and leaves one valid document."""
    with capture() as records, events.inference(None, features=features, raw_input=output) as attempt:
        attempt.output = output
        attempt.score = features
        attempt.scores = output  # type: ignore[assignment]
    (record,) = records.records
    document = strict(record.payload)
    assert document["event"]["outcome"] == "success"
    assert document["ml"]["prediction"]["id"] == attempt.id


@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_hostile_values_in_blocks(place: int) -> None:
    """U16: blocks survive values that raise, at each of their places."""
    odd = HOSTILE[place]
    with capture() as records:
        with events.inference(None, features=odd, raw_input=odd) as attempt:
            with attempt.part(odd):
                attempt.chunk()
            attempt.output = attempt.label = attempt.value = attempt.score = odd
        with events.InferenceBatch(None) as batch:
            batch.add(odd, features=odd, label=odd, score=odd, outcome=odd)
        with events.TrainingRun(None, params=odd, features=odd) as run:
            run.step(loss=odd)
            run.epoch(odd, odd, split=odd, sample_size=odd)
            run.step(odd, loss=odd)
            run.epoch(1, loss=odd)
            run.metrics["f1"] = odd
        with events.preprocessing(None, name="d", step="s", data=odd) as step:
            step.data = step.outliers = odd
        events.log(None, odd)
    assert len(records.records) == 11
    for record in records.records:
        strict(record.payload)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_anything_is_sorted_and_profiled(value: object) -> None:
    """Features and tables may be anything."""
    sort_features(value)
    profile(value)
