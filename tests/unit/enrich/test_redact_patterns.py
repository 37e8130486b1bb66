"""What is found in texts, and what looks alike and is left alone."""

from __future__ import annotations

import base64

import pytest

from shipper.ecs.fields import FIELDS
from shipper.enrich.redact import Policy, Redactor

REDACTOR = Redactor(FIELDS)

LOGIN = base64.b64encode(b"alice:hunter2x").decode()
AFTER = {
    # e-mail
    "mail to alice.b+c@example.co.uk now": "mail to [redacted:email] now",
    "<bob@example.com>": "<[redacted:email]>",
    "to=bob%40example.com&x=1": "to=[redacted:email]&x=1",
    "alice\u200b@example.com": "[redacted:email]",
    # cards
    "paid with 4111 1111 1111 1111 today": "paid with [redacted:card] today",
    "paid with 4111-1111-1111-1111": "paid with [redacted:card]",
    "id 17 4111 1111 1111 1111 9": "id 17 [redacted:card] 9",
    "amex 378282246310005.": "amex [redacted:card].",
    "\uff14" + "\uff11" * 15: "[redacted:card]",
    # accounts
    "to DE89370400440532013000 sent": "to [redacted:iban] sent",
    "to GB29 NWBK 6016 1331 9268 19, sent": "to [redacted:iban], sent",
    # phones
    "call +49 (0)30 1234-5678": "call [redacted:phone]",
    "call (415) 555-0123 now": "call [redacted:phone] now",
    "call 415-555-0123": "call [redacted:phone]",
    "Tel. 030 1234567": "Tel. [redacted:phone]",
    "06 12 34 56 78": "[redacted:phone]",
    "phone 4155550123": "phone [redacted:phone]",
    # issued keys and tokens
    "key AKIAIOSFODNN7EXAMPLE used": "key [redacted:token] used",
    "remote: ghp_16C7e42F292c6912E7710c838347Ae178B4a rejected": "remote: [redacted:token] rejected",
    "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_123 end": "jwt [redacted:jwt] end",
    "POST https://hooks.slack.com/services/T00000001/B00000002/XyZ123abc45XyZ123abc45X": "POST https://hooks.slack.com/services/[redacted:token]",
    "from gAAAAABn" + "x1-_" * 20 + "== on": "from [redacted:token] on",
    # stored passwords
    "bob:$2b$12$" + "Ab1./" * 10 + "xyz": "bob:[redacted:secret]",
    "hash $argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g now": "hash [redacted:secret] now",
    "read $6$abcdefgh$" + "qW" * 43 + " of root": "read [redacted:secret] of root",
    "pbkdf2_sha256$600000$saltsalt$bGFyZ2VoYXNo=": "[redacted:secret]",
    "scrypt:32768:8:1$saltsalt$0123456789abcdef": "[redacted:secret]",
    "userPassword {SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr": "userPassword [redacted:secret]",
    # commands
    "mysql -u root -pHunter2x -h db": "mysql -u root -p[redacted:login] -h db",
    "ran mysqldump --single-transaction -p'Hunter2x' shop": "ran mysqldump --single-transaction -p'[redacted:login]' shop",
    # HTTP
    "Authorization: Basic " + LOGIN: "Authorization: [redacted:secret]",
    "header was Bearer a1b2c3d4e5f6": "header was Bearer [redacted:login]",
    "header was Basic " + LOGIN: "header was Basic [redacted:login]",
    "auth=Basic%20" + LOGIN: "auth=[redacted:secret]",
    "Cookie: a=b; c=d\r\nHost: x": "Cookie: [redacted:secret]\r\nHost: x",
    "curl -H 'X-Api-Key: abc' https://h/": "curl -H 'X-Api-Key: [redacted:secret]' https://h/",
    "headers=[(b'authorization', b'Bearer x1'), (b'accept', b'*/*')]": "headers=[(b'authorization', b'[redacted:secret]'), (b'accept', b'*/*')]",
    # URLs
    "postgres://bob:p%40ss@db/x": "postgres://[redacted:login]@db/x",
    "postgres://bob:p@ss@db/x": "postgres://[redacted:login]@db/x",
    "redis://:pw1@cache:6379": "redis://[redacted:login]@cache:6379",
    "GET /cb?code=abc123&state=xyz&page=2": "GET /cb?code=[redacted:secret]&state=[redacted:secret]&page=2",
    "https://s3/x?X-Amz-Signature=ab12&X-Amz-Date=2026": "https://s3/x?X-Amz-Signature=[redacted:secret]&X-Amz-Date=2026",
    # assignments
    "password=hunter2, user=bob": "password=[redacted:secret], user=bob",
    "password='two words' user=bob": "password='[redacted:secret]' user=bob",
    '{"client_secret": "a\\"b", "n": 1}': '{"client_secret": "[redacted:secret]", "n": 1}',
    "{'credentials': {'user': 'u', 'value': 'v'}, 'n': 1}": "{'credentials': [redacted:secret], 'n': 1}",
    "--api-key abc123 -v": "--api-key [redacted:secret] -v",
    "API key: abc123": "API key: [redacted:secret]",
    "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPx": "export AWS_SECRET_ACCESS_KEY=[redacted:secret]",
    "<Password>hunter2</Password>": "<Password>[redacted:secret]</Password>",
    "the password is hunter2 now": "the password is [redacted:secret] now",
    "ssn: 078-05-1120": "ssn: [redacted:id]",
    # SQL
    "UPDATE u SET password = 'abc' WHERE id=3": "UPDATE u SET password = '[redacted:secret]' WHERE id=3",
    "INSERT INTO u (id, name, pwd) VALUES (1, 'a,b', 'it''s'), (2, 'c', 'd')": "INSERT INTO u (id, name, pwd) VALUES (1, 'a,b', '[redacted:secret]'), (2, 'c', '[redacted:secret]')",
    "CREATE USER bob IDENTIFIED BY 'abc'": "CREATE USER bob IDENTIFIED BY '[redacted:secret]'",
    "DETAIL:  Key (ssn)=(abc 1) already exists.": "DETAIL:  Key (ssn)=[redacted:personal] already exists.",
    "DETAIL:  Failing row contains (7, bob, x).": "DETAIL:  Failing row contains ([redacted:secret]).",
    # other
    "SSN 078-05-1120 given": "SSN [redacted:id] given",
    "password was changed to Foo1234!": "password was changed to [redacted:secret]",
    "the password is: abc": "the password is: [redacted:secret]",
    "secret: abc": "secret: [redacted:secret]",
    "password -> abc": "password -> [redacted:secret]",
    '<input type="password" name="p" value="abc">': '<input type="password" name="p" value="[redacted:secret]">',
    '<add key="apiKey" value="abc"/>': '<add key="apiKey" value="[redacted:secret]"/>',
    "card 4111.1111.1111.1111": "card [redacted:card]",
    "cvv 123 and pin is 4711": "cvv [redacted:secret] and pin is [redacted:secret]",
    "WHERE ssn IN ('a1', 'b2') AND x": "WHERE ssn IN [redacted:secret] AND x",
    "WHERE u.ssn like 'a1%' AND x": "WHERE u.ssn like '[redacted:secret]' AND x",
    "1 error\nuser.ssn\n  too short [type=x, input_value='a1b', input_type=str]": (
        "1 error\nuser.ssn\n  too short [type=x, input_value='[redacted:secret]', input_type=str]"
    ),
    "curl -u bob:hunter2 https://h/": "curl -u [redacted:login] https://h/",
    "machine h login bob password abc": "machine h login bob password [redacted:login]",
    "REDIS_PASS=abc": "REDIS_PASS=[redacted:secret]",
    "CPF 529.982.247-25, ok": "CPF [redacted:id], ok",
    "nir 1 85 05 78 006 084 91 ok": "nir [redacted:id] ok",
    "id 11010519491231002X ok": "id [redacted:id] ok",
    "code RSSMRA85T10A562S ok": "code [redacted:id] ok",
}  # fmt: skip

