"""Training runs, steps of preparation, and events of other kinds as blocks and single calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import structlog

import shipper
from shipper.clock import ManualClock
from shipper.emit import ShipperHandler, events
from shipper.emit.events.frames import profile
from shipper.emit.logger import NamedLogger
from shipper.emit.processors import ship
from shipper.testing import CapturedRecords, capture


@pytest.fixture
def captured() -> Iterator[CapturedRecords]:
    """What is logged meanwhile."""
    with capture() as records:
        yield records


class Diverged(Exception):
    """What training raises."""


def actions(captured: CapturedRecords) -> list[str]:
    """Return what was done, in order."""
    return [document["event"].get("action", "") for document in captured.documents]


def test_a_run_tells_its_whole_life(captured: CapturedRecords) -> None:
    """Start, steps, epochs on both splits and the end, with duration, learning curve and resources."""
    clock = ManualClock()
    log = shipper.get_logger("train")
    with events.TrainingRun(
        log,
        run_id="r-1",
        experiment="e",
        params={"alpha": 0.1},
        data_name="d",
        sample_size=100,
        log_every=2,
        clock=clock,
    ) as run:
        for epoch in (1, 2):
            for _ in range(3):
                clock.advance(1)
                run.step(loss=0.5)
            run.epoch(epoch, loss=1.0 / epoch)
            run.epoch(split="validation", metrics={"loss": 2.0 / epoch})
        log.info("saved")
        run.metrics["f1"] = 0.9
        run.digest = "sha256:0"
    assert actions(captured)[:4] == ["train-start", "train-step", "train-step", "train-epoch"]
    documents = captured.documents
    assert all(document["ml"]["run"]["id"] == "r-1" for document in documents)
    steps = [
        document["ml"]["step"] for document in documents if document["event"].get("action") == "train-step"
    ]
    assert steps == [0, 2, 4]
    end = documents[-1]
    assert end["ml"]["run"]["status"] == "finished"
    assert end["event"]["duration"] == 6_000_000_000
    assert end["ml"]["curve"] == {"epoch": [1, 2], "loss": [1.0, 0.5], "validation_loss": [2.0, 1.0]}
    assert end["ml"]["metrics"] == {"loss": 0.5, "validation_loss": 1.0, "f1": 0.9}
    assert end["ml"]["resource"]["memory_peak_bytes"] > 1e6
    assert end["ml"]["model"]["digest"] == "sha256:0"
    assert all("labels" not in document for document in documents)


@pytest.mark.parametrize(
    ("error", "status"), [(Diverged, "failed"), (KeyboardInterrupt, "killed"), (SystemExit, "killed")]
)
def test_a_run_that_is_broken_off_says_so(
    error: type[BaseException], status: str, captured: CapturedRecords
) -> None:
    """Whatever ends a run, its end is logged, and the very exception goes on."""
    raised = error("at epoch 2")
    with pytest.raises(error) as caught, events.TrainingRun(None):
        raise raised
    assert caught.value is raised
    end = captured.documents[-1]
    assert end["ml"]["run"]["status"] == status
    assert end["event"]["outcome"] == "failure"
    assert end["log"]["level"] == "error"
    assert ("error" in end) is (status == "failed")


def test_a_wrong_argument_is_told_before_the_run(captured: CapturedRecords) -> None:
    """A misspelt argument raises where it is written, not in the midst of somebody's failure."""
    with pytest.raises(TypeError):
        events.TrainingRun(None, epochs=3)
    with pytest.raises(TypeError):
        events.preprocessing(None, name="d", step="s", colour="red")
    assert len(captured) == 0


def test_long_curves_are_thinned() -> None:
    """A curve keeps at most 64 points, spread evenly, first and last included, at the same places everywhere."""
    event: Any = events.train_end(
        run_id="r", curve={"epoch": range(1, 1001), "loss": [1 / n for n in range(1, 1001)]}
    )
    axis = event["ml.curve.epoch"]
    assert len(axis) == 64
    assert (axis[0], axis[-1]) == (1, 1000)
    assert event["ml.curve.loss"] == [1 / n for n in axis]


TABLE: dict[str, list[Any]] = {"age": [41.0, None, 47.0, 300.0], "site": ["left", "right", None, "left"]}


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        pd.DataFrame(TABLE),
        [{"age": age, "site": site} for age, site in zip(TABLE["age"], TABLE["site"], strict=True)],
    ],
    ids=["columns", "pandas", "rows"],
)
def test_tables_of_all_kinds_give_one_profile(data: Any) -> None:
    """Rows, columns, missing values and statistics are the same for a table however it is held."""
    found = profile(data)
    assert found is not None
    assert (found.rows, found.columns) == (4, 2)
    assert found.missing == {"age": 1, "site": 1}
    assert found.statistics["age"] == pytest.approx(
        {"mean": 388 / 3, "std": float(np.std([41, 47, 300])), "min": 41.0, "max": 300.0}
    )
    assert found.statistics["site"] == {"distinct": 2}


def test_arrays_have_profiles() -> None:
    """Columns of an array are numbered; NaN is missing, infinity is not, and spoils no mean."""
    found = profile(np.array([[1.0, np.nan], [3.0, np.inf], [5.0, 2.0]]))
    assert found is not None
    assert found.missing == {"f0": 0, "f1": 1}
    assert found.statistics["f1"] == {"mean": 2.0, "std": 0.0, "min": 2.0, "max": 2.0}
    assert profile("no table") is None


