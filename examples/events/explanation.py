"""Why a prediction came out so: the largest contributions of its features."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import shipper
from shipper import events

log = shipper.get_logger("explain")


def explain() -> None:
    """Of a linear model, the contribution of a feature is its weight times its value."""
    data = load_breast_cancer()
    rows = StandardScaler().fit_transform(data.data)
    model = LogisticRegression().fit(rows, data.target)
    events.log(
        log,
        events.explanation(
            prediction_id="p-1",
            contributions=model.coef_[0] * rows[0],
            feature_names=[str(name) for name in data.feature_names],
            method="weight times value",
            base=float(model.intercept_[0]),
            explained_class="benign",
            top=5,
        ),
    )


if __name__ == "__main__":
    shipper.configure(service="serving", model={"name": "biopsy", "version": "8"})
    explain()
    shipper.close()
