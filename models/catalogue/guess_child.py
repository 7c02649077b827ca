"""The trial process: opens files that nobody has vouched for, so that a crash or a hang is not the app's.

Run as ``python -m scenescope.models.catalogue.guess_child``; it answers on its standard output until its input ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from scenescope.models.budget import ThreadBudget
from scenescope.models.catalogue import Catalogue, use
from scenescope.models.catalogue.guess_wire import read_message, write_message
from scenescope.models.errors import ScenescopeError
from scenescope.models.vision.network import Network
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes import open_network

__all__ = ["main"]

Tensors = Mapping[str, NDArray[Any]]
Answer = tuple[dict[str, Any], Tensors]


class _Trials:
    """Answers one request after the other. A request names a method, and its other entries are the arguments."""

    def __init__(self) -> None:
        self._network: Network | None = None

    def open(self, tensors: Tensors, runtime: str, path: str, options: dict[str, Any], catalogue: str | None) -> Answer:
        """Load a network; the one before is closed."""
        self.close({})
        # Where the user's trust is kept.
        use(Catalogue(Path(catalogue) if catalogue else None))
        load = LoadOptions(device="cpu", threads=ThreadBudget.for_latency())
        network = self._network = open_network(runtime, Path(path), load, options)
        return {
            "inputs": [[i.name, list(i.shape), i.dtype] for i in network.inputs],
            "outputs": [[o.name, list(o.shape), o.dtype] for o in network.outputs],
            "metadata": {str(key): str(value) for key, value in network.metadata.items()},
        }, {}

    def run(self, tensors: Tensors) -> Answer:
        """Outputs of the network that was opened last."""
        assert self._network is not None
        return {}, self._network.run(tensors)

    def close(self, tensors: Tensors) -> Answer:
        """Close that network."""
        if self._network is not None:
            self._network.close()
        self._network = None
        return {}, {}

    def factory(self, tensors: Tensors, shapes: dict[str, list[int]], stem: str) -> Answer:
        """Which of torchvision's networks has these tensors."""
        from scenescope.models.catalogue.guess_factory import match

        return {"match": match({name: tuple(shape) for name, shape in shapes.items()}, stem)}, {}

    def ultralytics(self, tensors: Tensors, path: str) -> Answer:
        """What a checkpoint of Ultralytics says of itself; it must be a trusted one."""
        from scenescope.models.vision.ultralytics import quiet_ultralytics

        quiet_ultralytics()
        wrapper: Any = import_module("ultralytics").YOLO(path)
        names = wrapper.names if isinstance(wrapper.names, dict) else dict(enumerate(wrapper.names))
        return {
            "task": str(wrapper.task),
            "names": [str(names[key]) for key in sorted(names)],
            "imgsz": (wrapper.overrides or {}).get("imgsz", 640),
            "head": type(wrapper.model.model[-1]).__name__,
            "yaml": str(getattr(wrapper.model, "yaml", {}).get("yaml_file", "")),
        }, {}


def main() -> None:
    """Answer until there is nothing more to answer."""
    # Libraries print; what they print must not come between the messages.
    pipe: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: BinaryIO = sys.stdin.buffer
    trials = _Trials()
    while (message := read_message(requests)) is not None:
        header, tensors = message
        try:
            answer, outputs = getattr(trials, header.pop("do"))(tensors, **header)
        except ScenescopeError as error:
            answer = {"error": type(error).__name__, "message": error.user_message, "hint": error.hint}
            outputs = {}
        except MemoryError:
            answer, outputs = {"error": "ModelError", "message": "There is not enough memory to open it."}, {}
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0][:300]
            answer, outputs = {"error": "ModelIncompatible", "message": f"{type(error).__name__}: {first}"}, {}
        write_message(pipe, answer, outputs)


if __name__ == "__main__":
    main()
