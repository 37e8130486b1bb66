"""The real rows behind the demo's requests."""

from __future__ import annotations

from typing import Final

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

CLASSES: Final = ("malignant", "benign")
"""Names of the data set's 0 and 1."""


def held_out_rows(seed: int) -> list[tuple[dict[str, str], str]]:
    """Return the rows that training did not see, as texts by feature, with their true class."""
    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names[:10]]
    _, rows, _, labels = train_test_split(
        data.data[:, :10], data.target, test_size=0.5, random_state=seed, stratify=data.target
    )
    return [
        ({name: f"{value:.6g}" for name, value in zip(names, row, strict=True)}, CLASSES[label])
        for row, label in zip(rows, labels, strict=True)
    ]
