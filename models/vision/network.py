"""Network: tensors in, tensors out, whichever runtime runs it. What the tensors mean is a decoder's business."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.vision.placement import Placement

__all__ = ["Network", "TensorInfo"]

Tensors = dict[str, NDArray[Any]]


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
        metadata: what the file says about itself in key and value, as text: "names", "stride", "task", ...
    """

    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    placement: Placement = Placement("CPU")
    metadata: Mapping[str, str] = {}

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
            tensors[info.name] = np.zeros(shape, info.dtype)
        return self.run(tensors)

    def close(self) -> None:
        """Release what loading took."""
