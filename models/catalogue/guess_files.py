"""What a file says about itself, read without running anything of it: its kind, its metadata, its inputs."""

from __future__ import annotations

import ast
import json
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Facts", "facts_of", "is_model", "named_normalisation"]

MODEL_SUFFIXES = (
    *(".onnx", ".tflite", ".keras", ".h5", ".hdf5", ".pt", ".pth", ".pt2", ".ckpt", ".torchscript", ".safetensors"),
)
_MOST_TEXT_BYTES = 32 << 20
_TRANSFORMERS_TASKS = {
    "ForZeroShotObjectDetection": "zero-shot-detection",
    "ForObjectDetection": "detection",
    "ForZeroShotImageClassification": "zero-shot-classification",
    "ForImageClassification": "classification",
    "ForImageClassificationWithTeacher": "classification",
    "ForSemanticSegmentation": "semantic-segmentation",
    "ForUniversalSegmentation": "semantic-segmentation",
    "ForInstanceSegmentation": "instance-segmentation",
    "ForDepthEstimation": "depth",
}
_TWO_TOWERS = ("clip", "siglip", "siglip2", "chinese_clip", "altclip")


@dataclass
class Facts:
    """What was read in a file.

    Attributes:
        path: of the file or folder.
        runtime: that runs it, as cards spell it; empty when the file is not understood.
        runtime_why: how that is known.
        tried: what was looked for, in words.
        problem: a sentence when nothing can be done with it.
        metadata: what it says of itself, with the keys of Ultralytics' exports ("names", "task", "imgsz", "head", ...).
        labels, labels_why: class names, and where they are from.
        task, architecture, task_why: where a whole model says what it is for.
        input_shape: with None for free sizes, where the file tells it and the runtime may not.
        ranges: ``{"normalisation" | "colour" | "fit" | "size": (value, confidence, why)}``.
        options: for the card.
        tensors: names and shapes, of a file that is weights only.
    """

    path: Path
    runtime: str = ""
    runtime_why: str = ""
    tried: list[str] = field(default_factory=list)
    problem: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    labels_why: str = ""
    task: str = ""
    architecture: str = ""
    task_why: str = ""
    input_shape: tuple[int | None, ...] | None = None
    ranges: dict[str, tuple[Any, float, str]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def is_a(self, runtime: str, why: str) -> None:
        """Say what it is."""
        self.runtime, self.runtime_why = runtime, why
        self.tried.append(f"read as {why}")


def is_model(path: Path) -> bool:
    """Whether a file or folder looks like a network, by its name and parts; for what is dropped on the window."""
    if path.is_dir():
        return (path / "saved_model.pb").is_file() or (path / "config.json").is_file()
    return path.suffix.lower() in MODEL_SUFFIXES


def facts_of(path: Path) -> Facts:
    """Look into a file or folder. Never raises for what is in it: ``problem`` is a sentence then."""
    facts = Facts(path)
    try:
        if path.is_dir():
            _folder(facts)
        elif not path.is_file():
            facts.problem = f"{path} is not there."
        elif path.stat().st_size == 0:
            facts.problem = f"{path.name} is empty."
        else:
            _file(facts)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
        first = (str(error).splitlines() or [""])[0][:200]
        facts.problem = f"{path.name} cannot be read: {first or type(error).__name__}."
    return facts


# Folders ------------------------------------------------------------------------------------------------------------


def _folder(facts: Facts) -> None:
    path = facts.path
    if (path / "saved_model.pb").is_file():
        facts.is_a("tensorflow", "a SavedModel folder (it holds saved_model.pb)")
        if (path / "metadata.yaml").is_file():
            facts.metadata = _yaml(path / "metadata.yaml")
    elif (path / "config.json").is_file():
        _transformers(facts, _json((path / "config.json").read_text(encoding="utf-8")))
    else:
        facts.tried = ["a SavedModel folder (saved_model.pb)", "a Hugging Face folder (config.json)"]
        facts.problem = f"The folder {path.name} holds neither saved_model.pb nor config.json."


def _transformers(facts: Facts, config: dict[str, Any]) -> None:
    facts.is_a("transformers", "a Hugging Face folder (it holds config.json)")
    names = config.get("architectures") or []
    kind = str(config.get("model_type", ""))
    for name in names:
        # The longest ending first: one is the end of another.
        for ending, task in sorted(_TRANSFORMERS_TASKS.items(), key=lambda item: -len(item[0])):
            if str(name).endswith(ending):
                facts.task, facts.task_why = task, f"config.json names {name}"
                break
    if not facts.task and kind in _TWO_TOWERS:
        facts.task, facts.task_why = "zero-shot-classification", f"config.json says that it is a {kind}"
    facts.architecture = kind or "transformers"
    if not facts.task:
        said = ", ".join(str(name) for name in names) or kind or "nothing"
        facts.problem = f"{facts.path.name} is for {said}, which is no task for pictures that is known here."
    labels = config.get("id2label") or {}
    facts.labels = tuple(str(labels[key]) for key in sorted(labels, key=int)) if isinstance(labels, dict) else ()
    facts.labels_why = "config.json lists them (id2label)"
    processor = facts.path / "preprocessor_config.json"
    if processor.is_file():
        _processor(facts, _json(processor.read_text(encoding="utf-8")))


def _processor(facts: Facts, content: dict[str, Any]) -> None:
    why = "preprocessor_config.json says so"
    size = content.get("crop_size") or content.get("size")
    if isinstance(size, dict):
        pair = (size.get("width") or size.get("shortest_edge"), size.get("height") or size.get("shortest_edge"))
        size = pair if all(isinstance(side, int) for side in pair) else None
    if isinstance(size, int):
        size = (size, size)
    if size:
        facts.ranges["size"] = (tuple(size), 0.97, why)
    if content.get("do_normalize", True) and content.get("image_mean"):
        mean, std = content["image_mean"], content.get("image_std", [1, 1, 1])
        facts.ranges["normalisation"] = (named_normalisation(mean, std), 0.98, why)
    facts.ranges["colour"] = ("RGB", 0.97, "networks of transformers take RGB")


def named_normalisation(mean: list[float], std: list[float]) -> str:
    """What a mean and a deviation in 0..1 are called here."""
    if max(abs(m - 0.5) for m in mean) < 0.01 and max(abs(s - 0.5) for s in std) < 0.01:
        return "-1..1"
    if abs(mean[0] - 0.485) < 0.01 and abs(std[0] - 0.229) < 0.01:
        return "ImageNet"
    if max(mean) == 0 and min(std) == 1:
        return "0..1"
    return f"mean {[round(m, 3) for m in mean]}, std {[round(s, 3) for s in std]}"


# Files --------------------------------------------------------------------------------------------------------------


def _file(facts: Facts) -> None:
    path = facts.path
    with path.open("rb") as file:
        start = file.read(16)
    if start[4:8] == b"TFL3":
        facts.is_a("litert", "TensorFlow Lite (it begins as such)")
        _tflite(facts)
    elif start.startswith(b"\x89HDF\r\n\x1a\n"):
        _hdf5(facts)
    elif start[:4] == b"PK\x03\x04":
        _archive(facts)
    elif start[:1] == b"\x80" and start[1:2] <= b"\x05":
        _checkpoint(facts, "a pickle")
    elif _is_safetensors(start, path.stat().st_size):
        _safetensors(facts)
    elif path.suffix.lower() == ".onnx" or start[:1] == b"\x08":
        # ONNX has no mark of its own; its first field is a version number.
        facts.is_a("onnxruntime", "ONNX")
    else:
        kinds = ("TensorFlow Lite", "HDF5 (Keras)", "a PyTorch or Keras archive", "safetensors", "ONNX", "a pickle")
        facts.tried = [f"{kind}: it does not begin so" for kind in kinds]
        facts.problem = f"{path.name} is none of the kinds of file that hold networks."


def _archive(facts: Facts) -> None:
    with zipfile.ZipFile(facts.path) as archive:
        names = archive.namelist()
        inner = [name.split("/", 1)[-1] for name in names]
        if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
            facts.is_a("torchscript", "a TorchScript archive (it holds code and constants)")
            config = next((name for name in names if name.endswith("extra/config.txt")), None)
            facts.metadata = _json(_text(archive, config)) if config else {}
        elif "archive_format" in inner:
            facts.is_a("torch-export", "an archive of torch.export")
        elif "data.pkl" in inner:
            _checkpoint(facts, "a PyTorch checkpoint, which is a pickle in an archive")
        elif "config.json" in names and any(name.startswith("model.weights") for name in names):
            facts.is_a("keras", "a Keras 3 archive (it holds config.json and weights)")
            _keras(facts, _json(_text(archive, "config.json")))
        else:
            facts.tried = ["TorchScript", "torch.export", "a PyTorch checkpoint", "a Keras archive"]
            facts.problem = f"{facts.path.name} is an archive, but holds no network that is known here."


def _checkpoint(facts: Facts, why: str) -> None:
    facts.is_a("ultralytics", why)
    facts.options = {}


def _tflite(facts: Facts) -> None:
    """Metadata of TensorFlow Lite is an archive put behind the network: a list of labels, or what Ultralytics says."""
    if not zipfile.is_zipfile(facts.path):
        return
    with zipfile.ZipFile(facts.path) as archive:
        for name in archive.namelist():
            if name.endswith("metadata.json"):
                facts.metadata = _json(_text(archive, name))
            elif name.endswith(".txt"):
                lines = tuple(line.strip() for line in _text(archive, name).splitlines() if line.strip())
                said = _literal("\n".join(lines))
                if isinstance(said, dict) and "names" in said:
                    facts.metadata = said
                elif lines and not facts.labels:
                    facts.labels, facts.labels_why = lines, f"{name} in the file's metadata"


def _safetensors(facts: Facts) -> None:
    facts.is_a("torchvision", "safetensors: weights without a network")
    with facts.path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = _json(file.read(length).decode("utf-8"))
    header.pop("__metadata__", None)
    facts.tensors = {str(name): tuple(int(n) for n in info["shape"]) for name, info in header.items()}


def _is_safetensors(start: bytes, size_bytes: int) -> bool:
    return len(start) >= 9 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < min(size_bytes, 100 << 20)


# Keras --------------------------------------------------------------------------------------------------------------


def _hdf5(facts: Facts) -> None:
    from importlib.util import find_spec

    facts.is_a("keras", "a Keras model in HDF5")
    if find_spec("h5py") is None:
        return
    import h5py

    with h5py.File(facts.path, "r") as file:
        config = file.attrs.get("model_config")
    if config is None:
        facts.problem = f"{facts.path.name} holds weights only; the network that they belong to is not in it."
        return
    _keras(facts, _json(config.decode() if isinstance(config, bytes) else str(config)))


def _keras(facts: Facts, config: dict[str, Any]) -> None:
    layers = list(_layers(config))
    name = str((config.get("config") or {}).get("name", "")).lower()
    first = next((layer for kind, layer in layers if kind == "InputLayer"), None)
    shape = (first or {}).get("batch_shape") or (first or {}).get("batch_input_shape")
    if isinstance(shape, list) and len(shape) == 4:
        facts.input_shape = (1, *shape[1:])
    kinds = [kind for kind, _ in layers]
    facts.ranges["colour"] = ("RGB", 0.9, "networks of Keras take RGB unless told otherwise")
    if "Normalization" in kinds or "Rescaling" in kinds:
        # Before anything else is computed: what goes in is the picture as it is.
        first_sum = next((at for at, kind in enumerate(kinds) if "Conv" in kind or kind == "Dense"), len(kinds))
        inside = [kind for kind in kinds[:first_sum] if kind in ("Rescaling", "Normalization")]
        if inside:
            facts.ranges["normalisation"] = ("0..255", 0.97, f"a layer {inside[0]} at the beginning does it")
    for part, (norm, colour) in _KERAS_FAMILIES.items():
        if part in name.replace("_", "").replace("-", "") and "normalisation" not in facts.ranges:
            facts.ranges["normalisation"] = (norm, 0.9, f"keras.applications prepares pictures for {name} so")
            facts.ranges["colour"] = (colour, 0.92, f"keras.applications prepares pictures for {name} so")
            break
    if "Rescaling" not in kinds and name and facts.ranges.get("normalisation"):
        facts.ranges.setdefault("fit", ("stretch", 0.5, "Keras resizes pictures to the input's size"))


# What preprocess_input of keras.applications does; the longer names first, as one is the beginning of another.
_KERAS_FAMILIES = {
    "resnet50v2": ("-1..1", "RGB"),
    "resnet101v2": ("-1..1", "RGB"),
    "resnet152v2": ("-1..1", "RGB"),
    "inceptionresnetv2": ("-1..1", "RGB"),
    "resnet": ("Caffe", "BGR"),
    "vgg": ("Caffe", "BGR"),
    "densenet": ("ImageNet", "RGB"),
    "mobilenet": ("-1..1", "RGB"),
    "inception": ("-1..1", "RGB"),
    "xception": ("-1..1", "RGB"),
    "nasnet": ("-1..1", "RGB"),
    "efficientnet": ("0..255", "RGB"),
}


def _layers(config: Any) -> Any:
    """Class names and configurations of all layers, in order, however they are nested."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        if "class_name" in config and isinstance(inner, Mapping):
            yield str(config["class_name"]), inner
        for part in (inner, config.get("layers")):
            if isinstance(part, Mapping | list):
                yield from _layers(part)
    elif isinstance(config, list):
        for item in config:
            yield from _layers(item)


# Text ---------------------------------------------------------------------------------------------------------------


def _text(archive: zipfile.ZipFile, name: str) -> str:
    if archive.getinfo(name).file_size > _MOST_TEXT_BYTES:
        raise ValueError(f"{name} in it is larger than such a text can be")
    return archive.read(name).decode("utf-8", "replace")


def _json(text: str) -> dict[str, Any]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("its description is not a table")
    return content


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def _literal(text: str) -> Any:
    """A Python literal, as Ultralytics writes dictionaries into metadata; None when it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
