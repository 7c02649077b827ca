"""Runtimes: the libraries that run networks. Each is imported when a model for it is opened, never before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scenescope.models.errors import ModelIncompatible, RuntimeMissing
from scenescope.models.vision.network import Network
from scenescope.models.vision.placement import LoadOptions

__all__ = ["RUNTIMES", "RuntimeInfo", "open_network", "require"]

_HERE = "scenescope.models.vision.runtimes"


@dataclass(frozen=True)
class RuntimeInfo:
    """A runtime, for people and for the lazy import.

    Attributes:
        name: as cards spell it.
        title: for people.
        packages: import names that must be there.
        extra: of Scenescope, that installs them.
        opens: what it is for, as the end of a sentence: ".tflite files".
        network: "module:Class" of its :class:`Network`; empty where whole models are run by a library's own pipeline.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    extra: str
    opens: str
    network: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed. Imports nothing."""
        return tuple(package for package in self.packages if find_spec(package) is None)


RUNTIMES: dict[str, RuntimeInfo] = {
    info.name: info
    for info in (
        RuntimeInfo("onnxruntime", "ONNX Runtime", ("onnxruntime",), "", ".onnx files", f"{_HERE}.onnx:OnnxNetwork"),
        RuntimeInfo("opencv", "OpenCV dnn", ("cv2",), "", ".onnx files", f"{_HERE}.opencv:OpenCvNetwork"),
        RuntimeInfo(
            "litert", "LiteRT", ("ai_edge_litert",), "tensorflow", ".tflite files", f"{_HERE}.litert:LiteRtNetwork"
        ),
        RuntimeInfo(
            "tensorflow",
            "TensorFlow",
            ("tensorflow",),
            "tensorflow",
            "SavedModel folders",
            f"{_HERE}.savedmodel:SavedModelNetwork",
        ),
        RuntimeInfo(
            "keras",
            "Keras",
            ("keras",),
            "tensorflow",
            ".keras files and keras.applications",
            f"{_HERE}.keras:KerasNetwork",
        ),
        RuntimeInfo(
            "torchscript",
            "PyTorch (TorchScript)",
            ("torch",),
            "torch",
            "TorchScript files",
            f"{_HERE}.torch_files:TorchScriptNetwork",
        ),
        RuntimeInfo(
            "torch-export",
            "PyTorch (torch.export)",
            ("torch",),
            "torch",
            ".pt2 files",
            f"{_HERE}.torch_files:TorchExportNetwork",
        ),
        RuntimeInfo(
            "torchvision",
            "PyTorch (torchvision)",
            ("torch", "torchvision", "safetensors"),
            "torch",
            ".safetensors weights of torchvision's networks",
            f"{_HERE}.torchvision:TorchvisionNetwork",
        ),
        RuntimeInfo("ultralytics", "Ultralytics", ("ultralytics",), "ultralytics", "YOLO, RT-DETR and SAM checkpoints"),
        RuntimeInfo(
            "transformers", "Transformers", ("transformers", "torch"), "transformers", "Hugging Face model folders"
        ),
    )
}


def require(runtime: str) -> RuntimeInfo:
    """The runtime called so, if it can be used.

    Raises:
        ModelIncompatible: there is no such runtime.
        RuntimeMissing: its library is not installed; the hint says what to install.
    """
    info = RUNTIMES.get(runtime)
    if info is None:
        raise ModelIncompatible(f"There is no runtime called '{runtime}'.", hint=f"Known are {', '.join(RUNTIMES)}.")
    if info.missing:
        names = " and ".join(info.missing)
        what = f"scenescope[{info.extra}]" if info.extra else names
        raise RuntimeMissing(
            f"{info.title} runs {info.opens}, but {names} is not installed.", hint=f"pip install '{what}'"
        )
    return info


def open_network(
    runtime: str, path: Path, load: LoadOptions | None = None, options: Mapping[str, Any] | None = None
) -> Network:
    """Load a network.

    Args:
        runtime: a name in :data:`RUNTIMES` that has a network class.
        path: of the file or folder.
        load: device, precision, threads.
        options: the card's ``[options]``, of which the runtime takes what it knows ("factory", "signature", ...).

    Raises:
        RuntimeMissing: the library is not installed, or has no such device.
        ModelMissing: the file is not there.
        ModelIncompatible: the library cannot read it.
        ModelRefused: it can run code of its own, and nobody has said that it may.
    """
    info = require(runtime)
    if not info.network:
        raise ModelIncompatible(f"{info.title} does not run bare tensors.")
    module, name = info.network.split(":")
    load = load or LoadOptions()
    try:
        network: Network = getattr(import_module(module), name)(path, load, options or {})
    except ImportError as error:
        raise RuntimeMissing(
            f"{info.title} is installed, but cannot be imported: {error}.", hint="Install it again, or another version."
        ) from error
    try:
        network.placement.checked(load, path.name)
    except RuntimeMissing:
        network.close()
        raise
    return network
