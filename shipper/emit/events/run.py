"""A training run as a block: identified, timed, its steps and epochs logged, its end told however it ends."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Self

from shipper.clock import Clock, SystemClock
from shipper.ecs.values import double, key_text, number
from shipper.emit.events.form import Number, Split, label_text, mapping_of
from shipper.emit.events.resources import process_resources
from shipper.emit.events.sending import Logger, log
from shipper.emit.events.training import train_end, train_epoch, train_start, train_step
from shipper.enrich.context import context

_SYSTEM: Final = SystemClock()
_MOST_POINTS: Final = 4096
_MOST_MEASURES: Final = 64


class TrainingRun:
    """A training run.

    ::

        with events.TrainingRun(log, params={"alpha": 0.1}, data_name="biopsies", sample_size=284) as run:
            for epoch in range(1, 21):
                run.epoch(epoch, loss=train_one_epoch())
            run.metrics["f1"] = 0.91

    Inside, `ml.run.id` is bound to whatever is logged. At the end one event tells status, duration, final
    measures, the learning curve and the use of resources. An exception makes the status `failed`, with `error.*`
    at level error; what stops the process (`KeyboardInterrupt`, `SystemExit`) makes it `killed`; both go on unchanged.

    Attributes:
        id: identity of the run.
        metrics: final measures; those of the last epoch unless set.
        resources: use of resources, added to what the process itself tells.
        digest: digest of the model's file, once there is one.

    Args:
        logger: of structlog or `logging`; None: shipper's own, named for the calling module.
        run_id: None: one is made.
        experiment: experiment that the run belongs to.
        log_every: of how many steps one is logged, the first included.
        clock: where durations come from.
        start: further arguments of `events.train_start`: params, architecture, data_name, sample_size, ...
    """

    def __init__(
        self,
        logger: Logger | None = None,
        *,
        run_id: str | None = None,
        experiment: str | None = None,
        log_every: int = 1,
        clock: Clock = _SYSTEM,
        **start: Any,
    ) -> None:
        self.id = uuid.uuid4().hex if run_id is None else run_id
        self.metrics: dict[str, Any] = {}
        self.resources: dict[str, Any] = {}
        self.digest: str | None = None
        self._logger = logger
        self._start = train_start(run_id=self.id, experiment=experiment, **start)
        self._log_every = max(1, log_every)
        self._clock = clock
        self._began_s = self._epoch_s = self._step_s = clock.monotonic_s()
        self._epoch: int | None = None
        self._steps = 0
        self._curve: dict[str, list[Any]] = {}
        bound = {"ml.run.id": self.id, **({"ml.experiment.name": experiment} if experiment else {})}
        self._binding = context(**bound)

    def __enter__(self) -> Self:
        self._binding.__enter__()
        self._began_s = self._epoch_s = self._step_s = self._clock.monotonic_s()
        log(self._logger, self._start)
        return self

    async def __aenter__(self) -> Self:
        return self.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log the end."""
        status: Literal["finished", "failed", "killed"] = "finished"
        if error is not None:
            status = "failed" if isinstance(error, Exception) else "killed"
        event = train_end(
            run_id=self.id,
            status=status,
            metrics=self.metrics,
            curve=self._curve,
            epoch=self._epoch,
            duration_ns=self._since(self._began_s),
            resources={**process_resources(), **self.resources},
            digest=self.digest,
        )
        with suppress(ValueError, RuntimeError):  # closed in another context than it began in
            self._binding.__exit__(None, None, None)
        if error is not None and not isinstance(error, Exception):
            event["event.reason"] = type(error).__name__
        log(self._logger, event, exc_info=error if isinstance(error, Exception) else None)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def step(self, step: int | None = None, *, sample_size: int | None = None, **metrics: Number) -> None:
        """Log a step, or count it if it is not its turn (`log_every`).

        Args:
            step: from 0; None: the one after the last.
            sample_size: number of samples of the step.
            metrics: measures by name; see `epoch`.
        """
        known = _whole(step)
        this = self._steps if known is None else known
        self._steps = this + 1
        duration_ns, self._step_s = self._since(self._step_s), self._clock.monotonic_s()
        if this % self._log_every:
            return
        epoch = None if self._epoch is None else self._epoch + 1
        log(
            self._logger,
            train_step(
                run_id=self.id,
                step=this if step is None else step,
                epoch=epoch,
                metrics=metrics,
                duration_ns=duration_ns,
                sample_size=sample_size,
            ),
        )

    def epoch(
        self,
        epoch: int | None = None,
        metrics: Mapping[str, Number] | None = None,
        *,
        split: Split = "train",
        sample_size: int | None = None,
        **more: Number,
    ) -> None:
        """Log that an epoch has ended, or its measures on other data (`split="validation"`).

        Args:
            epoch: from 1; None: the one after the last (the same again for another split).
            metrics: measures by name.
            split: which data they were computed on; the curve keeps them apart as `validation_loss`.
            sample_size: number of samples behind them.
            more: further measures by name.
        """
        found: dict[str, Any] = {**(mapping_of(metrics) or {}), **more}
        is_training = label_text(split) == "train"
        this = _whole(epoch)
        if this is None:
            this = (self._epoch or 0) + 1 if is_training or self._epoch is None else self._epoch
        duration_ns = self._since(self._epoch_s) if is_training else None
        if is_training:
            self._epoch_s = self._clock.monotonic_s()
        self._epoch = this
        named = (
            found
            if is_training
            else {f"{key_text(split, 64)}_{name}": value for name, value in found.items()}
        )
        self.metrics.update(named)
        self._remember(this, named)
        log(
            self._logger,
            train_epoch(
                run_id=self.id, epoch=this if epoch is None else epoch, metrics=found, split=split, step=self._steps - 1 if self._steps else None,
                duration_ns=duration_ns, sample_size=sample_size,
            ),
        )  # fmt: skip

    def _since(self, began_s: float) -> int:
        return max(0, round((self._clock.monotonic_s() - began_s) * 1e9))

    def _remember(self, epoch: int, measures: Mapping[str, object]) -> None:
        """Add a point to the curve; measures that an epoch lacks are None at its place."""
        axis = self._curve.setdefault("epoch", [])
        if not axis or axis[-1] != epoch:
            if len(axis) >= _MOST_POINTS:
                return
            axis.append(epoch)
        for name, value in measures.items():
            if name == "epoch" or (name not in self._curve and len(self._curve) >= _MOST_MEASURES):
                continue
            points = self._curve.setdefault(name, [])
            points.extend([None] * (len(axis) - 1 - len(points)))
            points[len(axis) - 1 :] = [value]


def _whole(value: object) -> int | None:
    """Return a step or epoch as an integer, None if it is no number."""
    found = number(value)
    return int(found) if found is not None and math.isfinite(double(found)) else None
