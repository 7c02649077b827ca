"""ONNX Runtime: runs .onnx files on whatever execution provider is installed, and says which one it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.budget import ThreadBudget
from scenescope.models.errors import ModelIncompatible, ModelMissing, RuntimeMissing

__all__ = ["OnnxSession"]

# Fastest first. What is not installed is passed over; CPU is always there.
_PREFERENCE = (
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "ROCMExecutionProvider",
    "DmlExecutionProvider",
    "CoreMLExecutionProvider",
    "OpenVINOExecutionProvider",
    "CPUExecutionProvider",
)


class OnnxSession:
    """One loaded network. :meth:`run` may be called from several threads at once.

    Args:
        path: the .onnx file.
        device: "auto", "cpu", or the start of a provider's name ("cuda", "tensorrt", "openvino", ...).
        threads: ``per_call`` sets the session's own pool; spinning is off, since spinning threads starve OpenCV's.

    Raises:
        RuntimeMissing: ONNX Runtime, or the provider asked for, is not installed.
        ModelMissing: the file is not there.
        ModelIncompatible: ONNX Runtime cannot read it.
    """

    def __init__(self, path: Path, device: str = "auto", threads: ThreadBudget | None = None) -> None:
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise RuntimeMissing(
                "ONNX Runtime is not installed, so .onnx models cannot run.", hint="pip install onnxruntime"
            ) from error
        if not path.is_file():
            raise ModelMissing(f"{path} is not there.")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = (threads or ThreadBudget()).per_call
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=_providers(device, ort.get_available_providers())
            )
        except RuntimeMissing:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelIncompatible(f"ONNX Runtime cannot open {path.name}: {reason}") from error
        self.input_names = [value.name for value in self._session.get_inputs()]
        self.output_names = [value.name for value in self._session.get_outputs()]
        self.input_shapes = {value.name: tuple(value.shape) for value in self._session.get_inputs()}

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Outputs by name."""
        return dict(zip(self.output_names, self._session.run(None, inputs), strict=True))

    @property
    def provider(self) -> str:
        """The execution provider that the session really has, read back: "CPU", "CUDA", "TensorRT"."""
        first: str = self._session.get_providers()[0]
        return first.removesuffix("ExecutionProvider").replace("Tensorrt", "TensorRT")

    def run_on_zeros(self) -> dict[str, NDArray[Any]]:
        """Outputs for float32 inputs of zeros, with 1 for every size that is not fixed: a warm-up and a look."""
        shapes = {n: tuple(d if isinstance(d, int) else 1 for d in s) for n, s in self.input_shapes.items()}
        return self.run({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def _providers(device: str, available: list[str]) -> list[str]:
    fitting = [p for p in _PREFERENCE if p in available]
    if device == "auto":
        # TensorRT builds an engine for minutes at the first load: taken only when asked for by name.
        return [p for p in fitting if not p.startswith("Tensorrt")]
    wanted = [p for p in fitting if p.lower().startswith(device.split(":")[0].lower())]
    if not wanted:
        names = ", ".join(p.removesuffix("ExecutionProvider") for p in fitting)
        raise RuntimeMissing(
            f"ONNX Runtime has no provider for '{device}' here; it has {names}.",
            hint="Install the build of ONNX Runtime for that device, or choose auto.",
        )
    return wanted if wanted == ["CPUExecutionProvider"] else [*wanted, "CPUExecutionProvider"]
