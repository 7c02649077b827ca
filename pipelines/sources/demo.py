"""A camera that needs no hardware: photos drift round a wall, the true boxes are known, every frame is numbered."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import Detections, SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.source import Source, SourceInfo
from scenescope.pipelines.sources import code_marker

__all__ = ["DemoCamera"]

Image = NDArray[np.uint8]

CLASS_NAMES = ("person", "cat", "cup", "rocket")
DWELL_S, TURN_S = 9.0, 4.0
"""The photos sway, each in its corner, for the first time; then they all move on to the next corner in the second."""
ZOOM = 0.08
"""Photos grow and shrink by this part of their size."""
BEND = 2.2


@dataclass(frozen=True)
class _Photo:
    """A sample photo: the part that is shown, the size of it in a 1280x720 picture, and what is where in it."""

    file: str
    label: str
    crop_xyxy: tuple[int, int, int, int]
    object_xyxy: tuple[int, int, int, int]
    width: int


PHOTOS = (
    _Photo("astronaut.png", "person", (0, 0, 400, 420), (20, 14, 364, 420), 262),
    _Photo("chelsea.png", "cat", (0, 0, 451, 300), (0, 0, 402, 300), 404),
    _Photo("rocket.jpg", "rocket", (235, 80, 409, 427), (306, 126, 338, 410), 136),
    _Photo("coffee.png", "cup", (110, 0, 600, 400), (172, 17, 411, 309), 320),
)


@dataclass(frozen=True)
class _Sprite:
    """A photo made ready to be laid over the picture.

    ``layer`` is uint8 (h, w, 4): colour times coverage, and in the fourth channel how much of what lies beneath
    still shows (255: all of it); it holds the photo, its white edge and its shadow. ``object_xyxy`` is the true box in
    pixels of ``layer``, ``size_wh`` the size of the photo without edge and shadow.
    """

    layer: Image
    object_xyxy: NDArray[np.float64]
    size_wh: tuple[float, float]


class DemoCamera(Source):
    """A procedural camera: ``render`` is a pure function of ``seed`` and the frame number.

    Args:
        size_wh: size of the picture in pixels.
        rate_hz: frames a second.
        seed: places, directions and colours.
        realtime: True for a live camera, paced by the clock, that leaves out frames when its reader is late; False for
            a film that gives every frame as fast as it is read, starts anew when opened again, and can seek.
        frame_limit: end before this frame number; None for an endless camera.
    """

    def __init__(
        self,
        size_wh: tuple[int, int] = (1280, 720),
        rate_hz: float = 30.0,
        seed: int = 0,
        realtime: bool = True,
        frame_limit: int | None = None,
    ) -> None:
        if min(size_wh) < 120 or rate_hz <= 0:
            raise SourceError(
                f"The demo camera cannot make pictures of {size_wh[0]}x{size_wh[1]} at {rate_hz:g} fps.",
                hint="Ask for at least 120 pixels a side and a rate above zero.",
                permanent=True,
            )
        self.live = realtime
        self.size_wh = size_wh
        self.rate_hz = float(rate_hz)
        self.seed = seed
        self.frame_limit = frame_limit
        self._interrupted = threading.Event()
        self._next_index = 0
        self._first_index = 0
        self._started_s: float | None = None
        self._phases = np.random.default_rng(seed).uniform(0, 2 * math.pi, 1 + 2 * len(PHOTOS)).tolist()
        self._wall: Image | None = None
        self._sprites: tuple[_Sprite, ...] = ()

    def open(self) -> SourceInfo:
        """Prepare the wall and the photos."""
        self._interrupted.clear()
        self._prepare()
        if not self.live:
            self._next_index = 0
        self.render(self._next_index)  # the first one takes longer, as the font is loaded
        self._first_index = self._next_index
        self._started_s = None
        return SourceInfo(
            name="Demo camera",
            size_wh=self.size_wh,
            rate_hz=self.rate_hz,
            live=self.live,
            frame_count=None if self.live else self.frame_limit,
            duration_s=None if self.live or self.frame_limit is None else self.frame_limit / self.rate_hz,
            detail=f"procedural, seed {self.seed}",
        )

    def read(self) -> Frame | None:
        """The next frame; a live camera waits for its time, and passes over those whose time has gone by."""
        index, captured_s = self._wait_for_next() if self.live else (self._next_index, time.monotonic())
        if self._interrupted.is_set() or (self.frame_limit is not None and index >= self.frame_limit):
            return None
        self._next_index = index + 1
        image, _ = self.render(index)
        return Frame(image, index, index / self.rate_hz, captured_s, "Demo camera")

    def seek(self, pts_s: float) -> None:
        """Go on with the first frame at or after ``pts_s``; only when not live."""
        if self.live:
            super().seek(pts_s)
        self._next_index = max(math.ceil(pts_s * self.rate_hz - 1e-6), 0)

    def interrupt(self) -> None:
        """Make a waiting ``read`` return None."""
        self._interrupted.set()

    def close(self) -> None:
        """Forget the prepared pictures."""
        self._wall, self._sprites = None, ()

    def render(self, index: int) -> tuple[Image, Detections]:
        """Frame number ``index`` and what is truly in it. The same seed and index give the same bytes.

        Returns:
            The picture, uint8 (H, W, 3) BGR, a fresh array; and the true boxes in its pixels, with confidence 1 and the
            labels "person", "cat", "rocket" and "cup" (COCO's names, except for the rocket, which COCO lacks).
        """
        self._prepare()
        assert self._wall is not None
        width, height = self.size_wh
        seconds = index / self.rate_hz
        pan = (np.array([math.cos(seconds / 9), math.sin(seconds / 7)]) + 1) / 2
        spare = np.array([self._wall.shape[1] - width, self._wall.shape[0] - height])
        left, top = (pan * spare).astype(int).tolist()
        image = self._wall[top : top + height, left : left + width].copy()

        boxes = np.empty((len(self._sprites), 4))
        placed = [self._place(number, seconds) for number in range(len(self._sprites))]
        # Lower ones are nearer, so they lie on top where two happen to meet.
        for number in sorted(range(len(placed)), key=lambda n: placed[n][2]):
            boxes[number] = _lay_over(image, self._sprites[number], *placed[number])
        code_marker.burn(image, index)
        stamp = f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}:{seconds % 60:06.3f}"
        code_marker.write(image, stamp, 0.44, (150, 150, 150))
        code_marker.write(image, "DEMO CAMERA", 0.84, (170, 150, 90))

        boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
        truth = Detections(
            xyxy=boxes.astype(np.float32),
            confidence=np.ones(len(boxes), np.float32),
            class_id=np.array([CLASS_NAMES.index(photo.label) for photo in PHOTOS]),
            class_names=CLASS_NAMES,
        )
        return image, truth

    def _wait_for_next(self) -> tuple[int, float]:
        """Sleep until a frame is due; its number and the moment at which it was due."""
        now = time.monotonic()
        if self._started_s is None:
            self._started_s = now
        due = self._first_index + int((now - self._started_s) * self.rate_hz)
        index = max(due, self._next_index)
        due_s = self._started_s + (index - self._first_index) / self.rate_hz
        while (wait_s := due_s - time.monotonic()) > 0 and not self._interrupted.wait(wait_s):
            pass
        return index, due_s

    def _prepare(self) -> None:
        if self._wall is None:
            width, height = self.size_wh
            unit = min(width / 1280, height / 720)
            self._sprites = tuple(_make_sprite(photo, unit) for photo in PHOTOS)
            self._wall = _make_wall(width, height, self.seed)

    def _place(self, number: int, seconds: float) -> tuple[float, float, float]:
        """Scale, and the centre (x, y) in pixels, of a photo: they move from corner to corner."""
        width, height = self.size_wh
        first, *phases = self._phases
        sway, pulse = phases[2 * number : 2 * number + 2]
        rounds, within_s = divmod(seconds, DWELL_S + TURN_S)
        part = max(within_s - DWELL_S, 0) / TURN_S
        corner = int(first) + number + (rounds + part * part * (3 - 2 * part)) * (1 if self.seed % 2 == 0 else -1)
        angle = (corner + 0.5) * math.pi / 2
        scale = 1 + ZOOM * math.sin(seconds / 2.6 + pulse)

        sprite = self._sprites[number]
        room_w, room_h = width, height * (1 - code_marker.STRIP_HEIGHT)
        margin = 0.03 * room_h
        reach_x = room_w / 2 - sprite.size_wh[0] * (1 + ZOOM) / 2 - margin
        reach_y = room_h / 2 - sprite.size_wh[1] * (1 + ZOOM) / 2 - margin
        # tanh bends the ellipse towards the corners, where four photos have room beside each other.
        across, down = (math.tanh(BEND * part) / math.tanh(BEND) for part in (math.cos(angle), math.sin(angle)))
        x = room_w / 2 + reach_x * across * (0.9 + 0.1 * math.sin(seconds / 2 + sway))
        y = room_h / 2 + reach_y * down * (0.985 + 0.015 * math.cos(seconds / 2 + sway))
        return scale, x, y


def _lay_over(image: Image, sprite: _Sprite, scale: float, x: float, y: float) -> NDArray[np.float64]:
    """Lay a sprite over the picture, in place, its centre at (x, y); gives the true box in the picture's pixels."""
    layer = sprite.layer
    half_w, half_h = scale * layer.shape[1] / 2, scale * layer.shape[0] / 2
    x1, y1 = max(math.floor(x - half_w), 0), max(math.floor(y - half_h), 0)
    x2, y2 = min(math.ceil(x + half_w), image.shape[1]), min(math.ceil(y + half_h), image.shape[0])
    # Continuous coordinates; warpAffine's have their origin in the centre of the first pixel, half a pixel further.
    offset = np.array([x - half_w, y - half_h])
    shift = offset - (x1, y1) + (scale - 1) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    warped = cv2.warpAffine(layer, matrix, (x2 - x1, y2 - y1), borderValue=(0, 0, 0, 255))
    area = image[y1:y2, x1:x2]
    beneath = cv2.cvtColor(cv2.extractChannel(warped, 3), cv2.COLOR_GRAY2BGR)
    cv2.multiply(area, beneath, area, 1 / 255)
    cv2.add(area, cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR), area)
    box: NDArray[np.float64] = sprite.object_xyxy * scale + np.tile(offset, 2)
    return box


