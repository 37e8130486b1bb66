"""Levels of running processes: the control file, the watcher, and the records that tell of changes."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shipper
from shipper.clock import ManualClock
from shipper.emit import level_file
from shipper.emit.level_file import Entry
from shipper.emit.level_watch import LONGEST_S, WATCHER, Watcher
from shipper.emit.levels import LEVELS, MOST_OVERRIDES, Levels, Override
from shipper.errors import ConfigurationError
from tests.unit.emit.spooled import documents_under

NOW_US = 1_700_000_000_000_000


def entry(logger: str, level: int = 10, *, seconds: float = 60, service: str = "") -> Entry:
    """An entry of the file that ends `seconds` after `NOW_US`."""
    return Entry(Override(logger, level, NOW_US + round(seconds * 1e6), "alice", "file"), service)


@pytest.fixture
def levels() -> Iterator[Levels]:
    """Levels of their own, with the logging tree put back at the end."""
    found = Levels()
    yield found
    found.forget()


class Rig:
    """A watcher that is turned by hand over one root."""

    def __init__(self, levels: Levels, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock(NOW_US)
        self.watcher = Watcher(levels, self.clock)
        monkeypatch.setattr(self.watcher, "_start", lambda: None)
        self.root = root
        self.watcher.watch(root, "checkout", 0.5)

    def put(self, *entries: Entry) -> None:
        """Replace the file."""
        level_file.change(self.root, lambda _: entries)


@pytest.fixture
def rig(levels: Levels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A watcher over an empty root."""
    return Rig(levels, tmp_path / "root", monkeypatch)


def test_the_file_is_followed(rig: Rig, levels: Levels, shipper_records: Any) -> None:
    """What the file says counts from the next turn on, until its time is over; what leaves the file is taken back."""
    assert rig.watcher.turn() == 0.5
    rig.put(entry("app", seconds=60), entry("web", 40, seconds=90), entry("old", seconds=-1))
    assert rig.watcher.turn() == 0.5
    assert [levels.effective(name) for name in ("app.model", "web", "old")] == [10, 40, 0]
    rig.clock.advance(60)
    rig.watcher.turn()
    assert [levels.effective(name) for name in ("app", "web")] == [0, 40]
    rig.put(entry("web", 20, seconds=90))
    rig.watcher.turn()
    assert levels.effective("web") == 20
    rig.put()
    rig.watcher.turn()
    assert levels.effective("web") == 0
    actions = [document["event"]["action"] for document in shipper_records.documents]
    assert actions == ["level-set", "level-set", "level-expired", "level-set", "level-reset"]


def test_a_change_says_who_what_and_until_when(rig: Rig, shipper_records: Any) -> None:
    """The change and its end are records that say who set what until when, and what counted before."""
    rig.put(entry("app.model", seconds=300))
    rig.watcher.turn()
    rig.clock.advance(300)
    rig.watcher.turn()
    begun, ended = shipper_records.documents
    assert begun["message"] == "level of app.model is set to debug until 2023-11-14T22:18:20.000000Z by alice"
    assert begun["log"] == {"level": "info", "logger": "shipper.levels"}
    assert begun["labels"]["level_by"] == "alice"
    assert ended["message"] == "level of app.model is back, after its time, at 0"
    assert ended["event"]["action"] == "level-expired"


def test_other_services_are_left_alone(rig: Rig, levels: Levels, shipper_records: Any) -> None:
    """An entry for a service changes nothing in another one's process."""
    rig.put(entry("app", service="billing"), entry("web", service="checkout"))
    rig.watcher.turn()
    assert [levels.effective(name) for name in ("app", "web")] == [0, 10]
    rig.watcher.watch(rig.root, "billing", 0.5)
    rig.watcher.turn()
    assert levels.effective("app") == 10