def test_a_step_of_preparation_compares_before_and_after(captured: CapturedRecords) -> None:
    """The block tells rows, missing values filled, outliers and statistics; the table stays as it was."""
    table = pd.DataFrame(TABLE)
    before = table.copy()
    with events.preprocessing(
        None, name="patients", step="impute", data=table, params={"by": "median"}
    ) as step:
        step.data = table.fillna({"age": 47.0})
        step.outliers = {"age": 1}
    pd.testing.assert_frame_equal(table, before)
    data = captured.documents[0]["ml"]["data"]
    assert (data["rows"], data["rows_out"], data["columns_out"]) == (4, 4, 2)
    assert (data["filled"], data["filled_total"]) == ({"age": 1}, 1)
    assert (data["outliers"], data["outliers_total"]) == ({"age": 1}, 1)
    assert data["before"]["age"]["mean"] != data["after"]["age"]["mean"]
    assert captured.documents[0]["ml"]["params"] == {"by": "median"}


def test_a_failed_step_is_logged(captured: CapturedRecords) -> None:
    """A step that raises is one event with outcome failure and error.*; the exception goes on."""
    with pytest.raises(Diverged), events.preprocessing(None, name="d", step="s", data=TABLE):
        raise Diverged
    (document,) = captured.documents
    assert document["event"]["outcome"] == "failure"
    assert document["error"]["type"].endswith("Diverged")
    assert document["ml"]["data"]["rows"] == 4
    assert "rows_out" not in document["ml"]["data"]


def test_rows_that_go_are_not_filled_values() -> None:
    """Where a step drops rows nobody can tell how many values were filled: the number is absent, not guessed."""
    with (
        capture() as records,
        events.preprocessing(None, name="d", step="drop", data=pd.DataFrame(TABLE)) as step,
    ):
        step.data = step.data.dropna()
    data = records.documents[0]["ml"]["data"]
    assert (data["rows"], data["rows_out"]) == (4, 2)
    assert "filled" not in data


def test_debug_values_are_summaries(captured: CapturedRecords) -> None:
    """Arrays among debug values are told by shape, dtype, min, max, mean and count of NaN, never value by value."""
    layer = np.array([[0.5, np.nan], [1.5, 1.0]], dtype=np.float32)
    events.log(
        None,
        events.debug(
            point="after layer 1",
            inputs=pd.DataFrame(TABLE),
            values={"layer": layer, "list": [layer, 3]},
            outputs="yes",
        ),
    )
    (document,) = captured.documents
    debug = document["ml"]["debug"]
    told = {
        "type": "ndarray",
        "dtype": "float32",
        "shape": [2, 2],
        "min": 0.5,
        "max": 1.5,
        "mean": 1.0,
        "nan": 1,
    }
    assert debug["values"] == {"layer": told, "list": [told, 3]}
    assert debug["input"]["value"] == {
        "type": "DataFrame",
        "shape": [4, 2],
        "columns": ["age", "site"],
        "nan": 2,
    }
    assert debug["output"] == {"value": "yes"}
    assert document["log"]["level"] == "debug"


def test_explanations_keep_the_largest() -> None:
    """The largest contributions by size are kept, in their order, and the rest is one sum."""
    names = [f"f{n}" for n in range(20)]
    row = np.array([(-1) ** n * n for n in range(20)], dtype=float)
    event: Any = events.explanation(prediction_id="p", contributions=row, feature_names=names, top=3)
    assert event["ml.explanation.features"] == ["f19", "f18", "f17"]
    assert event["ml.explanation.contributions.f19"] == -19.0
    assert event["ml.explanation.rest"] == pytest.approx(float(row[:17].sum()))
    assert not [name for name in event if name.endswith(".f3")]


def test_feedback_at_any_delay_and_corrected() -> None:
    """The delay follows from the two times; a correction names what it corrects."""
    event = events.feedback(
        prediction_id="p", label="b", predicted="a", predicted_at=pd.Timestamp("2026-01-01", tz="UTC"),
        labelled_at="2026-03-01T00:00:00Z", corrects="a", revision=2, source="expert",
    )  # fmt: skip
    assert event["ml.feedback.delay"] == 59 * 86_400
    assert event["ml.feedback.previous_label"] == "a"
    assert event["ml.prediction.correct"] is False


def test_a_single_call_by_every_kind_of_logger() -> None:
    """`events.log` gives one document for structlog, `logging`, an adapter and no logger at all."""
    standard = logging.Logger("app", logging.DEBUG)  # noqa: LOG001 - one of its own
    standard.addHandler(ShipperHandler())
    found = []
    for logger in (
        shipper.get_logger("app"), standard, logging.LoggerAdapter(standard, {}),
        structlog.wrap_logger(NamedLogger("app"), [ship]),
    ):  # fmt: skip
        with capture() as records:
            events.log(logger, events.stage_change(version="8", stage="production"), name="n")
        (document,) = records.documents
        assert document["log"]["origin"]["function"] == "test_a_single_call_by_every_kind_of_logger"
        del document["event"]["id"], document["@timestamp"], document["agent"], document["log"]["origin"]
        found.append(document)
    assert all(document == found[0] for document in found)
    assert found[0]["labels"] == {"name": "n"}
    assert found[0]["message"] == "stage changed"


def test_the_level_follows_the_outcome(captured: CapturedRecords) -> None:
    """Failures are errors, debug values are debug, all else is info, unless told otherwise."""
    events.log(None, events.deployment(version="8", outcome="failure"))
    events.log(None, events.debug(inputs={"x": 1}))
    events.log(None, events.deployment(version="8"))
    events.log(None, events.deployment(version="8"), "going live", level=logging.WARNING)
    assert [document["log"]["level"] for document in captured.documents] == [
        "error",
        "debug",
        "info",
        "warning",
    ]
    assert captured.messages == ["deployment failed", "debug values", "deployed", "going live"]
