"""Classification of the whole picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenescope.models import Labels
from scenescope.pipelines import Frame, ModelOf
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Classify"]


class Classify(NetworkStage, title="Classify", group="Detect and recognise"):
    """Say what the picture as a whole shows, one of 1000 things with the bundled network.

    Networks for zero-shot classification (CLIP, SigLIP) choose among the labels that you give them.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("classification", "zero-shot-classification")] = Field(
            "mobilenet_v2_imagenet1k_v1", description="The network."
        )
        top: int = Field(3, ge=1, le=20, description="At most so many labels are shown.")
        confidence: float = Field(0.1, ge=0, le=1, description="Less sure labels are left out.")
        labels: tuple[str, ...] = Field(
            (), description="What to choose among, for networks that are asked in words; the others have their own."
        )

    def process(self, frame: Frame) -> Frame:
        p = self.params
        found = self.find(frame, Labels, top=p.top, confidence=p.confidence, prompts=p.labels)
        return frame.with_result(self.context.stage_id, found[found.confidence >= p.confidence][: p.top])
