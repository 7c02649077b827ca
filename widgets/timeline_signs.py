"""The sign of each kind of event: told apart by shape, so that colour is free to mean the class."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

from scenescope.models.log_events import EventKind
from scenescope.pipelines.overlay import colour_of
from scenescope.widgets.theme import Colours, contrast

__all__ = ["SIGN_PX", "label_rgb", "rgb_of", "sign"]

SIGN_PX = 13
LEAST_CONTRAST = 2.6

_POLYGONS: dict[EventKind, tuple[tuple[float, float], ...]] = {
    EventKind.APPEAR: ((3.5, 2), (10.5, 6.5), (3.5, 11)),
    EventKind.VANISH: ((9.5, 2), (2.5, 6.5), (9.5, 11)),
    EventKind.ZONE_ENTER: ((2, 3.5), (11, 3.5), (6.5, 10.5)),
    EventKind.ZONE_LEAVE: ((2, 9.5), (11, 9.5), (6.5, 2.5)),
    EventKind.LINE_CROSS: ((6.5, 1.5), (11.5, 6.5), (6.5, 11.5), (1.5, 6.5)),
    EventKind.DWELL: ((2.5, 2), (10.5, 2), (7.4, 6.5), (10.5, 11), (2.5, 11), (5.6, 6.5)),
    EventKind.SPEED: ((1.5, 2.5), (4.5, 2.5), (11.5, 6.5), (4.5, 10.5), (1.5, 10.5), (5.5, 6.5)),
    EventKind.SCENE_CHANGE: ((5, 0.8), (8, 0.8), (8, 12.2), (5, 12.2)),
    EventKind.MARK: ((2.5, 1), (11, 3.8), (4, 6.8), (4, 12), (2.5, 12)),
}


def rgb_of(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@lru_cache(maxsize=4096)
def label_rgb(label: str, colours: Colours) -> tuple[int, int, int]:
    """The colour of a class, as the overlay has it, darker or lighter where it would be lost on the panel."""
    blue, green, red = colour_of(label)
    text = rgb_of(colours.text)
    mixed = (red, green, blue)
    for share in range(0, 80, 10):
        mixed = (
            round(red + (text[0] - red) * share / 100),
            round(green + (text[1] - green) * share / 100),
            round(blue + (text[2] - blue) * share / 100),
        )
        if contrast("#{:02x}{:02x}{:02x}".format(*mixed), colours.panel) >= LEAST_CONTRAST:
            break
    return mixed


@lru_cache(maxsize=1024)
def sign(kind: EventKind | None, rgb: tuple[int, int, int], outline: str, ratio: float) -> QPixmap:
    """The sign of a kind, ``SIGN_PX`` square, in device pixels of ``ratio``; a plain disc for what is not known."""
    picture = QPixmap(round(SIGN_PX * ratio), round(SIGN_PX * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(outline), 1.0))
    painter.setBrush(QColor(*rgb))
    polygon = _POLYGONS.get(kind) if kind is not None else None
    if polygon is not None:
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in polygon]))
    elif kind is EventKind.TEXT:
        painter.drawRect(QRectF(1.5, 2.5, 10, 8))
        painter.drawLine(QLineF(4, 5, 9, 5))
        painter.drawLine(QLineF(6.5, 5, 6.5, 9))
    elif kind is EventKind.CODE:
        painter.drawRect(QRectF(1.5, 2.5, 10, 8))
        for x, width in ((3.6, 1.0), (6.0, 1.8), (9.2, 1.0)):
            painter.setPen(QPen(QColor(outline), width))
            painter.drawLine(QLineF(x, 4, x, 9))
    elif kind is EventKind.CAPTION:
        path = QPainterPath()
        path.addRoundedRect(QRectF(1.5, 2, 10, 7), 3, 3)
        path.addPolygon(QPolygonF([QPointF(3.5, 8.5), QPointF(3.5, 12), QPointF(7, 8.5)]))
        painter.drawPath(path.simplified())
    elif kind is EventKind.GAP:
        painter.drawLine(QLineF(2.5, 2.5, 10.5, 10.5))
        painter.drawLine(QLineF(2.5, 10.5, 10.5, 2.5))
    else:
        painter.drawEllipse(QRectF(2.5, 2.5, 8, 8))
    painter.end()
    return picture
