"""Which of the mesh's 468 points are what: the public numbering of MediaPipe Face Mesh (Apache-2.0).

Right and left are the person's own. Ten more points follow when the irises were found, as in MediaPipe: 468 the
centre of the right iris and 469 to 472 its border, 473 the centre of the left one and 474 to 477 its border.
"""

from __future__ import annotations

from itertools import pairwise

__all__ = [
    "CONTOURS",
    "EYE_CONTOUR",
    "IRISES",
    "LEFT_EYE",
    "LEFT_IRIS",
    "MESH_POINTS",
    "MIDLINE",
    "OVAL",
    "RIGHT_EYE",
    "RIGHT_IRIS",
    "SYMMETRIC",
]

Line = tuple[int, ...]

MESH_POINTS = 468

OVAL: Line = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
    *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10),
)
# The lower lid from the outer corner to the inner, then the upper lid from the outer to the inner without the corners:
# the order in which the iris network lists the first 16 points of an eye's contour.
RIGHT_EYE: Line = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
LEFT_EYE: Line = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
EYE_CONTOUR = len(RIGHT_EYE)
_BROWS: tuple[Line, ...] = (
    (46, 53, 52, 65, 55),
    (70, 63, 105, 66, 107),
    (276, 283, 282, 295, 285),
    (300, 293, 334, 296, 336),
)
_LIPS: tuple[Line, ...] = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
)
RIGHT_IRIS: Line = (468, 469, 470, 471, 472)
LEFT_IRIS: Line = (473, 474, 475, 476, 477)
# Right and left of the same feature, and the ends of the midline, which stands upright when a head does.
SYMMETRIC: tuple[tuple[int, int], ...] = ((33, 263), (133, 362), (61, 291), (127, 356), (234, 454), (132, 361))
MIDLINE = (10, 152)


def _lids(eye: Line) -> tuple[Line, ...]:
    lower, upper = eye[:9], eye[9:]
    return lower, (eye[0], *upper, eye[8])


def _pairs(*lines: Line) -> tuple[tuple[int, int], ...]:
    return tuple(pair for line in lines for pair in pairwise(line))


# Pairs of points that a line joins.
CONTOURS = _pairs(OVAL, *_lids(RIGHT_EYE), *_lids(LEFT_EYE), *_BROWS, *_LIPS)
IRISES = _pairs((*RIGHT_IRIS[1:], RIGHT_IRIS[1]), (*LEFT_IRIS[1:], LEFT_IRIS[1]))
