"""Instance and semantic segmentation."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from scenescope.models import Masks
from scenescope.pipelines import Frame, ModelOf, Region
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Segment"]


class Segment(NetworkStage, title="Segment", group="Detect and recognise", lane="side", patience_s=30):
    """Outline objects, each by itself, or colour every kind of surface, as the network was trained to.

    No such network comes with Scenescope; YOLO, SAM, Mask2Former and SegFormer can be downloaded.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("instance-segmentation", "semantic-segmentation")] = Field(
            "", description="The network."
        )
        confidence: float = Field(0.4, ge=0.01, le=1, description="Less sure areas are left out.")
        iou: float = Field(0.7, ge=0.1, le=0.95, description="Of two objects that overlap more, the surer one is kept.")
        only: tuple[str, ...] = Field((), description="Class names to keep; none keeps all.")
        around: Region = Field(
            Region(), description="For SAM and FastSAM: the object in this area is outlined; without one, in all of it."
        )

    def process(self, frame: Frame) -> Frame:
        p = self.params
        options: dict[str, Any] = {"confidence": p.confidence, "iou": p.iou}
        if p.around.points:
            corners = np.array(p.around.points) * frame.size_wh
            options["boxes_xyxy"] = np.concatenate([corners.min(axis=0), corners.max(axis=0)])[None]
        found = self.find(frame, Masks, **options)
        if p.only:
            found = found[[label in p.only for label in found.labels]]
        return frame.with_result(self.context.stage_id, found)
