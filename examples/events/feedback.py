"""What became of predictions: a user's verdict at once, the true label days later, and its correction."""

from __future__ import annotations

import logging

import shipper
from shipper import events
from shipper.emit import ShipperHandler

logger = logging.getLogger("feedback")  # `logging` does as well as structlog


def tell() -> None:
    """Tell three things about one prediction."""
    events.log(logger, events.feedback(prediction_id="p-1", verdict="not helpful", rating=2, source="user"))
    events.log(
        logger,
        events.feedback(
            prediction_id="p-1",
            predicted="malignant",
            label="malignant",
            predicted_at="2026-11-02T09:30:00Z",
            labelled_at="2026-11-09T14:00:00Z",
            source="pathology",
        ),
    )
    events.log(
        logger,
        events.feedback(
            prediction_id="p-1",
            predicted="malignant",
            label="benign",
            corrects="malignant",
            revision=2,
            predicted_at="2026-11-02T09:30:00Z",
            labelled_at="2026-11-20T08:00:00Z",
            source="second opinion",
        ),
    )


if __name__ == "__main__":
    shipper.configure(service="feedback", model={"name": "biopsy", "version": "8"})
    logger.setLevel(logging.INFO)
    logger.addHandler(ShipperHandler())
    tell()
    shipper.close()
