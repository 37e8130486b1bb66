"""Typed ML events: one call each, for structlog and for `logging`, every field declared in the schema.

Three ways to the same event::

    events.log(log, events.feedback(prediction_id="p-1", label="benign"))        # either kind of logger
    log.info("feedback", **events.feedback(prediction_id="p-1", label="benign"))         # structlog
    logger.info("feedback", extra=events.feedback(prediction_id="p-1", label="benign"))  # logging

and blocks that measure, identify and log by themselves, also where they fail::

    with events.inference(log, features=row) as attempt:
        attempt.output = model.predict(row)

What is None or empty is left out. Model, run and service come from `configure()` and bound context, so
each is an argument only where an event may differ from them. Odd values never raise: what does not fit its field
becomes a label. All events with their fields and examples: `docs/reference/events.md`.
"""

from __future__ import annotations

from shipper.emit.events.batch import InferenceBatch
from shipper.emit.events.data import data_profile, data_step
from shipper.emit.events.debugging import debug
from shipper.emit.events.decorating import logged_inference
from shipper.emit.events.evaluation import evaluation, experiment
from shipper.emit.events.form import EventFields, Moment, Number, Split
from shipper.emit.events.inference import Inference, inference
from shipper.emit.events.operation import deployment, resource_use, stage_change
from shipper.emit.events.outcomes import explanation, feedback
from shipper.emit.events.preparing import preprocessing
from shipper.emit.events.resources import process_resources
from shipper.emit.events.run import TrainingRun
from shipper.emit.events.sending import log
from shipper.emit.events.serving import prediction, prediction_batch
from shipper.emit.events.training import train_end, train_epoch, train_start, train_step

BUILDERS = (
    train_start, train_step, train_epoch, train_end, evaluation, experiment, data_profile, data_step,
    prediction, prediction_batch, feedback, explanation, deployment, stage_change, resource_use, debug,
)  # fmt: skip
"""All builders, in the order of a model's life."""

__all__ = [
    "BUILDERS",
    "EventFields",
    "Inference",
    "InferenceBatch",
    "Moment",
    "Number",
    "Split",
    "TrainingRun",
    "data_profile",
    "data_step",
    "debug",
    "deployment",
    "evaluation",
    "experiment",
    "explanation",
    "feedback",
    "inference",
    "log",
    "logged_inference",
    "prediction",
    "prediction_batch",
    "preprocessing",
    "process_resources",
    "resource_use",
    "stage_change",
    "train_end",
    "train_epoch",
    "train_start",
    "train_step",
]
