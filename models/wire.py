"""The results of one frame as bytes, for the log: compact, the same for the same results, safe to read from anywhere.

Layout: a msgpack array ``[MAGIC, VERSION, wrote, rerun, body]``. The body is deflated: the length of a msgpack header
(uint32, little endian), the header, and the bytes of all arrays. Bytes of wider numbers are shuffled first (all lowest
bytes, then all second ones, ...), since those of neighbours are alike. Equal arrays and equal lists of words are kept
once. Nothing in the bytes names code: types are looked up in a table here, and every field is checked against its
declaration before it reaches the type's own constructor.
"""

from __future__ import annotations

import struct
import types
import typing
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from math import prod
from typing import Any, NoReturn, Protocol

import msgpack
import numpy as np
from numpy.typing import NDArray

from scenescope.models.errors import ScenescopeError
from scenescope.models.results import ResultBatch

__all__ = ["StoredFrame", "StoredResult", "is_storable", "pack", "pack_body", "read", "seal", "unpack"]

MAGIC = "scenescope-frame"
VERSION = 1
# What the results of a frame may take up once they are inflated; ten full areas of a 4K picture fit.
MOST_BYTES = 256 * 2**20
# Level 1 of zlib: 2 to 4 times as fast as the default, and a tenth larger.
DEFLATE_LEVEL = 1
SHARE_WORDS_FROM = 4

_LENGTH = struct.Struct("<I")
_DTYPES = ("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8")
_KNOWN = {
    "Count": "scenescope.models.measures",
    "Descriptors": "scenescope.models.vision.decoders.descriptor",
    "DenseMap": "scenescope.models.maps",
    "Detections": "scenescope.models.results",
    "EventKind": "scenescope.models.log_events",
    "Faces": "scenescope.models.people",
    "Keypoints": "scenescope.models.results",
    "Labels": "scenescope.models.results",
    "Landmarks": "scenescope.models.people",
    "LogEvent": "scenescope.models.log_events",
    "Markers": "scenescope.models.shapes",
    "Masks": "scenescope.models.results",
    "OrientedDetections": "scenescope.models.shapes",
    "SceneScore": "scenescope.models.measures",
    "Shapes": "scenescope.models.shapes",
    "Texts": "scenescope.models.results",
    "Tracks": "scenescope.models.results",
    "ZoneMeasures": "scenescope.models.measures",
}


class _Stamp(Protocol):
    @property
    def index(self) -> int: ...


class ResultLike(Protocol):
    """What a frame holds under a name: ``scenescope.pipelines.frame.Result`` is one."""

    @property
    def value(self) -> ResultBatch: ...
    @property
    def to_source(self) -> NDArray[np.float64]: ...
    @property
    def stamp(self) -> _Stamp: ...


@dataclass(frozen=True, eq=False)
class StoredResult:
    """A result as it was: its value, the map of its pixels to those of the source, and the picture it was found in."""

    value: ResultBatch
    to_source: NDArray[np.float64]
    stamp_index: int


@dataclass(frozen=True, eq=False)
class StoredFrame:
    """All that was kept of a frame.

    Attributes:
        results: by the names that they had, in pipeline order.
        skipped: "name: type" of results whose type is not one of Scenescope's.
        wrote: ids of the stages that have left results in this frame or an earlier one of the session.
        rerun: ids of those that cannot be replaced by their stored results, up to this frame: they changed the
            picture, or other results than their own, or left some of a foreign type.
    """

    results: dict[str, StoredResult]
    skipped: tuple[str, ...] = ()
    wrote: tuple[str, ...] = ()
    rerun: tuple[str, ...] = ()

    def in_source_pixels(self) -> dict[str, StoredResult]:
        """The results, mapped to pixels of the source picture."""
        whole = np.eye(3)
        return {
            name: one
            if np.array_equal(one.to_source, whole)
            else StoredResult(one.value.warped(one.to_source), whole, one.stamp_index)
            for name, one in self.results.items()
        }


# Writing ---------------------------------------------------------------------------------------------------------


def pack(results: Mapping[str, ResultLike]) -> bytes:
    """A frame's results as bytes. Results of types that are not Scenescope's are left out, and named as such."""
    return seal(pack_body(results))


def seal(body: bytes, wrote: Sequence[str] = (), rerun: Sequence[str] = ()) -> bytes:
    """What :func:`pack_body` made, with what is known of the stages up to this frame; see :class:`StoredFrame`."""
    packed: bytes = msgpack.packb([MAGIC, VERSION, list(wrote), list(rerun), body])
    return packed


