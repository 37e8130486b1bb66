"""The privacy class of what models see and say, which redaction enforces."""

from __future__ import annotations

from typing import get_args

import pytest

from shipper.assets import asset
from shipper.ecs.fields import FIELDS
from shipper.schema.source import reference_page
from shipper.schema.table import Privacy, load_table


@pytest.mark.parametrize(
    "name",
    [
        "ml.prediction.input", "ml.prediction.output", "ml.features.numeric", "ml.features.categorical",
        "ml.debug.input", "ml.debug.values", "ml.debug.output", "ml.feedback.comment", "error.message", "error.stack_trace",
    ],
)  # fmt: skip
def test_what_people_put_in_is_personal(name: str) -> None:
    """U49: raw inputs, features, outputs, debug values and the texts of users and errors are personal data."""
    assert FIELDS[name].privacy == "personal"


@pytest.mark.parametrize(
    "name",
    [
        "message", "labels", "tags", "event.reason", "ml.params", "ml.prediction.label", "ml.feedback.label",
        "ml.feedback.verdict", "ml.confusion", "ml.per_class", "ml.data.statistics", "ml.data.before", "ml.data.after",
        "ml.features.tensors", "ml.features.missing", "ml.data.features", "ml.model.architecture", "ml.explanation.features",
    ],
)  # fmt: skip
def test_a_callers_own_words_are_looked_at(name: str) -> None:
    """U49: no field that takes a caller's free words is public, for a public field is never looked at."""
    assert FIELDS[name].privacy != "public"


def test_each_class_and_type_is_explained() -> None:
    """The reference page says what becomes of each privacy class and what the open types take."""
    page = reference_page(load_table(asset("schema")))
    for name in get_args(Privacy):
        assert f"\n| {name} | " in page
    for name in ("doubles", "keywords", "flattened"):
        assert f"`{name}`" in page


def test_nothing_is_declared_secret() -> None:
    """U49: a secret has no field of its own: where one would be, it is never stored at all."""
    assert not [name for name, spec in FIELDS.items() if spec.privacy == "secret"]
