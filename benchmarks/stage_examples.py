"""What the cards of the stages show: for each stage a picture, the stages before it, and its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from scenescope.models.vision.hand_fakes import drawn
from scenescope.pipelines.sources.demo import DemoCamera

SIZE_WH = (1280, 720)
Image = np.ndarray
SAMPLES = Path(str(files("scenescope.resources").joinpath("samples")))


@dataclass(frozen=True)
class Example:
    """``frames`` makes the pictures, the last of which is shown; ``before`` are stages with their parameters."""

    frames: Callable[[], list[Image]]
    params: dict[str, Any] = field(default_factory=dict)
    before: tuple[tuple[str, dict[str, Any]], ...] = ()


def photo(name: str) -> Callable[[], list[Image]]:
    """A sample photo in the middle of a picture of the usual size."""

    def make() -> list[Image]:
        image = cv2.imread(str(SAMPLES / name))
        scale = max(SIZE_WH[0] / image.shape[1], SIZE_WH[1] / image.shape[0])
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        left, top = (large.shape[1] - SIZE_WH[0]) // 2, int((large.shape[0] - SIZE_WH[1]) * 0.15)
        return [np.ascontiguousarray(large[top : top + SIZE_WH[1], left : left + SIZE_WH[0]])]

    return make


def portrait() -> list[Image]:
    """The astronaut, whole, on plain ground: faces and people are as large as a network expects them."""
    image = cv2.imread(str(SAMPLES / "astronaut.png"))
    large = cv2.resize(image, (720, 720), interpolation=cv2.INTER_CUBIC)
    canvas = np.full((SIZE_WH[1], SIZE_WH[0], 3), (92, 84, 76), np.uint8)
    canvas[:, 280:1000] = large
    return [canvas]


def close_up() -> list[Image]:
    """The astronaut's head and shoulders."""
    image = cv2.imread(str(SAMPLES / "astronaut.png"))
    return [cv2.resize(image[10:211, 48:405], SIZE_WH, interpolation=cv2.INTER_CUBIC)]


def film(count: int = 40) -> list[Image]:
    """The demo camera, where photos drift round a wall."""
    source = DemoCamera(size_wh=SIZE_WH, rate_hz=15, realtime=False)
    source.open()
    try:
        frames = [source.read() for _ in range(count)]
    finally:
        source.close()
    return [frame.image for frame in frames if frame is not None]


def shaken(count: int = 40) -> list[Image]:
    """A photo filmed by an unsteady hand."""
    (image,) = photo("coffee.png")()
    rng = np.random.default_rng(7)
    frames = []
    for _ in range(count):
        dx, dy, turn = rng.normal(0, (9, 7, 0.5))
        matrix = cv2.getRotationMatrix2D((640, 360), turn, 1.06)
        matrix[:, 2] += (dx, dy)
        frames.append(cv2.warpAffine(image, matrix, SIZE_WH))
    return frames


def shapes() -> list[Image]:
    """Discs, bars and a wedge."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 235, np.uint8)
    for x, radius, colour in ((220, 120, (60, 60, 200)), (520, 80, (160, 90, 30)), (760, 140, (40, 150, 60))):
        cv2.circle(image, (x, 260), radius, colour, -1, cv2.LINE_AA)
    for turn in range(5):
        end = (900 + round(300 * np.cos(turn * 0.5)), 700 - round(300 * np.sin(turn * 0.5)))
        cv2.line(image, (900, 700), end, (40, 40, 40), 8, cv2.LINE_AA)
    cv2.fillPoly(image, [np.array([[120, 640], [420, 640], [270, 440]])], (30, 120, 200), cv2.LINE_AA)
    return [cv2.GaussianBlur(image, (0, 0), 1)]


def markers() -> list[Image]:
    """Four ArUco markers, seen at a slant."""
    sheet = np.full((720, 1280), 225, np.uint8)
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    for number in range(4):
        x, y = 220 + 480 * (number % 2), 60 + 330 * (number // 2)
        sheet[y : y + 260, x : x + 260] = cv2.aruco.generateImageMarker(dictionary, number, 260)
    before = np.float32([[0, 0], [1280, 0], [1280, 720], [0, 720]])
    after = np.float32([[180, 60], [1080, 20], [1270, 700], [40, 690]])
    slanted = cv2.warpPerspective(sheet, cv2.getPerspectiveTransform(before, after), SIZE_WH, borderValue=90)
    return [cv2.cvtColor(slanted, cv2.COLOR_GRAY2BGR)]


def codes() -> list[Image]:
    """Two QR codes on a desk."""
    (image,) = photo("coffee.png")()
    image = image.copy()
    for text, x in (("Scenescope", 140), ("live, offline, exact", 760)):
        code = cv2.QRCodeEncoder.create().encode(text)
        code = cv2.copyMakeBorder(code, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=255)
        large = cv2.resize(code, (340, 340), interpolation=cv2.INTER_NEAREST)
        image[190:530, x : x + 340] = large[..., None] if large.ndim == 2 else large
    return [image]


def text() -> list[Image]:
    """A printed note."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 245, np.uint8)
    font = cv2.FontFace("sans")
    for row, line in enumerate(("Platform 4", "Next train 18:25", "Mind the gap")):
        cv2.putText(image, line, (140, 220 + 160 * row), (30, 30, 30), font, 96, 500)
    return [image]


