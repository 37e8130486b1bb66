"""A plan says what the general encoder says, whatever the values, or leaves the event to it."""

from __future__ import annotations

import logging
import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.datasets import DATASETS
from shipper.ecs.constants import Constants
from shipper.ecs.encode import Encoder, stamp
from shipper.ecs.event import Event
from shipper.ecs.fields import FIELDS
from shipper.ecs.limits import Limits
from shipper.ecs.plan import make_plan
from shipper.ecs.plan_source import MISS
from shipper.enrich.redact import Redactor

FACTS = {
    "service.name": "checkout",
    "host.name": "h1",
    "git.commit": "a" * 40,
    "git.branch": "main",
    "ml.model.name": "fraud",
    "ml.model.version": "3",
}
IDENTITY: dict[str, Any] = {"agent": {"type": "shipper", "ephemeral_id": "p"}, "process": {"pid": 7}}
LIMITS = Limits(keyword=80, text=160, labels=8, names=6)
MESSAGE = "prediction served"
PINNED = (
    "event.dataset",
    "dataset",
    "ml.model.name",
    "ml.model.version",
    "ml.model.stage",
    "ml.model.digest",
)
REDACTOR = Redactor(FIELDS)

odd_names = st.sampled_from(
    [
        "x",
        "a.b",
        "labels.x",
        "user_email",
        "host",
        "name",
        "level",
        "timestamp",
        "event",
        "_x",
        "",
        "é",
        "a\nb",
        "log",
    ]
)
open_names = st.sampled_from(
    [
        "ml.metrics.loss",
        "ml.metrics.a.b",
        "ml.features.numeric.age",
        "ml.features.categorical.city",
        "ml.params.lr",
    ]
)
names = st.one_of(st.sampled_from(sorted(FIELDS)), open_names, odd_names, st.text(max_size=12))
texts = st.one_of(
    st.text(max_size=24),
    st.sampled_from(
        ["null", "NaN", "12", "true", "2026-01-01T00:00:00Z", "10.0.0.1", "x" * 100, "\ud800", "\0"]
    ),
    st.sampled_from(["mail me: jane.doe@example.com", "4111 1111 1111 1111", "password=hunter2hunter2"]),
)
values: dict[type, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.one_of(st.integers(), st.integers(-5, 5), st.just(2**63), st.just(4111111111111111)),
    float: st.one_of(st.floats(), st.just(4111111111111111.0)),
    bool: st.booleans(),
    type(None): st.none(),
    list: st.lists(st.integers(), max_size=2),
}
KINDS: list[type] = [str, str, str, int, float, float, bool, type(None), list]
kinds = st.sampled_from(KINDS)


nested_kinds = st.one_of(kinds, st.dictionaries(names, kinds, max_size=2))


def value_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a type, or dictionaries of values of types."""
    if isinstance(kind, dict):
        return st.fixed_dictionaries({name: value_of(inner) for name, inner in kind.items()})
    return values[kind]


@st.composite
def twins(draw: st.DrawFn) -> tuple[dict[str, object], dict[str, object]]:
    """Return two events' fields with the same names and types."""
    chosen = draw(
        st.dictionaries(names, st.one_of(kinds, st.dictionaries(names, nested_kinds, max_size=3)), max_size=8)
    )
    first, second = ({name: draw(value_of(kind)) for name, kind in chosen.items()} for _ in range(2))
    if draw(st.booleans()):
        first["event.dataset"] = second["event.dataset"] = draw(st.sampled_from(sorted(DATASETS)))
    for pinned in ("ml.model.name", "ml.model.version", "git.commit"):
        if draw(st.integers(0, 5)) == 0:
            first[pinned] = second[pinned] = draw(st.sampled_from(["fraud", "3", "other", "b" * 40]))
    return first, second


def document(prefix: bytes, suffix: bytes) -> dict[str, Any]:
    """Return what Elasticsearch would get."""
    found: dict[str, Any] = orjson.loads(prefix + stamp("p", 1) + suffix)
    return found


def check(encoder: Encoder, first: dict[str, object], second: dict[str, object], message: str) -> bool:
    """Compare the plan made from `first` with the general encoder on `second`; return whether there was a plan."""
    plan = make_plan(encoder, first)
    if plan is None:
        return False
    fields: dict[object, object] = {}
    fields.update(second)
    event = Event(logging.INFO, message, "app", fields, thread=(1, "main"), origin=("a.py", 3, "f"))
    general = encoder.encode(event, 0)
    expected = document(general.prefix, general.suffix)
    call = orjson.dumps({root: expected[root] for root in ("log", "process")})[1:-1]
    body = plan.encode(message, second)
    if body:
        assert document(general.prefix, body + b"," + call + plan.tail) == expected
        assert plan.dataset == general.dataset
    return True


@pytest.mark.slow
@given(twins(), st.one_of(texts, st.just(MESSAGE), st.just("y" * 200)))
@settings(max_examples=400, deadline=None)
def test_plan_equals_the_general_encoder(
    pair: tuple[dict[str, object], dict[str, object]], message: str
) -> None:
    """What a plan encodes is the general encoder's document, without redaction."""
    check(Encoder(Constants(FACTS, IDENTITY, "default", LIMITS), LIMITS), *pair, message)


