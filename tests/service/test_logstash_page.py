"""docs/how-to/logstash.md, walked from the fresh server to the searchable record: each command as it stands there.

Only places are others: what the page puts under /etc, /opt and /var lies in a folder of the test, addresses and the
administrator's name are those of the servers here. What this machine cannot do is done by stand-ins on the path: `sudo`
runs the command as it is, `systemctl` starts what the package's unit starts, with the environment that the unit is
given, `curl` writes down what it is asked (the server has no users but those of its files).

Where LOGSTASH_HOME names no Logstash, its programs are stand-ins, too, and `shipper index` brings the record.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import pytest

import shipper
from shipper.assets import asset
from shipper.config import KafkaSettings
from shipper.schema.roles import load_roles, roles_yaml
from tests.service.elastic_front import elastic_front
from tests.service.logstash_process import START_S
from tests.service.running_stack import RunningStack, free_ports
from tests.service.secure_elasticsearch import ADMIN, PASSWORD, secure_elasticsearch
from tests.service.topics import own_topics

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(4 * START_S, func_only=True)]

PAGE: Final = Path(shipper.__file__).parents[1] / "docs" / "how-to" / "logstash.md"
_HOME: Final = "/usr/share/logstash/"
_NAMESPACE: Final = "fresh"

_SUDO: Final = """#!/bin/bash
[ "$1" = -u ] && shift 2
[ "$1" = chown ] && exit 0
"$@" || exit
# For a machine of tests, where all may be root's and port 9600 somebody else's.
settings="$ROOT/etc/logstash/logstash.yml"
if [ "$1" = cp ] && [ -f "$settings" ] && ! grep -q allow_superuser "$settings"; then
    sed -i "s/^api.http.port: .*/api.http.port: $API_PORT/" "$settings"
    [ "$(id -u)" != 0 ] || echo 'allow_superuser: true' >> "$settings"
fi
"""
_SYSTEMCTL: Final = """#!/bin/bash
[ "$1 $2" = "enable --now" ] || exit 0
set -a
for file in $(sed -n 's/^EnvironmentFile=//p' "$ROOT/etc/systemd/system/$3.service.d/"*.conf); do . "$file"; done
"$LOGSTASH/bin/$3" --path.settings "$ROOT/etc/$3" > "$ROOT/unit.out" 2>&1 < /dev/null &
echo $! > "$ROOT/unit.pid"
"""
_CURL: Final = """#!/bin/bash
printf '%s\\n' "$@" > "$ROOT/curl.arguments"
"""
_NO_LOGSTASH: Final = """#!/bin/bash
case $0 in *-keystore) touch "$2/logstash.keystore" ;; esac
"""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A fresh server.

    Attributes:
        root: stands for its /.
        home: of a real Logstash; None where there is none.
        environment: of a new shell.
    """

    root: Path
    home: Path | None
    environment: dict[str, str]
    api_port: int

    def here(self, text: str) -> str:
        """The same with the paths of this machine."""
        text = re.sub(r"(?<![\w.])/(etc|opt|var)/", rf"{self.root}/\1/", text)
        text = text.replace(_HOME, f"{self.environment['LOGSTASH']}/")
        return text.replace(
            "shipper logstash status", f"shipper logstash status --url http://localhost:{self.api_port}"
        )


