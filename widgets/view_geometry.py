"""Where the picture lies in the viewport, and what is where in it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from PySide6.QtCore import QPointF, QRectF

from scenescope.pipelines.display import ComposedPicture, ObjectRef

__all__ = ["ViewGeometry"]

SAME_SIZE = 0.02


class ViewGeometry:
    """One picture in one widget.

    Three kinds of coordinates: points of the widget (device-independent pixels), pixels of the composed picture, and
    fractions of the width and height of the source picture.

    Args:
        picture: as composed.
        width, height: of the widget.
        ratio: device pixels in one of the widget's.
    """

    def __init__(self, picture: ComposedPicture, width: int, height: int, ratio: float) -> None:
        self.picture = picture
        self._widget = (width, height)
        self._ratio = ratio

    @cached_property
    def target(self) -> QRectF:
        """Where the picture is painted: centred."""
        image_height, image_width = self.picture.image.shape[:2]
        width, height = image_width / self._ratio, image_height / self._ratio
        fit = min(self._widget[0] / width, self._widget[1] / height)
        if abs(fit - 1) > SAME_SIZE:
            # The widget's size has just changed: the picture at hand is stretched until the next one comes.
            width, height = width * fit, height * fit
        left, top = (self._widget[0] - width) / 2, (self._widget[1] - height) / 2
        # On a whole device pixel, or every pixel of the picture would be smeared over four.
        return QRectF(round(left * self._ratio) / self._ratio, round(top * self._ratio) / self._ratio, width, height)

    @cached_property
    def _scale(self) -> float:
        """Pixels of the picture in one of the widget."""
        return float(self.picture.image.shape[1] / max(self.target.width(), 1e-6))

    def to_picture(self, at: QPointF) -> tuple[float, float]:
        """A point of the widget in pixels of the composed picture."""
        return (at.x() - self.target.left()) * self._scale, (at.y() - self.target.top()) * self._scale

    def to_fraction(self, at: QPointF) -> tuple[float, float]:
        """A point of the widget as fractions of the source picture."""
        x, y, w = np.linalg.inv(self.picture.to_view) @ (*self.to_picture(at), 1.0)
        width, height = self.picture.source_size_wh
        return float(x / w / width), float(y / w / height)

    def from_fraction(self, point: tuple[float, float]) -> QPointF:
        """The other way round."""
        width, height = self.picture.source_size_wh
        x, y, w = self.picture.to_view @ (point[0] * width, point[1] * height, 1.0)
        return QPointF(self.target.left() + x / w / self._scale, self.target.top() + y / w / self._scale)

    def pixel(self) -> tuple[float, float]:
        """The size of a pixel of the widget, as fractions of the source picture."""
        (x1, y1), (x2, y2) = self.to_fraction(QPointF(0, 0)), self.to_fraction(QPointF(1, 1))
        return x2 - x1, y2 - y1

    def middle_of(self, one: ObjectRef) -> QPointF:
        """The middle of an object, in the widget."""
        x1, y1, x2, y2 = one.xyxy
        return QPointF(
            self.target.left() + (x1 + x2) / 2 / self._scale, self.target.top() + (y1 + y2) / 2 / self._scale
        )

    def source_box(self, one: ObjectRef) -> tuple[float, float, float, float]:
        """The box of an object in pixels of the source picture, as x, y, width, height."""
        (sx, _, tx), (_, sy, ty), _ = self.picture.to_view.tolist()
        x1, y1, x2, y2 = one.xyxy
        return (x1 - tx) / sx, (y1 - ty) / sy, (x2 - x1) / sx, (y2 - y1) / sy
