"""Looking for a fault: what went in, what was computed on the way, what came out; arrays as summaries."""

from __future__ import annotations

import numpy as np

import shipper
from shipper import events

log = shipper.get_logger("network")


def forward(row: np.ndarray) -> float:
    """Run a network of two layers whose first one divides by zero now and then."""
    weights = np.linspace(-1, 1, 12).reshape(4, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        hidden = np.tanh(row @ weights) / np.array([1.0, 0.0, 2.0])
    output = float(np.nansum(hidden[np.isfinite(hidden)]))
    events.log(
        log,
        events.debug(
            point="after layer 1", inputs=row, values={"weights": weights, "hidden": hidden}, outputs=output
        ),
    )
    return output


if __name__ == "__main__":
    shipper.configure(service="serving", model={"name": "network", "version": "1"}, level="debug")
    forward(np.array([0.0, 0.0, 0.0, 0.0]))
    forward(np.array([0.5, 1.5, -2.0, 0.25]))
    shipper.close()
