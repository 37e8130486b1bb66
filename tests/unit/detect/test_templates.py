"""Messages that are one message get one form and one fingerprint; those that are two do not."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from shipper.detect.templates.forms import MOST_TOKENS, fingerprint, form_of, text_of
from shipper.detect.templates.masking import MOST_CHARACTERS, SLOT, masked, shape_of
from shipper.detect.templates.mining import MOST_CHOICES, covers, mined


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 3 ms", "took 1,204.5 ms"),
        ("took 3 ms", "took 2 minutes"),
        ("freed 12 bytes", "freed 1.5 GiB"),
        ("at 0x7ffd12", "at 0xdeadbeef"),
        ("commit 9f4ef63a", "commit 1234567"),
        ("request 550e8400-e29b-41d4-a716-446655440000 failed", "request 00000000-0000-4000-8000-00000000000a failed"),
        ("no answer from 10.0.0.1:9092", "no answer from 192.168.17.4"),
        ("no answer from 10.0.0.1:9092", "no answer from broker.example.com:9092"),
        ("no answer from fe80::1ff:fe23:4567:890a", "no answer from 2607:f140:400:a01b:c6b3:1ff:fecd:467f"),
        ("open /etc/passwd failed", "open /var/lib/model store/x.onnx failed".replace(" store", "")),
        ("get https://a.example/x?y=1 failed", "get s3://bucket/key failed"),
        ("mail to a.b@example.org bounced", "mail to c@d.example.com bounced"),
        ("since 2026-11-21T21:40:34.123Z", "since 2025-01-02 03:04:05"),
        ("since Thu Aug 04 15:29:45 PDT 2005", "since Fri Sep 09 01:02:03 UTC 2026"),
        ('no feature "age" in the request', 'no feature "income of household" in the request'),
        ("open C:\\Windows\\a b.dll failed".replace(" b", ""), "open \\\\host\\share\\x.txt failed"),
        ("denied uid=0 user= host=a.example", "denied uid=7 user=root host=10.0.0.1"),
        ("gone: a.example.org (10.0.0.1)", "gone: 10.0.0.1 ()"),
        ("totals 1##2##3", "totals 1##2"),
        ("task_12_a done", "task_7_b done"),
        ("version 1.2.3 loaded", "version 12.0 loaded"),
        ("version v1.2.3-rc.1+b7 loaded", "version 2.0~dev loaded"),
        ("done in 17 milliseconds", "done in 0.5 s"),
        ("user=alice denied", "user=bob denied"),
        ("delete blk_1 blk_-22", "delete blk_1 blk_-22 blk_333 blk_4444"),
        ("shape (1, 2)", "shape (1, 2, 3)"),
        ("two  words", " two words\n"),
        ("loss 1.5e-07 at step 10", "loss 0.25 at step 12000"),
        ("no answer from localhost:9092", "no answer from 127.0.0.1:9092"),
        ("retry for (url='/a/b/7?q=1'): total=2", "retry for (url='/static'): total=0"),
        ('127.0.0.1 "GET /a HTTP/1.1" 200 "-" "curl/7"', '10.0.0.9 "GET /b HTTP/1.0" 404 "http://x.y" "Mozilla (X)"'),
        ("no column 'age', 3 others", "no column 'income per head', 12 others"),
        ("value: b'\\x0e\\x00'", "value: b''"),
        ("got {'id': 7, 'tags': ['a', None]}", "got {}"),
        ('got {"id": 7, "tags": [true, {"a": 1.5}]}', "got [1, 2]"),
        ("args (1, 'a')", "args (0,)"),
        ("calling <function f at 0x7f01>", "calling <bound method C.f of <m.C object at 0x7f02>>"),
        ("expected <class 'int'>", "expected <class 'm.C'>"),
    ],
)  # fmt: skip
def test_variable_parts_do_not_tell_messages_apart(one: str, other: str) -> None:
    """What differs between two sightings of one message is masked: numbers, times, addresses, paths, names."""
    assert form_of(one) == form_of(other)
    assert SLOT in masked(shape_of(one)) or one.split() == other.split()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("instance started", "instance stopped"),
        ("model loaded", "model not loaded"),
        ("java.lang.NullPointerException: null", "java.lang.IllegalStateException: null"),
        ("org.acme.io.FirstException raised", "org.acme.io.SecondException raised"),
        ('"GET /x HTTP/1.1" failed', '"POST /x HTTP/1.1" failed'),
        ("ready=true", "ready=false"),
        ("it's gone, it's late", "it's here, it's late"),
        ("(started) 3", "(stopped) 3"),
        ("a < b and c > d", "a < b or c > d"),
        ("{'a': 1} started", "{'a': 1} stopped"),
        ("interface eth0 down", "interface wlan0 down"),
        ("read/write error", "read/only error"),
        ("ошибка чтения", "ошибка записи"),
        ("读取失败", "写入失败"),
    ],
)
def test_words_tell_messages_apart(one: str, other: str) -> None:
    """What happened stays: verbs, exceptions, methods, truth values, in any script."""
    assert form_of(one) != form_of(other)


def test_names_are_found_by_their_number() -> None:
    """A word that has many values in one place is a slot; one that has few is a message of its own."""
    people = ["ada", "bob", "cyd", "dan", "eve"]
    assert len(people) == MOST_CHOICES
    forms = [form_of(f"request of customer {name} was refused by policy") for name in people]
    assert set(mined(forms).values()) == {form_of(f"request of customer {SLOT} was refused by policy")}
    verbs = [form_of(f"the model server has {word} its queue") for word in ("filled", "emptied", "closed")]
    assert mined(verbs) == {form: form for form in verbs}


def test_a_name_behind_user_is_a_name() -> None:
    """Two users are enough: the word before says that it is a name."""
    forms = [form_of(f"session opened for user {name} by system") for name in ("root", "backup")]
    assert len(set(mined(forms).values())) == 1


def test_short_messages_are_never_joined() -> None:
    """Forms that share less than half of their words have nothing in common."""
    forms = [form_of(f"stage {word}") for word in ("alpha", "beta", "gamma", "delta", "omega", "sigma")]
    assert len(set(mined([(*form[1:], *form[1:]) for form in forms]).values())) == len(forms)


def test_order_and_repetition_do_not_matter() -> None:
    """The templates of a set of messages are one answer, however it is shuffled."""
    chance = random.Random(5)
    names = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus"]
    lines = [f"job {n} of {name} ended with code {n % 3}" for n in range(40) for name in names]
    lines += [f"queue {word} is full" for word in ("in", "out", "dead")]
    forms = [form_of(line) for line in lines]
    expected = mined(forms)
    for _ in range(3):
        chance.shuffle(forms)
        assert mined(forms + forms[:50]) == expected
    assert all(covers(template, form) for form, template in expected.items())


def test_covers_is_strict_about_what_is_not_a_slot() -> None:
    """A template covers a form of its length whose other words are equal."""
    template = ("request", "of", SLOT, "refused")
    assert covers(template, ("request", "of", "zoe", "refused"))
    assert not covers(template, ("request", "of", "zoe", "granted"))
    assert not covers(template, ("request", "of", "zoe", "refused", "again"))
    assert not covers(template, ("request", "of", "=", "refused"))


def test_fingerprint_is_the_same_in_another_process() -> None:
    """A fingerprint is a hash of the form alone, so that a restart or another machine finds the same."""
    line = "Could not reach broker 10.0.0.1:9092 after 3 tries"
    program = (
        "from shipper.detect.templates.forms import *; "
        f"print(fingerprint(form_of({line.replace('3', '17')!r})))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == fingerprint(form_of(line)) == "ed608642b556272a"


def test_what_is_far_behind_does_not_count() -> None:
    """Only the beginning of a message is looked at, whole words of it."""
    start = "failed to parse " + "word " * (MOST_CHARACTERS // 5)
    assert form_of(start + "one") == form_of(start + "two " * 10_000)
    assert len(form_of("a " * 1000)) == MOST_TOKENS


@pytest.mark.parametrize(
    "line",
    [
        "a" * 1_000_000, "1" * 1_000_000, "a1" * 500_000, "a." * 500_000, "/" * 1_000_000, "a/" * 500_000,
        ":" * 1_000_000, "a:" * 500_000, "-" * 1_000_000, "a-1_" * 250_000, "<*>" * 300_000, "(" * 1_000_000,
        "=" * 1_000_000, "a=" * 500_000, '"' * 1_000_001, "@" * 1_000_000, "a@" * 500_000, "1.1." * 250_000,
        "f" * 1_000_000, " " * 1_000_000, "1,"* 500_000, "é" * 500_000, "\ud800" * 1000, "\x00" * 1000, "",
        "Thu " * 250_000, "x://" * 250_000, "{(" * 300_000, "1:" * 500_000, "::" * 500_000, ". " * 400_000,
        "a=({[" * 100_000, "0x" * 400_000, "٣" * 1000, "a+.-" * 250_000, "a." * 900 + "!", "<a " * 300_000, "<f at 0x0" * 100_000, "'" * 1_000_001, "b'\\" * 300_000,
        "[None," * 200_000, "({[" * 300_000 + "]})" * 300_000, "[" * 1000 + "]" * 1000,
    ],
)  # fmt: skip
def test_hostile_lines_are_bounded(line: str) -> None:
    """A megabyte without a space, or one made to let a pattern run, costs milliseconds and a small form."""
    start = time.process_time()
    form = form_of(line)
    assert time.process_time() - start < 0.4
    assert len(form) <= MOST_TOKENS
    assert len(text_of(form)) <= 4 * MOST_CHARACTERS
    assert len(fingerprint(form)) == 16
