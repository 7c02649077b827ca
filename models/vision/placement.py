"""Where a network runs: what was wished, what came of it, and why if that differs."""

from __future__ import annotations

from dataclasses import dataclass, field

from scenescope.models.budget import ThreadBudget
from scenescope.models.errors import RuntimeMissing

__all__ = ["LoadOptions", "Placement", "not_offered", "on_cpu_only", "same_device"]


@dataclass(frozen=True)
class LoadOptions:
    """How a network is to be loaded.

    Attributes:
        device: "auto" (the fastest there is), "cpu", "cuda", "cuda:1", "mps", or the name of an ONNX Runtime provider
            ("tensorrt", "openvino", "coreml", "directml").
        strict: True to refuse another device than that one, instead of falling back to the CPU and saying so.
        half: True for half precision, where the runtime and the device can.
        compiled: True for ``torch.compile``, where the runtime has it.
        threads: how many threads a call may use.
    """

    device: str = "auto"
    strict: bool = False
    half: bool = False
    compiled: bool = False
    threads: ThreadBudget = field(default_factory=ThreadBudget)


@dataclass(frozen=True)
class Placement:
    """Where a network really runs, read back from its runtime after loading.

    Attributes:
        device: "CPU", "CUDA:0", "MPS", "CoreML", ...
        wished: the device that was asked for, as in :class:`LoadOptions`.
        reason: why it runs elsewhere than it was asked to, or in another precision; empty when all is as wished.
        detail: what else is true of it, for a tooltip: "half precision", "TensorRT engine", "XNNPACK".
    """

    device: str
    wished: str = "auto"
    reason: str = ""
    detail: str = ""

    @property
    def problem(self) -> str:
        """A sentence when the wish was not fulfilled; empty otherwise."""
        if self.reason:
            return f"Runs on {self.device}: {self.reason}"
        if not same_device(self.wished, self.device):
            return f"Runs on {self.device}: {self.wished.upper()} was wished but cannot be used here"
        return ""

    def checked(self, options: LoadOptions, name: str) -> Placement:
        """This placement, if the options allow it.

        Raises:
            RuntimeMissing: the network, called ``name``, must not run elsewhere than was wished, and does.
        """
        if options.strict and not same_device(options.device, self.device):
            raise RuntimeMissing(
                f"{name} would run on {self.device}, not on {options.device.upper()} as wished"
                + (f": {self.reason}." if self.reason else "."),
                hint="Choose another device, or allow a fall-back by switching 'Strict device' off.",
            )
        return self


def same_device(wished: str, device: str) -> bool:
    """True when ``device``, as read back, fulfils the wish: "cuda" is fulfilled by "CUDA:0", "cuda:1" is not."""
    wished, device = wished.lower().replace("directml", "dml"), device.lower()
    if wished == "auto":
        return True
    if ":" in wished:
        return device == wished or (wished.endswith(":0") and device == wished.split(":")[0])
    # CoreML is how ONNX Runtime reaches Apple's GPU.
    return device.split(":")[0] == wished or (wished, device) == ("mps", "coreml")


def not_offered(load: LoadOptions, runtime: str, half: bool = False) -> str:
    """Why half precision or compiling, where it is wished, does not happen on a runtime that cannot do it.

    Args:
        load: the wish.
        runtime: its title.
        half: True where it can do half precision.
    """
    if load.half and not half:
        return f"{runtime} keeps the precision of the file"
    return f"{runtime} does not compile networks; only PyTorch does" if load.compiled else ""


def on_cpu_only(load: LoadOptions, runtime: str, detail: str = "") -> Placement:
    """The placement of a runtime that has the CPU and nothing else."""
    reason = not_offered(load, runtime)
    if not same_device(load.device, "CPU"):
        reason = f"{runtime} runs on the CPU only"
    return Placement("CPU", load.device, reason, detail)
