"""A batch of predictions: an event for each, and one for the whole."""

from __future__ import annotations

from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

import shipper
from shipper import events

log = shipper.get_logger("nightly")


def score_all() -> None:
    """Score some rows together; one of them is broken."""
    data = load_iris()
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(data.data, data.target)
    with events.InferenceBatch(log, batch_id="night-2026-11-21") as batch:
        scores = model.predict_proba(data.data[::50])
        for row, row_scores in zip(data.data[::50], scores, strict=True):
            best = int(row_scores.argmax())
            batch.add(
                str(data.target_names[best]),
                score=float(row_scores[best]),
                features=dict(zip(data.feature_names, row.tolist(), strict=True)),
            )
        batch.add(error=ValueError("the row has three columns"))


if __name__ == "__main__":
    shipper.configure(service="nightly", model={"name": "iris", "version": "2"})
    score_all()
    shipper.close()
