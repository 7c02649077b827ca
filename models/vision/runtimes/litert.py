"""LiteRT, formerly TensorFlow Lite: runs .tflite files on the CPU."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.network import MOST_TENSOR_BYTES, Network, TensorInfo, Tensors, explained, present
from scenescope.models.vision.placement import LoadOptions, on_cpu_only

__all__ = ["LiteRtNetwork"]


class LiteRtNetwork(Network):
    """One .tflite file. An interpreter serves one thread, so there are as many as ``load.threads`` has workers.

    A quantised input is given real numbers, or integers of its own type, which are passed as they are; quantised
    outputs come back as real numbers: scale x (integer - zero point), as Jacob et al., 2018, define it.

    Raises:
        ModelMissing: the file is not there.
        ModelIncompatible: LiteRT cannot read it.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        content = present(path).read_bytes()
        if content[4:8] != b"TFL3":
            raise ModelIncompatible(f"{path.name} is not a TensorFlow Lite file.", hint="Fetch or convert it again.")
        self._name = path.name
        self._content = content
        self._threads = load.threads.per_call
        self._free: SimpleQueue[_Runner] = SimpleQueue()
        self._may_make = threading.Semaphore(max(load.threads.workers, 1))
        with self._runner() as runner:
            self.inputs = tuple(_info(details) for details in runner.inputs)
            self.outputs = tuple(_info(details, real=True) for details in runner.outputs)
        self.placement = on_cpu_only(load, "LiteRT", "XNNPACK")

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        values = self.ordered(inputs)
        with self._runner() as runner, explained(f"{self._name} cannot be run on these inputs", _readable):
            return dict(zip((info.name for info in self.outputs), runner.run(values), strict=True))

    def close(self) -> None:
        while not self._free.empty():
            self._free.get()

    @contextmanager
    def _runner(self) -> Iterator[_Runner]:
        """One for the calling thread alone: a free one, a new one while there may be more, or the next to be free."""
        if self._free.empty() and self._may_make.acquire(blocking=False):
            with explained(f"LiteRT cannot open {self._name}", _readable):
                runner = _Runner(self._content, self._threads)
        else:
            runner = self._free.get()
        try:
            yield runner
        finally:
            self._free.put(runner)


class _Runner:
    """An interpreter, and the shapes that its inputs have."""

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        for details in self._interpreter.get_tensor_details():
            _check_size(details["name"], tuple(details["shape"]), details["dtype"])
        self._interpreter.allocate_tensors()
        self.inputs: list[dict[str, Any]] = self._interpreter.get_input_details()
        self.outputs: list[dict[str, Any]] = self._interpreter.get_output_details()
        self._shapes = [tuple(details["shape"].tolist()) for details in self.inputs]

    def run(self, values: list[Any]) -> list[NDArray[Any]]:
        """The outputs in the file's order, dequantised, in memory of their own."""
        tensors = [_quantised(value, details) for value, details in zip(values, self.inputs, strict=True)]
        shapes = [tensor.shape for tensor in tensors]
        if shapes != self._shapes:
            self._resize(shapes)
        for tensor, details in zip(tensors, self.inputs, strict=True):
            self._interpreter.set_tensor(details["index"], tensor)
        self._interpreter.invoke()
        return [_real(self._interpreter.get_tensor(details["index"]), details) for details in self.outputs]

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        for shape, details in zip(shapes, self.inputs, strict=True):
            _check_size(details["name"], shape, details["dtype"])
            self._interpreter.resize_tensor_input(details["index"], shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def _shape(details: dict[str, Any]) -> tuple[int | None, ...]:
    signature = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    return tuple(size if size > 0 else None for size in signature.tolist())


def _info(details: dict[str, Any], real: bool = False) -> TensorInfo:
    dtype = "float32" if real and _scaled(details) else np.dtype(details["dtype"]).name
    return TensorInfo(details["name"], _shape(details), dtype)


def _scaled(details: dict[str, Any]) -> bool:
    return details["quantization"][0] != 0 and np.issubdtype(details["dtype"], np.integer)


def _quantised(value: Any, details: dict[str, Any]) -> NDArray[Any]:
    array, dtype = np.asarray(value), np.dtype(details["dtype"])
    if array.dtype == dtype or not (_scaled(details) and np.issubdtype(array.dtype, np.floating)):
        return array.astype(dtype, copy=False)
    scale, zero = details["quantization"]
    limits = np.iinfo(dtype)
    whole: NDArray[Any] = np.clip(np.rint(array / scale) + zero, limits.min, limits.max).astype(dtype)
    return whole


def _real(value: NDArray[Any], details: dict[str, Any]) -> NDArray[Any]:
    if not _scaled(details):
        return value
    scale, zero = details["quantization"]
    real: NDArray[Any] = (value.astype(np.float32) - np.float32(zero)) * np.float32(scale)
    return real


def _check_size(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    if math.prod(int(size) for size in shape) * np.dtype(dtype).itemsize > MOST_TENSOR_BYTES:
        raise ModelIncompatible(f"The file is damaged: its tensor {name} claims the shape {shape}.")


def _readable(said: str) -> str:
    """Without the place in LiteRT's source code at which it was noticed."""
    return re.sub(r"\S+\.cc:\d+\s*", "", said)
