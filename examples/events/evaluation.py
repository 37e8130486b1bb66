"""An evaluation: measures with their sample sizes, table by class, confusion matrix and what the mistakes cost."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import shipper
from shipper import events

log = shipper.get_logger("evaluate")

COSTS = {
    "malignant": {"benign": 20_000},  # a tumour that was overlooked
    "benign": {"malignant": 400},  # a biopsy for nothing
}


def evaluate() -> None:
    """Train on half of the data, evaluate on the other."""
    data = load_breast_cancer()
    names = data.target_names[data.target]
    rows, held_out, labels, truth = train_test_split(data.data, names, test_size=0.5, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)

    events.log(
        log,
        events.evaluation(
            truth,
            model.predict(held_out),
            y_score=model.predict_proba(held_out),  # a column per class, in the order of `labels`
            labels=model.classes_,
            positive="malignant",
            cost_matrix=COSTS,
            cost_unit="EUR",
            data_name="breast-cancer",
            run_id="run-7",
        ),
    )


if __name__ == "__main__":
    shipper.configure(service="trainer", model={"name": "biopsy", "version": "8"})
    evaluate()
    shipper.close()
