"""The message of a call: `%` arguments put in, a mapping taken apart; the same on every road."""

from __future__ import annotations

from collections.abc import Mapping

from shipper.ecs.values import is_mapping, pairs, text

_LONGEST_ARGUMENTS = 1024
_LONGEST_TEMPLATE = 1 << 20
_MOST_FIELDS = 1024
_NOTHING: Mapping[object, object] = {}


def message_and_fields(message: object, arguments: object) -> tuple[object, Mapping[object, object]]:
    """Return the message and the fields that it carried.

    A mapping as message (structlog hands its event dict over so; some applications log dicts) gives its
    `event` or `message` as the message and the rest as fields. Arguments that do not fit the message are
    kept as text behind it; nothing raises.
    """
    if type(message) is not str and is_mapping(message):
        fields = dict(pairs(message, _MOST_FIELDS))  # type: ignore[arg-type]
        for key in ("event", "message"):
            if key in fields:
                return fields.pop(key), fields
        return message, _NOTHING
    return merge(message, arguments), _NOTHING


def merge(message: object, arguments: object) -> object:
    """Return `message % arguments` as `logging` does it, or the message and its arguments side by side."""
    template = message if type(message) is str else text(message, _LONGEST_TEMPLATE)
    try:
        if not arguments:
            return message
        if isinstance(arguments, tuple) and len(arguments) == 1 and is_mapping(arguments[0]) and arguments[0]:
            arguments = arguments[0]
        return template % arguments
    except Exception:  # noqa: BLE001 - a wrong number or type of arguments, a hostile __str__
        return f"{template} [arguments that do not fit: {text(arguments, _LONGEST_ARGUMENTS)}]"
