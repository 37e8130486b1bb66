"""Loggers whose disabled methods do nothing at all, and follow when the level changes.

A class of such loggers has an attribute `asks_level`: whether its methods have to ask for the level themselves.

A check in each method would be most of what a disabled call costs. So the loggers of one name share a class made
for that name; a method below the name's level is one that does nothing, put there and taken away by `LEVELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from shipper.emit.levels import EVERYTHING, LEVELS

_METHODS: Final = {
    "debug": 10, "info": 20, "msg": 20, "warning": 30, "warn": 30, "error": 40, "err": 40, "exception": 40,
    "critical": 50, "fatal": 50,
    "adebug": 10, "ainfo": 20, "awarning": 30, "aerror": 40, "aexception": 40, "acritical": 50,
}  # fmt: skip
_MOST_CLASSES: Final = 4096
_SHARED: Final = "\0"

_CLASSES: Final[dict[tuple[type, str], type]] = {}
_WRITTEN: Final[dict[type, type]] = {}


def class_for(kind: type, name: str) -> type:
    """Return the class of the loggers of this kind and name.

    Instances should be born in it: changing the class of one that exists slows its method calls down.
    """
    if kind in _WRITTEN:  # made already: `bind` makes another of the same class
        return kind
    key = (kind, name)
    known = _CLASSES.get(key)
    if known is None:
        if len(_CLASSES) >= _MOST_CLASSES:
            # Names made from data: one class without shortcuts, its methods ask for the level themselves.
            key = (kind, _SHARED)
        known = _CLASSES.get(key) or _make_class(key)
    return known


def written_class(kind: type) -> type:
    """Return the class that a made one stands for."""
    return _WRITTEN.get(kind, kind)


def _make_class(key: tuple[type, str]) -> type:
    kind = key[0]
    made = type(kind.__name__, (kind,), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    _WRITTEN[made] = kind
    _CLASSES[key] = made
    _set_methods(made, key[1])
    return made


def _set_methods(kind: type, name: str) -> None:
    least = _least(name)
    kind.asks_level = name == _SHARED or (name == EVERYTHING and bool(LEVELS.overrides))  # type: ignore[attr-defined]
    for method, level in _METHODS.items():
        if level < least:
            setattr(kind, method, _NOTHING[method.startswith("a")])
        elif method in kind.__dict__:
            delattr(kind, method)


def _least(name: str) -> int:
    """Return the level below which no logger of this name may log.

    A logger without a name takes that of the calling module: any level that was set may be meant for it.
    """
    if name == _SHARED:
        return 0
    if name == EVERYTHING:
        return min((LEVELS.effective(name), *(one.level for one in LEVELS.overrides.values())))
    return LEVELS.effective(name)


def _follow() -> None:
    """After a change of levels: each class gets the methods that its name's level leaves."""
    for (_, name), kind in list(_CLASSES.items()):
        _set_methods(kind, name)


def _nothing(self: object, event: object = None, /, *args: object, **fields: object) -> None:
    """Take an event of a disabled level."""


async def _nothing_async(self: object, event: object = None, /, *args: object, **fields: object) -> None:
    """Take an event of a disabled level."""


_NOTHING: Final[dict[bool, Callable[..., Any]]] = {False: _nothing, True: _nothing_async}

LEVELS.on_change(_follow)
