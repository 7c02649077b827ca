"""Picture: one picture for all networks that look at it, copied to each device at most once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.vision.copies import COPIES
from scenescope.models.vision.inputs import Geometry, InputSpec, plan

if TYPE_CHECKING:
    import torch

__all__ = ["Picture", "prepare_on"]


class Picture:
    """A picture on the host and, once somebody asked for it, on devices. Safe to share between threads.

    Args:
        image: uint8 (H, W, 3), BGR; not changed while the picture lives.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image
        self._lock = threading.Lock()
        self._tensors: dict[str, torch.Tensor] = {}

    def on(self, device: str) -> torch.Tensor:
        """The picture as a uint8 (H, W, 3) BGR tensor on a device of PyTorch's ("cuda:0", "mps")."""
        import torch

        with self._lock:
            if device not in self._tensors:
                COPIES.uploaded(self.image.nbytes)
                self._tensors[device] = torch.from_numpy(np.ascontiguousarray(self.image)).to(device)
            return self._tensors[device]


def prepare_on(picture: torch.Tensor, spec: InputSpec) -> tuple[torch.Tensor, Geometry]:
    """As :func:`~scenescope.models.vision.inputs.prepare`, on the device where the picture is.

    Scaled with PyTorch's bilinear filter, which differs from OpenCV's by rounding only; made smaller for "crop", both
    average.

    Args:
        picture: uint8 (H, W, 3) BGR.
        spec: of the input.
    """
    import torch
    from torch.nn import functional

    width, height = spec.size_wh
    fit = plan((picture.shape[1], picture.shape[0]), spec)
    planes = picture.permute(2, 0, 1).unsqueeze(0).float()
    averaged = spec.fit == "crop" and fit.size_wh[0] < picture.shape[1]
    scaled = functional.interpolate(
        planes, size=(fit.size_wh[1], fit.size_wh[0]), mode="bilinear", align_corners=False, antialias=averaged
    )
    # The host's path rounds to whole grey values here, so both see the same picture.
    scaled = scaled.round_().clamp_(0, 255)
    if spec.fit == "crop":
        top, left = -fit.top, -fit.left
        full = scaled[:, :, top : top + height, left : left + width]
    else:
        rest = (fit.left, width - fit.size_wh[0] - fit.left, fit.top, height - fit.size_wh[1] - fit.top)
        full = functional.pad(scaled, rest, value=float(int(spec.padding)))
    if spec.colour == "RGB":
        full = full.flip(1)
    elif spec.colour == "grey":
        weights = torch.tensor([0.114, 0.587, 0.299], device=full.device).view(1, 3, 1, 1)
        full = (full * weights).sum(dim=1, keepdim=True).round_()
    full = (full - _per_channel(spec.mean, full)) / _per_channel(spec.std, full)
    if spec.layout == "NHWC":
        full = full.permute(0, 2, 3, 1)
    return full.contiguous().to(getattr(torch, spec.dtype)), fit.geometry


def _per_channel(values: tuple[float, ...], like: torch.Tensor) -> Any:
    import torch

    return torch.tensor(np.resize(values, like.shape[1]), dtype=like.dtype, device=like.device).view(1, -1, 1, 1)
