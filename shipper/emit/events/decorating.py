"""Log each call of a function that predicts: plain, asynchronous, or giving its output in parts."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

from shipper.clock import Clock, SystemClock
from shipper.emit.events.inference import Inference
from shipper.emit.events.sending import Logger
from shipper.emit.logger import get_logger

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Of = str | Callable[..., object] | None
"""The name of an argument, or a function of the call's arguments."""

_SYSTEM: Final = SystemClock()


def logged_inference(
    logger: Logger | None = None,
    *,
    features: _Of = None,
    prediction_id: _Of = None,
    raw_input: _Of = None,
    read: Callable[[Any], Mapping[str, object]] | None = None,
    keeps_output: bool = True,
    message: str | None = None,
    clock: Clock = _SYSTEM,
) -> Callable[[Callable[_Arguments, _Result]], Callable[_Arguments, _Result]]:
    """Log each call of the decorated function as one attempt at a prediction.

    ::

        @events.logged_inference(log, features="row")
        def predict(row: dict[str, float]) -> str: ...

    Takes functions, coroutine functions, generators and asynchronous generators; a generator's event is made
    when its output was taken, or nobody wants more of it. What the function returns, yields and raises goes on
    unchanged.

    Args:
        logger: of structlog or `logging`; None: shipper's own, named for the function's module.
        features: name of the argument that holds the inputs, or a function of the call's arguments; None: the
            inputs are not logged.
        prediction_id: likewise; None: one is made.
        raw_input: likewise; None: the raw input is not logged.
        read: turns what the function returned into arguments of `events.prediction`; None: `read_output`.
        keeps_output: False: what came out is not logged. What a generator yields is counted, never kept.
        message: None: "prediction".
        clock: where durations come from.
    """

    def decorate(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        signature = _signature(function)

        def attempt(args: tuple[object, ...], kwargs: dict[str, object], *, binds: bool = True) -> Inference:
            def given(of: _Of) -> object | None:
                return None if of is None else _argument(of, signature, args, kwargs)

            known = given(prediction_id)
            return Inference(
                logger if logger is not None else _logger_of(function),
                prediction_id=None if known is None else str(known),
                features=given(features), raw_input=given(raw_input), message=message, binds=binds, clock=clock,
            )  # fmt: skip

        def answer(made: Inference, result: object) -> None:
            if keeps_output:
                made.output = result if read is None else _tried(read, result)

        return cast(
            "Callable[_Arguments, _Result]",
            _wrapped(cast("Callable[..., Any]", function), attempt, answer),
        )

    return decorate


_Attempt = Callable[..., Inference]
_Answer = Callable[[Inference, object], None]


def _wrapped(function: Callable[..., Any], attempt: _Attempt, answer: _Answer) -> Callable[..., Any]:
    """Return a function of the same kind, so that frameworks that ask for the kind see no difference."""
    if inspect.isasyncgenfunction(function):
        return _of_async_generator(function, attempt)
    if inspect.isgeneratorfunction(function):
        return _of_generator(function, attempt)
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with attempt(args, kwargs) as made:
                result = await function(*args, **kwargs)
                answer(made, result)
            return result

        return awaited

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with attempt(args, kwargs) as made:
            result = function(*args, **kwargs)
            answer(made, result)
        return result

    return called


class _Counted(Generator[Any, Any, Any]):
    """Hands on to a generator and counts what it yields."""

    def __init__(self, generator: Generator[Any, Any, Any], made: Inference) -> None:
        self._generator = generator
        self._made = made

    def send(self, value: Any) -> Any:
        """Hand on a value."""
        found = self._generator.send(value)
        self._made.chunk()
        return found

    def throw(self, *error: Any) -> Any:
        """Hand on an exception."""
        found = self._generator.throw(*error)
        self._made.chunk()
        return found

    def close(self) -> None:
        """Close the generator."""
        self._generator.close()


def _of_generator(function: Callable[..., Any], attempt: _Attempt) -> Callable[..., Any]:
    @wraps(function)
    def yielding(*args: Any, **kwargs: Any) -> Any:
        # The consumer's code runs between two parts: nothing may be bound there.
        with attempt(args, kwargs, binds=False) as made:
            result = yield from _Counted(function(*args, **kwargs), made)
            made.finish_stream()
        return result

    return yielding


def _of_async_generator(function: Callable[..., Any], attempt: _Attempt) -> Callable[..., Any]:
    @wraps(function)
    async def yielding(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with attempt(args, kwargs, binds=False) as made:
            source: AsyncGenerator[Any, Any] = function(*args, **kwargs)
            try:
                found = await anext(source)
                while True:
                    made.chunk()
                    try:
                        sent = yield found
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001 - thrown in by the consumer: the source's to answer
                        found = await source.athrow(error)
                    else:
                        found = await source.asend(sent)
            except StopAsyncIteration:
                made.finish_stream()
            finally:
                await source.aclose()

    return yielding


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _argument(
    of: str | Callable[..., object],
    signature: inspect.Signature | None,
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> object | None:
    """Return an argument of a call, None where it cannot be had: the function itself will complain."""
    try:
        if not isinstance(of, str):
            return of(*args, **kwargs)
        if of in kwargs or signature is None:
            return kwargs.get(of)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments.get(of)
    except Exception:  # noqa: BLE001 - a wrong call, or the user's function
        return None


def _tried(read: Callable[[Any], Mapping[str, object]], result: object) -> object:
    try:
        return read(result)
    except Exception:  # noqa: BLE001 - the user's function; the result itself is fine
        return result


def _logger_of(function: Callable[..., Any]) -> Logger:
    return get_logger(str(getattr(function, "__module__", None) or "root"))
