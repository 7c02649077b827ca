"""Messages between the app and the process of a local model."""

from __future__ import annotations

import contextlib
import io
import random

import msgpack
import pytest

from scenescope.models.language.local.wire import read_message, write_message

MESSAGES = [
    {"do": "load", "folder": "Ünï/コード", "threads": 3},
    {"do": "look", "id": 2**40, "pictures": [b"\xff\xd8\0", b""], "prompt": "What?\n\0"},
    {},
]


def test_messages_arrive_as_they_were_sent():
    pipe = io.BytesIO()
    for message in MESSAGES:
        write_message(pipe, message)
    pipe.seek(0)
    assert [read_message(pipe, 1000) for _ in MESSAGES] == MESSAGES
    assert read_message(pipe, 1000) is None


def test_a_message_that_is_cut_short_is_none():
    pipe = io.BytesIO()
    write_message(pipe, MESSAGES[1])
    whole = pipe.getvalue()
    for length in range(len(whole)):
        assert read_message(io.BytesIO(whole[:length]), 1000) is None


@pytest.mark.parametrize(
    "content",
    [b"\xff\xff\xff\xff", b"\xe9\x03\0\0" + bytes(1001), b"\x01\0\0\0\xc1", b"\x02\0\0\0\xc0\xc0", b"\x01\0\0\0\x90",
     b"\x00\0\0\0", b"\x01\0\0\0\x81"],
    ids=["4 GB", "one too long", "no msgpack", "two at once", "a list", "nothing", "half"],
)  # fmt: skip
def test_what_is_no_message_is_refused(content: bytes):
    with pytest.raises(ValueError):
        read_message(io.BytesIO(content), 1000)


def test_random_bytes_are_a_message_or_a_value_error():
    chance = random.Random(5)
    for _ in range(2000):
        content = chance.randbytes(chance.randrange(40))
        pipe = io.BytesIO(len(content).to_bytes(4, "little") + content)
        with contextlib.suppress(ValueError):
            assert isinstance(read_message(pipe, 1000), dict | None)


def test_no_objects_are_made_of_bytes():
    content = msgpack.packb({"a": msgpack.ExtType(4, b"cos\nsystem\n")})
    message = read_message(io.BytesIO(len(content).to_bytes(4, "little") + content), 1000)
    assert message == {"a": msgpack.ExtType(4, b"cos\nsystem\n")}
