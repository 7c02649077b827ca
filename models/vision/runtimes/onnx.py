"""ONNX Runtime: runs .onnx files on whatever execution provider is installed, and says which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenescope.models.errors import ModelIncompatible, ModelMissing, RuntimeMissing
from scenescope.models.vision.network import Network, TensorInfo, Tensors
from scenescope.models.vision.placement import LoadOptions, Placement

__all__ = ["OnnxNetwork"]

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
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}


class OnnxNetwork(Network):
    """One loaded network. :meth:`run` may be called from several threads at once.

    ``options.threads.per_call`` sets the session's own pool; spinning is off, since spinning threads starve OpenCV's.

    Raises:
        RuntimeMissing: the provider asked for is not installed, and the options are strict.
        ModelMissing: the file is not there.
        ModelIncompatible: ONNX Runtime cannot read it.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        import onnxruntime as ort

        if not path.is_file():
            raise ModelMissing(f"{path} is not there.")
        settings = ort.SessionOptions()
        settings.log_severity_level = 3
        settings.intra_op_num_threads = load.threads.per_call
        settings.inter_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers, reason = _providers(load, ort.get_available_providers())
        try:
            self._session = ort.InferenceSession(str(path), settings, providers=providers)
        except Exception as error:
            first_line = str(error).strip().splitlines()[0]
            raise ModelIncompatible(f"ONNX Runtime cannot open {path.name}: {first_line}") from error
        self.inputs = tuple(_info(value) for value in self._session.get_inputs())
        self.outputs = tuple(_info(value) for value in self._session.get_outputs())
        self._output_names = [info.name for info in self.outputs]
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        first: str = self._session.get_providers()[0]
        device = first.removesuffix("ExecutionProvider").replace("Tensorrt", "TensorRT")
        self.placement = Placement(device, load.device, reason)

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        return dict(zip(self._output_names, self._session.run(None, dict(inputs)), strict=True))


def _info(value: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in value.shape)
    dtype = _DTYPES.get(value.type, value.type.removeprefix("tensor(").removesuffix(")"))
    return TensorInfo(value.name, shape, dtype)


def _providers(load: LoadOptions, available: list[str]) -> tuple[list[str], str]:
    """The providers to ask for, and why they are not those that were wished."""
    fitting = [p for p in _PREFERENCE if p in available]
    if load.device == "auto":
        # TensorRT builds an engine for minutes at the first load: taken only when asked for by name.
        return [p for p in fitting if not p.startswith("Tensorrt")], ""
    family = load.device.split(":")[0].lower().replace("directml", "dml")
    wanted = [p for p in fitting if p.lower().startswith(family)]
    if not wanted:
        names = ", ".join(p.removesuffix("ExecutionProvider") for p in fitting)
        reason = f"ONNX Runtime has no provider for '{load.device}' here; it has {names}"
        if load.strict:
            raise RuntimeMissing(
                f"{reason}.", hint="Install the build of ONNX Runtime for that device, or choose auto."
            )
        return ["CPUExecutionProvider"], reason
    return (wanted if wanted == ["CPUExecutionProvider"] else [*wanted, "CPUExecutionProvider"]), ""
