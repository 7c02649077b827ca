"""Which of torchvision's networks a set of weights belongs to: by the names and shapes of its tensors.

Runs in the trial process, as it imports PyTorch. Networks are built on the "meta" device: shapes without memory.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

__all__ = ["match"]

Shapes = Mapping[str, tuple[int, ...]]

# What the weights of a family have in common; building all networks there are takes half a minute.
_FAMILIES = (
    ("backbone.", r"rcnn|retinanet|fcos|ssd|deeplab|fcn|lraspp"),
    ("features.denseblock", "densenet"),
    ("inception3a.", "googlenet"),
    ("Mixed_5b.", "inception_v3"),
    ("conv_proj.", "^vit"),
    ("trunk_output.", "^regnet"),
    ("blocks.0.layers", "maxvit"),
    ("layers.0.", "mnasnet"),
    ("stage2.", "shufflenet"),
    ("layer1.", r"^resnet|^resnext|^wide_resnet|^r3d|^mc3|^r2plus1d"),
    ("features.", r"vgg|alexnet|squeezenet|mobilenet|efficientnet|convnext|swin|densenet|s3d"),
)
_ENOUGH = 0.98


def match(shapes: Shapes, stem: str) -> dict[str, Any] | None:
    """The network that fits.

    Args:
        shapes: of the tensors, by name.
        stem: the file's name, by which likely ones are tried first.

    Returns:
        "factory", "classes" (how many, None for the usual number), "share" (of its tensors that fit, 0..1), "task" and
        "size", "mean", "std" of the published preprocessing; None when no network has half of these tensors.
    """
    import torchvision

    names = torchvision.models.list_models()
    family = next((pattern for part, pattern in _FAMILIES if any(n.startswith(part) for n in shapes)), ".")
    likely = [name for name in names if re.search(family, name) and not name.startswith("quantized")]
    tidy = re.sub(r"[^a-z0-9]+", "_", stem.lower())
    likely.sort(key=lambda n: (n not in tidy, -len(n) if n in tidy else -difflib.SequenceMatcher(a=n, b=tidy).ratio()))
    best, best_share = "", 0.0
    for name in likely:
        share = _share(_shapes_of(name), shapes)
        if share > best_share:
            best, best_share = name, share
        if share == 1.0:
            break
    if best_share < 0.5:
        return None
    classes = _classes(_shapes_of(best), shapes)
    if classes is not None:
        best_share = _share(_shapes_of(best, num_classes=classes), shapes)
    return {"factory": best, "classes": classes, "share": best_share, **_preprocessing(best)}


def _share(wanted: Shapes, given: Shapes) -> float:
    """Part of the names of both that have the same shape in both."""
    counters = "num_batches_tracked"
    every = {name for name in (*wanted, *given) if not name.endswith(counters)}
    same = sum(wanted.get(name) == given.get(name) for name in every)
    return same / max(len(every), 1)


def _classes(wanted: Shapes, given: Shapes) -> int | None:
    """How many classes the last layer has, where that is another number than usual."""
    other = [name for name in wanted if name in given and wanted[name] != given[name]]
    biases = [name for name in other if len(given[name]) == 1]
    return given[biases[-1]][0] if biases else None


def _shapes_of(name: str, **more: Any) -> dict[str, tuple[int, ...]]:
    import torchvision

    detection = re.search(r"rcnn|retinanet|fcos|ssd|deeplab|fcn|lraspp", name)
    if detection:
        more = {"weights_backbone": None, **more}
    if name in ("googlenet", "inception_v3"):
        more = {"init_weights": False, **more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Some run themselves while they are built, to measure their own parts; these need memory after all.
        for frugal in (_without_memory, nullcontext):
            try:
                with frugal():
                    network = torchvision.models.get_model(name, weights=None, **more)
            except Exception:  # one that cannot be built so fits nothing
                continue
            return {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return {}


@contextmanager
def _without_memory() -> Iterator[None]:
    """Parameters are moved to the meta device as soon as they are registered, before they are initialised.

    The "meta" device as default would do the same, but some networks compute with small tensors while they are built.
    """
    import torch

    module = torch.nn.Module
    before = module.register_parameter

    def register(self: Any, name: str, parameter: Any) -> None:
        if parameter is not None:
            parameter = torch.nn.Parameter(parameter.to("meta"), requires_grad=False)
        before(self, name, parameter)

    module.register_parameter = register  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        module.register_parameter = before  # type: ignore[method-assign]


def _preprocessing(name: str) -> dict[str, Any]:
    """What torchvision itself does to pictures for this network."""
    import torchvision

    module = torchvision.models.get_model_builder(name).__module__
    task = "classification"
    if ".detection." in module:
        task = "instance-segmentation" if "mask" in name else "pose" if "keypoint" in name else "detection"
    elif ".segmentation." in module:
        task = "semantic-segmentation"
    elif ".video." in module or ".optical_flow." in module:
        task = ""
    transforms = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None)
    resize = getattr(transforms, "resize_size", None)
    return {
        "task": task,
        "size": int(size[0]) if size else None,
        "resize": int(resize[0]) if resize and resize[0] else None,
        "mean": list(getattr(transforms, "mean", ())),
        "std": list(getattr(transforms, "std", ())),
    }
