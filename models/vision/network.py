"""Network: tensors in, tensors out, whichever runtime runs it. What the tensors mean is a decoder's business."""

from __future__ import annotations

import math
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.errors import ModelError, ModelIncompatible, ModelMissing, ScenescopeError
from scenescope.models.vision.placement import Placement

__all__ = ["MOST_TENSOR_BYTES", "Network", "TensorInfo", "Tensors", "explained", "named_outputs", "present"]

Tensors = dict[str, NDArray[Any]]

# A file can claim any size for its tensors, and the system ends a process that takes it at its word.
MOST_TENSOR_BYTES = 1 << 30


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a network: ``shape`` has None for every size that is not fixed; ``dtype`` is numpy's."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Network(ABC):
    """A loaded network. Opened by :func:`scenescope.models.vision.runtimes.open_network`.

    :meth:`run` may be called from several threads at once; a runtime that cannot do that locks by itself.
    Quantised inputs and outputs are real numbers here: the runtime's scale and zero point are applied inside, unless
    an input is given in the network's own integer type, and then it is passed as it is.

    Attributes:
        inputs: in the order of the file.
        outputs: in the order of the file; empty where the runtime tells them only after a run.
        placement: where it runs, read back from the runtime.
        torch_device: where it takes PyTorch's tensors as they are ("cuda:0"); empty where it takes numpy arrays only.
        shapes_are_examples: True where the sizes in ``inputs`` are those of an example, and others may do as well.
        metadata: what the file says about itself in key and value, as text: "names", "stride", "task", ...
    """

    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    placement: Placement = Placement("CPU")
    metadata: Mapping[str, str] = {}
    torch_device: str = ""
    shapes_are_examples: bool = False

    @abstractmethod
    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        """Outputs by name, as numpy arrays on the host. Inputs are numpy arrays, or tensors that the runtime knows."""

    def run_on_zeros(self, free_size: int | Mapping[str, tuple[int, ...]] = 1) -> Tensors:
        """Outputs for zeros: a warm-up, and a look at the outputs' shapes.

        Args:
            free_size: what to take for a size that is not fixed, or the whole shape by input.
        """
        tensors: Tensors = {}
        for info in self.inputs:
            if isinstance(free_size, Mapping):
                shape = free_size[info.name]
            else:
                shape = tuple(free_size if size is None else size for size in info.shape)
            if math.prod(shape) * np.dtype(info.dtype).itemsize > MOST_TENSOR_BYTES:
                raise ModelIncompatible(f"The network wants an input of {shape}, which is too large to be a picture.")
            tensors[info.name] = np.zeros(shape, info.dtype)
        return self.run(tensors)

    def ordered(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The values of ``inputs`` in the order of :attr:`inputs`.

        Raises:
            ModelIncompatible: one is missing, or has a shape that the network does not take.
        """
        missing = [info.name for info in self.inputs if info.name not in inputs]
        if missing:
            given = ", ".join(inputs) or "nothing"
            raise ModelIncompatible(f"The network also needs the input {', '.join(missing)}; it was given {given}.")
        values = [inputs[info.name] for info in self.inputs]
        if not self.shapes_are_examples:
            for info, value in zip(self.inputs, values, strict=True):
                _check_shape(info, tuple(np.shape(value)))
        return values

    def close(self) -> None:
        """Release what loading took."""


def _check_shape(info: TensorInfo, shape: tuple[int, ...]) -> None:
    """Done here, since not every runtime does it, and reading past the end of a tensor can end the process."""
    fits = len(shape) == len(info.shape) and all(w in (None, s) for w, s in zip(info.shape, shape, strict=True))
    if not fits:
        wanted = " x ".join("any" if size is None else str(size) for size in info.shape)
        raise ModelIncompatible(
            f"The network takes {wanted} as its input {info.name}, not {' x '.join(map(str, shape))}."
        )


def present(path: Path, folder: bool = False) -> Path:
    """The path, if a file, or a folder where one is looked for, is there.

    Raises:
        ModelMissing: it is not.
        ModelIncompatible: a folder is there where a file belongs, or the other way round, or the file is empty.
    """
    if not path.exists():
        raise ModelMissing(f"{path} is not there.")
    if path.is_dir() != folder:
        kinds = ("file", "folder")
        raise ModelIncompatible(f"{path.name} is a {kinds[not folder]}, not a {kinds[folder]}.")
    if not folder and path.stat().st_size == 0:
        raise ModelIncompatible(f"{path.name} is empty.", hint="Fetch it again.")
    return path


@contextmanager
def explained(what: str, shorten: Callable[[str], str] = str, hint: str = "") -> Iterator[None]:
    """Whatever a library raises inside becomes a sentence that says what failed and why.

    Args:
        what: "LiteRT cannot open x.tflite".
        shorten: takes what the library says, and leaves out what no user can read.
        hint: what to do about it.

    Raises:
        ModelIncompatible: the library raised anything but an error of ours.
        ModelError: memory ran out; not permanent.
    """
    try:
        yield
    except ScenescopeError:
        raise
    except Exception as error:
        said = shorten(str(error)).strip() or type(error).__name__
        if isinstance(error, MemoryError) or "out of memory" in said.lower():
            raise ModelError(
                f"{what}: there is not enough memory.",
                hint="Choose another device or a smaller network, or remove other stages.",
                permanent=False,
            ) from error
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        # PyTorch and TensorFlow begin with a headline and end with the reason.
        headline = lines[0].endswith(":") or lines[0].startswith("The following operation failed")
        line = textwrap.shorten(lines[-1 if headline else 0], 240, placeholder=" ...").rstrip(".")
        raise ModelIncompatible(f"{what}: {line}.", hint=hint) from error


def named_outputs(value: Any, to_numpy: Callable[[Any], NDArray[Any]], name: str = "") -> Tensors:
    """What a network returns, however it is nested, as tensors by name.

    The keys of mappings are the names; the parts of a list or tuple of several are numbered ("output0", "boxes.1"); of
    a list of one the part has the list's own name; what is no tensor is left out. A single tensor is "output".
    """
    if isinstance(value, Mapping):
        parts = [(f"{name}.{key}" if name else str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        several = len(value) > 1
        parts = [((f"{name}.{i}" if name else f"output{i}") if several else name, part) for i, part in enumerate(value)]
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        return {name or "output": to_numpy(value)}
    else:
        return {}
    return {key: tensor for own, part in parts for key, tensor in named_outputs(part, to_numpy, own).items()}