def pack_body(results: Mapping[str, ResultLike]) -> bytes:
    """The expensive part of :func:`pack`, which needs no order of frames."""
    writer = _Writer()
    entries, skipped = [], []
    for name, entry in results.items():
        try:
            value = writer.known(entry.value)
            entries.append([name, value, writer.value(np.asarray(entry.to_source)), int(entry.stamp.index)])
        except _Foreign:
            skipped.append(f"{name}: {type(entry.value).__name__}")
    header: bytes = msgpack.packb([entries, skipped, writer.words])
    return zlib.compress(b"".join([_LENGTH.pack(len(header)), header, *writer.raw]), DEFLATE_LEVEL)


def is_storable(value: ResultBatch) -> bool:
    """True when a result is of a type that is kept."""
    return _KNOWN.get(type(value).__name__) == type(value).__module__


class _Foreign(Exception):
    """A type that is not in the table."""


class _Writer:
    """Turns values into what msgpack takes; every composed value is a list that begins with its tag."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.words: list[list[str]] = []
        self._size = 0
        self._offsets: dict[bytes, int] = {}
        self._shared: dict[tuple[str, ...], int] = {}

    def known(self, value: Any) -> list[Any]:
        name = type(value).__name__
        if _KNOWN.get(name) != type(value).__module__:
            raise _Foreign
        if isinstance(value, Enum):
            return ["e", name, self.value(value.value)]
        if isinstance(value, tuple):
            return ["n", name, [self.value(item) for item in value]]
        return ["o", name, {f.name: self.value(getattr(value, f.name)) for f in fields(value) if f.init}]

    def value(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return ["a", self._dtype(value), list(value.shape), self._put([value])]
        if isinstance(value, Enum) or is_dataclass(value) or hasattr(value, "_fields"):
            return self.known(value)
        if isinstance(value, Mapping):
            return ["m", [[self.value(key), self.value(item)] for key, item in value.items()]]
        if isinstance(value, tuple | list):
            return self._sequence(tuple(value))
        raise _Foreign

    def _sequence(self, items: tuple[Any, ...]) -> list[Any]:
        if len(items) >= SHARE_WORDS_FROM and all(type(item) is str for item in items):
            if items not in self._shared:
                self._shared[items] = len(self.words)
                self.words.append(list(items))
            return ["w", self._shared[items]]
        if len(items) > 1 and all(isinstance(item, np.ndarray) for item in items):
            dtypes = {self._dtype(item) for item in items}
            if len(dtypes) == 1:
                return ["A", dtypes.pop(), [list(item.shape) for item in items], self._put(items)]
        return ["t", [self.value(item) for item in items]]

    def _dtype(self, array: NDArray[Any]) -> str:
        if array.dtype.str not in _DTYPES:
            raise _Foreign
        return array.dtype.str

    def _put(self, arrays: Sequence[NDArray[Any]]) -> int:
        """Keep the bytes of arrays of one type, one after the other; where they begin."""
        width = arrays[0].dtype.itemsize
        plain = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        raw = np.frombuffer(plain, np.uint8).reshape(-1, width).T.tobytes() if width > 1 else plain
        if raw not in self._offsets:
            self._offsets[raw] = self._size
            self.raw.append(raw)
            self._size += len(raw)
        return self._offsets[raw]


# Reading ---------------------------------------------------------------------------------------------------------


def unpack(data: bytes) -> dict[str, StoredResult]:
    """The results of a frame in pixels of the source picture, by name, in pipeline order.

    Raises:
        ScenescopeError: the bytes are damaged, or from a newer version.
    """
    return read(data).in_source_pixels()


def read(data: bytes) -> StoredFrame:
    """All that was kept of a frame, exactly as it was.

    Raises:
        ScenescopeError: the bytes are damaged, or from a newer version.
    """
    try:
        magic, version, *rest = _listed(msgpack.unpackb(data), 2)
        if magic != MAGIC:
            raise ValueError("not the results of a frame")
        if type(version) is int and version > VERSION:
            raise ScenescopeError(
                "The stored results of a frame are from a newer version of Scenescope.", hint="Update Scenescope."
            )
        wrote, rerun, body = rest
        entries, skipped, reader = _opened(body)
        results = {}
        for name, value, to_source, stamp_index in entries:
            result, matrix = reader.value(value), reader.value(to_source)
            fits = isinstance(result, ResultBatch) and isinstance(matrix, np.ndarray) and matrix.shape == (3, 3)
            if not (fits and matrix.dtype == np.float64 and type(name) is str and type(stamp_index) is int):
                raise ValueError("an entry is not a result")
            results[name] = StoredResult(result, matrix, stamp_index)
        return StoredFrame(results, _words(skipped), _words(wrote), _words(rerun))
    except ScenescopeError:
        raise
    # The constructors of the types complain in words of their own when arrays do not fit together.
    except Exception as error:
        raise ScenescopeError(
            f"The stored results of a frame are damaged: {error}.", hint="Analyse that file again."
        ) from error


def _opened(body: Any) -> tuple[list[Any], Any, _Reader]:
    inflater = zlib.decompressobj()
    plain = inflater.decompress(body, MOST_BYTES)
    if not inflater.eof or inflater.unused_data:
        raise ValueError("cut short or too large")
    (length,) = _LENGTH.unpack_from(plain)
    if _LENGTH.size + length > len(plain):
        raise ValueError("cut short")
    entries, skipped, words = msgpack.unpackb(plain[_LENGTH.size : _LENGTH.size + length])
    return entries, skipped, _Reader(memoryview(plain)[_LENGTH.size + length :], [_words(one) for one in words])


def _listed(value: Any, at_least: int) -> list[Any]:
    if not isinstance(value, list) or len(value) < at_least:
        raise ValueError("not the results of a frame")
    return value


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(type(word) is str for word in value):
        raise ValueError("not a list of words")
    return tuple(value)


class _Reader:
    """The other way round."""

    def __init__(self, raw: memoryview, words: list[tuple[str, ...]]) -> None:
        self._raw = raw
        self._shared = words

    def value(self, value: Any) -> Any:
        if not isinstance(value, list):
            if value is None or type(value) in (bool, int, float, str):
                return value
            raise ValueError("an unknown kind of value")
        tag, *rest = value
        kinds: dict[str, Callable[..., Any]] = {
            "a": self._array,
            "A": self._arrays,
            "e": self._enum,
            "m": self._mapping,
            "n": self._named_tuple,
            "o": self._object,
            "t": self._tuple,
            "w": self._word_list,
        }
        return kinds[tag](*rest)

    def _array(self, dtype: str, shape: list[int], offset: int) -> NDArray[Any]:
        return self._arrays(dtype, [shape], offset)[0]

    def _arrays(self, dtype: str, shapes: list[list[int]], offset: int) -> tuple[NDArray[Any], ...]:
        if dtype not in _DTYPES or any(type(side) is not int or side < 0 for shape in shapes for side in shape):
            raise ValueError("an array of no known kind")
        kind = np.dtype(dtype)
        counts = [prod(shape) for shape in shapes]
        size = sum(counts) * kind.itemsize
        if type(offset) is not int or offset < 0 or offset + size > len(self._raw):
            raise ValueError("an array is cut short")
        raw = np.frombuffer(self._raw[offset : offset + size], np.uint8)
        flat = np.ascontiguousarray(raw.reshape(kind.itemsize, -1).T).reshape(-1).view(kind)
        flat.flags.writeable = False
        ends = np.cumsum(counts).tolist()
        return tuple(
            flat[end - count : end].reshape(shape) for shape, count, end in zip(shapes, counts, ends, strict=True)
        )

    def _word_list(self, at: int) -> tuple[str, ...]:
        return self._shared[at]

    def _tuple(self, items: list[Any]) -> tuple[Any, ...]:
        return tuple(self.value(item) for item in items)

    def _mapping(self, pairs: list[Any]) -> dict[Any, Any]:
        return {self.value(key): self.value(item) for key, item in pairs}

    def _enum(self, name: str, value: Any) -> Any:
        cls = _class(name)
        return cls(self.value(value)) if issubclass(cls, Enum) else _refuse(name)

    def _named_tuple(self, name: str, items: list[Any]) -> Any:
        cls = _class(name)
        if not (issubclass(cls, tuple) and hasattr(cls, "_fields")):
            _refuse(name)
        values = self._tuple(items)
        if not all(map(_fits, values, _hints(cls).values())):
            raise ValueError(f"{name} holds something else")
        return cls(*values)

    def _object(self, name: str, columns: dict[str, Any]) -> Any:
        cls = _class(name)
        if not is_dataclass(cls):
            _refuse(name)
        values = {key: self.value(column) for key, column in columns.items()}
        hints = _hints(cls)
        for key, value in values.items():
            if key not in hints or not _fits(value, hints[key]):
                raise ValueError(f"{name} has no such {key}")
        return cls(**values)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not what it is taken for")


@cache
def _class(name: str) -> type[Any]:
    found: type[Any] = getattr(import_module(_KNOWN[name]), name)
    return found


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _fits(value: Any, hint: Any) -> bool:
    """True when a value is what a field's declaration says; of arrays only that they are some."""
    if hint is Any:
        return True
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        expected = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        return len(value) == len(expected) and all(map(_fits, value, expected))
    if origin is not None:
        return isinstance(value, Mapping if issubclass(origin, Mapping) else origin)
    if hint is float:
        return type(value) in (int, float)
    return value is None if hint is None else isinstance(value, hint)
