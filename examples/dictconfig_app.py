"""An application on the standard library's `logging`: nothing but configuration.

The same documents go to the spool and to standard output.
"""

from __future__ import annotations

import logging
import logging.config

CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"ecs": {"()": "shipper.emit.EcsFormatter"}},
    "handlers": {
        "shipper": {"class": "shipper.emit.ShipperHandler"},
        "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "ecs"},
    },
    "root": {"level": "INFO", "handlers": ["shipper", "stdout"]},
}

logger = logging.getLogger("checkout")


def main() -> None:
    """Log a few records; service and model come from SHIPPER_SERVICE_NAME, SHIPPER_MODEL_NAME or shipper.toml."""
    logging.config.dictConfig(CONFIG)
    logger.info("started")
    logger.warning("score is %.2f", 0.97, extra={"score": 0.97, "order": "A-1041"})
    try:
        int("a lot")
    except ValueError:
        logger.exception("cannot parse the amount")


if __name__ == "__main__":
    main()
