"""An experiment: variants of a model against a baseline, and what each gained."""

from __future__ import annotations

from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

import shipper
from shipper import events

log = shipper.get_logger("experiment")


def compare(depths: tuple[int, ...] = (1, 2, 4)) -> None:
    """Compare trees of several depths; the shallowest is the baseline."""
    data = load_wine()
    baseline: dict[str, float] | None = None
    for depth in depths:
        tree = DecisionTreeClassifier(max_depth=depth, random_state=0)
        accuracy = float(cross_val_score(tree, data.data, data.target, cv=5).mean())
        events.log(
            log,
            events.experiment(
                name="depth of the tree",
                variant=f"depth={depth}",
                params={"max_depth": depth},
                metrics={"accuracy": accuracy},
                sample_size=len(data.data),
                baseline=f"depth={depths[0]}" if baseline else None,
                baseline_metrics=baseline,
                split="validation",
            ),
        )
        baseline = baseline or {"accuracy": accuracy}


if __name__ == "__main__":
    shipper.configure(service="trainer", model={"name": "wine", "version": "3"})
    compare()
    shipper.close()