@pytest.mark.slow
@given(twins(), st.one_of(texts, st.just(MESSAGE)))
@settings(max_examples=400, deadline=None)
def test_plan_equals_the_general_encoder_with_redaction(
    pair: tuple[dict[str, object], dict[str, object]], message: str
) -> None:
    """The same with default redaction: what holds a secret is left to the general encoder or is redacted alike."""
    check(Encoder(Constants(FACTS, IDENTITY, "default", LIMITS), LIMITS, REDACTOR), *pair, message)


def test_ordinary_events_have_plans() -> None:
    """The comparison is not empty: shapes that applications log are planned, and their values are encoded by it."""
    encoder = Encoder(Constants(FACTS, IDENTITY, "default", Limits()), Limits())
    fields: dict[str, object] = {
        "event.dataset": "ml.inference",
        "ml.prediction.id": "p-1",
        "ml.prediction.label": 1,
        "ml.prediction.score": 0.5,
        "ml.features.numeric.age": 31.0,
        "ml.features.numeric.visits": 3,
        "ml.features.categorical.city": "Bern",
        "order": "o-1",
        "is_first": True,
        "amount": 3.5,
        "count": 4,
        "absent": None,
        "features": {"mean": 1.5, "name": "a", "more": {"deep": True, "none": None}, "empty": {}},
        "ml.metrics": {"loss": 0.5},
        "ml": {"prediction": {"value": 2.5}},
    }
    assert check(encoder, fields, fields, MESSAGE)
    plan = make_plan(encoder, fields)
    assert plan is not None
    features: Any = fields["features"]
    assert plan.encode(MESSAGE, fields)
    assert plan.encode(MESSAGE, dict(reversed(fields.items()))) is MISS
    for odd in (math.nan, math.inf):
        assert plan.encode(MESSAGE, {**fields, "amount": odd}) is None
    for other in (
        {**fields, "more": 1},
        {**fields, "amount": 3},
        {**fields, "amount": "3.5"},
        {**fields, "absent": 1},
        {**fields, "features": 1},
        {**fields, "features": {**features, "mean": 1}},
        {**fields, "features": {**features, "other": 1}},
        {**fields, "features": {**features, "empty": {"a": 1}}},
        {**fields, "event.dataset": "ml.app"},
        {name: value for name, value in fields.items() if name != "order"},
        {"other" if name == "order" else name: value for name, value in fields.items()},
    ):
        assert plan.encode(MESSAGE, other) is MISS


@pytest.mark.slow
@given(
    st.one_of(
        st.integers(-999_999, 999_999),
        st.floats(-1e6, 1e6, exclude_min=True, exclude_max=True),
        st.floats(-1e-3, 1e-3),
    )
)
@settings(max_examples=1000, deadline=None)
def test_short_numbers_hold_nothing_to_redact(number: float) -> None:
    """A plan does not look at numbers below a million: as text they are never changed."""
    assert REDACTOR.scan(str(number)) == str(number)


def test_a_card_as_a_number_is_redacted() -> None:
    """A long number is looked at, whether it is whole or not."""
    encoder = Encoder(Constants(FACTS, IDENTITY, "default", LIMITS), LIMITS, REDACTOR)
    for card in (4111111111111111, 4111111111111111.0):
        fields: dict[str, object] = {"order": type(card)(3)}
        plan = make_plan(encoder, fields)
        assert plan is not None
        assert plan.encode(MESSAGE, fields)
        assert plan.encode(MESSAGE, {"order": card}) is None


def test_what_is_bound_is_read_beside_the_call() -> None:
    """A plan takes bound values as the general encoder does: behind those of the call, for each mapping anew."""
    encoder = Encoder(Constants(FACTS, IDENTITY, "default", Limits()), Limits())
    own: dict[str, object] = {"order": "o-1", "amount": 3.5}
    bound: dict[str, object] = {"tenant": "a", "order": 7, "more": {"deep": 1}}
    plan = make_plan(encoder, own, bound=bound)
    assert plan is not None
    same: list[dict[str, object]] = [bound, {**bound, "tenant": "b"}, {**bound, "more": {"deep": 2}}]
    for one in same:
        fields: dict[object, object] = {}
        fields.update({**one, **own})
        general = encoder.encode(Event(logging.INFO, MESSAGE, "app", fields), 0)
        body = plan.encode(MESSAGE, own, one)
        assert body
        found, expected = (document(general.prefix, rest) for rest in (body + plan.tail, general.suffix))
        assert found["labels"] == expected["labels"]
        assert found["numeric_labels"] == expected["numeric_labels"]
    less: dict[str, object] = {"tenant": "a"}
    others = [{}, less, {**bound, "tenant": 1}, {**bound, "more": {"deep": "1"}}, {**bound, "x": 1}]
    for other in others:
        assert plan.encode(MESSAGE, own, other) is MISS
    assert plan.encode(MESSAGE, {"order": 7, "amount": 3.5}, bound) is MISS


def test_doubles_as_text_are_written_as_the_general_encoder_writes_them() -> None:
    """Labels show numbers as text: the digits are those of the general encoder, with and without an exponent."""
    encoder = Encoder(Constants(FACTS, IDENTITY, "default", LIMITS), LIMITS)
    numbers = [
        0.0,
        -0.0,
        0.1,
        1e-4,
        9.9e-5,
        1.234e-5,
        10.00001,
        1e15,
        1e16,
        1.5e300,
        5e-324,
        2 / 3,
        123456789.123456789,
    ]
    for first in numbers:
        for second in numbers:
            assert check(encoder, {"x": 0.5, "y": 0.5}, {"x": first, "y": -second}, MESSAGE)
