"""Face recognition: who of the people that enrolled is in the picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from scenescope.models import Detections
from scenescope.models.vision.face_gallery import UNKNOWN, current_gallery, describe
from scenescope.models.vision.faces import find_faces
from scenescope.models.vision.tensor_model import TensorModel
from scenescope.pipelines import Frame, ModelOf, StageContext
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Recognise"]


class Recognise(NetworkStage, title="Recognise faces", group="Detect and recognise", lane="side", patience_s=10.0):
    """Name the faces of people who enrolled in the gallery of this computer; all others are "unknown".

    While nobody is enrolled, faces are found but no descriptor of any face is made. The gallery is a local file with
    descriptors, without pictures. A name comes with the cosine similarity to the person's likest sample, "unknown"
    with how sure it is that there is a face.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("face-descriptor")] = Field(
            "face_embedding_faceres_224", description="The network that tells faces apart."
        )
        faces: Annotated[str, ModelOf("face-detection")] = Field(
            "blazeface_short_range_128", description="The network that finds faces."
        )
        confidence: float = Field(0.5, ge=0.1, le=1, description="Less sure faces are left out.")
        tiles: int = Field(
            1, ge=1, le=6, description="Also search the picture in parts, this many along its shorter side; 1 does not."
        )
        threshold: float = Field(
            0.6, ge=0.2, le=0.99, description="Least similarity to an enrolled person; higher mistakes fewer people."
        )
        margin: float = Field(
            0.05, ge=0, le=0.5, description="By how much the likeliest person must be likelier than the next one."
        )

    model_params = ("model", "faces")

    def open(self, context: StageContext) -> None:
        super().open(context)
        # A gallery that cannot be read is told of now, not in every frame.
        self._gallery = current_gallery()
        self._gallery.people()

    def process(self, frame: Frame) -> Frame:
        detector = self.networks["faces"]
        faces = find_faces(detector, frame.image, self.params.confidence, self.params.tiles, clip=False)
        names: tuple[str, ...] = ()
        who, alike = np.full(len(faces), -1, np.int64), np.zeros(len(faces), np.float32)
        # Nobody enrolled: no descriptor is made, of anybody.
        if len(faces) and self._gallery.people():
            network = self.networks["model"]
            assert isinstance(network, TensorModel)
            vectors = describe(network, frame.image, faces)
            names, who, alike = self._gallery.match(
                vectors, self.params.model, self.params.threshold, self.params.margin
            )
        limits = np.array([*frame.size_wh, *frame.size_wh], np.float32)
        found = Detections(
            xyxy=np.clip(faces.xyxy, 0, limits),
            confidence=np.where(who < 0, faces.confidence, np.clip(alike, 0, 1)),
            class_id=np.where(who < 0, len(names), who),
            class_names=(*names, UNKNOWN),
        )
        return frame.with_result(self.context.stage_id, found)
