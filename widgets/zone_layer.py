"""ZoneLayer: the zones and lines of the pipeline, dragged on the picture while it runs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF
from typing_extensions import override

from scenescope.pipelines.zones.model import ZoneSet
from scenescope.widgets.shape_edit import (
    GROUND,
    Grip,
    Part,
    grip_at,
    grips_of,
    is_line,
    moved,
    names_of,
    outline,
    with_corner,
    without,
    without_corner,
)
from scenescope.widgets.view_geometry import ViewGeometry

if TYPE_CHECKING:
    from scenescope.widgets.viewport import Viewport

__all__ = ["ZoneLayer"]

Point = tuple[float, float]

NUDGE_PX, FAR_NUDGE_PX = 1, 10
CORNER_PX = 5.0
_DARK = QColor(15, 18, 24, 210)
_BRIGHT = QColor("#ffffff")
_INK = QColor("#56b4e9")
_GROUND_INK = QColor("#e69f00")
_CURSORS = {
    Part.CORNER: Qt.CursorShape.CrossCursor,
    Part.EDGE: Qt.CursorShape.PointingHandCursor,
    Part.BODY: Qt.CursorShape.SizeAllCursor,
}
_gestures = itertools.count(1)


class ZoneLayer(QObject):
    """Lies over the picture of a viewport while zones are edited, and leaves it all events that are not for a shape.

    Mouse: drag a corner, an edge or a whole shape; a double click on an edge adds a corner. Keys, once a shape is
    chosen: Tab goes through its corners and shapes, arrows move what is held (Shift: farther), Delete removes the
    corner or the shape, Escape lets go.

    ``edited(zones, text, gesture)`` is told of every change; changes of one drag have the same gesture.
    """

    edited = Signal(object, str, object)
    chosen = Signal(str)
    """Another shape is chosen; "" for none."""

    def __init__(self, viewport: Viewport) -> None:
        super().__init__(viewport)
        self._viewport = viewport
        self.zones = ZoneSet()
        self.active = False
        self.grip: Grip | None = None
        self._hovered: Grip | None = None
        self._dragged: tuple[ZoneSet, Point, Any] | None = None
        self._nudging: tuple[Grip, Any] | None = None
        self._over = False
        viewport.layer = self
        viewport.installEventFilter(self)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        place = self._viewport.place
        if not self.active or place is None or self._viewport.drawing is not None:
            return False
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            taken = self.key(event, place.pixel())
            if taken:
                self._viewport.setAccessibleName(f"Picture: {self.sentence}")
            return taken
        if not isinstance(event, QMouseEvent):
            return False
        at = place.to_fraction(event.position())
        if event.type() == QEvent.Type.MouseMove:
            taken = self.move(at, place.pixel())
            if self.cursor is not None:
                self._viewport.setCursor(self.cursor)
            elif self._over:
                self._viewport.unsetCursor()
            self._over = taken
            return taken
        if event.button() != Qt.MouseButton.LeftButton:
            return False
        match event.type():
            case QEvent.Type.MouseButtonPress:
                return self.press(at, place.pixel())
            case QEvent.Type.MouseButtonDblClick:
                return self.double_click(at, place.pixel())
            case QEvent.Type.MouseButtonRelease:
                return self.release()
        return False

    def show_zones(self, zones: ZoneSet) -> None:
        """The shapes as the pipeline has them now."""
        self.zones = zones
        if self.grip is not None and not outline(zones, self.grip.shape):
            self._hold(None)
        self._viewport.update()

    def set_active(self, on: bool) -> None:
        """Begin or end editing."""
        self.active = on
        self._hovered = self._dragged = None
        if not on:
            self._hold(None)
        self._viewport.update()

    def choose(self, name: str) -> None:
        """Choose a shape, as if it had been clicked."""
        if outline(self.zones, name) and (self.grip is None or self.grip.shape != name):
            self._hold(Grip(name, Part.BODY))

    # Mouse: each returns True when the layer has taken it -------------------------------------------------------

    def press(self, at: Point, pixel: Point) -> bool:
        """The left button goes down."""
        grip = grip_at(self.zones, at, pixel, self.grip.shape if self.grip else "")
        self._hold(grip)
        if grip is None:
            return False
        self._dragged = (self.zones, at, next(_gestures))
        return True

    def move(self, at: Point, pixel: Point) -> bool:
        """The mouse moves, perhaps with something held."""
        if self._dragged is None or self.grip is None:
            hovered = grip_at(self.zones, at, pixel, self.grip.shape if self.grip else "")
            if hovered != self._hovered:
                self._hovered = hovered
                self._viewport.update()
            return hovered is not None
        before, start, gesture = self._dragged
        zones = moved(before, self.grip, (at[0] - start[0], at[1] - start[1]))
        self._change(zones, f"Move {self._title(self.grip.shape)}", gesture)
        return True

    def release(self) -> bool:
        """The button is let go."""
        had, self._dragged = self._dragged, None
        return had is not None

    def double_click(self, at: Point, pixel: Point) -> bool:
        """Add a corner where an edge was clicked twice."""
        grip = grip_at(self.zones, at, pixel, self.grip.shape if self.grip else "")
        if grip is None or grip.part is not Part.EDGE:
            return grip is not None
        zones, corner = with_corner(self.zones, grip, at)
        self._hold(corner)
        self._change(zones, f"Add a corner to {self._title(grip.shape)}")
        return True

    @property
    def cursor(self) -> Qt.CursorShape | None:
        """What the mouse should look like; None when nothing is under it."""
        under = self.grip if self._dragged else self._hovered
        return _CURSORS[under.part] if under is not None else None

    # Keys --------------------------------------------------------------------------------------------------------

    def key(self, event: QKeyEvent, pixel: Point) -> bool:
        """A key of the viewport; True when it was for a shape."""
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            return self._next_grip(-1 if key == Qt.Key.Key_Backtab else 1)
        if self.grip is None:
            return False
        steps = {Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Down: (0, 1), Qt.Key.Key_Up: (0, -1)}
        if key in steps:
            far = FAR_NUDGE_PX if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else NUDGE_PX
            dx, dy = steps[key]
            self._nudge((dx * far * pixel[0], dy * far * pixel[1]))
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove()
        elif key == Qt.Key.Key_Escape:
            self._hold(None)
        else:
            return False
        return True

    def remove(self) -> None:
        """Remove the corner that is held, or the whole shape."""
        if self.grip is None:
            return
        name, title = self.grip.shape, self._title(self.grip.shape)
        zones = without_corner(self.zones, self.grip)
        if zones != self.zones:
            self._hold(Grip(name, Part.BODY))
            self._change(zones, f"Remove a corner of {title}")
            return
        self._hold(None)
        self._change(without(self.zones, name), f"Remove {title}")

    def _nudge(self, by: Point) -> None:
        assert self.grip is not None
        if self._nudging is None or self._nudging[0] != self.grip:
            self._nudging = (self.grip, next(_gestures))
        self._change(moved(self.zones, self.grip, by), f"Move {self._title(self.grip.shape)}", self._nudging[1])

    def _next_grip(self, step: int) -> bool:
        """Go on to the next corner or shape; False past the last, so that Tab leaves the picture."""
        grips = [grip for name in names_of(self.zones) for grip in grips_of(self.zones, name)]
        at = grips.index(self.grip) + step if self.grip in grips else (0 if step > 0 else len(grips) - 1)
        if not 0 <= at < len(grips):
            self._hold(None)
            return False
        self._hold(grips[at])
        return True

    def _hold(self, grip: Grip | None) -> None:
        before, self.grip = self.grip, grip
        self._nudging = None
        if (before.shape if before else "") != (grip.shape if grip else ""):
            self.chosen.emit(grip.shape if grip else "")
        self._viewport.update()

    def _change(self, zones: ZoneSet, text: str, gesture: Any = None) -> None:
        if zones != self.zones:
            self.zones = zones
            self.edited.emit(zones, text, gesture)
            self._viewport.update()

    @property
    def sentence(self) -> str:
        """What is held, for screen readers."""
        if self.grip is None:
            return "No zone chosen"
        part = "" if self.grip.part is Part.BODY else f", {self.grip.part.value} {self.grip.number + 1}"
        return f"{self._title(self.grip.shape)}{part}"

    @staticmethod
    def _title(name: str) -> str:
        return "the ground" if name == GROUND else name

    # Painting ----------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, place: ViewGeometry) -> None:
        """Corners of all shapes; the shape that is held as it is now, also when the picture is a frame behind."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for name in reversed(list(names_of(self.zones))):
            points = [place.from_fraction(point) for point in outline(self.zones, name)]
            strong = any(grip is not None and grip.shape == name for grip in (self.grip, self._hovered))
            self._paint_outline(painter, name, points, strong)
            for number, point in enumerate(points):
                self._paint_corner(painter, Grip(name, Part.CORNER, number), point)

    def _paint_outline(self, painter: QPainter, name: str, points: list[QPointF], strong: bool) -> None:
        ink = _GROUND_INK if name == GROUND else _INK
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(_DARK, 5 if strong else 3), QPen(ink, 3 if strong else 1.5)):
            if name == GROUND and pen.color() == ink:
                pen.setStyle(Qt.PenStyle.DashLine)
            painter.setPen(pen)
            if is_line(self.zones, name):
                painter.drawPolyline(QPolygonF(points))
            else:
                painter.drawPolygon(QPolygonF(points))

    def _paint_corner(self, painter: QPainter, grip: Grip, point: QPointF) -> None:
        held = grip in (self.grip, self._hovered)
        radius = CORNER_PX + 2 if held else CORNER_PX
        painter.setPen(QPen(_DARK, 1.5))
        painter.setBrush(_INK if held else _BRIGHT)
        painter.drawEllipse(point, radius, radius)
