"""Collect the pathologists' findings, which come hours after the prediction, and log each as feedback.

This service uses nothing but `logging`; the handler of shipper is one entry of its `dictConfig`.
"""

from __future__ import annotations

import argparse
import json
import logging
import logging.config
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import shipper
from shipper import events
from shipper.clock import ManualClock

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"shipper": {"class": "shipper.emit.ShipperHandler"}},
    "root": {"level": "INFO", "handlers": ["shipper"]},
}


def main() -> None:
    """Parse the arguments and log the findings of the file in the order of their arrival."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=Path, required=True, help="one JSON object a line, by time")
    parser.add_argument("--journal", type=Path, required=True)
    args = parser.parse_args()
    with args.findings.open() as lines:
        findings = [json.loads(line) for line in lines]
    if not findings:
        return

    clock = ManualClock(findings[0]["at"])
    shipper.configure(service={"name": "labels", "environment": "production"}, clock=clock, structlog=False)
    logging.config.dictConfig(LOGGING)
    log = logging.getLogger("biopsy.labels")
    calls = 0
    for finding in findings:
        clock.set(finding["at"])
        log.info("finding for %s", finding["id"], extra=feedback(finding))
        calls += 1
        if finding["label"] != finding["truth"]:
            log.warning("the finding differs from the prediction", extra={"prediction": finding["id"]})
            calls += 1
    shipper.close()
    with args.journal.open("a") as journal:
        journal.write(json.dumps({"process": os.getpid(), "calls": calls}) + "\n")


def feedback(finding: dict[str, Any]) -> dict[str, object]:
    """Return the fields of one finding; model and commit are those of the prediction."""
    return events.feedback(
        prediction_id=finding["id"],
        label=finding["truth"],
        predicted=finding["label"],
        predicted_at=datetime.fromtimestamp(finding["predicted_at"] / 1e6, UTC),
        delay_s=(finding["at"] - finding["predicted_at"]) / 1e6,
        model_name="biopsy",
        model_version=finding["version"],
        commit=finding["commit"],
    )


if __name__ == "__main__":
    main()
