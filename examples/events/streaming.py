"""Answers that come in parts: asynchronous generators and generators, read to the end or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import shipper
from shipper import events

log = shipper.get_logger("chat")


@events.logged_inference(log, prediction_id="request")
async def answer(question: str, request: str) -> AsyncIterator[str]:  # noqa: ARG001 - it names the event
    """Stand for a language model: give the answer word by word."""
    for word in ("forty", "two", "of", question):
        await asyncio.sleep(0)
        yield word


@events.logged_inference(log, prediction_id="request")
def count(request: str) -> Iterator[int]:  # noqa: ARG001
    """Count for ever."""
    number = 0
    while True:
        yield number
        number += 1


@events.logged_inference(log, features="row")
async def score(row: dict[str, float]) -> float:
    """Answer in one piece."""
    await asyncio.sleep(0)
    return row["x"] / 2


async def main() -> None:
    """Read one answer to its end, leave the other early."""
    words = [word async for word in answer("everything", request="request-1")]
    print(" ".join(words))
    numbers = count(request="request-2")
    print(next(numbers), next(numbers))
    numbers.close()
    print(await score({"x": 0.5}))


if __name__ == "__main__":
    shipper.configure(service="chat", model={"name": "oracle", "version": "1"})
    asyncio.run(main())
    shipper.close()