def chessboard() -> list[Image]:
    """A board seen through a lens that bends lines outwards."""
    rows, columns = np.indices((SIZE_WH[1], SIZE_WH[0]))
    board = (((rows // 80 + columns // 80) % 2) * 170 + 50).astype(np.uint8)
    x, y = (columns - 640) / 640, (rows - 360) / 640
    bend = (1 + 0.28 * (x * x + y * y)).astype(np.float32)
    bent = cv2.remap(
        board, (x * bend * 640 + 640).astype(np.float32), (y * bend * 640 + 360).astype(np.float32), cv2.INTER_LINEAR
    )
    return [cv2.cvtColor(bent, cv2.COLOR_GRAY2BGR)]


def hands() -> list[Image]:
    """Two drawn hands."""
    canvas = np.full((SIZE_WH[1], SIZE_WH[0], 3), (60, 70, 95), np.uint8)
    for gesture, left in (("victory", 120), ("thumbs up", 700)):
        canvas[130:590, left : left + 460] = cv2.resize(drawn(gesture), (460, 460), interpolation=cv2.INTER_CUBIC)
    return [canvas]


def dim() -> list[Image]:
    """A photo taken in poor, yellow light, with noise."""
    (image,) = photo("chelsea.png")()
    noise = np.random.default_rng(3).normal(0, 7, image.shape)
    return [np.clip(image * np.array([0.45, 0.62, 0.8]) + 12 + noise, 0, 255).astype(np.uint8)]


def cut_film() -> list[Image]:
    """A photo filmed by a moving camera, then another one."""
    frames = []
    for number, name in enumerate(("coffee.png", "chelsea.png")):
        (image,) = photo(name)()
        for at in range(20):
            shift = np.float32([[1.1, 0, -3 * at], [0, 1.1, -2 * at + 10 * number]])
            frames.append(cv2.warpAffine(image, shift, SIZE_WH, borderMode=cv2.BORDER_REFLECT))
    return frames


DETECT = (("detect", {}),)
TRACK = (*DETECT, ("track", {}))
SHAPES = {
    "zones": [{"name": "wall", "points": [[0.02, 0.09], [0.5, 0.09], [0.5, 0.98], [0.02, 0.98]]}],
    "lines": [{"name": "gate", "start": [0.72, 0.1], "end": [0.66, 0.95]}],
}
ROCKET_REGION = {"points": [[0.05, 0.05], [0.17, 0.05], [0.17, 0.42], [0.05, 0.42]]}
CAT, COFFEE, ROCKET = photo("chelsea.png"), photo("coffee.png"), photo("rocket.jpg")

EXAMPLES: dict[str, Example] = {
    "blur": Example(CAT, {"sigma_px": 8}),
    "clahe": Example(dim, {"clip_limit": 4}),
    "crop": Example(CAT, {"left_percent": 30, "right_percent": 20, "top_percent": 15, "bottom_percent": 10}),
    "denoise": Example(dim, {"method": "bilateral", "radius_px": 5, "strength": 30}),
    "flip": Example(CAT),
    "resize": Example(CAT, {"by": "percent", "scale_percent": 12, "interpolation": "area"}),
    "rotate": Example(CAT, {"turn_deg": 0, "angle_deg": 12}),
    "sharpen": Example(CAT, {"amount_percent": 200, "sigma_px": 4}),
    "tone": Example(dim, {"brightness_percent": 12, "contrast_percent": 130, "gamma": 1.4, "saturation_percent": 150}),
    "undistort": Example(chessboard, {"barrel_percent": 28}),
    "white_balance": Example(dim),
    "canny": Example(COFFEE),
    "colour_range": Example(shapes),
    "contours": Example(shapes, {"areas": "dark", "captions": True}),
    "corners": Example(ROCKET),
    "hough_circles": Example(shapes),
    "hough_lines": Example(shapes),
    "morphology": Example(shapes, {"operation": "gradient", "size_px": 11}),
    "threshold": Example(COFFEE),
    "camera_motion": Example(shaken),
    "motion": Example(film),
    "optical_flow": Example(shaken),
    "scene_cuts": Example(cut_film),
    "stabilise": Example(shaken),
    "codes": Example(codes),
    "markers": Example(markers),
    "classify": Example(CAT),
    "detect": Example(portrait),
    "face_mesh": Example(close_up),
    "faces": Example(close_up),
    "hands": Example(hands),
    "matte": Example(portrait),
    "pose": Example(portrait),
    "read_text": Example(text),
    "recognise": Example(close_up),
    "track": Example(film, before=DETECT),
    "zones": Example(film, {"shapes": SHAPES, "heat_map": True}, before=TRACK),
    "track_one": Example(film, {"region": ROCKET_REGION, "name": "rocket"}),
    "backdrop": Example(portrait),
    "cartoon": Example(COFFEE),
    "colour_map": Example(CAT),
    "redact": Example(close_up),
}
"""By kind. ``find``, ``segment`` and ``depth`` have none: no network for them comes with Scenescope."""
