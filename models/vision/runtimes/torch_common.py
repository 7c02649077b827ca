"""What all PyTorch networks share: the device, half precision, compiling, and tensors in and out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.vision.network import Network, TensorInfo, Tensors, explained, named_outputs
from scenescope.models.vision.placement import LoadOptions, Placement

__all__ = ["UNKNOWN_PICTURE", "TorchNetwork", "device_of", "on_host", "torch_device"]

# For files that do not say what they are given: a batch of pictures, whatever the order of its axes.
UNKNOWN_PICTURE = (None, None, None, None)


def torch_device(load: LoadOptions) -> tuple[Any, str]:
    """The ``torch.device`` for a wish, and why it is another one than was wished; empty when it is not.

    "auto" is CUDA, then MPS, then the CPU.
    """
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    name, _, number = load.device.lower().partition(":")
    if name == "auto":
        return torch.device("cuda:0" if cuda else "mps" if mps else "cpu"), ""
    if name == "cpu":
        return torch.device("cpu"), ""
    if name == "mps":
        return (torch.device("mps"), "") if mps else (torch.device("cpu"), "PyTorch finds no Apple GPU here")
    if name != "cuda":
        return torch.device("cpu"), f"PyTorch has no device '{load.device}'"
    if not cuda:
        built = torch.version.cuda is not None
        return torch.device("cpu"), (
            "PyTorch finds no CUDA device or driver here" if built else "this build of PyTorch is without CUDA"
        )
    count, index = torch.cuda.device_count(), int(number) if number.isdigit() else 0
    if index < count:
        return torch.device("cuda", index), ""
    return torch.device("cpu"), f"there {'is 1 CUDA device' if count == 1 else f'are {count} CUDA devices'} here"


def device_of(module: Any, otherwise: Any) -> str:
    """Where the parameters and buffers of a module lie, as a placement names it."""
    tensors = [*module.parameters(), *module.buffers()]
    return str(tensors[0].device if tensors else otherwise).upper()


def on_host(tensor: Any) -> NDArray[Any]:
    """A torch tensor as a numpy array; half and bfloat16 values as float32, since numpy is slow or lost with them."""
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.to_dense()
    tensor = tensor.cpu()
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()
    array: NDArray[Any] = tensor.numpy()
    return array


class TorchNetwork(Network):
    """A module on a device. :meth:`run` may be called from several threads at once.

    Half precision is ``torch.autocast``: float16 where the arithmetic bears it, so it suits every file as it is, traced
    and exported ones too. It is for GPUs; on the CPU float16 is slower than float32.

    Args:
        name: of the file, for messages.
        module: in its evaluation mode, on ``device``.
        load: the wish.
        device: ``torch.device``.
        reason: why it is another one than was wished.
        inputs: what it is given. A float tensor is cast to the dtype named there.
        compilable: False for what ``torch.compile`` cannot take.
    """

    def __init__(
        self,
        name: str,
        module: Any,
        load: LoadOptions,
        device: Any,
        reason: str,
        inputs: tuple[TensorInfo, ...],
        compilable: bool = True,
    ) -> None:
        import torch

        load.threads.apply()
        self.inputs = inputs
        self._name, self._device = name, device
        self.torch_device = "" if device.type == "cpu" else str(device)
        self._module = self._plain = module
        self._half = load.half and device.type != "cpu"
        self._compiling = threading.Lock()
        self._compile_pending = load.compiled and compilable
        details = ["half precision"] if self._half else []
        if load.half and not self._half:
            reason = reason or "half precision is for GPUs; on the CPU it is slower"
        if load.compiled and not compilable:
            reason = reason or "a TorchScript file cannot be compiled again"
        if self._compile_pending:
            self._module = torch.compile(module)
            details.append("compiled")
        self.placement = Placement(device_of(module, device), load.device, reason, ", ".join(details))

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        """Outputs by name. Tensors of PyTorch that lie on the device already are taken without a copy."""
        import torch

        values = self.ordered(inputs)
        with explained(f"{self._name} cannot be run on these inputs"), torch.inference_mode(), self._precision():
            tensors = [self._tensor(value, info) for value, info in zip(values, self.inputs, strict=True)]
            if not self._compile_pending:
                return named_outputs(self._module(*tensors), on_host)
            with self._compiling:
                return named_outputs(self._first_compiled(tensors), on_host)

    def close(self) -> None:
        self._module = self._plain = None

    def _precision(self) -> AbstractContextManager[Any]:
        import torch

        return torch.autocast(self._device.type, torch.float16) if self._half else nullcontext()

    def _tensor(self, value: Any, info: TensorInfo) -> Any:
        import torch

        if not isinstance(value, torch.Tensor):
            value = torch.from_numpy(np.require(value, requirements=["C", "W"]))
        dtype = getattr(torch, info.dtype) if value.is_floating_point() else None
        return value.to(self._device, dtype)

    def _first_compiled(self, tensors: list[Any]) -> Any:
        """The first run compiles; what the compiler cannot do is run as it is, and the placement says so."""
        try:
            result = self._module(*tensors)
        except Exception as error:
            result = self._plain(*tensors)
            self._module = self._plain
            said = str(error).strip().splitlines()
            why = f"torch.compile failed ({said[0] if said else type(error).__name__})"
            details = ", ".join(part for part in self.placement.detail.split(", ") if part != "compiled")
            self.placement = replace(self.placement, reason=self.placement.reason or why, detail=details)
        self._compile_pending = False
        return result
