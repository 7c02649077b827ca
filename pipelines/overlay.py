"""Draws results over a picture with OpenCV: the same painter for the window and for annotated video.

Colours are the eight of Okabe and Ito (Color Universal Design, 2008), told apart also by people who see red and green
alike; every line has a dark border, so it stands out on any picture. Labels are drawn once and kept as sprites.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import (
    DenseMap,
    Detections,
    Keypoints,
    Labels,
    Markers,
    Masks,
    OrientedDetections,
    ResultBatch,
    SceneScore,
    Shapes,
    Texts,
    Tracks,
    ZoneMeasures,
)
from scenescope.pipelines.overlay_zones import paint_heat, paint_scene, paint_zones, tint_zones

__all__ = ["OverlayPainter", "OverlayStyle", "colour_of"]

Image = NDArray[np.uint8]
Bgr = tuple[int, int, int]

# Okabe-Ito as BGR, without black, which is the border's.
PALETTE: tuple[Bgr, ...] = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
_DARK: Bgr = (20, 20, 20)
_KEPT_SPRITES = 512
_KEYPOINT_SHOWN = 0.3
_DENSE = 100


def colour_of(label: str) -> Bgr:
    """The colour of a class as BGR: the same in every run and on every machine."""
    return PALETTE[zlib.crc32(label.encode()) % len(PALETTE)]


@dataclass(frozen=True)
class OverlayStyle:
    """What is drawn. ``scale`` multiplies line widths and text; 1 suits a picture of 720 lines.

    Where classes are ``highlighted``, their objects are drawn stronger, and no others are named.
    """

    boxes: bool = True
    labels: bool = True
    trails: bool = True
    masks: bool = True
    keypoints: bool = True
    scale: float = 1.0
    highlighted: tuple[str, ...] = ()


class OverlayPainter:
    """Paints results that are measured in the pixels of the picture it paints on. Used by one thread."""

    def __init__(self, style: OverlayStyle | None = None) -> None:
        self.style = style or OverlayStyle()
        self._font = cv2.FontFace("sans")
        self._sprites: OrderedDict[tuple[str, Bgr, int], Image] = OrderedDict()

    def paint(
        self,
        image: Image,
        results: Iterable[tuple[str, ResultBatch]],
        emphasised: tuple[str, int] | None = None,
    ) -> None:
        """Draw all results into ``image``, areas first, labels last.

        Args:
            image: uint8 (H, W, 3) BGR, contiguous and writable.
            results: names and values, measured in pixels of ``image``.
            emphasised: name of a result and the row in it that is drawn stronger.
        """
        named = list(results)
        followed = {value.follows for _, value in named if isinstance(value, Tracks)}
        shown = [(name, value) for name, value in named if name not in followed]
        if self.style.masks:
            for _, value in shown:
                if isinstance(value, DenseMap):
                    paint_heat(image, value) if value.kind == "heat" else self._map(image, value)
            for _, value in shown:
                if isinstance(value, Masks):
                    self._masks(image, value)
            for _, value in shown:
                if isinstance(value, ZoneMeasures):
                    tint_zones(image, value, colour_of)
        for name, value in shown:
            strong = emphasised[1] if emphasised and emphasised[0] == name else -1
            if isinstance(value, Tracks) and self.style.trails:
                self._trails(image, value)
            if isinstance(value, Detections):
                self._detections(image, value, strong)
            elif isinstance(value, Keypoints) and self.style.keypoints:
                self._keypoints(image, value)
            elif isinstance(value, Texts):
                self._texts(image, value)
            elif isinstance(value, Shapes):
                self._shapes(image, value)
            elif isinstance(value, Markers):
                self._markers(image, value)
            elif isinstance(value, Labels) and self.style.labels:
                self._labels(image, value)
            elif isinstance(value, SceneScore) and self.style.labels:
                paint_scene(self, image, value)
        for _, value in shown:
            if isinstance(value, ZoneMeasures):
                paint_zones(self, image, value, colour_of)

    @property
    def _width(self) -> int:
        return max(round(2 * self.style.scale), 1)

    def _detections(self, image: Image, found: Detections, strong: int) -> None:
        labels = found.labels
        track_ids = found.track_id.tolist() if isinstance(found, Tracks) else [None] * len(found)
        boxes = np.rint(found.xyxy).astype(int).tolist()
        colours = [colour_of(label) for label in labels]
        if self.style.boxes and isinstance(found, OrientedDetections):
            for quad, colour in zip(found.quad_xy, colours, strict=True):
                self.outline(image, quad, colour, closed=True)
        elif self.style.boxes:
            for row, ((x1, y1, x2, y2), colour) in enumerate(zip(boxes, colours, strict=True)):
                width = self._width * (2 if row == strong or labels[row] in self.style.highlighted else 1)
                cv2.rectangle(image, (x1, y1), (x2, y2), _DARK, width + 2, cv2.LINE_8)
                cv2.rectangle(image, (x1, y1), (x2, y2), colour, width, cv2.LINE_8)
        if self.style.labels:
            confidences = found.confidence.tolist()
            for (x1, y1, _, _), colour, label, confidence, track_id in zip(
                boxes, colours, labels, confidences, track_ids, strict=True
            ):
                if self.style.highlighted and label not in self.style.highlighted:
                    continue
                identity = f" #{track_id}" if track_id is not None and track_id >= 0 else ""
                # Two digits of an uncertain number are one too many for the eye, and one less sprite to draw.
                self.label(image, x1, y1, f"{label}{identity} {confidence:.0%}", colour)

    def _trails(self, image: Image, tracks: Tracks) -> None:
        for line, label in zip(tracks.trail, tracks.labels, strict=True):
            if len(line) > 1:
                points = [np.rint(line).astype(np.int32).reshape(-1, 1, 2)]
                cv2.polylines(image, points, False, colour_of(label), self._width, cv2.LINE_8)

    def _keypoints(self, image: Image, people: Keypoints) -> None:
        radius = self._width + 1
        # Of a dense mesh only the outlines: its points would hide the face.
        dense = bool(people.skeleton) and people.xy.shape[1] > _DENSE
        for row, (points, sure) in enumerate(
            zip(np.rint(people.xy).astype(int).tolist(), (people.confidence >= _KEYPOINT_SHOWN).tolist(), strict=True)
        ):
            colour = PALETTE[row % len(PALETTE)]
            for a, b in people.skeleton:
                if sure[a] and sure[b]:
                    cv2.line(image, points[a], points[b], _DARK, self._width + 2, cv2.LINE_8)
                    cv2.line(image, points[a], points[b], colour, self._width, cv2.LINE_8)
            for point, visible in zip(points, sure, strict=True):
                if visible and not dense:
                    cv2.circle(image, point, radius, _DARK, -1)
                    cv2.circle(image, point, radius - 1, colour, -1)

    def _masks(self, image: Image, masks: Masks) -> None:
        height, width = image.shape[:2]
        for alpha, (x, y), label in zip(masks.alpha, masks.top_left_xy.tolist(), masks.labels, strict=True):
            x1, y1 = max(x, 0), max(y, 0)
            x2, y2 = min(x + alpha.shape[1], width), min(y + alpha.shape[0], height)
            if x1 >= x2 or y1 >= y2:
                continue
            part = image[y1:y2, x1:x2]
            inside = alpha[y1 - y : y2 - y, x1 - x : x2 - x]
            tint = np.empty_like(part)
            tint[:] = colour_of(label)
            mixed = cv2.addWeighted(part, 0.55, tint, 0.45, 0)
            cv2.copyTo(mixed, (inside > 127).astype(np.uint8), part)

    def _texts(self, image: Image, texts: Texts) -> None:
        for quad, text in zip(np.rint(texts.quad_xy).astype(np.int32), texts.text, strict=True):
            cv2.polylines(image, [quad.reshape(-1, 1, 2)], True, PALETTE[1], self._width, cv2.LINE_8)
            if self.style.labels:
                self.label(image, int(quad[0, 0]), int(quad[0, 1]), text, PALETTE[1])

    def _shapes(self, image: Image, shapes: Shapes) -> None:
        colour = colour_of(shapes.kind)
        for line, caption in zip(shapes.points, shapes.caption, strict=True):
            self.outline(image, line, colour, shapes.closed)
            if shapes.arrow and len(line) > 1:
                start, end = (np.rint(point).astype(int).tolist() for point in line[-2:])
                cv2.arrowedLine(image, start, end, colour, self._width, cv2.LINE_8, tipLength=0.3)
            if caption and self.style.labels and len(line):
                self.label(image, int(line[0, 0]), int(line[0, 1]), caption, colour)

    def _markers(self, image: Image, markers: Markers) -> None:
        for quad, number, away in zip(
            markers.quad_xy, markers.marker_id.tolist(), markers.translation_m[:, 2].tolist(), strict=True
        ):
            self.outline(image, quad, PALETTE[1], closed=True)
            corner = np.rint(quad[0]).astype(int)
            # The first corner tells which way up the marker is.
            cv2.circle(image, (int(corner[0]), int(corner[1])), 2 * self._width, PALETTE[5], -1)
            if self.style.labels:
                distance = f" {away:.2f} m" if np.isfinite(away) else ""
                self.label(image, int(corner[0]), int(corner[1]), f"#{number}{distance}", PALETTE[1])

    def outline(self, image: Image, points: NDArray[np.floating[Any]], colour: Bgr, closed: bool) -> None:
        """Draw a line through points (n, 2) with a dark border."""
        line = [np.rint(points).astype(np.int32).reshape(-1, 1, 2)]
        cv2.polylines(image, line, closed, _DARK, self._width + 2, cv2.LINE_8)
        cv2.polylines(image, line, closed, colour, self._width, cv2.LINE_8)

    def _map(self, image: Image, value: DenseMap) -> None:
        """Half transparent in colours whose lightness grows with the value (viridis), readable for everyone."""
        for values in value.values:
            low, high = float(values.min()), float(values.max())
            grey = ((values - low) * (255 / (high - low if high > low else 1.0))).astype(np.uint8)
            coloured = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)
            half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
            into = np.linalg.inv(half) @ value.to_picture @ half
            size_wh = (image.shape[1], image.shape[0])
            spread = cv2.warpPerspective(coloured, into, size_wh, borderMode=cv2.BORDER_REPLICATE)
            cv2.addWeighted(image, 0.4, spread, 0.6, 0, dst=image)

    def _labels(self, image: Image, labels: Labels) -> None:
        bottom = 0
        for label, confidence in list(zip(labels.labels, labels.confidence.tolist(), strict=True))[:5]:
            bottom += self.label(image, 8, bottom, f"{label} {confidence:.0%}", colour_of(label))

    def label(self, image: Image, x: int, y: int, text: str, colour: Bgr) -> int:
        """Paste a label so that its lower left corner is at (x, y), moved inside the picture; its height."""
        sprite = self._sprite(text, colour)
        height, width = sprite.shape[:2]
        left = min(max(x - 1, 0), image.shape[1] - width)
        top = y - height if y >= height else min(max(y, 0), image.shape[0] - height)
        if left < 0 or top < 0:
            left, top = max(left, 0), max(top, 0)
            sprite = sprite[: image.shape[0] - top, : image.shape[1] - left]
        image[top : top + sprite.shape[0], left : left + sprite.shape[1]] = sprite[: image.shape[0] - top]
        return int(height)

    def _sprite(self, text: str, colour: Bgr) -> Image:
        size = max(round(14 * self.style.scale), 9)
        key = (text, colour, size)
        sprite = self._sprites.get(key)
        if sprite is None:
            _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), self._font, size)
            pad = max(size // 4, 2)
            sprite = np.empty((size + 2 * pad, max(width, 1) + 2 * pad, 3), np.uint8)
            sprite[:] = colour
            # Black on these colours has a contrast of 4.5 or more, except on the two dark ones.
            luma = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
            ink = (0, 0, 0) if luma > 100 else (255, 255, 255)
            cv2.putText(sprite, text, (pad, pad + round(size * 0.82)), ink, self._font, size, 500)
            self._sprites[key] = sprite
            if len(self._sprites) > _KEPT_SPRITES:
                self._sprites.popitem(last=False)
        else:
            self._sprites.move_to_end(key)
        return sprite
