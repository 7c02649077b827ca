"""Detection of what is named in words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenescope.models import Detections
from scenescope.pipelines import Frame, ModelOf
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Find"]


class Find(NetworkStage, title="Find by words", group="Detect and recognise", lane="side", patience_s=30):
    """Find what you name in your own words: "red cup", "person with a hat".

    No such network comes with Scenescope; Grounding DINO and OWLv2 can be downloaded.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("zero-shot-detection")] = Field("", description="The network.")
        what: tuple[str, ...] = Field((), description="What to look for, in English.")
        confidence: float = Field(0.25, ge=0.01, le=1, description="Less sure objects are left out.")

    def process(self, frame: Frame) -> Frame:
        wanted = tuple(dict.fromkeys(text.strip() for text in self.params.what if text.strip()))
        found = self.find(frame, Detections, confidence=self.params.confidence, prompts=wanted)
        return frame.with_result(self.context.stage_id, found)
