"""Places in a text that are to be replaced, and their replacement."""

from __future__ import annotations

from typing import Final, NamedTuple

MARK: Final = "[redacted:"
"""How each replacement begins."""


class Span(NamedTuple):
    """Characters `start` to `end` of a text hold something of this kind."""

    start: int
    end: int
    kind: str


def marked(kind: str) -> str:
    """Return what stands in a text in place of something of this kind."""
    return f"{MARK}{kind}]"


def merged(spans: list[Span]) -> list[Span]:
    """Return spans in order without overlap; of overlapping ones the first, or longest, gives the kind."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda found: (found.start, -found.end)):
        if result and span.start < result[-1].end:
            last = result[-1]
            if span.end > last.end:
                result[-1] = Span(last.start, span.end, last.kind)
        elif span.end > span.start:
            result.append(span)
    return result


def replaced(text: str, spans: list[Span]) -> str:
    """Return `text` with each of the (merged) spans replaced by its mark."""
    parts: list[str] = []
    at = 0
    for start, end, kind in spans:
        parts.append(text[at:start])
        parts.append(marked(kind))
        at = end
    parts.append(text[at:])
    return "".join(parts)
