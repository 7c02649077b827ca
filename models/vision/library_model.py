"""LibraryModel: a network that a library runs with its own preparation and reading of pictures, on PyTorch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scenescope.models.cards import ModelCard, checked_file
from scenescope.models.errors import ModelIncompatible, ModelMissing, RuntimeMissing
from scenescope.models.vision.base import VisionModel
from scenescope.models.vision.copies import COPIES
from scenescope.models.vision.network import explained
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.runtimes import require
from scenescope.models.vision.runtimes.torch_common import device_of, torch_device

__all__ = ["LibraryModel", "count_upload", "on_host", "placement_of"]


class LibraryModel(VisionModel):
    """What models of Ultralytics and of transformers share: the order in which they are loaded, and their placement.

    Subclasses open the file and name the task; a picture of grey is then run, so that what cannot run fails while it is
    loaded, and compiling and lazy set-up are over when the first frame comes.
    """

    _placement: Placement

    @abstractmethod
    def _check_trust(self, path: Path) -> None:
        """Refuse what can run code while it loads, unless the user trusts it. Nothing was opened yet."""

    @abstractmethod
    def _open(self, path: Path, device: Any, options: LoadOptions) -> str:
        """Load the weights onto a ``torch.device``; the task, as cards spell it."""

    @abstractmethod
    def _read_placement(self, options: LoadOptions, reason: str) -> Placement:
        """Where it runs; ``reason`` says why that is not where it was wished."""

    @abstractmethod
    def _uncompile(self) -> bool:
        """Run the network as it is from now on; False when it was not compiled."""

    def load(self, options: LoadOptions | None = None) -> None:
        options, title = options or LoadOptions(), self.card.title
        info = require(self.card.runtime)
        path = _present(self.card)
        device, reason = torch_device(options)
        if reason:
            Placement("CPU", options.device, reason).checked(options, title)
        try:
            self._check_trust(path)
            with explained(f"{info.title} cannot run {title}", hint="Choose another model."), _complete(title):
                task = self._open(path, device, options)
                if self.card.task not in ("", task):
                    raise ModelIncompatible(
                        f"{title} is a network for {task}, but its card says {self.card.task}.",
                        hint="Remove the model and add it again.",
                    )
                self._warm_up()
            self._placement = self._read_placement(options, reason).checked(options, title)
        except BaseException:
            self.close()
            raise
        finally:
            # What libraries do while they are imported, or when they choose a device, changes the pools of others.
            options.threads.apply()

    def _warm_up(self) -> None:
        grey = np.full((64, 64, 3), 114, np.uint8)
        try:
            self.infer([grey], prompts=("a",))
        except Exception:
            # The compiler does its work in the first run, and cannot do everything.
            if not self._uncompile():
                raise
            self.infer([grey], prompts=("a",))

    def placement(self) -> Placement:
        return self._placement


def count_upload(tensor: Any) -> Any:
    """The tensor, which a library has put on its device."""
    if tensor.device.type != "cpu":
        COPIES.uploaded(tensor.nbytes)
    return tensor


def on_host(tensor: Any) -> Any:
    """The tensor on the CPU, real numbers as float32."""
    if tensor.device.type != "cpu":
        COPIES.downloaded(tensor.nbytes)
    tensor = tensor.detach().cpu()
    return tensor.float() if tensor.is_floating_point() else tensor


def placement_of(module: Any, options: LoadOptions, reason: str, compiled: bool) -> Placement:
    """Where the parameters of a module lie, and in which precision.

    Args:
        module: ``torch.nn.Module``, on its device.
        options: what was wished.
        reason: why it is another device than was wished; empty when it is not.
        compiled: whether ``torch.compile`` worked.
    """
    first = next(module.parameters(), None)
    half = first is not None and first.element_size() == 2
    if options.half and not half:
        reason = reason or "half precision is for GPUs; on the CPU it is slower"
    if options.compiled and not compiled:
        reason = reason or "torch.compile cannot do it"
    details = [text for text, true in (("half precision", half), ("compiled", compiled)) if true]
    return Placement(device_of(module, "cpu"), options.device, reason, ", ".join(details))


@contextmanager
def _complete(title: str) -> Iterator[None]:
    """Says which other library a network needs."""
    try:
        yield
    except ImportError as error:
        lines = str(error).strip().splitlines() or ["a library that is not installed"]
        raise RuntimeMissing(f"{title} needs more: {lines[0]}", hint="Install what is named there.") from error


def _present(card: ModelCard) -> Path:
    if not card.path.exists():
        raise ModelMissing(
            f"{card.file} is not on this computer.",
            hint=f"Get it in the Models dialog, or run 'scenescope models get {card.name}'.",
        )
    return checked_file(card).absolute()
