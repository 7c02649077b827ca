"""Face detection."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenescope.models.people import Faces as FacesFound
from scenescope.models.vision.faces import find_faces
from scenescope.pipelines import Frame, ModelOf
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Faces"]


class Faces(NetworkStage, title="Faces", group="Detect and recognise"):
    """Find faces, with eyes, nose, mouth and ears.

    The bundled network is made for people within two metres of a camera. Search tiles to find smaller faces; the time
    that it takes grows with their number.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("face-detection")] = Field(
            "blazeface_short_range_128", description="The network."
        )
        confidence: float = Field(0.5, ge=0.1, le=1, description="Less sure faces are left out.")
        min_size_px: int = Field(0, ge=0, le=2000, description="Faces with a shorter side than this are left out.")
        tiles: int = Field(
            1, ge=1, le=6, description="Also search the picture in parts, this many along its shorter side; 1 does not."
        )
        points: bool = Field(True, description="Show eyes, nose, mouth and ears.")

    def process(self, frame: Frame) -> Frame:
        found = find_faces(self.network, frame.image, self.params.confidence, self.params.tiles)
        found = found[found.size_wh.min(axis=1, initial=1e9) >= self.params.min_size_px]
        frame = frame.with_result(self.context.stage_id, found)
        if self.params.points and isinstance(found, FacesFound):
            frame = frame.with_result(f"{self.context.stage_id}.points", found.keypoints)
        return frame