def _make_sprite(photo: _Photo, unit: float) -> _Sprite:
    """Cut, scale and frame a photo; ``unit`` is the size of a pixel of a 1280x720 picture."""
    data = np.frombuffer(files("scenescope.resources").joinpath("samples", photo.file).read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise SourceError(
            f"The sample photo {photo.file} of this installation is damaged.",
            hint="Install scenescope again.",
            permanent=True,
        )
    x1, y1, x2, y2 = photo.crop_xyxy
    ratio = photo.width * unit / (x2 - x1)
    size = (round((x2 - x1) * ratio), round((y2 - y1) * ratio))
    shown = cv2.resize(picture[y1:y2, x1:x2], size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC)

    edge, margin = max(round(4 * unit), 1), max(round(26 * unit), 4)
    framed = cv2.copyMakeBorder(shown, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(238, 240, 242))
    colour = cv2.copyMakeBorder(framed, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    height, width = colour.shape[:2]
    card = np.zeros((height, width), np.float32)
    card[margin : height - margin, margin : width - margin] = 1
    shadow = cv2.GaussianBlur(np.roll(card, round(7 * unit), axis=0), (0, 0), 8 * unit) * 0.5
    card = cv2.GaussianBlur(card, (0, 0), 0.7)
    beneath = (1 - card) * (1 - shadow)
    layer = np.dstack([colour * card[:, :, None], 255 * beneath])

    box = (np.array(photo.object_xyxy, float) - np.tile([x1, y1], 2)) * np.tile(np.array(size) / (x2 - x1, y2 - y1), 2)
    return _Sprite(np.rint(layer).astype(np.uint8), box + margin + edge, framed.shape[1::-1])


def _make_wall(width: int, height: int, seed: int) -> Image:
    """A wall in soft light, one eighth larger than the picture so that the view can pan over it."""
    wide, tall = width * 9 // 8, height * 9 // 8
    random = np.random.default_rng((seed, 99))
    # Nothing in it is sharp, so a quarter of the size is enough to compute.
    x, y = np.meshgrid(np.linspace(0, 1, wide // 4, dtype=np.float32), np.linspace(0, 1, tall // 4, dtype=np.float32))
    hue = int(random.integers(95, 125))
    tint = cv2.cvtColor(np.array([[[hue, 95, 92]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)
    light = 0.45 + 0.55 * np.exp(-((x - 0.42) ** 2 / 0.20 + (y - 0.36) ** 2 / 0.16))
    wall = light[:, :, None] * tint
    for _ in range(7):
        cx, cy, radius = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.04, 0.13)
        glow = np.exp(-(((((x - cx) * wide / tall) ** 2 + (y - cy) ** 2) / radius**2) ** 2))
        wall += glow[:, :, None] * random.uniform(3, 10, 3).astype(np.float32)
    wall = np.asarray(cv2.resize(wall, (wide, tall), interpolation=cv2.INTER_CUBIC), np.float32)
    # A grain of one grey level keeps the gradients from showing as bands.
    wall += random.integers(0, 3, (tall, wide, 1), np.int8)
    return wall.clip(0, 255).astype(np.uint8)
