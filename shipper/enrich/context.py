"""Fields bound to the running thread or task, and to what copies its context."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import MappingProxyType
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar, cast

from shipper.enrich.trace import parse_traceparent, trace_fields

_P = ParamSpec("_P")
_R = TypeVar("_R")

_NOTHING: Final[MappingProxyType[str, object]] = MappingProxyType({})
_MODULES: Final = sys.modules
_FOREIGN: Final[list[Mapping[str, ContextVar[object]]]] = []
_TRACE: Final = ("trace.id", "span.id", "transaction.id")


class _Binding:
    """One block's fields on top of those around it; `fields` is both together, made once.

    A chain and not a stack: a block may end while another one that began later goes on (two generators that
    take turns), or in another context than it began in (a generator that a thread pool drives). Whatever
    the order, the end of a block takes away its own fields and nothing else.
    """

    __slots__ = ("fields", "outer", "own")

    def __init__(self, outer: _Binding | None, own: Mapping[str, object]) -> None:
        self.outer = outer
        self.own = own
        self.fields: MappingProxyType[str, object] = MappingProxyType(
            {**outer.fields, **own} if outer else {**own}
        )


_UNBOUND: Final = _Binding(None, _NOTHING)
_BOUND: Final[ContextVar[_Binding]] = ContextVar("shipper_context", default=_UNBOUND)


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Bind `fields` to each event that is logged inside, on every road.

    Inner values win over outer ones, a call's own values win over both. The binding follows asyncio
    tasks by itself. A thread or executor starts empty: see `carry`. Around a `yield`, the binding also
    holds for whoever takes the value, until the generator goes on.

    Dotted names are given as a mapping: `context(**{"http.request.id": "r-1"})`.
    """
    binding = _Binding(_BOUND.get(), fields)
    _BOUND.set(binding)
    try:
        yield
    finally:
        # A block that is still open when the interpreter ends (entered by hand, in an ExitStack) is closed after this
        # module was emptied; it has nothing to restore by then.
        if _BOUND is not None:
            _BOUND.set(_without(_BOUND.get(), fields))


def _without(chain: _Binding, ended: Mapping[str, object]) -> _Binding:
    """Return `chain` less the part whose own fields are `ended`; the same chain where there is none.

    The fields' identity tells the part: the part itself is made anew when one around it ends.
    """
    inner: list[_Binding] = []
    at = chain
    while at.own is not ended:
        if at.outer is None:
            return chain
        inner.append(at)
        at = at.outer
    rest = cast("_Binding", at.outer)
    for part in reversed(inner):
        rest = _Binding(rest, part.own)
    return rest


@contextmanager
def run(run_id: str = "", *, experiment: str = "", **fields: object) -> Iterator[str]:
    """Bind a training run or job (`ml.run.id`) to each event that is logged inside; yields its id.

    Args:
        run_id: the tracker's id of the run; empty: one is made.
        experiment: `ml.experiment.name`.
        fields: further fields, as for `context`.
    """
    identity = str(run_id) or os.urandom(8).hex()
    names = {"ml.run.id": identity, **({"ml.experiment.name": experiment} if experiment else {})}
    with context(**{**names, **fields}):
        yield identity


@contextmanager
def request(
    request_id: str = "", *, method: str = "", path: str = "", traceparent: str = "", **fields: object
) -> Iterator[str]:
    """Bind a request (`http.request.id`) to each event that is logged inside; yields its id.

    Args:
        request_id: what the caller or the gateway calls it; empty: one is made.
        method: `http.request.method`.
        path: `url.path`.
        traceparent: the W3C header of that name; gives `trace.id` and `span.id` where it is well formed. An
            OpenTelemetry span inside the block is of this trace, or the server does not continue it.
        fields: further fields, as for `context`.
    """
    identity = str(request_id) or os.urandom(8).hex()
    given = {"http.request.method": method, "url.path": path, **parse_traceparent(traceparent)}
    names: dict[str, object] = {name: value for name, value in given.items() if value}
    with context(**{"http.request.id": identity, **names, **fields}):
        yield identity


def carry(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return `function` with what is bound here and now, for another thread, an executor or a later task::

        pool.submit(shipper.carry(score), row)
        loop.run_in_executor(None, shipper.carry(load), path)

    All context variables go along (also OpenTelemetry's and structlog's), as copies: each call has its own, so the
    function may run many times and at the same time. Of an `async` function only shipper's binding does.
    """
    if inspect.iscoroutinefunction(function):
        return cast("Callable[_P, _R]", _carry_async(function))
    taken = copy_context()

    @functools.wraps(function)
    def carried(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return taken.copy().run(function, *args, **kwargs)

    return carried


def _carry_async(function: Callable[..., Any]) -> Callable[..., Any]:
    taken = _BOUND.get()

    @functools.wraps(function)
    async def carried(*args: Any, **kwargs: Any) -> Any:
        before = _BOUND.get()
        _BOUND.set(taken)
        try:
            return await function(*args, **kwargs)
        finally:
            _BOUND.set(before)

    return carried


class _Joined(NamedTuple):
    """What was joined last on a thread, and from which parts."""

    ours: Mapping[str, object]
    trace: Mapping[str, object]
    values: tuple[object, ...]
    fields: MappingProxyType[str, object]


class _Memory(threading.local):
    last: _Joined | None = None


_MEMORY: Final = _Memory()


def bound_fields() -> MappingProxyType[str, object]:
    """Return what is bound here and now: trace ids of OpenTelemetry, structlog's context variables, then ours.

    Later ones win; a trace that was bound by hand replaces all of OpenTelemetry's. While nothing changes, a
    thread gets the very same mapping again: what is derived from it can be kept by its identity (together
    with a reference to it). It is read-only.
    """
    ours = _BOUND.get().fields
    # Both are looked at only if the application uses them. structlog's own `get_contextvars()` looks through
    # all variables of the context and makes a dict each time.
    variables = _FOREIGN[0] if _FOREIGN else _foreign_variables()
    if not variables and "opentelemetry.trace" not in _MODULES:
        return ours
    return _joined(ours, dict(variables or ()), trace_fields())


def _foreign_variables() -> Mapping[str, ContextVar[object]] | None:
    """Return the dictionary in which structlog keeps its variables, once it has one: it stays the same one."""
    found: Mapping[str, ContextVar[object]] | None
    found = getattr(_MODULES.get("structlog.contextvars"), "_CONTEXT_VARS", None)
    if found is not None:
        _FOREIGN.append(found)
    return found


def _joined(
    ours: MappingProxyType[str, object],
    variables: Mapping[str, ContextVar[object]],
    trace: Mapping[str, object],
) -> MappingProxyType[str, object]:
    values = tuple(variable.get(...) for variable in variables.values())
    if not trace and all(value is ... for value in values):
        return ours
    last = _MEMORY.last
    if last is not None and last.ours is ours and last.trace is trace and _are_same(last.values, values):
        return last.fields
    foreign = {
        name.removeprefix("structlog_"): value
        for name, value in zip(variables, values, strict=False)
        if value is not ...
    }
    by_hand = any(name in ours or name in foreign for name in _TRACE)
    fields = MappingProxyType({**({} if by_hand else trace), **foreign, **ours})
    _MEMORY.last = _Joined(ours, trace, values, fields)
    return fields


def _are_same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Compare by identity: an application's `==` may raise or take its time."""
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
