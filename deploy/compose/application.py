"""A program that logs, for the profile `demo`: a model that screens requests, in trouble for ten minutes of each hour.

Its records go into the spool of the volume that it shares with the agent. Then the numbers that it is asked about lie
elsewhere than those that it was made for, and one request in five fails: something for the detector to find.
"""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
import uuid
from typing import Any

from prometheus_client import start_http_server

import shipper
from shipper import events
from shipper.integrations.prometheus import register

WEIGHTS = {"radius": 1.4, "texture": 0.6, "symmetry": -0.8}
PER_SECOND = 5.0
TROUBLE_S = 600.0


def answer(log: Any, inputs: dict[str, float], *, fails: bool) -> None:
    """Score one request and log what came out."""
    began, number = time.perf_counter_ns(), uuid.uuid4().hex
    if fails:
        failed = events.prediction(prediction_id=number, outcome="failure", numeric=inputs)
        log.error("prediction failed", **failed)
        return
    score = 1.0 / (1.0 + math.exp(-sum(WEIGHTS[name] * value for name, value in inputs.items())))
    log.info(
        "prediction",
        **events.prediction(
            prediction_id=number,
            label="recall" if score > 0.5 else "clear",
            score=score,
            numeric=inputs,
            duration_ns=time.perf_counter_ns() - began,
        ),
    )


def main() -> None:
    """Answer requests until told to end."""
    stop, chance = threading.Event(), random.Random()  # noqa: S311 - a simulation
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    shipper.configure(model={"name": "screening", "version": "3"})
    log = shipper.get_logger("screening")
    register()
    start_http_server(int(os.environ.get("METRICS_PORT", "9464")))
    log.info("started")
    while not stop.wait(chance.expovariate(PER_SECOND)):
        in_trouble = time.time() % 3600 < TROUBLE_S
        inputs = {name: chance.gauss(2.0 if in_trouble else 0.0, 1.0) for name in WEIGHTS}
        answer(log, inputs, fails=in_trouble and chance.random() < 0.2)
    shipper.close()


if __name__ == "__main__":
    main()