LEFT_ALONE = [
    "CPF 529.982.247-26, no",
    "nir 1 85 05 78 006 084 92 no",
    "id 110105194912310021 no",
    "code RSSMRA85T10A562T no",
    "docker run -u 1000:1000 image",
    "WHERE city in ('Bonn', 'Ulm')",
    "status code 200 and exit code 137",
    "test_pass=12 forward_pass=0.25",
    "rows in 'train' like before",
    "mysql -h db -P 3306 -u app shop", "mysqld: ready for connections; nginx -p x", "cost $5$ or $6$ a piece", "Foo$Bar$Baz.run(Foo.java:12)",
    "template ${HOME}/x and {SHA} of it", "price $12.50, then $2$",
    "user@1000.service started", "icon@2x.png", "android.os.BinderProxy@2bd79ce", "git@github.com:team/repo.git", "tool@1.2.3",
    "4111 1111 1111 1112", "blk_-4980916519894289629", "order 1234567890123456", "epoch 1763720000123456 us", "0.4111111111111111",
    "DE89370400440532013001", "DE00", "commit de8937040044053201300012", "2026-11-21T10:11:12.123456Z", "2026-11-21 10:11:12,123",
    "01-02-2026 10:11:12", "10.250.13.240:50010", "00:1a:2b:3c:4d:5e", "01 23 45 67 89 10 11 12", "0x00007f2a1c3d4e5f", "v1.2.3-rc.4+56",
    "3f2b8c1e-7a55-4c1e-9b2d-0123456789ab", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "took 1234.5678 s",
    "api-7d9f8b6c5d-x2x4z ready", "200 512 1024", "[0701/114930:WARNING:dns.cc(306)]", "loss=0.123456 token_count=512 max_tokens=4096",
    "author=bob passed=3 key=value monkey=1 tokens=17 keyboard: us", "Unexpected token: name", "authorization: failed", "password: must be set",
    "password=None", "password=***", "password length is 8", "Basic information about bearer certificates", "token: {", "https://host:8080/path?page=2",
    "ssh://git@host/x", "mail.google.com:443 open", "lr=1e-05 step=1200 eta 00:12:33", "eos_token=</s> pad_token=<pad>", "cookie_count=3",
    "The secret of success is work", "tokenizer: bert-base-uncased", "sha256:9f86d081884c7d659a2feaa0c55ad015", "GET /users/42/posts 200 17ms",
    "-1.2345678901e+05 2.3456789012e-03", "range 1000000000-2000000000", "port 8080 pid 12345 tid 140234567890123", "key: 12", "session ended",
]  # fmt: skip


