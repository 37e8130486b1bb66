"""Harmless log lines made from a seed: what logs are full of and what only looks like a secret."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable

HEX = "0123456789abcdef"


def _hex(rng: random.Random, size: int) -> str:
    return "".join(rng.choice(HEX) for _ in range(size))


def _value(rng: random.Random) -> str:
    number = rng.randint
    makers: tuple[Callable[[], str], ...] = (
        lambda: str(uuid.UUID(int=rng.getrandbits(128))),
        lambda: _hex(rng, 40),
        lambda: _hex(rng, 64),
        lambda: _hex(rng, rng.choice([7, 8, 12, 16, 32])),
        lambda: f"sha256:{_hex(rng, 64)}",
        lambda: (
            f"2026-{number(1, 12):02d}-{number(1, 28):02d}T{number(0, 23):02d}:{number(0, 59):02d}:{number(0, 59):02d}.{number(0, 999_999):06d}Z"
        ),
        lambda: (
            f"2026-{number(1, 12):02d}-{number(1, 28):02d} {number(0, 23):02d}:{number(0, 59):02d}:{number(0, 59):02d},{number(0, 999):03d}"
        ),
        lambda: (
            f"{number(1, 28):02d}/{number(1, 12):02d}/2026:{number(0, 23):02d}:{number(0, 59):02d}:{number(0, 59):02d} +0{number(0, 9)}00"
        ),
        lambda: str(number(1_600_000_000, 1_900_000_000)),
        lambda: str(number(1_600_000_000_000, 1_900_000_000_000)),
        lambda: str(number(1_600_000_000_000_000_000, 1_900_000_000_000_000_000)),
        lambda: (
            f"v{number(0, 9)}.{number(0, 40)}.{number(0, 99)}{rng.choice(['', '-rc.1', '+build.77', '.dev0'])}"
        ),
        lambda: repr(rng.uniform(-1e6, 1e6)),
        lambda: f"{rng.uniform(0, 1):.17f}",
        lambda: f"{rng.uniform(0, 1):.6e}",
        lambda: f"/srv/models/churn-{number(1, 99)}/{_hex(rng, 8)}/weights.bin",
        lambda: f"C:\\Users\\svc\\logs\\app-{number(1, 99)}.log",
        lambda: " ".join(_hex(rng, 2) for _ in range(16)),
        lambda: f"{number(0, 59)}m{number(0, 59)}.{number(0, 999)}s",
        lambda: ":".join(_hex(rng, 2) for _ in range(6)),
        lambda: f"10.{number(0, 255)}.{number(0, 255)}.{number(0, 255)}:{number(1024, 65_535)}",
        lambda: f"fe80::{_hex(rng, 4)}:{_hex(rng, 4)}:{_hex(rng, 4)}:{_hex(rng, 4)}",
        lambda: f"scorer-{_hex(rng, 10)}-{_hex(rng, 5)}",
        lambda: f"0x{_hex(rng, 16)}",
        lambda: f"({number(1, 512)}, {number(1, 512)}, {number(1, 4)})",
        lambda: f"{number(0, 100)}%",
        lambda: f"part-{number(0, 99_999):05d}-of-{number(0, 99_999):05d}",
        lambda: f"s3://bucket/runs/{_hex(rng, 32)}/artifacts?page={number(1, 9)}",
        lambda: (
            f"https://host-{number(1, 9)}.internal:{number(1024, 65_535)}/v1/score?model=churn&limit={number(1, 99)}"
        ),
        lambda: "[" + ", ".join(f"{rng.gauss(0, 1):.8f}" for _ in range(6)) + "]",
        lambda: f"{number(1, 999_999)}/{number(1, 999_999)}",
        lambda: (
            f"attempt_{number(200_000_000_000, 299_999_999_999)}_{number(0, 9999):04d}_m_{number(0, 999_999):06d}_0"
        ),
        lambda: f"+0{number(0, 9)}:{rng.choice(['00', '30'])}",
        lambda: f"{number(10, 99)}-{number(10, 99)}-{number(1000, 9999)}",
    )
    return rng.choice(makers)()


_FORMS = (
    "{0} started",
    "step={0} loss={1} lr={2}",
    "GET {0} 200 {1}",
    "id={0} parent={1}",
    "loaded {0} in {1}",
    "key={0} tokens={1} author=bob",
    "prediction {0} took {1}",
    '{{"run": "{0}", "value": "{1}", "token_count": 17}}',
    "{{'name': 'x', 'rows': '{0}', 'keys': ['{1}']}}",
    "worker {0}: {1} -> {2}",
    "commit {0} on branch feature/{1}",
    "{0} {1} {2}",
)


def harmless_lines(seed: int, count: int) -> list[str]:
    """Return `count` lines without secrets and without anything of a person."""
    rng = random.Random(seed)
    return [rng.choice(_FORMS).format(_value(rng), _value(rng), _value(rng)) for _ in range(count)]
