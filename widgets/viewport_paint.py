"""What the viewport paints over the picture itself: the badge in the corner, and a shape that is being drawn."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QMarginsF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap, QPolygonF

from scenescope.widgets.drawing import Drawing

__all__ = ["Badge", "paint_drawing"]

MARGIN = 10.0
_DARK = QColor(15, 18, 24, 190)
_BRIGHT = QColor("#ffffff")
_INK = QColor("#56b4e9")


class Badge:
    """A word on a dark pill, drawn once and then copied: text is too slow to draw with every picture."""

    def __init__(self) -> None:
        self.text = ""
        self._made: tuple[str, float, QPixmap] | None = None

    def set_text(self, text: str) -> bool:
        """Another word; True when it is another."""
        changed, self.text = text != self.text, text
        return changed

    def paint(self, painter: QPainter, area: QRectF, ratio: float, font: QFont) -> None:
        """Copy it to the upper right corner of ``area``."""
        if not self.text:
            return
        if self._made is None or self._made[:2] != (self.text, ratio):
            self._made = (self.text, ratio, _pill(self.text, ratio, font))
        pixmap = self._made[2]
        painter.drawPixmap(QPointF(area.right() - pixmap.width() / ratio - MARGIN, area.top() + MARGIN), pixmap)


def _pill(text: str, ratio: float, font: QFont) -> QPixmap:
    small = QFont(font)
    small.setPointSizeF(font.pointSizeF() * 0.85)
    small.setWeight(QFont.Weight.DemiBold)
    size = QFontMetricsF(small).size(0, text)
    width, height = size.width() + 16, size.height() + 7
    made = QPixmap(round(width * ratio), round(height * ratio))
    made.setDevicePixelRatio(ratio)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_DARK)
    painter.drawRoundedRect(QRectF(0, 0, width, height), height / 2, height / 2)
    painter.setFont(small)
    painter.setPen(_BRIGHT)
    painter.drawText(QRectF(0, 0, width, height), Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
    return made


def paint_drawing(
    painter: QPainter, drawing: Drawing, points: Sequence[QPointF], cursor: QPointF | None, area: QRectF
) -> None:
    """The shape in the making, with its corners, and what to do next."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    follows = [*points, cursor] if cursor is not None and drawing.grows and points else list(points)
    shape = QPolygonF(follows)
    tint = QColor(_INK)
    tint.setAlpha(60)
    for pen in (QPen(_DARK, 4), QPen(_INK, 2)):
        painter.setPen(pen)
        if drawing.is_line:
            painter.drawPolyline(shape)
        else:
            painter.setBrush(tint if pen.color() == _INK else Qt.BrushStyle.NoBrush)
            painter.drawPolygon(shape)
    painter.setPen(QPen(_DARK, 1.5))
    painter.setBrush(_BRIGHT)
    for number, point in enumerate(points):
        painter.drawEllipse(point, 5, 5)
        if drawing.is_line and number == 1:
            painter.drawEllipse(point, 2, 2)
    metrics = QFontMetricsF(painter.font())
    size = metrics.size(0, drawing.help)
    box = QRectF(area.center().x() - size.width() / 2 - 12, area.bottom() - size.height() - 26, 0, 0)
    box.setSize(size.grownBy(QMarginsF(12, 6, 12, 6)))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_DARK)
    painter.drawRoundedRect(box, 6, 6)
    painter.setPen(_BRIGHT)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, drawing.help)
