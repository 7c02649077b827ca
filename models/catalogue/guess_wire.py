"""How the trial process and the app talk: a header in JSON, then the bytes of tensors. No pickles."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Message", "read_message", "write_message"]

_SIZES = struct.Struct("<IQ")
_MOST_HEADER_BYTES = 64 << 20
_MOST_TENSOR_BYTES = 2 << 30

Message = tuple[dict[str, Any], dict[str, NDArray[Any]]]


def write_message(
    pipe: IO[bytes], header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]] | None = None
) -> None:
    """Send one message.

    Raises:
        OSError: the other side has gone.
    """
    arrays = {name: np.ascontiguousarray(value) for name, value in (tensors or {}).items()}
    # numpy makes (1,) of (): the shape is that of the tensor as it was given.
    shapes = [[name, a.dtype.str, list(np.shape((tensors or {})[name]))] for name, a in arrays.items()]
    text = json.dumps({**header, "tensors": shapes}).encode()
    pipe.write(_SIZES.pack(len(text), sum(a.nbytes for a in arrays.values())))
    pipe.write(text)
    for array in arrays.values():
        pipe.write(array.data if array.size else b"")
    pipe.flush()


def read_message(pipe: IO[bytes]) -> Message | None:
    """The next message; None when the other side has gone.

    Raises:
        ValueError: what came is not a message.
    """
    start = _exactly(pipe, _SIZES.size)
    if start is None:
        return None
    header_bytes, tensor_bytes = _SIZES.unpack(start)
    if header_bytes > _MOST_HEADER_BYTES or tensor_bytes > _MOST_TENSOR_BYTES:
        raise ValueError("the message is too large")
    text, content = _exactly(pipe, header_bytes), _exactly(pipe, tensor_bytes)
    if text is None or content is None:
        return None
    header = json.loads(text)
    tensors: dict[str, NDArray[Any]] = {}
    at = 0
    for name, kind, shape in header.pop("tensors"):
        dtype, count = np.dtype(kind), math.prod(shape)
        # Of objects there are none: numpy refuses to make them of bytes.
        tensors[name] = np.frombuffer(content, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
    return header, tensors


def _exactly(pipe: IO[bytes], count: int) -> bytearray | None:
    data = bytearray()
    while len(data) < count:
        part = pipe.read(min(count - len(data), 1 << 24))
        if not part:
            return None
        data += part
    return data
