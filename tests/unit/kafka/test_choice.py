"""Which client library speaks to the brokers."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from shipper.config import KafkaSettings
from shipper.errors import ConfigurationError
from shipper.kafka import choice
from shipper.kafka.consumer import Consumer
from shipper.kafka.producer import Producer


def installed(monkeypatch: pytest.MonkeyPatch, *, is_there: bool) -> None:
    """Let the extra be there, or not."""
    found: Any = object() if is_there else None
    monkeypatch.setattr(
        choice, "find_spec", lambda name: found if name == "confluent_kafka" else find_spec(name)
    )


def test_the_fast_library_is_taken_by_itself_for_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` reads with confluent-kafka where it is installed, and writes by the way that is faster: our own batches."""
    installed(monkeypatch, is_there=True)
    assert choice.reading_client(KafkaSettings()) == "confluent-kafka"
    assert choice.writing_client(KafkaSettings()) == "kafka-python"
    installed(monkeypatch, is_there=False)
    assert choice.reading_client(KafkaSettings()) == "kafka-python"


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_a_library_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    """The setting decides for both directions."""
    installed(monkeypatch, is_there=True)
    settings = KafkaSettings.model_validate({"client": client})
    assert choice.reading_client(settings) == choice.writing_client(settings) == client
    assert Producer(settings).client == client


def test_one_that_is_absent_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for and not installed: a configuration error that says what to install, at once."""
    installed(monkeypatch, is_there=False)
    settings = KafkaSettings(client="confluent-kafka")
    for make in (lambda: Producer(settings), lambda: Consumer(settings, ["t"], "g")):
        with pytest.raises(ConfigurationError, match=r"pip install 'shipper\[fast\]'"):
            make()
