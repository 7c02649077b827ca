"""How the app and the process of a local model talk: messages of msgpack, each after its length. No pickles."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import IO, Any

import msgpack

__all__ = ["MOST_FROM_CHILD_BYTES", "MOST_TO_CHILD_BYTES", "read_message", "write_message"]

MOST_TO_CHILD_BYTES = 32 << 20
MOST_FROM_CHILD_BYTES = 1 << 20

_LENGTH = struct.Struct("<I")


def write_message(pipe: IO[bytes], message: Mapping[str, Any]) -> None:
    """Send one message: texts, numbers, bytes, and lists of these by name.

    Raises:
        OSError: the other side has gone.
    """
    content = msgpack.packb(dict(message))
    pipe.write(_LENGTH.pack(len(content)) + content)
    pipe.flush()


def read_message(pipe: IO[bytes], most_bytes: int) -> dict[str, Any] | None:
    """The next message; None when the other side has gone, also in the middle of one.

    Raises:
        ValueError: what came is not a message, or is longer than ``most_bytes``.
    """
    start = _exactly(pipe, _LENGTH.size)
    if start is None:
        return None
    (length,) = _LENGTH.unpack(start)
    if length > most_bytes:
        raise ValueError(f"a message of {length} bytes is too long")
    content = _exactly(pipe, length)
    if content is None:
        return None
    message = msgpack.unpackb(content)
    if not isinstance(message, dict):
        raise ValueError("a message is a map")
    return message


def _exactly(pipe: IO[bytes], count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        part = pipe.read(count - len(data))
        if not part:
            return None
        data += part
    return bytes(data)
