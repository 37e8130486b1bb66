"""A structlog application: two lines more than before.

Run it as it stands: records go to the spool and, once Kafka answers at SHIPPER_KAFKA_BOOTSTRAP_SERVERS,
from there to Kafka. `SHIPPER_SHIP_MODE=agent` leaves that to `shipper agent`.
"""

from __future__ import annotations

import structlog

import shipper

shipper.configure(service="checkout", model={"name": "fraud", "version": "7"})

log = structlog.get_logger()


def score(order: str, amount: float) -> float:
    """Return how suspicious an order is, 0 to 1."""
    with shipper.context(order=order):
        log.debug("scoring", amount=amount)
        if amount < 0:
            log.warning("negative amount", amount=amount)
        return min(1.0, max(0.0, amount / 10_000))


if __name__ == "__main__":
    log.info("started")
    score("A-1041", 120.0)
    score("A-1042", -3.0)
    try:
        score("A-1043", "a lot")  # type: ignore[arg-type]
    except TypeError:
        log.exception("cannot score")
