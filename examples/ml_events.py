"""Typed ML events on both roads: a training run, an evaluation, a prediction and what became of it."""

from __future__ import annotations

import logging
import time

import shipper
from shipper import events
from shipper.emit import ShipperHandler

shipper.configure(service="trainer", model={"name": "fraud", "version": "8"})
log = shipper.get_logger("trainer")
logger = logging.getLogger("serving")
logger.addHandler(ShipperHandler())
logger.setLevel(logging.INFO)


def train() -> None:
    """Log a run of three epochs."""
    run = "run-2026-11-21"
    log.info(
        "training starts", **events.train_start(run_id=run, params={"lr": 0.1, "depth": 4}, sample_size=569)
    )
    for epoch in (1, 2, 3):
        metrics = {"loss": 1.0 / epoch, "accuracy": 1.0 - 0.5 / epoch}
        log.info("epoch done", **events.train_epoch(run_id=run, epoch=epoch, metrics=metrics))
    log.info("training ends", **events.train_end(run_id=run, metrics={"loss": 0.33}))
    log.info(
        "evaluated",
        **events.evaluation(
            metrics={"precision": 0.91, "recall": 0.88, "f1": 0.895, "roc_auc": 0.97},
            sample_size=114,
            confusion={"yes": {"yes": 40, "no": 6}, "no": {"yes": 4, "no": 64}},
        ),
    )


def serve() -> None:
    """Log a prediction, a failed one, and feedback, through the standard library."""
    began = time.perf_counter_ns()
    inputs = {"amount": 120.0, "age_days": None}
    logger.info(
        "prediction",
        extra=events.prediction(
            prediction_id="p-1",
            label="no",
            score=0.93,
            numeric=inputs,
            duration_ns=time.perf_counter_ns() - began,
        ),
    )
    try:
        float("n/a")
    except ValueError:
        failed = events.prediction(prediction_id="p-2", outcome="failure", missing=["amount"])
        logger.exception("prediction failed", extra=failed)
    logger.info(
        "feedback", extra=events.feedback(prediction_id="p-1", label="yes", predicted="no", delay_s=86_400)
    )


def operate() -> None:
    """Log a data profile, a step of preparation, an explanation and a deployment."""
    log.info(
        "profile", **events.data_profile(name="orders", rows=569, columns=30, missing={"age_days": 0.02})
    )
    log.info("imputed", **events.data_step(name="orders", step="impute", rows=569, rows_out=569))
    log.info(
        "explained", **events.explanation(prediction_id="p-1", contributions={"amount": 0.4}, method="shap")
    )
    log.info("deployed", **events.deployment(version="8", previous_version="7", deployment_id="d-12"))


if __name__ == "__main__":
    train()
    serve()
    operate()
