"""OpenCV dnn: runs .onnx files without another library, on the CPU."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from scenescope.models.vision.network import Network, Tensors, explained
from scenescope.models.vision.placement import LoadOptions, on_cpu_only
from scenescope.models.vision.runtimes.onnx import OnnxNetwork

__all__ = ["OpenCvNetwork"]


class OpenCvNetwork(Network):
    """One .onnx file. A net is not re-entrant, so one thread at a time runs it.

    OpenCV's importer takes damaged files at their word and can end the process by it; so ONNX Runtime, which is always
    there, opens the file first, and also tells the inputs and outputs, which OpenCV does not. The engine is OpenCV's
    new one: with it, no damaged file that ONNX Runtime let pass did harm; it has the CPU only.

    Raises:
        ModelMissing: the file is not there.
        ModelIncompatible: ONNX Runtime or OpenCV cannot read it.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        checked = OnnxNetwork(path, LoadOptions("cpu", threads=load.threads), options)
        self.inputs, self.outputs, self.metadata = checked.inputs, checked.outputs, checked.metadata
        checked.close()
        self._name = path.name
        self._lock = threading.Lock()
        with explained(f"OpenCV cannot open {path.name}", _readable):
            self._net = cv2.dnn.readNetFromONNX(str(path), cv2.dnn.ENGINE_NEW)
        self.placement = on_cpu_only(load, "OpenCV dnn")

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        values = self.ordered(inputs)
        names = [info.name for info in self.outputs]
        with explained(f"OpenCV cannot run {self._name} on these inputs", _readable), self._lock:
            for value, info in zip(values, self.inputs, strict=True):
                self._net.setInput(np.ascontiguousarray(value, info.dtype), info.name)
            # Copied, since the next run writes into the same memory.
            return {name: np.array(value) for name, value in zip(names, self._net.forward(names), strict=True)}


def _readable(said: str) -> str:
    """Without the place in OpenCV's source code at which it was noticed."""
    return re.sub(r"OpenCV\([\d.]+\).*?error: \(-?\d+:([^)]*)\)\s*", r"\1: ", said, flags=re.DOTALL)
