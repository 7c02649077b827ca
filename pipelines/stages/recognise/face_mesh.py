"""Face mesh, irises, and where head and eyes point."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from scenescope.models import ModelIncompatible, Shapes
from scenescope.models.people import Landmarks
from scenescope.models.vision.face_topology import LEFT_IRIS, RIGHT_IRIS
from scenescope.models.vision.faces import find_faces, find_meshes
from scenescope.models.vision.gaze import angles_deg, gaze_direction, head_rotation, in_words, roll_deg
from scenescope.models.vision.smoothing import KeypointSmoother
from scenescope.models.vision.tensor_model import TensorModel
from scenescope.pipelines import Frame, ModelOf, StageContext
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["FaceMesh"]

NOSE_TIP = 4
# Length of an arrow over the distance between the eyes, for a direction along the picture.
ARROW = 2.0


class FaceMesh(NetworkStage, title="Face mesh and gaze", group="Detect and recognise", stateful=True):
    """Find 468 points of every face, the irises, and where head and eyes point.

    Directions are approximations without calibration: 5 to 10 degrees off for a face that fills a good part of the
    picture, more for small or turned ones. Zero is straight at the camera; left and right are those of the picture.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("face-detection")] = Field(
            "blazeface_short_range_128", description="The network that finds faces."
        )
        mesh_model: Annotated[str, ModelOf("face-landmarks")] = Field(
            "face_mesh_192", description="The network that finds the points of a face."
        )
        iris_model: Annotated[str, ModelOf("iris-landmarks")] = Field(
            "iris_64", description="The network that finds the iris of an eye."
        )
        confidence: float = Field(0.5, ge=0.1, le=1, description="Less sure faces are left out.")
        most_faces: int = Field(4, ge=1, le=20, description="Only this many of the largest faces are looked at.")
        tiles: int = Field(
            1, ge=1, le=6, description="Also search the picture in parts, this many along its shorter side; 1 does not."
        )
        gaze: bool = Field(True, description="Find the irises and show where the eyes look.")
        head: bool = Field(False, description="Show where the head points.")
        smooth: bool = Field(True, description="Take the tremble out of the points of faces that hardly move.")

    model_params = ("model", "mesh_model", "iris_model")

    def open(self, context: StageContext) -> None:
        super().open(context)
        self._mesh = self._landmarks("mesh_model", "face-landmarks")
        self._iris = self._landmarks("iris_model", "iris-landmarks")
        self._smoother = KeypointSmoother()

    def process(self, frame: Frame) -> Frame:
        name, image = self.context.stage_id, frame.image
        # A box is not cut off at the borders: the crop keeps its place around the face.
        faces = find_faces(self.network, image, self.params.confidence, self.params.tiles, clip=False)
        faces = faces[np.argsort(-faces.size_wh.prod(axis=1), kind="stable")[: self.params.most_faces]]
        iris = self._iris if self.params.gaze else None
        found = find_meshes(image, faces, self._mesh, iris, self.params.confidence)
        if self.params.smooth:
            found = self._smoother.smoothed(found, frame.pts_s)
        frame = frame.with_result(name, found)
        if self.params.gaze:
            frame = frame.with_result(f"{name}.gaze", gazes(found))
        if self.params.head:
            frame = frame.with_result(f"{name}.head", heads(found))
        return frame

    def _landmarks(self, param: str, task: str) -> TensorModel:
        """The network of a parameter, which must look at crops."""
        network = self.networks[param]
        if network.card.task == task and isinstance(network, TensorModel):
            return network
        raise ModelIncompatible(
            f"{network.card.title} does {network.card.task}, not {task}.", hint=f"Choose another network for {param}."
        )


def gazes(faces: Landmarks) -> Shapes:
    """An arrow from between the eyes of everyone whose eyes are open, with ``yaw_deg`` and ``pitch_deg``."""
    arrows, captions, measures = [], [], []
    for row in range(len(faces)):
        direction = gaze_direction(faces, row)
        if direction is None:
            continue
        yaw, pitch = angles_deg(direction)
        irises = faces.xy[row, [RIGHT_IRIS[0], LEFT_IRIS[0]]]
        arrows.append(_arrow(irises.mean(axis=0), direction, float(np.linalg.norm(irises[1] - irises[0]))))
        captions.append(in_words("gaze", yaw, pitch))
        measures.append((yaw, pitch))
    return Shapes(
        points=tuple(arrows),
        caption=tuple(captions),
        measures=np.array(measures),
        measure_names=("yaw_deg", "pitch_deg"),
        arrow=True,
        kind="gaze",
    )


def heads(faces: Landmarks) -> Shapes:
    """An arrow from everyone's nose, with ``yaw_deg``, ``pitch_deg`` and ``roll_deg`` (positive is clockwise)."""
    arrows, captions, measures = [], [], []
    for row in range(len(faces)):
        rotation = head_rotation(faces, row)
        yaw, pitch = angles_deg(-rotation[:, 2])
        roll = roll_deg(rotation)
        eyes = faces.xy[row, [33, 263]]
        arrows.append(_arrow(faces.xy[row, NOSE_TIP], -rotation[:, 2], float(np.linalg.norm(eyes[1] - eyes[0]))))
        captions.append(f"{in_words('head', yaw, pitch)}, tilted {roll:.0f}°")
        measures.append((yaw, pitch, roll))
    return Shapes(
        points=tuple(arrows),
        caption=tuple(captions),
        measures=np.array(measures),
        measure_names=("yaw_deg", "pitch_deg", "roll_deg"),
        arrow=True,
        kind="head",
    )


def _arrow(start: np.ndarray, direction: np.ndarray, unit_px: float) -> np.ndarray:
    return np.stack([start, start + ARROW * unit_px * direction[:2]])
