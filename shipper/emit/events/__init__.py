"""Builders of typed ML events: flat dicts of declared fields, for both roads.

::

    log.info("prediction", **events.prediction(prediction_id="p-1", label="yes", duration_ns=812_000))
    logger.info("prediction", extra=events.prediction(prediction_id="p-1", label="yes", duration_ns=812_000))

What is None or empty is left out. Model, run and service come from `configure()` and bound context, so
each is an argument only where an event may differ from them. Units and ranges stand with each argument;
the fields' own page is `docs/reference/fields.md`.
"""

from __future__ import annotations

from shipper.emit.events.data import data_profile, data_step
from shipper.emit.events.form import EventFields, Moment, Number, Split
from shipper.emit.events.serving import deployment, explanation, feedback, prediction
from shipper.emit.events.training import evaluation, train_end, train_epoch, train_start

__all__ = [
    "EventFields",
    "Moment",
    "Number",
    "Split",
    "data_profile",
    "data_step",
    "deployment",
    "evaluation",
    "explanation",
    "feedback",
    "prediction",
    "train_end",
    "train_epoch",
    "train_start",
]
