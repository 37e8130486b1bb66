"""Each program under examples/events runs, and its documents are what it says."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from shipper.datasets import DATASETS
from shipper.ecs.fields import FIELDS
from shipper.emit import events
from shipper.testing import capture
from tests.property.test_ecs_total import leaves

FOLDER = Path(__file__).parents[4] / "examples" / "events"
OPENED = tuple(
    f"{name}." for name, spec in FIELDS.items() if spec.type in {"doubles", "keywords", "flattened"}
)

EXPECTED = {
    "training": [
        "train-start",
        *["train-step", "train-step", "train-step", "train-epoch", "train-epoch"],
        *["train-step", "train-step", "train-epoch", "train-epoch"],
        *["train-step", "train-step", "train-step", "train-epoch", "train-epoch"],
        "",
        "train-end",
    ],
    "evaluation": ["evaluate"],
    "experiment": ["experiment"] * 3,
    "preprocessing": ["profile", "prepare", "prepare", "prepare"],
    "inference": ["predict"] * 3,
    "streaming": ["predict"] * 3,
    "batch": [*["predict"] * 4, "predict-batch"],
    "feedback": ["feedback"] * 3,
    "explanation": ["explain"],
    "deployment": ["deploy", "stage-change", "resource-use", "rollback"],
    "debugging": ["debug"] * 2,
}


def run(name: str) -> list[dict[str, Any]]:
    """Run a program in memory and return its documents."""
    with capture() as records:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    return records.documents


def test_every_program_is_tried() -> None:
    """Each program is run here and listed in the folder's page, and together they show every builder."""
    programs = {path.stem for path in FOLDER.glob("*.py")}
    assert programs == set(EXPECTED)
    page = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"]({name}.py)" in page for name in programs)
    shown = {action for found in EXPECTED.values() for action in found}
    made = {_action(builder.__name__) for builder in events.BUILDERS}
    assert made <= shown


def _action(builder: str) -> str:
    known = {
        "evaluation": "evaluate", "data_profile": "profile", "data_step": "prepare", "prediction": "predict",
        "prediction_batch": "predict-batch", "explanation": "explain", "deployment": "deploy",
    }  # fmt: skip
    return known.get(builder, builder.replace("_", "-"))


@pytest.mark.parametrize("name", EXPECTED)
def test_programs_give_typed_events(name: str) -> None:
    """The events of a program are of its kind, of declared fields alone, with what their dataset expects."""
    documents = run(name)
    assert [document["event"].get("action", "") for document in documents] == EXPECTED[name]
    for document in documents:
        assert "labels" not in document
        found = set(leaves(document))
        assert all(field in FIELDS or field.startswith(OPENED) for field in found)
        if name != "preprocessing":
            assert set(DATASETS[document["event"]["dataset"]].expected) <= found


def test_training_shows_a_curve() -> None:
    """The end of the run has the curve of both splits, the last measures and the use of resources."""
    end = run("training")[-1]
    curve = end["ml"]["curve"]
    assert curve["epoch"] == [1, 2, 3]
    assert len(curve["loss"]) == len(curve["validation_loss"]) == 3
    assert end["ml"]["metrics"]["loss"] == curve["loss"][-1]
    assert end["ml"]["metrics"]["validation_accuracy"] > 0.9
    assert end["ml"]["resource"]["memory_peak_bytes"] > 0


def test_evaluation_shows_numbers_that_can_be_judged() -> None:
    """Measures, sample sizes, table, matrix and cost belong together."""
    (document,) = run("evaluation")
    ml = document["ml"]
    matrix = ml["confusion"]
    assert sum(sum(row.values()) for row in matrix.values()) == ml["sample"]["size"] == 285
    assert ml["sample"]["sizes"]["recall"] == sum(matrix["malignant"].values())
    assert ml["metrics"]["recall"] == ml["per_class"]["malignant"]["recall"]
    assert 0.9 < ml["metrics"]["roc_auc"] <= 1
    cost = 20_000 * matrix["malignant"]["benign"] + 400 * matrix["benign"]["malignant"]
    assert ml["cost"]["total"] == cost


def test_preprocessing_shows_what_was_done() -> None:
    """The steps tell of the outlier, of the gaps that were filled and of the rows that went."""
    _, clipped, imputed, dropped = (document["ml"]["data"] for document in run("preprocessing"))
    assert clipped["outliers"] == {"age": 1}
    assert clipped["before"]["age"]["max"] == 410
    assert clipped["after"]["age"]["max"] == 120
    assert imputed["filled"] == {"age": 1, "weight": 2}
    assert (dropped["rows"], dropped["rows_out"]) == (6, 5)


def test_inference_shows_success_and_failure() -> None:
    """Latency parts, scores and features; the call without an input is an error with its inputs."""
    block, decorated, failed = run("inference")
    assert block["ml"]["latency"]["model"] <= block["event"]["duration"]
    assert sum(block["ml"]["prediction"]["scores"].values()) == pytest.approx(1)
    assert decorated["ml"]["prediction"]["id"] == "request-1"
    assert failed["error"]["type"] == "KeyError"
    assert failed["ml"]["features"]["numeric"] == {"petal width": 0.2}


def test_streaming_shows_how_far_it_was_read() -> None:
    """A stream that was left early is told from one that was read to its end."""
    whole, left, single = run("streaming")
    assert whole["ml"]["stream"] == {"chunks": 4, "finished": True}
    assert left["ml"]["stream"] == {"chunks": 2, "finished": False}
    assert single["ml"]["prediction"]["value"] == 0.25


def test_debugging_shows_the_fault() -> None:
    """The infinite and the NaN of the faulty layer are counted in its summary."""
    zero, some = run("debugging")
    assert zero["ml"]["debug"]["values"]["hidden"]["nan"] == 1
    assert some["ml"]["debug"]["values"]["hidden"]["inf"] == 1
