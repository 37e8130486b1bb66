"""Keep the mirror of dead letters up to date, in a thread of whoever indexes.

A consumer group of its own reads the dead-letter topic, whoever wrote to it: ship, index or Logstash. Offsets are
committed when the mirror has the letters; of several indexers one does the work, and another takes over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

from shipper.assets import asset
from shipper.clock import Clock
from shipper.config import ElasticsearchSettings, KafkaSettings
from shipper.elastic.client import connect
from shipper.errors import GroupRebalanced, ShipperError
from shipper.index.erasures import ErasureWatch
from shipper.index.letters import StoredLetter
from shipper.index.mirror import LetterMirror, Redact
from shipper.index.patience import Backoff, Interrupted, Patience
from shipper.index.templates import packaged_templates, require_installed
from shipper.kafka.consumer import ConsumedRecord, Consumer
from shipper.kafka.dead_letters import decode

_POLL_S: Final = 1.0
_LETTERS_AT_ONCE: Final = 100
_JOIN_S: Final = 5.0


class Mirroring:
    """Reads letters and mirrors them, until stopped; for one thread.

    Args:
        report: takes one sentence for a person.
    """

    def __init__(
        self,
        open_consumer: Callable[[], Consumer],
        mirror: LetterMirror,
        *,
        ready: Callable[[], None],
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        self._open_consumer = open_consumer
        self._mirror = mirror
        self._ready = ready
        self._clock = clock
        self._report = report
        self._consumer: Consumer | None = None
        self._pending: list[ConsumedRecord] = []

    def run(self, stop: threading.Event) -> None:
        """Mirror until `stop` is set; what is in hand then is read again by the next one. Never raises."""
        patience = Patience(
            Backoff(),
            clock=self._clock,
            random=Random(),  # noqa: S311  # spreads pauses, guards nothing
            stop=stop,
            keep_alive=self._stay_member,
            report=lambda sentence: self._report(f"mirror of dead letters: {sentence}"),
        )
        try:
            while not stop.is_set():
                try:
                    self._turn()
                    patience.progressed()
                except ShipperError as error:
                    patience.wait(str(error))
                except Interrupted:
                    raise
                except Exception as error:  # noqa: BLE001 - top of the thread: it must outlive a bug, and say so
                    self._close()
                    patience.wait(f"it failed and tries again: {error!r}")
        except Interrupted:
            pass
        finally:
            self._close()

    def _turn(self) -> None:
        if self._consumer is None:
            self._consumer = self._open_consumer()
        if not self._pending:
            self._pending = self._consumer.poll(_POLL_S)
        if not self._pending:
            return
        self._ready()
        letters = [
            StoredLetter(f"{one.partition}@{one.offset}", decode(one.value or b"")) for one in self._pending
        ]
        for problem in self._mirror.store(letters):
            self._report(problem)
        ends = {(one.topic, one.partition): one.offset + 1 for one in self._pending}
        self._pending = []
        # Else whoever has the partition now reads them again, and finds each mirrored.
        with suppress(GroupRebalanced):
            self._consumer.commit(ends)

    def _stay_member(self) -> None:
        if self._consumer is not None:
            try:
                self._consumer.keep_alive()
            except ShipperError:
                self._close()

    def _close(self) -> None:
        consumer, self._consumer, self._pending = self._consumer, None, []
        if consumer is not None:
            consumer.close(1.0)


@contextmanager
def mirroring(
    kafka: KafkaSettings,
    elasticsearch: ElasticsearchSettings,
    group: str,
    namespace: str,
    redact: Redact,
    *,
    clock: Clock,
    report: Callable[[str], None],
) -> Iterator[None]:
    """Mirror dead letters in a thread while the block runs.

    Args:
        group: consumer group of the indexer; the mirror's has the suffix `-dead-letters`.
    """
    stop = threading.Event()
    templates = packaged_templates(asset("es_templates"))
    with connect(elasticsearch) as client:

        def open_consumer() -> Consumer:
            return Consumer(
                kafka,
                [kafka.dead_letter_topic],
                f"{group}-dead-letters",
                max_records=_LETTERS_AT_ONCE,
                client_id="shipper-mirror",
            )

        work = Mirroring(
            open_consumer,
            LetterMirror(client, namespace, redact, ErasureWatch(client, clock).erased),
            ready=lambda: require_installed(client, templates),
            clock=clock,
            report=report,
        )
        thread = threading.Thread(target=work.run, args=(stop,), name="shipper-mirror", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_JOIN_S)
