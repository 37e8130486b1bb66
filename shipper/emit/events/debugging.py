"""What somebody who looks for a fault wants to see: inputs, intermediate values, outputs."""

from __future__ import annotations

from collections.abc import Mapping

from shipper.ecs.summaries import describe
from shipper.ecs.tensors import is_missing, library_of, scalar
from shipper.ecs.values import elements, is_mapping, key_text, pairs
from shipper.emit.events.form import MOST_NAMES, EventFields, builder, mapping_of, typed

_DEPTH = 4
_ITEMS = 64


@builder
def debug(
    *,
    point: str | None = None,
    inputs: object | None = None,
    values: Mapping[str, object] | None = None,
    outputs: object | None = None,
    prediction_id: str | None = None,
    run_id: str | None = None,
    step: int | None = None,
) -> EventFields:
    """What went in, what was computed on the way, what came out. Log it at level debug.

    Arrays, tensors and tables become summaries (shape, dtype, min, max, mean, count of NaN); their values are
    not kept. All of it is personal data by the schema.

    >>> event = debug(point="after scaling", inputs={"age": 41}, values={"scaled": [0.2, float("nan")]}, outputs="yes")
    >>> event["ml.debug.values"]
    {'scaled': [0.2, nan]}

    Args:
        point: place in the program where the values were taken.
        inputs: inputs, by name or as they are.
        values: intermediate values by name.
        outputs: outputs, by name or as they are.
        prediction_id: the prediction that they belong to.
        run_id: the training run that they belong to.
        step: its step.
    """
    return typed(
        "ml.app",
        "debug",
        {
            "ml.debug.point": point,
            "ml.debug.input": _summarised(mapping_of(inputs)),
            "ml.debug.values": _summarised(mapping_of(values)),
            "ml.debug.output": _summarised(mapping_of(outputs)),
            "ml.prediction.id": prediction_id,
            "ml.run.id": run_id,
            "ml.step": step,
        },
    )


def _summarised(value: object, depth: int = 0) -> object:
    """Return `value` with each array inside of it replaced by its summary."""
    if depth < _DEPTH and is_mapping(value):
        return {
            key_text(key, 128): _summarised(item, depth + 1)
            for key, item in pairs(value, MOST_NAMES)  # type: ignore[arg-type]
        }
    parts = elements(value, _ITEMS) if depth < _DEPTH else None
    if parts is not None:
        return [_summarised(item, depth + 1) for item in parts]
    if library_of(value) is None or is_missing(value):
        return value
    one = scalar(value)
    told = describe(value) if one is None else one
    return value if told is None else told
