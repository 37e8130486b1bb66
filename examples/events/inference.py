"""Single predictions: a block with the parts of its latency, and a decorated function; both tell of failures, too."""

from __future__ import annotations

import contextlib
from typing import Any

from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

import shipper
from shipper import events

log = shipper.get_logger("serve")
DATA = load_iris()
MODEL = DecisionTreeClassifier(max_depth=3, random_state=0).fit(DATA.data, DATA.target)
NAMES = [str(name).removesuffix(" (cm)") for name in DATA.feature_names]


def serve(row: list[float]) -> tuple[str, str]:
    """Answer one request; return the class and the id that feedback refers to."""
    with events.inference(log, features=dict(zip(NAMES, row, strict=True))) as attempt:
        with attempt.part("model"):
            scores = MODEL.predict_proba([row])[0]
        best = int(scores.argmax())
        attempt.output = str(DATA.target_names[best])
        attempt.score = scores[best]
        attempt.scores = dict(zip(DATA.target_names.tolist(), scores.tolist(), strict=True))
    return str(attempt.output), attempt.id


@events.logged_inference(log, features="flower", prediction_id="request")
def classify(flower: dict[str, float], request: str) -> dict[str, Any]:  # noqa: ARG001 - it names the event
    """The same as a decorated function."""
    scores = MODEL.predict_proba([[flower[name] for name in NAMES]])[0]
    best = int(scores.argmax())
    return {"label": str(DATA.target_names[best]), "score": float(scores[best])}


if __name__ == "__main__":
    shipper.configure(service="serving", model={"name": "iris", "version": "2"})
    serve(DATA.data[100].tolist())
    classify(dict(zip(NAMES, DATA.data[0].tolist(), strict=True)), request="request-1")
    with contextlib.suppress(KeyError):
        classify({"petal width": 0.2}, request="request-2")  # an input is missing: a failure, logged as one
    shipper.close()
