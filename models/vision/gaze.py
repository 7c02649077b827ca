"""Where a head points and where its eyes look, from the points of the face mesh and the irises.

Both are approximations for a person in front of an ordinary camera. The head's axes are those of the mesh in the
depth that the network guesses, without perspective. The eye is a ball whose size follows from the iris, of which the
visible diameter is 11.7 mm in nearly all adults (Hashemi et al. 2015; the assumption of MediaPipe Iris); its centre is
taken to lie behind the middle between the corners of the eye. No person is calibrated: expect 5 to 10 degrees of error
when eyes are open and some 40 pixels wide, and more for small faces, glasses and heads that are turned far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenescope.models.people import Landmarks
from scenescope.models.vision.face_topology import LEFT_EYE, LEFT_IRIS, MIDLINE, RIGHT_EYE, RIGHT_IRIS, SYMMETRIC

__all__ = ["angles_deg", "eye_openness", "gaze_direction", "head_rotation", "in_words", "roll_deg"]

Vector = NDArray[np.float64]

IRIS_MM = 11.7
# From the centre of the eyeball's rotation to the iris, and to the plane of the corners of the eye.
TO_IRIS_MM = 10.0
TO_CORNERS_MM = 6.0
# Below this height over width, lids hide too much of the iris.
CLOSED = 0.12


def head_rotation(face: Landmarks, row: int = 0) -> NDArray[np.float64]:
    """The head's axes in the camera's, float64 (3, 3): columns point to the picture's right, down, and away.

    It is the identity for an upright head that faces the camera, which means here: the line from the top of the
    forehead to the chin is parallel to the picture.
    """
    points = np.column_stack([face.xy[row], face.z[row]]).astype(np.float64)
    right_ends, left_ends = np.array(SYMMETRIC).T
    across = (points[left_ends] - points[right_ends]).sum(axis=0)
    x = across / np.linalg.norm(across)
    down = points[MIDLINE[1]] - points[MIDLINE[0]]
    down -= down @ x * x
    y = down / np.linalg.norm(down)
    return np.column_stack([x, y, np.cross(x, y)])


def angles_deg(direction: Vector) -> tuple[float, float]:
    """Yaw and pitch in degrees of a direction towards the camera: 0, 0 is straight at the picture plane.

    Yaw is positive to the picture's right, pitch is positive upwards.
    """
    x, y, z = (float(value) for value in direction)
    return float(np.degrees(np.arctan2(x, -z))), float(np.degrees(np.arctan2(-y, np.hypot(x, z))))


def roll_deg(rotation: NDArray[np.float64]) -> float:
    """By how much the head is tilted in the picture, in degrees, positive clockwise."""
    return float(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0])))


def eye_openness(face: Landmarks, row: int, eye: tuple[int, ...]) -> float:
    """Height of an eye's opening over its width; about 0.3 when open, less than 0.12 when closed."""
    xy = face.xy[row]
    heights = [np.linalg.norm(xy[eye[lower]] - xy[eye[upper]]) for lower, upper in ((3, 11), (4, 12), (5, 13))]
    return float(np.mean(heights) / max(np.linalg.norm(xy[eye[0]] - xy[eye[8]]), 1e-6))


def gaze_direction(face: Landmarks, row: int = 0) -> Vector | None:
    """Where the eyes look, as a unit vector (x right, y down, z away) in the camera's axes; None when they are closed.

    Args:
        face: 478 points: mesh and irises.
        row: of the face.
    """
    forward = -head_rotation(face, row)[:, 2]
    xy = face.xy[row].astype(np.float64)
    directions = []
    for eye, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        if eye_openness(face, row, eye) < CLOSED:
            continue
        centre, *border = xy[list(iris)]
        # An eye turned aside shows its iris narrower, one that looks up or down shows it flatter: the longer counts.
        across, along = (float(np.linalg.norm(border[i] - border[i + 2])) for i in (0, 1))
        px_per_mm = max(across, along, 1e-6) / IRIS_MM
        ball = (xy[eye[0]] + xy[eye[8]]) / 2 - forward[:2] * TO_CORNERS_MM * px_per_mm
        aside = (centre - ball) / (TO_IRIS_MM * px_per_mm)
        aside /= max(1.0, float(np.linalg.norm(aside)) / 0.99)
        directions.append([*aside, -np.sqrt(1 - aside @ aside)])
    if not directions:
        return None
    mean = np.mean(directions, axis=0)
    unit: Vector = mean / np.linalg.norm(mean)
    return unit


def in_words(name: str, yaw: float, pitch: float) -> str:
    """Angles in degrees for people: "gaze 12° left, 3° up", sides as seen in the picture."""
    sideways = f"{abs(yaw):.0f}° {'right' if yaw > 0 else 'left'}"
    upwards = f"{abs(pitch):.0f}° {'up' if pitch > 0 else 'down'}"
    return f"{name} {sideways}, {upwards}"
