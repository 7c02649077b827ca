"""Faces in two steps: boxes in the picture, also small ones, then the mesh and the irises in a crop of each."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.people import Faces, Landmarks
from scenescope.models.results import Detections
from scenescope.models.vision.base import VisionModel
from scenescope.models.vision.crops import angle_of, infer_crop, mirrored, turned_square
from scenescope.models.vision.face_topology import CONTOURS, EYE_CONTOUR, IRISES, LEFT_EYE, MESH_POINTS, RIGHT_EYE
from scenescope.models.vision.tensor_model import TensorModel

__all__ = ["find_faces", "find_meshes"]

Image = NDArray[np.uint8]

# Of a tile's side, so that a face on a border is whole in one of two tiles.
TILE_OVERLAP = 0.25
# Smaller ones would only be magnified.
LEAST_TILE_PX = 128
# Sides of the crops over those of the boxes, as published with the networks.
MESH_MARGIN = 1.5
EYE_MARGIN = 2.3


def find_faces(model: VisionModel, image: Image, confidence: float, tiles: int = 1, clip: bool = True) -> Detections:
    """Faces in the picture, the surest first.

    Args:
        model: a loaded face detector.
        image: uint8 (H, W, 3) BGR.
        confidence: less sure faces are left out.
        tiles: into how many the shorter side is cut to look for small faces as well; 1 looks at the whole alone.
        clip: cut boxes off at the picture's borders.
    """
    options: dict[str, Any] = {"confidence": confidence} if clip else {"confidence": confidence, "clip": False}
    (whole,) = model.infer([image], **options)
    assert isinstance(whole, Detections)
    if tiles == 1:
        return whole
    found = [whole]
    for x, y, side in _tiles(image.shape[1], image.shape[0], tiles):
        (part,) = model.infer([np.ascontiguousarray(image[y : y + side, x : x + side])], **options)
        assert isinstance(part, Detections)
        found.append(part.warped(np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])))
    return _each_once(_joined(found))


def find_meshes(
    image: Image, faces: Detections, mesh: TensorModel, iris: TensorModel | None = None, confidence: float = 0.5
) -> Landmarks:
    """Points of every face, one row each: 468, and ten more of the irises.

    Args:
        image: uint8 (H, W, 3) BGR.
        faces: boxes; crops are turned until the eyes are level where they are :class:`Faces`.
        mesh: the loaded network for the face.
        iris: the loaded network for an eye; it also refines the eyes' contours.
        confidence: crops that the network is less sure to show a face are left out.
    """
    rows: list[Landmarks] = []
    for row, (centre, size) in enumerate(zip(faces.center_xy, faces.size_wh, strict=True)):
        angle = angle_of(*faces.points_xy[row, :2]) if isinstance(faces, Faces) else 0.0
        crop = turned_square(centre, MESH_MARGIN * float(max(size)), angle, mesh.spec.size_wh)
        points = infer_crop(mesh, image, crop, confidence=confidence)
        assert isinstance(points, Landmarks)
        if len(points):
            rows.append(_with_irises(image, points, iris) if iris is not None else points)
    count = MESH_POINTS + (10 if iris is not None else 0)
    return Landmarks(
        xy=np.concatenate([np.empty((0, count, 2)), *(row.xy for row in rows)]),
        confidence=np.concatenate([np.empty((0, count)), *(row.confidence for row in rows)]),
        z=np.concatenate([np.empty((0, count)), *(row.z for row in rows)]),
        skeleton=CONTOURS + (IRISES if iris is not None else ()),
    )


def _with_irises(image: Image, face: Landmarks, iris: TensorModel) -> Landmarks:
    """The face with finer eyes and ten more points. The network knows right eyes; a left one is shown mirrored."""
    xy, z = face.xy.copy(), face.z
    for eye, is_right in ((RIGHT_EYE, True), (LEFT_EYE, False)):
        outer, inner = face.xy[0, eye[0]], face.xy[0, eye[8]]
        ends = (outer, inner) if is_right else (inner, outer)
        side = EYE_MARGIN * float(np.linalg.norm(outer - inner))
        crop = turned_square((outer + inner) / 2, max(side, 1.0), angle_of(*ends), iris.spec.size_wh)
        found = infer_crop(iris, image, crop if is_right else mirrored(crop, iris.spec.size_wh[0]))
        assert isinstance(found, Landmarks)
        xy[0, list(eye)] = found.xy[0, :EYE_CONTOUR]
        xy = np.concatenate([xy, found.xy[:, -5:]], axis=1)
        z = np.concatenate([z, np.repeat(z[:, list(eye)].mean(axis=1, keepdims=True), 5, axis=1)], axis=1)
    sure = np.repeat(face.confidence[:, :1], xy.shape[1], axis=1)
    return Landmarks(xy=xy, confidence=sure, z=z)


def _tiles(width: int, height: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of overlapping squares that cover the picture; at its borders they may be cut off."""
    side = max(ceil(min(width, height) / (count - (count - 1) * TILE_OVERLAP)), LEAST_TILE_PX)
    step = side * (1 - TILE_OVERLAP)
    columns, rows = (ceil(max(length - side, 0) / step) + 1 for length in (width, height))
    for y in np.linspace(0, max(height - side, 0), rows).round().astype(int).tolist():
        for x in np.linspace(0, max(width - side, 0), columns).round().astype(int).tolist():
            yield x, y, side


def _joined(found: list[Detections]) -> Detections:
    columns = {
        name: np.concatenate([getattr(part, name) for part in found])
        for name in ("xyxy", "confidence", "class_id", *(("points_xy",) if isinstance(found[0], Faces) else ()))
    }
    return type(found[0])(**columns, class_names=found[0].class_names)


def _each_once(faces: Detections) -> Detections:
    """Without boxes that share half of their area with a surer one: a tile's border may have cut a face."""
    order = np.argsort(-faces.confidence, kind="stable")
    boxes = faces.xyxy[order].astype(np.float64)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept: list[int] = []
    for row, box in enumerate(boxes):
        sides = np.minimum(box[2:], boxes[kept, 2:]) - np.maximum(box[:2], boxes[kept, :2])
        shared = np.prod(np.clip(sides, 0, None), axis=1)
        if not (shared > 0.5 * np.minimum(areas[row], areas[kept])).any():
            kept.append(row)
    return faces[order[kept]]
