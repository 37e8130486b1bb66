"""Answer requests: features, model, answer; every answer and every failure is one record.

Requests come from a file, one JSON object a line with the simulated time of arrival; the journal gets
a line for each request that is done, so that a killed service goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from features import NAMES, prepare

import shipper
from shipper import events
from shipper.clock import ManualClock

MODEL = "biopsy"
CLASSES = ("malignant", "benign")
HEARTBEAT_REQUESTS = 50
SLOW_S = 0.15


class Journal:
    """One line per finished request: what was answered, and how many logging calls have returned."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._process = os.getpid()
        self.calls = 0

    def finish(self, request: dict[str, Any], label: str | None) -> None:
        """Write the line with one system call, so that a kill leaves whole lines."""
        line = {
            "process": self._process,
            "calls": self.calls,
            "id": request["id"],
            "at": request["at"],
            "label": label,
        }
        os.write(self._file, json.dumps(line).encode() + b"\n")


class Service:
    """The model, its clock and its logger."""

    def __init__(self, model_file: Path, version: str, clock: ManualClock, journal: Journal) -> None:
        content = model_file.read_bytes()
        # The file was written by our own training a moment ago; a pickle of others must never be loaded.
        parts = pickle.loads(content)  # noqa: S301
        self._scaler, self._model = parts["scaler"], parts["model"]
        self._clock = clock
        self._journal = journal
        self._log = shipper.get_logger("biopsy.scoring")
        self._served = 0
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._say("info", "model loaded", **{"ml.model.digest": digest, "file": model_file.name})
        self._say("info", "service starts", **events.deployment(version=version, target="scoring"))

    def answer(self, request: dict[str, Any]) -> None:
        """Answer one request; no failure of a request ends the service."""
        self._clock.set(request["at"])
        with shipper.context(**{"trace.id": request["trace"]}):
            start_us = self._clock.now_us()
            label = self._predict(request, start_us)
            took_s = (self._clock.now_us() - start_us) / 1e6
            if took_s > SLOW_S:
                self._say("warning", "slow answer", took_ms=round(took_s * 1000), prediction=request["id"])
        self._served += 1
        if self._served % HEARTBEAT_REQUESTS == 0:
            self._say("info", f"{self._served} requests served", served=self._served)
        self._journal.finish(request, label)

    def _predict(self, request: dict[str, Any], start_us: int) -> str | None:
        features: dict[str, float] = {}
        try:
            self._clock.advance(request["wait_s"])
            features = prepare(request["row"], self._clock.advance)
            row = np.array([[features[name] for name in NAMES]])
            probability = self._model.predict_proba(self._scaler.transform(row))[0]
        except (ValueError, KeyError):
            self._say(
                "error",
                "prediction failed",
                exc_info=True,
                **self._facts(request, features, start_us, outcome="failure"),
            )
            return None
        best = int(probability.argmax())
        facts = self._facts(request, features, start_us, label=CLASSES[best], score=float(probability[best]))
        self._say("info", "prediction", **facts)
        return CLASSES[best]

    def _facts(
        self, request: dict[str, Any], features: dict[str, float], start_us: int, **answer: Any
    ) -> dict[str, object]:
        return events.prediction(
            prediction_id=request["id"],
            duration_ns=(self._clock.now_us() - start_us) * 1000,
            numeric={name: value for name, value in features.items() if not math.isnan(value)},
            missing=[name for name, value in features.items() if math.isnan(value)],
            **answer,
        )

    def _say(self, level: str, message: str, **fields: Any) -> None:
        getattr(self._log, level)(message, **fields)
        self._journal.calls += 1


def main() -> None:
    """Parse the arguments and answer all requests of the file that are not in the journal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-file", type=Path, required=True)
    parser.add_argument("--model-version", required=True)
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    args = parser.parse_args()

    done: set[str] = set()
    if args.journal.exists():
        done = {json.loads(line)["id"] for line in args.journal.read_text().splitlines()}
    with args.requests.open() as lines:
        requests = [request for line in lines if (request := json.loads(line))["id"] not in done]
    if not requests:
        return
    clock = ManualClock(requests[0]["at"])
    shipper.configure(
        service={"name": "scoring", "environment": "production"},
        model={"name": MODEL, "version": args.model_version, "stage": "production"},
        clock=clock,
    )
    service = Service(args.model_file, args.model_version, clock, Journal(args.journal))
    for request in requests:
        service.answer(request)
    shipper.close()


if __name__ == "__main__":
    main()
