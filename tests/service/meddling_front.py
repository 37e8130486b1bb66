"""A reverse proxy before the real Elasticsearch that answers some bulk requests itself, or spoils the real answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.service.front import Front, serving


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What happens to one bulk request.

    Attributes:
        status: answered instead of passing the request on; 0: it is passed on.
        body: of that answer, as JSON.
        keep: how much of the real answer is sent, as a share; the rest is cut off.
        is_honest: the length that is announced is what is sent, so only the content tells of the cut.
    """

    status: int = 0
    body: bytes = b'{"error":{"type":"t","reason":"spoilt"},"status":0}'
    keep: float = 1.0
    is_honest: bool = False


@dataclass
class Meddling:
    """The proxy, and what it did.

    Attributes:
        spoil: asked for each bulk request with its number, from 0; None: passed on as it is.
        sizes: bytes of the bulk requests, in the order of their arrival.
        at_once: the most bulk requests that were under way at a time.
    """

    url: str = ""
    spoil: Callable[[int], Spoilt | None] = lambda _number: None
    sizes: list[int] = field(default_factory=list)
    at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, size: int) -> int:
        """Count a bulk request in; return its number."""
        with self._lock:
            self.sizes.append(size)
            self._now += 1
            self.at_once = max(self.at_once, self._now)
            return len(self.sizes) - 1

    def leave(self) -> None:
        """Count a bulk request out."""
        with self._lock:
            self._now -= 1


@contextmanager
def meddling_front(elasticsearch_url: str) -> Iterator[Meddling]:
    """Serve until the block ends."""
    meddling = Meddling()

    class MeddlingFront(Front):
        def serve(self, body: bytes) -> None:
            if not self.path.startswith("/_bulk"):
                super().serve(body)
                return
            number = meddling.enter(len(body))
            try:
                self._spoil(meddling.spoil(number) or Spoilt(), body)
            finally:
                meddling.leave()

        def _spoil(self, spoilt: Spoilt, body: bytes) -> None:
            if spoilt.status:
                self.send(spoilt.status, spoilt.body)
                return
            status, answer = self.ask(body)
            kept = answer[: round(len(answer) * spoilt.keep)]
            self.send(status, kept, announced=len(kept) if spoilt.is_honest else len(answer))

    with serving(MeddlingFront, elasticsearch_url) as meddling.url:
        yield meddling
