"""Object detection."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenescope.models import Detections
from scenescope.pipelines import Frame, ModelOf
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Detect"]


class Detect(NetworkStage, title="Detect objects", group="Detect and recognise"):
    """Find objects of the classes that a network was trained on, 80 everyday ones with the bundled network."""

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("detection", "oriented-detection")] = Field(
            "nanodet_g_416_coco", description="The network."
        )
        confidence: float = Field(0.3, ge=0.05, le=1, description="Less sure objects are left out.")
        iou: float = Field(0.6, ge=0.1, le=0.95, description="Of two boxes that overlap more, the surer one is kept.")
        only: tuple[str, ...] = Field((), description="Class names to keep; none keeps all.")

    def process(self, frame: Frame) -> Frame:
        found = self.find(frame, Detections, confidence=self.params.confidence, iou=self.params.iou)
        if self.params.only:
            found = found[[label in self.params.only for label in found.labels]]
        return frame.with_result(self.context.stage_id, found)
