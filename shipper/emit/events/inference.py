"""An attempt at a prediction as a block: timed, identified, logged when it ends, however it ends."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from shipper.clock import Clock, SystemClock
from shipper.ecs.tensors import library_of, scalar
from shipper.ecs.values import is_mapping, key_text, pairs, type_name
from shipper.emit.events.sending import Logger, log
from shipper.emit.events.serving import Outcome, prediction
from shipper.enrich.context import context

_SYSTEM: Final = SystemClock()
_LONGEST_LABEL: Final = 64
_ANSWERS: Final = frozenset({"label", "value", "score", "scores"})
_Chunk = TypeVar("_Chunk")


class Inference:
    """One attempt at a prediction; made by `inference`.

    Attributes:
        id: prediction id; hand it to whoever may give feedback.
        output: what the model gave; see `read_output`. What is set below wins over what is read from it.
        label, value, score, scores: predicted class, number, confidence, confidence by class.
        features: inputs; see `events.prediction`.
        raw_input, raw_output: raw texts, where they are to be kept.
        fields: further fields of yours for the event.
    """

    def __init__(
        self,
        logger: Logger | None = None,
        *,
        prediction_id: str | None = None,
        features: object | None = None,
        raw_input: object | None = None,
        batch_id: str | None = None,
        message: str | None = None,
        binds: bool = True,
        clock: Clock = _SYSTEM,
        **fields: object,
    ) -> None:
        self.id = uuid.uuid4().hex if prediction_id is None else prediction_id
        self.output: object | None = None
        self.label: object | None = None
        self.value: Any = None
        self.score: Any = None
        self.scores: Mapping[str, Any] | None = None
        self.features = features
        self.raw_input = raw_input
        self.raw_output: object | None = None
        self.chunks: int | None = None
        self.is_finished: bool | None = None
        self.fields = fields
        self._batch_id = batch_id
        self._logger = logger
        self._message = message
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._parts: dict[str, int] = {}
        self._binds = binds
        self._binding: AbstractContextManager[None] | None = None

    def __enter__(self) -> Self:
        self._began_s = self._clock.monotonic_s()
        if self._binds:
            self._binding = context(**{"ml.prediction.id": self.id})
            self._binding.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Log the attempt. What the block raised goes on unchanged."""
        duration_ns = self._since(self._began_s)
        if self._binding is not None:
            # An asynchronous generator may be closed in another context than it began in.
            with suppress(ValueError, RuntimeError):
                self._binding.__exit__(None, None, None)
        self._log(error, duration_ns)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part of the latency: `ml.latency.<name>`, nanoseconds; several of one name add up."""
        began_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            known = key_text(name, 128)
            self._parts[known] = self._parts.get(known, 0) + self._since(began_s)

    def chunk(self) -> None:
        """Count a part of a streamed output; the first one gives `ml.latency.first_chunk`."""
        if self.chunks is None:
            self.chunks, self.is_finished = 0, False
            self._parts["first_chunk"] = self._since(self._began_s)
        self.chunks += 1

    def stream(self, chunks: Iterable[_Chunk]) -> Iterator[_Chunk]:
        """Pass on a streamed output and count its parts."""
        for chunk in chunks:
            self.chunk()
            yield chunk
        self.finish_stream()

    async def astream(self, chunks: AsyncIterable[_Chunk]) -> AsyncIterator[_Chunk]:
        """Pass on an asynchronously streamed output and count its parts."""
        async for chunk in chunks:
            self.chunk()
            yield chunk
        self.finish_stream()

    def finish_stream(self) -> None:
        """Say that the output was taken to its end."""
        self.chunks, self.is_finished = self.chunks or 0, True

    def _since(self, began_s: float) -> int:
        return max(0, round((self._clock.monotonic_s() - began_s) * 1e9))

    def _log(self, error: BaseException | None, duration_ns: int) -> None:
        outcome, reason = _fate(error)
        answer = read_output(self.output)
        for name in _ANSWERS:
            if getattr(self, name) is not None:
                answer[name] = getattr(self, name)
        if self.raw_output is not None:
            answer["raw_output"] = self.raw_output
        event = prediction(
            prediction_id=self.id,
            outcome=outcome,
            duration_ns=duration_ns,
            latency_ns=self._parts,
            features=self.features,
            raw_input=self.raw_input,
            batch_id=self._batch_id,
            chunks=self.chunks,
            finished=self.is_finished,
            **answer,
        )
        if reason is not None:
            event["event.reason"] = reason
        has_failed = outcome == "failure"
        log(
            self._logger,
            {**self.fields, **event} if self.fields else event,
            self._message if self._message is None or not has_failed else f"{self._message} failed",
            level=None if outcome != "unknown" else logging.WARNING,
            exc_info=error if has_failed and error is not None else None,
        )


def inference(
    logger: Logger | None = None,
    *,
    prediction_id: str | None = None,
    features: object | None = None,
    raw_input: object | None = None,
    batch_id: str | None = None,
    message: str | None = None,
    clock: Clock = _SYSTEM,
    **fields: object,
) -> Inference:
    """Log one attempt at a prediction as a block, `with` or `async with`.

    ::

        with events.inference(log, features={"radius": 17.9}) as attempt:
            with attempt.part("model"):
                attempt.output = model.predict(row)
            attempt.score = 0.93
        reply(attempt.id)

    One event, when the block ends; a failed one at level error with the exception, which goes on unchanged.
    Inside, `ml.prediction.id` is bound to whatever else is logged.

    Args:
        logger: of structlog or `logging`; None: shipper's own, named for the calling module.
        prediction_id: what feedback will refer to; None: one is made.
        features: inputs by name, or a row of pandas or numpy.
        raw_input: the raw input, if it is to be kept (personal data by the schema).
        batch_id: the batch that it belongs to.
        message: None: "prediction".
        clock: where durations come from.
        fields: further fields for the event.
    """
    return Inference(
        logger, prediction_id=prediction_id, features=features, raw_input=raw_input, batch_id=batch_id,
        message=message, clock=clock, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def read_output(output: object) -> dict[str, Any]:
    """Return what a model's output says, as arguments of `events.prediction`. Never raises.

    A boolean, an integer or one word is the predicted class; a float is the predicted number; a mapping may hold
    `label`, `value`, `score` and `scores`; an array of one element counts as the element. All else, longer text
    included, is raw output, which the schema calls personal data.
    """
    try:
        return _read(output, 0)
    except Exception as error:  # noqa: BLE001 - an output that refuses to be looked at
        return {"raw_output": f"<{type_name(output)} cannot be read: {type_name(error)}>"}


def _read(output: object, depth: int) -> dict[str, Any]:  # noqa: PLR0911 - one line per kind of output
    if output is None:
        return {}
    if isinstance(output, (bool, int)):
        return {"label": output}
    if isinstance(output, float):
        return {"value": output}
    if isinstance(output, str):
        is_word = 0 < len(output) <= _LONGEST_LABEL and not any(letter.isspace() for letter in output)
        return {"label" if is_word else "raw_output": output}
    if is_mapping(output):
        given = dict(pairs(output, 1024))  # type: ignore[arg-type]
        answer: dict[str, Any] = {str(name): value for name, value in given.items() if name in _ANSWERS}
        rest = {str(name): value for name, value in given.items() if name not in _ANSWERS}
        return {**answer, **({"raw_output": rest} if rest else {})}
    if depth == 0 and library_of(output) is not None and (one := scalar(output)) is not None:
        return _read(one, 1)
    if depth == 0 and isinstance(output, (list, tuple)) and len(output) == 1:
        return _read(output[0], 1)
    return {"raw_output": output}


def _fate(error: BaseException | None) -> tuple[Outcome, str | None]:
    """Return outcome and reason: what stops a block from outside is no failure of the model."""
    if error is None:
        return "success", None
    if isinstance(error, GeneratorExit):
        return "success", "the reader stopped"
    if isinstance(error, Exception):
        return "failure", None
    name = type(error).__name__
    return "unknown", "cancelled" if name == "CancelledError" else name