@pytest.mark.parametrize("text", AFTER, ids=range(len(AFTER)))
def test_found(text: str) -> None:
    """U49: secrets and personal data in texts are replaced by what kind they are; the rest of the text stays."""
    assert REDACTOR.scan(text) == AFTER[text]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_left_alone(text: str) -> None:
    """What only looks like a secret is left as it is."""
    assert REDACTOR.scan(text) == text


@pytest.mark.parametrize("feed", ["\n", "\r\n", "\\n", " "])
def test_private_keys(feed: str) -> None:
    """A private key goes from its first line to its last, also with escaped line feeds, and to the end if it is cut."""
    body = feed.join(["MIIEowIBAAKCAQEA7bq98765432109876543210987654321abcdefghijkl"] * 3)
    key = f"-----BEGIN RSA PRIVATE KEY-----{feed}{body}{feed}-----END RSA PRIVATE KEY-----"
    assert REDACTOR.scan(f"read {key} from disk") == "read [redacted:private-key] from disk"
    assert REDACTOR.scan(f"read {key[:100]}") == "read [redacted:private-key]"
    public = key.replace("PRIVATE", "PUBLIC")
    assert REDACTOR.scan(public) == public


def test_a_key_without_its_beginning() -> None:
    """Of a private key whose beginning was cut off, the lines before its end go."""
    lines = "\n".join(["MIIEowIBAAKCAQEA7bq98765432109876543210987654321abcdefghijkl"] * 3)
    found = REDACTOR.scan(f"first line\n{lines}\n-----END PRIVATE KEY-----\nlast line")
    assert found == "first line\n[redacted:private-key]\nlast line"


def test_words_at_a_cut() -> None:
    """What a length cap cut through is removed, unless it is a plain word: half a secret is not known as one."""
    assert (
        REDACTOR.scan("number 4111 1111 11 …[cut, 40000 characters]")
        == "number [redacted:cut] …[cut, 40000 characters]"
    )
    assert (
        REDACTOR.scan("it is hunter2a …[cut, 40000 characters]")
        == "it is [redacted:cut] …[cut, 40000 characters]"
    )
    assert REDACTOR.scan("a plain word …[cut, 40000 characters]") == "a plain word …[cut, 40000 characters]"


def test_ip_on_request() -> None:
    """IP addresses stay by default and go on request."""
    text = "from 10.1.2.3 and fe80::1 at 12:30:15"
    assert REDACTOR.scan(text) == text
    asked = Redactor(FIELDS, Policy(ip=True))
    assert not asked.is_clean(text)
    assert asked.scan(text) == "from [redacted:ip] and [redacted:ip] at 12:30:15"


def test_kinds_can_be_switched_off() -> None:
    """A kind that is switched off is left in texts; the others are not."""
    chosen = Redactor(FIELDS, Policy(off=frozenset({"email", "phone"})))
    assert (
        chosen.scan("bob@example.com password=hunter2 +49 30 12345678")
        == "bob@example.com password=[redacted:secret] +49 30 12345678"
    )
