"""BlazeFace: faces and six points of each (Bazarevsky et al., 2019; Google MediaPipe, Apache-2.0)."""

from __future__ import annotations

from scenescope.models.people import FACE_POINTS, Faces
from scenescope.models.vision.decoders.anchored import Anchored

__all__ = ["BlazeFace"]


class BlazeFace(Anchored):
    """Decodes to :class:`Faces`."""

    label = "face"
    points = len(FACE_POINTS)
    result = Faces
