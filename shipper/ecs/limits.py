"""Caps on depth, width and length: what is longer is cut with a mark that states the original length."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one event is kept; lengths in characters, the rest in numbers of things.

    Attributes:
        text: longest `message`, `error.message` and other full text.
        stack_trace: longest `error.stack_trace`; cut from the middle.
        keyword: longest keyword and longest label; also what Elasticsearch still indexes.
        key: longest name of a label or of a measure.
        labels: most labels of one event.
        names: most names in one open object (`ml.metrics`, `ml.features.numeric`, `numeric_labels`).
        items: most items of an array.
        parts: most parts of all nested values of one event that are looked at, in its whole depth.
        depth: deepest nesting that is followed; what lies deeper becomes text.
        record_bytes: largest encoded document in bytes.
        locals_frames: of so many innermost frames the local variables are shown with an exception.
    """

    text: int = 32_768
    stack_trace: int = 32_768
    keyword: int = 1024
    key: int = 128
    labels: int = 128
    names: int = 256
    items: int = 64
    parts: int = 2048
    depth: int = 6
    record_bytes: int = 950_000
    locals_frames: int = 0

    def tightened(self) -> Limits:
        """Return a quarter of each length and half of each number: for a document that is still too large."""
        return replace(
            self,
            text=max(256, self.text // 4),
            stack_trace=max(256, self.stack_trace // 4),
            keyword=max(64, self.keyword // 4),
            labels=max(4, self.labels // 2),
            names=max(4, self.names // 2),
            items=max(4, self.items // 2),
        )


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning and a mark with its original length; at most `limit` (>= 64) characters."""
    if len(text) <= limit:
        return text
    mark = f" …[cut, {len(text)} characters]"
    return text[: limit - len(mark)] + mark


def cut_middle(text: str, limit: int) -> str:
    """Return `text`, or its beginning and end around a mark; at most `limit` (>= 64) characters."""
    if len(text) <= limit:
        return text
    mark = f"\n …[cut, {len(text)} characters]\n"
    room = limit - len(mark)
    head = room // 2
    return text[:head] + mark + text[len(text) - (room - head) :]
