"""Networks that torchvision builds, with weights from a .safetensors file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.network import TensorInfo, explained, present
from scenescope.models.vision.placement import LoadOptions
from scenescope.models.vision.runtimes.torch_common import TorchNetwork, torch_device

__all__ = ["TorchvisionNetwork"]


class TorchvisionNetwork(TorchNetwork):
    """``options["factory"]`` names the builder in ``torchvision.models``: "mobilenet_v2", "ssd300_vgg16".

    ``options["factory_options"]`` is passed to it: ``{num_classes = 4}``. Weights of half precision are cast up.
    Nothing is fetched.

    Raises:
        ModelMissing: the file is not there.
        ModelIncompatible: there is no such builder, or the weights are not those of its network.
    """

    def __init__(self, path: Path, load: LoadOptions, options: Mapping[str, Any]) -> None:
        import torch
        from safetensors import safe_open

        device, reason = torch_device(load)
        module = _built(str(options.get("factory", "")), options.get("factory_options", {}))
        with (
            explained(f"{path.name} cannot be read as safetensors"),
            safe_open(str(present(path)), framework="pt") as weights,
        ):
            self.metadata = dict(weights.metadata() or {})
            state = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118
        _fill(module, state, path.name, str(options["factory"]))
        # Convolutions are faster with the channels innermost, on the CPU and on GPUs.
        module = module.eval().to(device, memory_format=torch.channels_last)
        inputs = (TensorInfo("input", (None, 3, None, None), "float32"),)
        super().__init__(path.name, module, load, device, reason, inputs)


def _built(factory: str, factory_options: Mapping[str, Any]) -> Any:
    from torchvision import models

    if factory not in models.list_models():
        raise ModelIncompatible(
            f"torchvision builds no network called '{factory}'.",
            hint="Set options.factory of the card to a name in torchvision.models.",
        )
    builder = models.get_model_builder(factory)
    given = {**factory_options, "weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        given["weights_backbone"] = None
    with explained(f"torchvision cannot build {factory} with these options"):
        return builder(**given)


def _fill(module: Any, state: Mapping[str, Any], file: str, factory: str) -> None:
    """Load the weights, all of them and no others; torch casts them to the module's precision."""
    own = module.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    other = [name for name in own if name in state and own[name].shape != state[name].shape]
    problems = [
        f"{len(names)} {what} (the first is {names[0]})"
        for names, what in ((missing, "are missing"), (unknown, "are unknown"), (other, "have another shape"))
        if names
    ]
    if problems:
        raise ModelIncompatible(
            f"{file} does not hold the weights of {factory}: of {len(own)} tensors {', '.join(problems)}.",
            hint="Another options.factory, or factory_options such as num_classes, may fit.",
        )
    module.load_state_dict(state, strict=False)
