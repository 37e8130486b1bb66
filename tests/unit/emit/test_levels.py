"""Which level counts for which logger, and how it changes while a process runs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.emit.levels import MOST_OVERRIDES, Levels, Override


@pytest.fixture
def levels() -> Iterator[Levels]:
    """Levels of their own, with the logging tree put back at the end."""
    found = Levels()
    yield found
    found.forget()


def test_the_nearest_name_upwards_counts(levels: Levels) -> None:
    """A level set for `app` counts for `app.model`, not for `apple`; a nearer one wins; without one, the base counts."""
    levels.set_base(logging.WARNING)
    levels.set(Override("app", logging.DEBUG))
    levels.set(Override("app.model", logging.ERROR))
    names = ("app", "app.web", "app.model", "app.model.deep", "apple", "", "root")
    assert [levels.effective(name) for name in names] == [10, 10, 40, 40, 30, 30, 30]


def test_root_is_above_all(levels: Levels) -> None:
    """A level set for `root` counts for every logger without a nearer one; both of its names mean the same."""
    root = logging.getLogger().level
    levels.set_base(logging.WARNING)
    levels.set(Override("root", logging.DEBUG))
    assert levels.effective("any.name") == levels.effective("") == levels.effective("root") == logging.DEBUG
    assert logging.getLogger().level == logging.DEBUG
    assert levels.reset("") is not None
    assert levels.effective("any.name") == logging.WARNING
    assert logging.getLogger().level == root


@settings(deadline=None)
@given(
    st.dictionaries(
        st.lists(st.sampled_from("abc"), max_size=3).map(".".join), st.sampled_from([10, 30, 50]), max_size=8
    ),
    st.lists(st.lists(st.sampled_from("abc"), max_size=4).map(".".join), min_size=1, max_size=8),
)
def test_same_as_logging(overrides: dict[str, int], asked: list[str]) -> None:
    """Names are hierarchical exactly as in `logging`, in any order of changes and questions."""
    levels = Levels()
    manager = logging.Manager(logging.RootLogger(logging.NOTSET))
    try:
        for name, level in overrides.items():
            for question in asked:
                levels.effective(question)  # fills the memory, which a change must empty
            levels.set(Override(name, level))
            (manager.getLogger(name) if name else manager.root).setLevel(level)
        for name in asked:
            expected = (manager.getLogger(name) if name else manager.root).getEffectiveLevel()
            assert levels.effective(name) == expected
    finally:
        levels.forget()


def test_callbacks_see_the_change(levels: Levels) -> None:
    """`on_change` is called after each change and each end of one, not when nothing changes; a bad one harms none."""
    seen: list[int] = []

    def bad() -> None:
        raise ValueError

    levels.on_change(bad)
    levels.on_change(lambda: seen.append(levels.effective("app")))
    levels.set_base(logging.INFO)
    levels.set_base(logging.INFO)
    levels.set(Override("app", logging.DEBUG, until_us=1000))
    levels.set(Override("app", logging.DEBUG, until_us=1000))
    assert levels.expire(999) == []
    (change,) = levels.expire(1000)
    assert seen == [20, 10, 20]
    assert (change.action, change.former, change.now) == ("expired", 10, 20)


def test_callbacks_hold_no_lock(levels: Levels) -> None:
    """A callback may wait for another thread that itself changes a level: no lock of ours is held meanwhile."""

    def wait_for_another() -> None:
        other = threading.Thread(target=levels.set_base, args=(logging.ERROR,))
        other.start()
        other.join(10)
        assert not other.is_alive()

        done.append(True)

    done: list[bool] = []
    levels.on_change(lambda: None if done else wait_for_another())
    levels.set(Override("app", logging.DEBUG, until_us=5))
    done.clear()
    levels.expire(5)
    assert levels.base == logging.ERROR
    assert done == [True]


def test_a_level_set_anew_does_not_expire_with_the_old_one(levels: Levels) -> None:
    """Setting a level again replaces its end; the earlier end passes without effect."""
    levels.set(Override("app", logging.DEBUG, until_us=10))
    levels.set(Override("app", logging.DEBUG, until_us=20))
    assert levels.next_end_us() == 20
    assert levels.expire(10) == []
    assert levels.effective("app") == logging.DEBUG
    assert [change.action for change in levels.expire(20)] == ["expired"]
    assert levels.next_end_us() is None


def test_the_standard_logger_gets_its_level_back(levels: Levels) -> None:
    """The logger of `logging` takes the level too, children follow, and its former level returns at the end."""
    logger, child, own = (logging.getLogger(name) for name in ("lv.a", "lv.a.child", "lv.a.own"))
    logger.setLevel(logging.WARNING)
    own.setLevel(logging.ERROR)
    levels.set(Override("lv.a", logging.INFO, until_us=10))
    levels.set(Override("lv.a", logging.DEBUG, until_us=10))
    assert [one.getEffectiveLevel() for one in (logger, child, own)] == [10, 10, 40]
    levels.expire(10)
    assert [one.getEffectiveLevel() for one in (logger, child, own)] == [30, 30, 40]


def test_what_the_application_sets_meanwhile_stands(levels: Levels) -> None:
    """If the application itself changes the level of a standard logger meanwhile, the end does not undo that."""
    logger = logging.getLogger("lv.b")
    logger.setLevel(logging.WARNING)
    levels.set(Override("lv.b", logging.DEBUG))
    logger.setLevel(logging.ERROR)
    levels.reset("lv.b")
    assert logger.level == logging.ERROR


def test_no_deadlock_with_the_lock_of_logging(levels: Levels) -> None:
    """U09: a level is changed by one thread while another, inside `logging`'s lock, does the same: nobody waits for ever."""
    with logging._lock:  # type: ignore[attr-defined]
        other = threading.Thread(target=levels.set, args=(Override("lv.c", logging.DEBUG),), daemon=True)
        other.start()
        deadline = threading.Event()
        while levels.effective("lv.c") != logging.DEBUG:
            assert not deadline.wait(0.01) or other.is_alive()
        levels.set(Override("lv.d", logging.DEBUG))
        levels.set_base(logging.ERROR)
    other.join(10)
    assert not other.is_alive()
    assert logging.getLogger("lv.c").level == logging.getLogger("lv.d").level == logging.DEBUG


