"""A training run: start, steps, epochs on training and validation data, and its end, whatever ends it."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import shipper
from shipper import events

log = shipper.get_logger("train")


def train(epochs: int = 3, batches: int = 5) -> None:
    """Train a linear model in batches."""
    data = load_breast_cancer()
    rows, held_out, labels, held_out_labels = train_test_split(data.data, data.target, random_state=0)
    scaler = StandardScaler().fit(rows)
    rows, held_out = scaler.transform(rows), scaler.transform(held_out)
    model = SGDClassifier(loss="log_loss", alpha=0.01, random_state=0)

    with events.TrainingRun(
        log,
        run_id="run-7",
        params={"alpha": 0.01, "epochs": epochs, "loss": "log_loss"},
        architecture="logistic regression, SGD",
        data_name="breast-cancer",
        data_source="scikit-learn",
        sample_size=len(rows),
        features=[str(name) for name in data.feature_names],
        preprocessing=["scale to mean 0, deviation 1"],
        log_every=2,  # of the steps, every other one
    ) as run:
        for epoch in range(1, epochs + 1):
            for batch in np.array_split(np.arange(len(rows)), batches):
                model.partial_fit(rows[batch], labels[batch], classes=[0, 1])
                run.step(loss=log_loss(labels[batch], model.predict_proba(rows[batch]), labels=[0, 1]))
            run.epoch(epoch, loss=log_loss(labels, model.predict_proba(rows)), sample_size=len(rows))
            run.epoch(
                split="validation",
                loss=log_loss(held_out_labels, model.predict_proba(held_out)),
                accuracy=model.score(held_out, held_out_labels),
                sample_size=len(held_out),
            )
        log.info("model saved")  # carries the run's id, too
        run.metrics["parameters"] = model.coef_.size


if __name__ == "__main__":
    shipper.configure(service="trainer", model={"name": "biopsy", "version": "8"})
    train()
    shipper.close()
