"""Person matte."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Masks
from scenescope.models.vision.mattes import full_alpha, outlined, steadied
from scenescope.pipelines import Frame, ModelOf, StageContext
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Matte"]


class Matte(NetworkStage, title="Person matte", group="Detect and recognise", stateful=True):
    """Cut out the people in front of the camera, with soft edges.

    The bundled network is made for one or a few people who fill a good part of the picture.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("matte")] = Field("selfie_segmentation_256", description="The network.")
        confidence: float = Field(0.5, ge=0.05, le=0.95, description="Pixels less surely a person are left out.")
        softness_px: float = Field(6.0, ge=0, le=60, description="Width of the soft edge around people, in pixels.")
        smooth: float = Field(0.6, ge=0, le=0.95, description="How much unsure pixels keep of the picture before.")

    def open(self, context: StageContext) -> None:
        super().open(context)
        self._before: NDArray[np.uint8] | None = None

    def process(self, frame: Frame) -> Frame:
        found = self.find(frame, Masks, confidence=self.params.confidence)
        self._before = steadied(full_alpha(found), self._before, self.params.smooth)
        alpha = outlined(self._before, self.params.confidence, self.params.softness_px)
        if len(found) and alpha.any():
            found = Masks.from_full(
                alpha[None],
                confidence=found.confidence[:1],
                class_id=found.class_id[:1],
                class_names=found.class_names,
            )
        return frame.with_result(self.context.stage_id, found)