def test_bounded(levels: Levels) -> None:
    """At most `MOST_OVERRIDES` levels are set at a time; names that are asked for do not pile up."""
    for number in range(MOST_OVERRIDES):
        levels.set(Override(f"bounded.x{number % 4}.y{number}", logging.DEBUG))
    with pytest.raises(ValueError, match="reset some first"):
        levels.set(Override("one.more", logging.DEBUG))
    levels.set(Override("bounded.x0.y0", logging.ERROR))
    for number in range(10_000):
        levels.effective(f"asked.{number}")
    assert len(levels._state.memo) <= 4096


def test_changes_from_many_threads(levels: Levels) -> None:
    """After concurrent changes, what callbacks saw last is what counts."""
    seen: dict[str, int] = {}
    levels.on_change(lambda: seen.__setitem__("app", levels.effective("app")))

    def change(level: int) -> None:
        for _ in range(200):
            levels.set(Override("app", level))
            levels.reset("app")

    threads = [threading.Thread(target=change, args=(level,)) for level in (10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen["app"] == levels.effective("app") == logging.NOTSET
    assert logging.getLogger("app").level == logging.NOTSET
    assert levels.revision >= 600


def test_a_forked_child_keeps_what_was_set(levels: Levels) -> None:
    """In a forked child what was set goes on counting, and its locks are free whoever held them."""
    levels.set(Override("lv.e", logging.DEBUG))
    with levels._lock, levels._settling:
        child = os.fork()
        if child == 0:
            levels.reset_in_child()
            done = threading.Thread(target=levels.set, args=(Override("lv.f", logging.DEBUG),))
            done.start()
            done.join(10)
            fine = levels.effective("lv.e") == levels.effective("lv.f") == logging.DEBUG
            os._exit(0 if fine and logging.getLogger("lv.f").level == logging.DEBUG else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
