"""ONNX Runtime: runs .onnx files on whatever execution provider is installed, and says which one it is."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from scenescope.models.errors import RuntimeMissing
from scenescope.models.vision.network import Network, TensorInfo, Tensors, explained, present
from scenescope.models.vision.placement import LoadOptions, Placement, not_offered

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
_DTYPES = {"float": "float32", "double": "float64"}
# Families that the user's words stand for. CoreML is how Apple's GPU is reached.
_FAMILIES = {"directml": "dml", "mps": "coreml"}
# Providers that one process uses for one GPU of several.
_NUMBERED = ("Tensorrt", "CUDA", "ROCM", "Dml")

_AGAIN = "Fetch it again, or export it again."
_COMPLAINTS = (
    (r"External data path does not exist: \"?([^\"]+)", "the file that holds its weights is missing ({0})"),
    (
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        "its format is of version {0}, and {1} is the newest that is known here",
    ),
    (
        r"Opset (\d+) is under development.*?till opset (\d+)",
        "it uses opset {0}, and {1} is the newest that is known here",
    ),
    (r"Failed to allocate memory", "out of memory"),
)

Provider = tuple[str, dict[str, Any]]


class OnnxNetwork(Network):
    """One loaded network. :meth:`run` may be called from several threads at once.

    ``options.threads.per_call`` sets the session's own pool; spinning is off, since spinning threads starve OpenCV's.
    Half precision is the file's own, but for TensorRT, which builds its engine in either.

    Raises:
        RuntimeMissing: the provider asked for is not installed, and the options are strict.
        ModelMissing: the file is not there.
        ModelIncompatible: ONNX Runtime cannot read it.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        import onnxruntime as ort

        self._name = present(path).name
        settings = ort.SessionOptions()
        settings.log_severity_level = 3
        settings.intra_op_num_threads = load.threads.per_call
        settings.inter_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers, reason = _providers(load, ort.get_available_providers())
        wanted = providers[0][0].removesuffix("ExecutionProvider")
        if wanted in ("CUDA", "Tensorrt") and hasattr(ort, "preload_dlls"):
            # CUDA's libraries from PyTorch's or NVIDIA's Python packages, where the system has none.
            ort.preload_dlls()
        if wanted == "Dml":
            # As DirectML's documentation demands.
            settings.enable_mem_pattern = False
        self._turn: AbstractContextManager[Any] = threading.Lock() if wanted == "Dml" else nullcontext()
        with explained(f"ONNX Runtime cannot open {path.name}", _readable, _AGAIN):
            self._session = ort.InferenceSession(str(path), settings, providers=providers)
        self.inputs = tuple(_info(value) for value in self._session.get_inputs())
        self.outputs = tuple(_info(value) for value in self._session.get_outputs())
        self._output_names = [info.name for info in self.outputs]
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        self.placement = self._placement(load, wanted, reason)

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        values = self.ordered(inputs)
        given = {
            info.name: np.asarray(value).astype(info.dtype, copy=False)
            for info, value in zip(self.inputs, values, strict=True)
        }
        with explained(f"{self._name} cannot be run on these inputs", _readable), self._turn:
            return dict(zip(self._output_names, self._session.run(None, given), strict=True))

    def close(self) -> None:
        self._session = None

    def _placement(self, load: LoadOptions, wanted: str, reason: str) -> Placement:
        """Read back: a provider whose libraries or driver are missing gives way to the CPU without an error."""
        first: str = self._session.get_providers()[0]
        kind = first.removesuffix("ExecutionProvider")
        device = kind.replace("Tensorrt", "TensorRT")
        if kind in _NUMBERED:
            device += f":{self._session.get_provider_options()[first].get('device_id', 0)}"
        if kind != wanted:
            reason = reason or f"ONNX Runtime has {wanted} but cannot start it; its libraries or its driver are missing"
        floats = {info.dtype for info in self.inputs if info.dtype.startswith("float")}
        half = kind == "Tensorrt" or floats == {"float16"}
        detail = "half precision" if half and (load.half or kind != "Tensorrt") else ""
        reason = reason or not_offered(load, "ONNX Runtime", half)
        return Placement(device, load.device, reason, detail)


def _info(value: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in value.shape)
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    return TensorInfo(value.name, shape, _DTYPES.get(dtype, dtype))


def _providers(load: LoadOptions, available: list[str]) -> tuple[list[Provider], str]:
    """The providers to ask for with their options, and why they are not those that were wished."""
    fitting = [p for p in _PREFERENCE if p in available]
    family, _, number = load.device.lower().partition(":")
    if family == "auto":
        # TensorRT builds an engine for minutes at the first load: taken only when asked for by name.
        wanted = [p for p in fitting if not p.startswith("Tensorrt")]
        return [(p, _options(p, 0, load.half)) for p in wanted], ""
    wanted = [p for p in fitting if p.lower().startswith(_FAMILIES.get(family, family))]
    if not wanted:
        names = ", ".join(p.removesuffix("ExecutionProvider") for p in fitting)
        reason = f"ONNX Runtime has no provider for '{load.device}' here; it has {names}"
        if load.strict:
            raise RuntimeMissing(
                f"{reason}.", hint="Install the build of ONNX Runtime for that device, or choose auto."
            )
        return [("CPUExecutionProvider", {})], reason
    index = int(number) if number.isdigit() else 0
    if wanted[0].startswith("Tensorrt") and "CUDAExecutionProvider" in fitting:
        # What TensorRT cannot do stays on the same GPU.
        wanted.append("CUDAExecutionProvider")
    wanted += [] if wanted == ["CPUExecutionProvider"] else ["CPUExecutionProvider"]
    return [(p, _options(p, index, load.half)) for p in wanted], ""


def _options(provider: str, index: int, half: bool) -> dict[str, Any]:
    kind = provider.removesuffix("ExecutionProvider")
    options: dict[str, Any] = {"device_id": index} if kind in _NUMBERED else {}
    if kind == "Tensorrt" and half:
        options["trt_fp16_enable"] = True
    return options


def _readable(said: str) -> str:
    """Without error codes and places in ONNX Runtime's source code; its commonest complaints in plain words."""
    if "Protobuf parsing failed" in said or "No graph was found" in said:
        return "it is damaged, or it is no .onnx file"
    for pattern, sentence in _COMPLAINTS:
        if found := re.search(pattern, said, re.DOTALL):
            return sentence.format(*found.groups())
    # The place in the source code has a line of its own; what is wrong comes after it.
    return said.removeprefix("[ONNXRuntimeError] : ").split(" : ", 2)[-1].strip().splitlines()[-1]
