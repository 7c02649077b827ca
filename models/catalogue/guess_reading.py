"""Reading and Seen: what a network's outputs may mean, and what was seen of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.vision.ultralytics_results import TASKS

__all__ = ["Reading", "Seen"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Reading:
    """One way to read the outputs.

    Attributes:
        task, architecture: as cards spell them.
        boxes: how the values are laid out, in words.
        confidence: 0..1.
        why: in words.
        options: for the card.
        classes: how many there are; 0 when there are none or it is not known.
    """

    task: str
    architecture: str
    boxes: str
    confidence: float
    why: str
    options: dict[str, Any] = field(default_factory=dict)
    classes: int = 0


@dataclass(frozen=True)
class Seen:
    """What was seen of a network's outputs.

    Attributes:
        outputs: for each picture, by name.
        size_wh: of the input.
        layout: of the input.
        metadata: what the file says of itself.
        hint: the file's name and the names of its inputs and outputs, in small letters.
        labels: how many names the file brings; 0 when none.
    """

    outputs: Sequence[Mapping[str, Array]]
    size_wh: tuple[int, int]
    layout: str = "NCHW"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""
    labels: int = 0

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the first picture's outputs."""
        return {name: value.shape for name, value in self.outputs[0].items()}

    def values(self, name: str) -> Array:
        """Of one output, for all pictures, along a new first axis; the first picture's where shapes differ."""
        every = [outputs[name] for outputs in self.outputs]
        same = [value for value in every if value.shape == every[0].shape]
        return np.nan_to_num(np.stack(same).astype(np.float32), nan=0.0, posinf=1e6, neginf=-1e6)

    def says(self, *words: str) -> bool:
        """Whether the file or one of its tensors is called so."""
        return any(word in self.hint for word in words)

    @property
    def task(self) -> str:
        """Of Ultralytics' metadata, as cards spell it; empty without."""
        return TASKS.get(str(self.metadata.get("task", "")), "")