def test_a_call_after_the_file_wins_and_stays(rig: Rig, levels: Levels, shipper_records: Any) -> None:
    """What was set last wins: a call of the application is not undone by a file that was there before."""
    rig.put(entry("app"))
    rig.watcher.turn()
    levels.set(Override("app", 40))
    rig.watcher.turn()
    assert levels.effective("app") == 40
    rig.put()
    rig.watcher.turn()
    assert levels.effective("app") == 40


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "nonsense", '{"version": 2, "levels": []}', '{"version": 1, "levels": 7}',
        '{"version": 1, "levels": [{"logger": "app", "level": "debug"}]}',
        '{"version": 1, "levels": [{"logger": "app", "level": "debug", "until_us": null}]}',
        '{"version": 1, "levels": [{"logger": "app", "level": "loud", "until_us": 1800000000000000}]}',
        '{"version": 1, "levels": [{"logger": "app", "level": true, "until_us": 1800000000000000}]}',
        '{"version": 1, "levels": [{"logger": "a\\nb", "level": 10, "until_us": 1800000000000000}]}',
        '{"version": 1, "levels": [{"logger": 7, "level": 10, "until_us": 1800000000000000}]}',
        '{"version": 1, "levels": [null]}', "[" * 100_000, "\0" * 400_000,
    ],
)  # fmt: skip
def test_a_bad_file_changes_nothing(
    content: str, rig: Rig, levels: Levels, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not well formed is reported, changes nothing and ends nothing; the next good one counts."""
    levels.set(Override("before", 10))
    rig.root.mkdir()
    (rig.root / "levels.json").write_text(content)
    (rig.root / "levels.json").chmod(0o600)
    assert rig.watcher.turn() == 0.5
    assert list(levels.overrides) == ["before"]
    assert "levels stay as they are" in capsys.readouterr().err
    rig.put(entry("app"))
    rig.watcher.turn()
    assert levels.effective("app") == 10


@pytest.mark.parametrize("kind", ["group", "others", "link", "folder", "pipe"])
def test_only_the_own_users_file_is_believed(
    kind: str, rig: Rig, levels: Levels, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that others can write, a link, or what is no file at all, changes nothing and blocks nobody."""
    rig.put(entry("app"))
    path = rig.root / "levels.json"
    if kind in {"group", "others"}:
        path.chmod(0o620 if kind == "group" else 0o602)
    else:
        path.rename(rig.root / "elsewhere")
        if kind == "link":
            path.symlink_to("elsewhere")
        elif kind == "folder":
            path.mkdir()
        else:
            os.mkfifo(path)
    rig.watcher.turn()
    assert levels.overrides == {}
    assert "not believed" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_the_file_to_the_spools_owner(tmp_path: Path) -> None:
    """The file that root writes belongs to whom the spool belongs; a third user's is not believed."""
    os.chown(tmp_path, 4242, 4242)
    level_file.change(tmp_path, lambda _: [entry("app")])
    found = (tmp_path / "levels.json").stat()
    assert (found.st_uid, found.st_mode & 0o777) == (4242, 0o600)
    with pytest.raises(ConfigurationError, match="another user"):
        level_file.read(tmp_path)


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Readers see the old content or the new, never a part, while several writers change it; no entry is lost."""
    level_file.change(tmp_path, lambda _: [])
    stop = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(len(level_file.read(tmp_path)))

    def write(which: int) -> None:
        for number in range(20):
            level_file.change(tmp_path, lambda present, n=number: [*present, entry(f"x{which}.y{n}")])  # type: ignore[misc]

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=write, args=(which,)) for which in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert seen == sorted(seen)
    assert len(level_file.read(tmp_path)) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == [".levels.lock", "levels.json"]
    with pytest.raises(ConfigurationError, match="reset some"):
        level_file.change(tmp_path, lambda _: [entry(f"z{n}") for n in range(MOST_OVERRIDES + 1)])


def test_set_level(shipper_records: Any) -> None:
    """`shipper.set_level` counts at once for both kinds of loggers, is logged, and ends by `reset_level`."""
    shipper.configure(level="warning")
    log = shipper.get_logger("app.model")
    standard = logging.getLogger("app.model")
    log.debug("one")
    shipper.set_level("app", "debug")
    log.debug("two")
    assert standard.isEnabledFor(logging.DEBUG)
    assert shipper.reset_level("app")
    assert not shipper.reset_level("app")
    log.debug("three")
    assert not standard.isEnabledFor(logging.DEBUG)
    assert [m for m in shipper_records.messages if not m.startswith("level of")] == ["two"]
    assert len(shipper_records) == 3


def test_a_level_ends_by_itself(shipper_records: Any) -> None:
    """A level that was set for a time ends without any further call, and its thread with it."""
    done = threading.Event()
    LEVELS.on_change(lambda: done.set() if not LEVELS.overrides else None)
    shipper.set_level("app.timed", "debug", for_s=0.2)
    assert LEVELS.effective("app.timed") == logging.DEBUG
    assert done.wait(20)
    assert "app.timed" not in LEVELS.overrides
    deadline_s = time.monotonic() + 20
    while WATCHER.is_running:
        assert time.monotonic() < deadline_s
        done.clear()
        done.wait(0.02)
    assert [document["event"]["action"] for document in shipper_records.documents] == [
        "level-set",
        "level-expired",
    ]


@pytest.mark.parametrize(
    ("logger", "level", "for_s"),
    [("app", "loud", 1), ("app", 101, 1), ("app", "debug", 0), ("app", "debug", LONGEST_S + 1),
     ("x" * 201, "debug", 1), ("a\nb", "debug", 1), ("app", True, 1), ("app", "debug", float("nan"))],
)  # fmt: skip
def test_what_cannot_be_set(logger: str, level: Any, for_s: float) -> None:
    """A wrong name, level or time is one sentence, and changes nothing."""
    with pytest.raises(ConfigurationError):
        shipper.set_level(logger, level, for_s=for_s)
    assert LEVELS.overrides == {}


APPLICATION = """
import logging, os, sys
import shipper
from shipper.emit import ShipperHandler
shipper.configure(service=sys.argv[1], level="warning", levels={"watch_s": 0.05})
logging.getLogger().addHandler(ShipperHandler())
log, standard = shipper.get_logger("app.model"), logging.getLogger("app.model")
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "fork":
        if os.fork():
            os.wait()
            break
        print("forked", flush=True)
        continue
    log.debug(line.strip())
    standard.debug(line.strip() + " too")
    print(log.is_enabled_for(10), standard.isEnabledFor(10), flush=True)
"""


class Application:
    """A process that logs each line that it is given, at level debug, on both roads."""

    def __init__(self, service: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", APPLICATION, service],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def answer(self) -> str:
        """Read one line of it."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> str:
        """Have it log a line; return whether both loggers were enabled."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def say_until(self, expected: str) -> None:
        """Have it log until both loggers are (or are not) enabled."""
        deadline_s = time.monotonic() + 20
        while self.say("waiting") != expected:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    def end(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "shipper", "level", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_command_reaches_running_processes(spool_root: Path) -> None:
    """`shipper level set` reaches a process that has not logged anything yet (mode agent), and a forked child."""
    one, other = Application("checkout"), Application("billing")
    assert one.say("before") == "False False"
    answer = run("set", "app=debug", "--for", "5m", "--service", "checkout")
    assert answer.returncode == 0, answer.stderr
    one.say_until("True True")
    assert one.say("hello") == "True True"
    assert other.say("hello") == "False False"
    assert one.say("fork") == "forked"
    assert one.say("from the child") == "True True"
    shown = json.loads(run("show", "--json").stdout)
    assert [(row["logger"], row["level"], row["service"]) for row in shown["levels"]] == [
        ("app", "debug", "checkout")
    ]
    assert {process["service"] for process in shown["processes"]} == {"checkout"}
    assert run("reset").returncode == 0
    one.say_until("False False")
    for application in (one, other):
        application.end()
    documents = documents_under(spool_root)
    assert {document["service"]["name"] for document in documents} == {"checkout"}
    messages = [document["message"] for document in documents]
    assert {"hello", "hello too", "from the child", "from the child too"} <= set(messages)
    assert "before" not in messages
    assert [m for m in messages if m.startswith("level of app is set to debug until ")]
    assert "level of app is back at warning" in messages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("set", "app"), "LOGGER=LEVEL"),
        (("set", "app=loud"), "debug, info"),
        (("set", "app=debug", "--for", "soon"), "not a length of time"),
        (("set", "app=debug", "--for", "8d"), "at most 7d"),
        (("set", "app=debug", "--for", "0s"), "not a length of time"),
        (("reset", "nobody"), "Nothing is set for nobody"),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], part: str, spool_root: Path) -> None:
    """A wrong argument ends with code 2 and one sentence that says what to write."""
    answer = run(*arguments)
    assert answer.returncode == 2
    assert part in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert not spool_root.exists()


def test_show_without_anything(spool_root: Path) -> None:
    """Without anything set, and without a spool, `show` and `reset` say so and make nothing."""
    assert "No level is set" in run("show").stdout
    assert json.loads(run("reset", "--json").stdout) == {"reset": []}
    assert not spool_root.exists()


def test_the_watch_ends_with_close(spool_root: Path) -> None:
    """U21: after many cycles of configure, log, close with a watch there is no thread of it left, and no descriptor."""
    descriptors = 0
    for cycle in range(20):
        shipper.configure(levels={"watch_s": 0.01})
        shipper.get_logger().info("hello")
        assert WATCHER.is_running
        shipper.close()
        if not cycle:
            descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for thread in threading.enumerate():
        if thread.name == "shipper-levels":
            thread.join(20)
    assert not [thread for thread in threading.enumerate() if thread.name == "shipper-levels"]
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208


def test_loggers_that_exist_follow(spool_root: Path, shipper_records: Any) -> None:
    """A bound logger that exists already, and a cached one of structlog's own, follow a change and its end."""
    import structlog

    shipper.configure(level="error")
    ours = shipper.get_logger("app.deep").bind(a=1)
    cached = structlog.get_logger("app.deep")
    for log in (ours, cached):
        log.info("before")
    shipper.set_level("app", "info")
    for log in (ours, cached, ours.new(b=2)):
        log.info("during")
        log.debug("too low")
    shipper.reset_level("app")
    for log in (ours, cached):
        log.info("after")
        log.error("error")
    said = [message for message in shipper_records.messages if not message.startswith("level of")]
    assert said == ["during"] * 3 + ["error"] * 2