@pytest.fixture
def fresh(stack: RunningStack, tmp_path: Path) -> Iterator[Fresh]:
    """Kafka, a secured Elasticsearch, and what a package of Logstash puts on a machine."""
    home = os.environ.get("LOGSTASH_HOME", "")
    for name in (
        "etc/shipper",
        "etc/logstash",
        "opt",
        "var/lib/logstash",
        "var/log/logstash",
        "bin",
        "store",
        "home",
    ):
        (tmp_path / name).mkdir(parents=True)
    logstash = Path(home) if home else tmp_path / "no-logstash"
    programs = {"bin/sudo": _SUDO, "bin/systemctl": _SYSTEMCTL, "bin/curl": _CURL}
    if home:
        for name in ("log4j2.properties", "jvm.options"):
            shutil.copy(logstash / "config" / name, tmp_path / "etc" / "logstash")
    else:
        (logstash / "bin").mkdir(parents=True)
        programs |= {f"no-logstash/bin/{name}": _NO_LOGSTASH for name in ("logstash", "logstash-keystore")}
    for name, text in programs.items():
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o755)
    users = {"logstash": ("shipper_writer",)}
    (api_port,) = free_ports(1)
    with ExitStack() as ends:
        kafka = ends.enter_context(own_topics(stack, is_made=False))
        roles = roles_yaml(load_roles(asset("schema")))
        store = ends.enter_context(secure_elasticsearch(tmp_path / "store", roles, users))
        front = ends.enter_context(elastic_front(store.url, store.tls))
        shutil.copy(store.ca, tmp_path / "etc" / "shipper" / "ca.crt")
        found = Fresh(
            tmp_path,
            Path(home) if home else None,
            {
                "PATH": os.pathsep.join(
                    [str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
                ),
                "HOME": str(tmp_path / "home"),
                "ROOT": str(tmp_path),
                "LOGSTASH": str(logstash),
                "API_PORT": str(api_port),
                "SECRET": PASSWORD,
                "LS_JAVA_OPTS": "-Xms256m -Xmx512m -XX:TieredStopAtLevel=1 -Djruby.compile.invokedynamic=false",
                **{
                    key: value
                    for key, value in os.environ.items()
                    if key.startswith(("JAVA", "LS_PRIVATE", "LANG"))
                },
            },
            api_port,
        )
        _write_settings(found, kafka, front)
        try:
            yield found
        finally:
            _stop(tmp_path / "unit.pid")


def _write_settings(fresh: Fresh, kafka: KafkaSettings, front: str) -> None:
    """Write the files of section 2, with the addresses of this machine and names of the test's own."""
    text = PAGE.read_text("utf-8")
    for name, block in re.findall(r"^`/etc/shipper/(\w+)`.*?```sh\n(.*?)```", text, re.MULTILINE | re.DOTALL):
        told = block.replace("kafka-1:9092", kafka.bootstrap_servers).replace("https://search-1:9200", front)
        (fresh.root / "etc" / "shipper" / name).write_text(fresh.here(told), "utf-8")
    own = {
        "SHIPPER_KAFKA_TOPIC": kafka.topic,
        "SHIPPER_KAFKA_DEAD_LETTER_TOPIC": kafka.dead_letter_topic,
        "SHIPPER_NAMESPACE": _NAMESPACE,
        # A machine of tests may be too busy to ship within three seconds what a program logs as its last.
        "SHIPPER_SHIP_CLOSE_TIMEOUT_S": "60",
    }
    with (fresh.root / "etc" / "shipper" / "environment").open("a", encoding="utf-8") as file:
        file.write("".join(f"{key}={value}\n" for key, value in own.items()))


def _stop(pid_file: Path) -> None:
    if not pid_file.is_file():
        return
    try:
        process = psutil.Process(int(pid_file.read_text()))
        process.send_signal(signal.SIGTERM)
        process.wait(90)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.NoSuchProcess:
        pass


def steps() -> list[str]:
    """Return the commands of the page, in their order, each with its further lines."""
    text = PAGE.read_text("utf-8").split("\n## Other sources")[0]
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [
        step.strip()
        for block in blocks
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)
        if step.strip()
    ]


def _script(fresh: Fresh) -> str:
    """Return a program for the shell: the steps, those that ask for a secret or take a while treated as a person would."""
    lines = ["set -euo pipefail", f"cd {fresh.environment['HOME']}", _AGAIN]
    for step in steps():
        line = fresh.here(step).replace("USERNAME=elastic", f"USERNAME={ADMIN}")
        if line.startswith("read -rs"):
            line = line.replace(";", ' <<< "$SECRET";', 1)
        elif "logstash-keystore" in line:
            line += ' <<< "$SECRET"' if " add " in line else " <<< y"
        elif line.startswith(("shipper logstash status", "shipper logs search")):
            line = f"again {line}"
        if fresh.home is None and "shipper logstash status" in line:
            continue
        if fresh.home is None and "shipper logs search" in line:
            lines.append("shipper index --once --idle 1 --quiet")
        lines.append(line)
    return "\n".join(lines) + "\n"


_AGAIN: Final = f"""again() {{
    local until=$((SECONDS + {2 * START_S}))
    while answer=$("$@" 2> "$ROOT/errors"); [ $? != 0 ] || [ -z "$answer" ]; do
        [ $SECONDS -lt $until ] || {{ echo "$answer"; cat "$ROOT/errors"; return 1; }}
        sleep 1
    done
    echo "$answer"
}}"""


def test_the_page_leads_to_a_searchable_record(fresh: Fresh) -> None:
    """Whoever does what the page says, in its order, as the users that it names, finds the record in the end."""
    assert len(steps()) > 15, "the page was taken for another"
    done = subprocess.run(
        ["bash", "-c", _script(fresh)],
        env=fresh.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * START_S,
        check=False,
    )
    unit = fresh.root / "unit.out"
    said = done.stdout + done.stderr
    assert done.returncode == 0, said + (unit.read_text("utf-8")[-3000:] if unit.is_file() else "")
    assert "it works" in done.stdout.splitlines()[-1]
    asked = (fresh.root / "curl.arguments").read_text("utf-8").splitlines()
    assert any(one.endswith("/_security/user/logstash") for one in asked)
    assert json.loads(asked[asked.index("-d") + 1])["roles"] == ["shipper_writer"]
    keystore = fresh.root / "etc" / "logstash" / "logstash.keystore"
    if fresh.home is not None:
        assert "No configuration found" not in said
        assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
        assert PASSWORD not in said + unit.read_text("utf-8")
