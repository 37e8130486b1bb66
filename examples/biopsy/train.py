"""Train one version of the model and log its whole life: data, parameters, epochs, evaluation."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from features import NAMES
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import shipper
from shipper import events
from shipper.clock import ManualClock

MODEL = "biopsy"
CLASSES = ("malignant", "benign")  # in the order of the data set's 0 and 1


def split(seed: int) -> tuple[Any, Any, Any, Any]:
    """Return training rows, held-out rows and their labels: half of the data each, stratified."""
    data = load_breast_cancer()
    columns = [list(data.feature_names).index(name) for name in NAMES]
    rows = data.data[:, columns]
    return tuple(train_test_split(rows, data.target, test_size=0.5, random_state=seed, stratify=data.target))


def main() -> None:
    """Parse the arguments, train, evaluate, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-version", required=True)
    parser.add_argument("--alpha", type=float, required=True, help="strength of the regularisation")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", type=int, required=True, help="simulated time, microseconds since the epoch")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--journal", type=Path, required=True, help="gets the count of logging calls")
    args = parser.parse_args()

    clock = ManualClock(args.at)
    run = f"{MODEL}-{args.model_version}-{args.seed}"
    shipper.configure(
        service={"name": "trainer"}, model={"name": MODEL, "version": args.model_version}, clock=clock
    )
    log = shipper.get_logger("biopsy.train")
    with shipper.context(**{"ml.run.id": run, "ml.experiment.name": "regularisation"}):
        train_rows, test_rows, train_labels, test_labels = split(args.seed)
        log.info("data loaded", **data_facts(train_rows, args.seed))
        scaler, model = fit(log, clock, args, train_rows, train_labels)
        clock.advance(20)
        log.info("evaluated on held-out rows", **evaluation(scaler, model, test_rows, test_labels))
        digest = save(args.out, scaler, model)
        log.info("model saved", **events.train_end(run_id=run), **{"ml.model.digest": digest})
    shipper.close()
    with args.journal.open("a") as journal:
        journal.write(json.dumps({"process": os.getpid(), "calls": args.epochs + 4}) + "\n")


def data_facts(rows: Any, seed: int) -> dict[str, object]:
    """Return the facts of the training data."""
    statistics = {
        name: {"mean": float(column.mean()), "std": float(column.std())}
        for name, column in zip(NAMES, rows.T, strict=True)
    }
    return events.data_profile(
        name="breast-cancer",
        version=f"split-{seed}",
        source="scikit-learn",
        rows=len(rows),
        columns=len(NAMES),
        missing={name: float(np.isnan(column).mean()) for name, column in zip(NAMES, rows.T, strict=True)},
        statistics=statistics,
    )


def fit(log: Any, clock: ManualClock, args: argparse.Namespace, rows: Any, labels: Any) -> tuple[Any, Any]:
    """Train epoch by epoch; log loss and accuracy of each."""
    params = {"alpha": args.alpha, "epochs": args.epochs, "loss": "log_loss", "seed": args.seed}
    run = f"{MODEL}-{args.model_version}-{args.seed}"
    log.info(
        "training starts",
        **events.train_start(
            run_id=run, params=params, architecture="logistic regression, SGD", sample_size=len(rows)
        ),
    )
    scaler = StandardScaler().fit(rows)
    scaled = scaler.transform(rows)
    model = SGDClassifier(loss="log_loss", alpha=args.alpha, random_state=args.seed)
    for epoch in range(1, args.epochs + 1):
        model.partial_fit(scaled, labels, classes=[0, 1])
        clock.advance(3)
        metrics = {
            "loss": float(log_loss(labels, model.predict_proba(scaled))),
            "accuracy": float(model.score(scaled, labels)),
        }
        log.info("epoch done", **events.train_epoch(run_id=run, epoch=epoch, metrics=metrics, split="train"))
    return scaler, model


def evaluation(scaler: Any, model: Any, rows: Any, labels: Any) -> dict[str, object]:
    """Return the evaluation of the model on rows that it has not seen; malignant is the positive class."""
    predicted = model.predict(scaler.transform(rows))
    score = model.predict_proba(scaler.transform(rows))[:, 0]
    matrix = confusion_matrix(labels, predicted)
    return events.evaluation(
        metrics={
            "accuracy": float((predicted == labels).mean()),
            "precision": float(precision_score(labels, predicted, pos_label=0)),
            "recall": float(recall_score(labels, predicted, pos_label=0)),
            "f1": float(f1_score(labels, predicted, pos_label=0)),
            "roc_auc": float(roc_auc_score(labels == 0, score)),
        },
        sample_size=len(labels),
        split="test",
        confusion={
            actual: {guess: int(matrix[i, j]) for j, guess in enumerate(CLASSES)}
            for i, actual in enumerate(CLASSES)
        },
    )


def save(path: Path, scaler: Any, model: Any) -> str:
    """Write the model to `path`; return its digest."""
    content = pickle.dumps({"scaler": scaler, "model": model})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


if __name__ == "__main__":
    main()
