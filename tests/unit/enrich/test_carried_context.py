"""Bound context over threads, executors, tasks and generators: it goes where it should, and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

import shipper
from shipper.enrich.context import _BOUND, _UNBOUND, bound_fields, carry, context, request, run


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Each test ends with nothing bound, however it went."""
    assert _BOUND.get() is _UNBOUND
    yield
    assert dict(bound_fields()) == {}
    assert _BOUND.get() is _UNBOUND


def bound() -> dict[str, object]:
    """What is bound now, as a dict of its own."""
    return dict(bound_fields())


def test_interleaved_tasks() -> None:
    """U52: requests that take turns on one loop (`asyncio.gather`) each see their own context at every turn."""

    async def serve(number: int) -> None:
        with request(f"r-{number}", user=number):
            for _ in range(20):
                await asyncio.sleep(0)
                assert bound() == {"http.request.id": f"r-{number}", "user": number}
                with context(step=number):
                    await asyncio.sleep(0)
                    assert bound()["step"] == number
        assert bound() == {}

    async def main() -> None:
        await asyncio.gather(*(serve(number) for number in range(20)))
        assert bound() == {}

    asyncio.run(main())


def test_a_background_task_keeps_its_request() -> None:
    """A task that was started inside a request keeps its context after the request has ended."""

    async def main() -> None:
        go = asyncio.Event()

        async def later() -> dict[str, object]:
            await go.wait()
            return bound()

        with request("r-1"):
            task = asyncio.create_task(later())
        go.set()
        assert await task == {"http.request.id": "r-1"}
        assert bound() == {}

    asyncio.run(main())


def test_threads_start_empty_and_carry_fills_them() -> None:
    """U52: a thread of a pool sees nothing of another request; a carried function sees its caller's context only."""
    with ThreadPoolExecutor(2) as pool:
        with request("r-1"):
            assert pool.submit(bound).result() == {}
            carried = carry(bound)
        with request("r-2"):
            assert pool.submit(carry(bound)).result() == {"http.request.id": "r-2"}
        assert pool.submit(carried).result() == {"http.request.id": "r-1"}
        assert pool.submit(bound).result() == {}
    found: list[dict[str, object]] = []

    def keep() -> None:
        found.append(bound())

    with context(a=1):
        thread = threading.Thread(target=carry(keep))
    thread.start()
    thread.join()
    assert found == [{"a": 1}]


def test_one_carried_function_runs_many_times_at_once() -> None:
    """A carried function may run in several threads at the same time; what a run binds stays in that run."""
    barrier = threading.Barrier(4)

    def work(number: int) -> dict[str, object]:
        with context(number=number):
            barrier.wait(10)
            return bound()

    with request("r-1"):
        carried = carry(work)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(carried, range(4)))
    assert found == [{"http.request.id": "r-1", "number": number} for number in range(4)]


def test_executor_of_a_loop() -> None:
    """U52: `run_in_executor` loses the context, with `carry` it has it; `asyncio.to_thread` has it by itself."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with request("r-1"):
            assert await loop.run_in_executor(None, bound) == {}
            assert await loop.run_in_executor(None, carry(bound)) == {"http.request.id": "r-1"}
            assert await asyncio.to_thread(bound) == {"http.request.id": "r-1"}

    asyncio.run(main())


def test_carried_coroutine_function() -> None:
    """A carried `async` function runs with its maker's context wherever it is awaited, and leaves none behind."""

    async def look() -> dict[str, object]:
        await asyncio.sleep(0)
        return bound()

    with request("r-1"):
        carried = carry(look)

    async def main() -> None:
        with request("r-2"):
            assert await carried() == {"http.request.id": "r-1"}
            assert bound() == {"http.request.id": "r-2"}

    asyncio.run(main())


def test_carried_function_keeps_arguments_result_and_errors() -> None:
    """`carry` changes nothing of what a function takes, returns and raises."""

    def divide(a: int, *, by: int) -> float:
        """Divide."""
        return a / by

    assert carry(divide)(6, by=3) == 2
    assert carry(divide).__name__ == "divide"
    with pytest.raises(ZeroDivisionError):
        carry(divide)(1, by=0)


def test_sync_endpoints() -> None:
    """U52: a framework's thread pool that copies the context (as for sync endpoints) shows the request's context."""

    def endpoint() -> dict[str, object]:
        with context(inner=True):
            return bound()

    async def serve(number: int) -> dict[str, object]:
        with request(f"r-{number}"):
            taken = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(None, taken.run, endpoint)

    async def main() -> list[dict[str, object]]:
        return await asyncio.gather(*(serve(number) for number in range(8)))

    assert asyncio.run(main()) == [{"http.request.id": f"r-{n}", "inner": True} for n in range(8)]


