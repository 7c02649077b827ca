"""PyTorch files that hold a network with its weights: TorchScript, and torch.export's .pt2."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenescope.models.vision.network import TensorInfo, explained, present
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes.programs import check_exported, check_torchscript, members
from scenescope.models.vision.runtimes.torch_common import UNKNOWN_PICTURE, TorchNetwork, torch_device

__all__ = ["TorchExportNetwork", "TorchScriptNetwork"]


class TorchScriptNetwork(TorchNetwork):
    """A file of ``torch.jit.save``. A traced one tells the shapes that it was traced with, others none.

    Raises:
        ModelMissing: the file is not there.
        ModelIncompatible: PyTorch cannot read it.
        ModelRefused: its program does more than compute, and nobody has said that it may.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        import torch

        check_torchscript(present(path))
        device, reason = torch_device(load)
        extra = dict.fromkeys((n.removeprefix("extra/") for n in members(path) if n.startswith("extra/")), "")
        with explained(f"PyTorch cannot open {path.name} as TorchScript", _readable):
            read: Any = torch.jit.load
            module = read(str(path), map_location=device, _extra_files=extra).eval()
            floats = [tensor.dtype for tensor in module.parameters() if tensor.is_floating_point()]
            dtype = str(floats[0] if floats else torch.float32).removeprefix("torch.")
            names = [a.name for a in module.forward.schema.arguments[1:] if not a.has_default_value()]
        traced = _traced_shapes(path)
        shapes = traced if len(traced) == len(names) else [UNKNOWN_PICTURE] * len(names)
        inputs = tuple(TensorInfo(name, shape, dtype) for name, shape in zip(names, shapes, strict=True))
        super().__init__(path.name, module, load, device, reason, inputs, compilable=False)
        self.shapes_are_examples = True
        self.metadata = _flat(extra)


class TorchExportNetwork(TorchNetwork):
    """A file of ``torch.export.save``.

    Raises:
        ModelMissing: the file is not there.
        ModelIncompatible: PyTorch cannot read it.
        ModelRefused: its program does more than compute, and nobody has said that it may.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        import torch
        from torch.export.passes import move_to_device_pass

        check_exported(present(path))
        device, reason = torch_device(load)
        extra = dict.fromkeys((n.removeprefix("extra/") for n in members(path) if n.startswith("extra/")), "")
        with explained(f"PyTorch cannot open {path.name} as an exported program", _readable):
            program = move_to_device_pass(torch.export.load(path, extra_files=extra), str(device))
            wanted = set(program.graph_signature.user_inputs)
            nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in wanted]
            inputs = tuple(_info(node.name, node.meta["val"]) for node in nodes)
            # Guards are Python text that would be run; a wrong shape fails in the operations as well.
            module = program.module(check_guards=False)
        super().__init__(path.name, module, load, device, reason, inputs)
        self.metadata = _flat(extra)


def _info(name: str, value: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return TensorInfo(name, shape, str(value.dtype).removeprefix("torch."))


def _flat(extra: Mapping[str, Any]) -> dict[str, str]:
    """Extra files as text by name; the entries of one that is a JSON object by their own names."""
    metadata: dict[str, str] = {}
    for name, content in extra.items():
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        try:
            entries = json.loads(text)
        except ValueError:
            entries = None
        if isinstance(entries, dict):
            metadata |= {str(key): str(value) for key, value in entries.items()}
        else:
            metadata[name] = text
    return metadata


def _traced_shapes(path: Path) -> list[tuple[int, ...]]:
    """The shapes of the inputs with which a TorchScript file was traced; none if it does not say."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/traced_inputs.pkl"))
            shapes = _ShapeReader(io.BytesIO(archive.read(name))).load().get("forward", [])
    except Exception:
        return []
    return [shape for shape in shapes if isinstance(shape, tuple)]


class _ShapeReader(pickle.Unpickler):
    """Reads a pickle of tensors as their shapes; runs nothing that is named in it."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, *rest: tuple(size)
        if name == "restore_type_tag":
            return lambda value, tag: value
        return dict if name == "OrderedDict" else None

    def persistent_load(self, pid: Any) -> None:
        """Storages are not needed."""


def _readable(said: str) -> str:
    """Without PyTorch's advice about archives."""
    return said.split(" This is an internal miniz error")[0]
