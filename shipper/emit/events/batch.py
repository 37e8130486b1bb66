"""A batch of predictions as a block: one event for each, and one for the whole when it ends."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from shipper.clock import Clock, SystemClock
from shipper.ecs.values import double, number
from shipper.emit.events.form import MOST_NAMES, label_text
from shipper.emit.events.inference import read_output
from shipper.emit.events.sending import Logger, log
from shipper.emit.events.serving import Outcome, prediction, prediction_batch
from shipper.enrich.context import context

_SYSTEM: Final = SystemClock()


class InferenceBatch:
    """Predictions that are made together.

    ::

        with events.InferenceBatch(log) as batch:
            for row, label, score in zip(rows, model.predict(rows), scores):
                batch.add(label, score=score, features=row)

    Inside, `ml.batch.id` is bound to whatever is logged. What the block raises goes on unchanged; the batch's
    event then has the outcome failure.

    Args:
        logger: of structlog or `logging`; None: shipper's own, named for the calling module.
        batch_id: None: one is made.
        size: number of predictions asked for; None: as many as were added.
        with_rows: False: only the event of the whole is logged.
        message: of the event of the whole; None: "batch of predictions".
        clock: where durations come from.
        fields: further fields for the event of the whole.
    """

    def __init__(
        self,
        logger: Logger | None = None,
        *,
        batch_id: str | None = None,
        size: int | None = None,
        with_rows: bool = True,
        message: str | None = None,
        clock: Clock = _SYSTEM,
        **fields: object,
    ) -> None:
        self.id = uuid.uuid4().hex if batch_id is None else batch_id
        self.size = size
        self.fields = fields
        self._logger = logger
        self._with_rows = with_rows
        self._message = message
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._binding = context(**{"ml.batch.id": self.id})
        self._added = self._failed = 0
        self._labels: Counter[str] = Counter()
        self._scores = (0, 0.0, 0.0, 0.0)

    def __enter__(self) -> Self:
        self._began_s = self._clock.monotonic_s()
        self._binding.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log the whole."""
        duration_ns = max(0, round((self._clock.monotonic_s() - self._began_s) * 1e9))
        with suppress(ValueError, RuntimeError):
            self._binding.__exit__(None, None, None)
        count, least, total, largest = self._scores
        event = prediction_batch(
            batch_id=self.id,
            size=self._added if self.size is None else self.size,
            failed=self._failed,
            outcome=None if error is None else "failure" if isinstance(error, Exception) else "unknown",
            duration_ns=duration_ns,
            labels=self._labels,
        )
        if count:
            event |= {
                "ml.metrics.score_min": least,
                "ml.metrics.score_mean": total / count,
                "ml.metrics.score_max": largest,
            }
        if error is not None and not isinstance(error, Exception):
            event["event.reason"] = type(error).__name__
        has_failed = isinstance(error, Exception)
        log(self._logger, {**self.fields, **event}, self._message, exc_info=error if has_failed else None)

    def add(
        self,
        output: object | None = None,
        *,
        prediction_id: str | None = None,
        features: object | None = None,
        error: BaseException | None = None,
        **answer: Any,
    ) -> str:
        """Add one prediction and return its id.

        Args:
            output: what the model gave; see `events.inference.read_output`.
            prediction_id: None: one is made.
            features: inputs; see `events.prediction`.
            error: why this one failed.
            answer: further arguments of `events.prediction`, such as `label` and `score`; they win over `output`.
        """
        known = uuid.uuid4().hex if prediction_id is None else prediction_id
        answer = {**read_output(output), **answer}
        outcome: Outcome = "failure" if error is not None else answer.pop("outcome", "success")
        self._added += 1
        self._failed += label_text(outcome) == "failure"
        self._count(label_text(answer.get("label")), number(answer.get("score")))
        if self._with_rows:
            event = prediction(
                prediction_id=known, outcome=outcome, features=features, batch_id=self.id, **answer
            )
            log(self._logger, event, exc_info=error)
        return known

    def _count(self, label: str | None, score: float | None) -> None:
        if label is not None and (label in self._labels or len(self._labels) < MOST_NAMES):
            self._labels[label] += 1
        if score is not None:
            score = double(score)
            count, least, total, largest = self._scores
            self._scores = (
                count + 1,
                min(score, least) if count else score,
                total + score,
                max(score, largest) if count else score,
            )