def test_generators_that_take_turns() -> None:
    """Blocks in generators end in any order; each takes away its own fields and nothing else."""

    def numbers(name: str) -> Generator[int, None, None]:
        with context(**{name: True}):
            yield 1
            yield 2

    one, other = numbers("one"), numbers("other")
    next(one)
    next(other)
    assert bound() == {"one": True, "other": True}
    assert list(one) == [2]
    assert bound() == {"other": True}
    other.close()
    assert bound() == {}


def test_a_block_that_ends_in_another_context() -> None:
    """A dependency that a framework enters in one context and leaves in another raises nothing and leaks nothing."""

    def dependency() -> Iterator[None]:
        with request("r-1"):
            yield

    generator = dependency()
    contextvars.copy_context().run(next, generator)
    assert bound() == {}
    with context(own=1):
        assert contextvars.copy_context().run(next, generator, "end") == "end"
        assert bound() == {"own": 1}


def test_async_generators() -> None:
    """An async generator that is left early, and closed by the loop, leaves no binding in its consumer."""

    async def rows() -> AsyncIterator[int]:
        with request("r-1"):
            for number in range(5):
                assert bound()["http.request.id"] == "r-1"
                yield number

    async def consume() -> None:
        generator: Any = rows()
        async for number in generator:
            if number == 2:
                break
        await generator.aclose()
        assert bound() == {}
        left = rows()
        await anext(left)
        # Dropped: the loop closes it later, in a context of its own.

    async def main() -> None:
        await asyncio.create_task(consume())
        assert bound() == {}

    asyncio.run(main())


def test_exceptions_end_the_binding() -> None:
    """An exception, also a cancellation, ends the binding on its way."""

    async def serve() -> None:
        with request("r-1"):
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(serve())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ValueError), request("r-2"):  # noqa: PT011
            raise ValueError

    asyncio.run(main())


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
def test_any_order_of_begin_and_end(steps: list[tuple[bool, int]]) -> None:
    """Whatever the order in which blocks begin and end, what is bound is what the open ones say, the newest winning."""
    opened: dict[int, Any] = {}
    try:
        for is_begin, which in steps:
            if is_begin and which not in opened:
                opened[which] = context(**{f"field{which % 3}": which})
                opened[which].__enter__()
            elif not is_begin and which in opened:
                opened.pop(which).__exit__(None, None, None)
            expected = {f"field{which % 3}": which for which in opened}
            assert bound() == expected
    finally:
        for block in opened.values():
            block.__exit__(None, None, None)
    assert bound() == {}


def test_the_same_binding_is_the_same_mapping() -> None:
    """While the binding is the same, `bound_fields()` returns one mapping, also with structlog's variables; it is read-only."""
    empty = bound_fields()
    assert bound_fields() is empty
    with context(a=1):
        first = bound_fields()
        assert bound_fields() is first
        with context(b=1):
            assert bound_fields() is not first
        assert bound_fields() is first
        with structlog.contextvars.bound_contextvars(c=[1]):
            joined = bound_fields()
            assert bound_fields() is joined
            with structlog.contextvars.bound_contextvars(c=[1]):
                assert bound_fields() is not joined
        assert bound_fields() is first
        with pytest.raises(TypeError):
            first["a"] = 2  # type: ignore[index]
    assert bound_fields() is empty


def test_run_and_request() -> None:
    """`run` and `request` bind the schema's names, make an id where none is given, and yield it."""
    with (
        shipper.run(experiment="churn", **{"ml.split": "train"}) as made,
        shipper.request(method="GET", path="/score", traceparent=f"00-{'a' * 32}-{'b' * 16}-01") as identity,
    ):
        assert len(made) == len(identity) == 16
        assert bound() == {
            "ml.run.id": made,
            "ml.experiment.name": "churn",
            "ml.split": "train",
            "http.request.id": identity,
            "http.request.method": "GET",
            "url.path": "/score",
            "trace.id": "a" * 32,
            "span.id": "b" * 16,
        }
    with run("given") as made, request("also") as identity:
        assert (made, identity) == ("given", "also")


def test_context_is_taken_at_the_call(shipper_records: Any) -> None:
    """U52: context is captured on the caller's side at emit: what ends or changes later does not reach the record."""
    log = shipper.get_logger()
    with ThreadPoolExecutor(1) as pool, shipper.request("r-1"):
        pool.submit(shipper.carry(lambda: log.info("in a thread"))).result()
        log.info("here")
    log.info("after")
    found = [document.get("http", {}).get("request", {}).get("id") for document in shipper_records.documents]
    assert found == ["r-1", "r-1", None]
