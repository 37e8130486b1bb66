"""Secrets made from a seed, and the places they are put in. Written from the issuers' published forms, not from ours."""

# ruff: noqa: S608 - the SQL here is never run

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits


class Planted(NamedTuple):
    """A secret, in the text that an application might log, and the parts that must be found nowhere."""

    kind: str
    needles: tuple[str, ...]
    text: str
    fields: dict[str, object]


def _pick(rng: random.Random, alphabet: str, size: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(size))


def _password(rng: random.Random) -> str:
    body = _pick(rng, ALNUM, rng.randint(6, 14)) + rng.choice("!#$%^*~+@") + _pick(rng, ALNUM, 4)
    return rng.choice(string.ascii_letters) + body


def _luhn_digit(digits: str) -> str:
    total = 0
    for at, letter in enumerate(reversed(digits)):
        number = int(letter) * (2 if at % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return str(-total % 10)


def card(rng: random.Random) -> str:
    """A card number with a right checksum, written with or without separators."""
    prefix, size = rng.choice(
        [("4", 16), ("51", 16), ("55", 16), ("2223", 16), ("34", 15), ("37", 15), ("6011", 16)]
    )
    body = prefix + _pick(rng, string.digits, size - 1 - len(prefix))
    number = body + _luhn_digit(body)
    mark = rng.choice(["", " ", "-"])
    if size == 15:
        return mark.join((number[:4], number[4:10], number[10:]))
    return mark.join(number[at : at + 4] for at in range(0, 16, 4))


def iban(rng: random.Random) -> str:
    """An IBAN with a right checksum, written with or without spaces."""
    country, account = rng.choice(
        [
            ("DE", _pick(rng, string.digits, 18)),
            ("FR", _pick(rng, string.digits, 23)),
            ("GB", _pick(rng, string.ascii_uppercase, 4) + _pick(rng, string.digits, 14)),
            ("NL", _pick(rng, string.ascii_uppercase, 4) + _pick(rng, string.digits, 10)),
            ("ES", _pick(rng, string.digits, 20)),
        ]
    )
    number = int("".join(str(int(letter, 36)) for letter in f"{account}{country}00"))
    whole = f"{country}{98 - number % 97:02d}{account}"
    if rng.random() < 0.5:
        return whole
    return " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))


def phone(rng: random.Random) -> str:
    """A phone number in one of the usual ways of writing."""

    def d(size: int) -> str:
        return _pick(rng, "23456789", size)

    return rng.choice(
        [f"+49 30 {d(4)} {d(4)}", f"+1-{d(3)}-{d(3)}-{d(4)}", f"({d(3)}) {d(3)}-{d(4)}", f"{d(3)}-{d(3)}-{d(4)}",
         f"+44 20 {d(4)} {d(4)}", f"+33{d(9)}", f"07{d(3)} {d(6)}", f"0{d(1)} {d(2)} {d(2)} {d(2)} {d(2)}"]
    )  # fmt: skip


def email(rng: random.Random) -> str:
    """An e-mail address."""
    name = _pick(rng, string.ascii_lowercase, 5) + rng.choice([".", "_", "+", "-", ""]) + _pick(rng, ALNUM, 5)
    return f"{name}@{_pick(rng, string.ascii_lowercase, 7)}.{rng.choice(['com', 'org', 'co.uk', 'de', 'io', 'example'])}"


def jwt(rng: random.Random) -> str:
    """A JSON web token."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join(
        (
            part({"alg": "HS256", "typ": "JWT"}),
            part({"sub": _pick(rng, ALNUM, 12)}),
            _pick(rng, ALNUM + "-_", 43),
        )
    )


def issued(rng: random.Random) -> str:
    """A key in the form of a well-known issuer."""
    forms = [
        lambda: rng.choice(["AKIA", "ASIA"]) + _pick(rng, string.ascii_uppercase + "234567", 16),
        lambda: rng.choice(["ghp_", "gho_", "ghs_"]) + _pick(rng, ALNUM, 36),
        lambda: "github_pat_" + _pick(rng, ALNUM, 22) + "_" + _pick(rng, ALNUM, 59),
        lambda: "glpat-" + _pick(rng, ALNUM, 20),
        lambda: f"xoxb-{_pick(rng, string.digits, 12)}-{_pick(rng, string.digits, 12)}-{_pick(rng, ALNUM, 24)}",
        lambda: rng.choice(["sk_live_", "rk_test_"]) + _pick(rng, ALNUM, 24),
        lambda: "sk-" + rng.choice(["", "proj-", "ant-api03-"]) + _pick(rng, ALNUM, 48),
        lambda: "AIza" + _pick(rng, ALNUM + "-_", 35),
        lambda: "hf_" + _pick(rng, string.ascii_letters, 34),
        lambda: "npm_" + _pick(rng, ALNUM, 36),
        lambda: "SG." + _pick(rng, ALNUM, 22) + "." + _pick(rng, ALNUM, 43),
        lambda: "dop_v1_" + _pick(rng, HEX, 64),
        lambda: "pypi-AgEIcHlwaS5vcmc" + _pick(rng, ALNUM, 60),
    ]  # fmt: skip
    return rng.choice(forms)()


def private_key(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """A private key in PEM, and its lines."""
    kind = rng.choice(["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "])
    lines = tuple(_pick(rng, ALNUM + "+/", 64) for _ in range(rng.randint(4, 12)))
    feed = rng.choice(["\n", "\\n", "\r\n"])
    return (
        f"-----BEGIN {kind}PRIVATE KEY-----{feed}{feed.join(lines)}{feed}-----END {kind}PRIVATE KEY-----",
        lines,
    )


NAMES = [
    "password", "passwd", "db_password", "userPassword", "DB-PASSWORD", "secret", "client_secret", "clientSecret",
    "api_key", "apiKey", "X-Api-Key", "access_token", "accessToken", "refresh_token", "AWS_SECRET_ACCESS_KEY",
    "private_key", "session_token", "authToken", "auth_token", "secret_key", "SECRET_KEY", "encryption_key", "pwd",
]  # fmt: skip


def _plain_text(kind: str, secret: str, rng: random.Random) -> Planted:
    sentence = rng.choice(
        [
            "got {} from upstream",
            "{}",
            "value was ({}), retrying",
            "sent to {};",
            "'{}' is not known",
            "a={} b=2",
            "<{}>",
        ]
    )
    return Planted(
        kind, (secret,), sentence.format(secret), {rng.choice(["note", "detail", "value"]): secret}
    )


def _assigned(rng: random.Random) -> Planted:
    name, secret = rng.choice(NAMES), _password(rng)
    text = rng.choice(
        [f"{name}={secret}", f"{name}: {secret}", f'{{"{name}": "{secret}", "n": 1}}', f"{{'{name}': '{secret}'}}",
         f'retry with {name}="{secret}" and n=2', f"--{name} {secret} --verbose", f"--{name}={secret}",
         f'{{\\"{name}\\": \\"{secret}\\"}}', f"export {name}='{secret}'", f"<{name}>{secret}</{name}>",
         f"connecting with {name} = {secret}", f"{name} => '{secret}'", f"[('{name}', '{secret}')]"]
    )  # fmt: skip
    return Planted("assigned", (secret,), text, {name: secret})


def _url(rng: random.Random) -> Planted:
    secret = _pick(rng, ALNUM, 16)
    user = _pick(rng, string.ascii_lowercase, 6)
    text = rng.choice(
        [f"postgresql://{user}:{secret}@db.internal:5432/main", f"GET https://api.internal/v1?{rng.choice(['token', 'api_key', 'sig', 'access_token'])}={secret}&page=2",
         f"redis://:{secret}@cache:6379/0", f"amqp://{user}:{quote(secret + '/@', safe='')}@mq//",
         f"next=https%3A%2F%2F{user}%3A{secret}%40host%2Fpath", f"https://{user}:{secret}@git.internal/team/repo.git"]
    )  # fmt: skip
    return Planted("url", (secret,), f"calling {text} failed", {"url": text})


def _header(rng: random.Random) -> Planted:
    secret = _pick(rng, ALNUM, 24)
    login = base64.b64encode(f"{_pick(rng, string.ascii_lowercase, 6)}:{_password(rng)}".encode()).decode()
    needle, header, value = rng.choice(
        [(secret, "Authorization", f"Bearer {secret}"), (login.rstrip("="), "Authorization", f"Basic {login}"),
         (secret, "Cookie", f"theme=dark; sid={secret}; lang=en"), (secret, "Set-Cookie", f"sid={secret}; Path=/; HttpOnly"),
         (secret, "X-Api-Key", secret), (secret, "Proxy-Authorization", f"Bearer {secret}"),
         (quote(login, safe="")[:-6].rstrip("%3D"), "authorization", f"Basic%20{quote(login, safe='')}")]
    )  # fmt: skip
    text = rng.choice(
        [f"{header}: {value}", f"GET / HTTP/1.1\r\nHost: x\r\n{header}: {value}\r\nAccept: */*", f"{{'{header}': '{value}', 'Accept': '*/*'}}",
         f"curl -H '{header}: {value}' https://host/", f'[("{header}", "{value}")]', f'{{"name": "{header}", "value": "{value}"}}']
    )  # fmt: skip
    return Planted("header", (needle,), text, {"headers": {header: value, "Accept": "*/*"}})


def _sql(rng: random.Random) -> Planted:
    secret = _password(rng).replace("'", "x")
    column = rng.choice(["password", "api_key", "secret", "ssn", "access_token"])
    text = rng.choice(
        [f"UPDATE users SET {column} = '{secret}' WHERE id = 7", f"INSERT INTO users (id, {column}, role) VALUES (7, '{secret}', 'admin')",
         f"SELECT * FROM users WHERE {column}='{secret}' AND active", f"CREATE USER bob WITH PASSWORD '{secret}'",
         f"SELECT 1 FROM users u WHERE u.{column} = '{secret}'", f"INSERT INTO t ({column}) VALUES ('{secret}'), ('{secret}')",
         f"[SQL: INSERT INTO users (name, {column}) VALUES (?, ?)]\n[parameters: ('bob', '{secret}')]",
         f"ALTER USER bob IDENTIFIED BY '{secret}'", f'DETAIL:  Key ({column})=({secret}) already exists.']
    )  # fmt: skip
    return Planted("sql", (secret,), text, {"statement": text})


def _key(rng: random.Random) -> Planted:
    text, lines = private_key(rng)
    return Planted("private key", lines, f"loaded {text} from disk", {"pem": text})


def plant(seed: int, count: int) -> list[Planted]:
    """Return `count` secrets of different kinds."""
    rng = random.Random(seed)
    makers: list[Callable[[random.Random], Planted]] = [
        _assigned, _url, _header, _sql, _key,
        lambda r: _plain_text("card", card(r), r),
        lambda r: _plain_text("iban", iban(r), r),
        lambda r: _plain_text("phone", phone(r), r),
        lambda r: _plain_text("email", email(r), r),
        lambda r: _plain_text("jwt", jwt(r), r),
        lambda r: _plain_text("issued", issued(r), r),
    ]  # fmt: skip
    return [makers[number % len(makers)](rng) for number in range(count)]
