"""The viewport: shows the newest composed picture, and what is pointed at in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget
from typing_extensions import override

from scenescope.pipelines.display import ComposedPicture, Display, DisplayMode, ObjectRef, ViewOptions
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.widgets.drawing import Drawing
from scenescope.widgets.empty_state import EmptyState
from scenescope.widgets.picking import best_match, in_order, object_at
from scenescope.widgets.theme import colours_of
from scenescope.widgets.view_geometry import ViewGeometry
from scenescope.widgets.viewport_paint import Badge, paint_drawing
from scenescope.widgets.zone_layer import ZoneLayer
from scenescope.widgets.zoom import Zoom

__all__ = ["Viewport", "object_sentence"]

WHEEL_STEP = 1.2
PAN_STEP = 0.1
ACTUAL_DRAG_PX = 4


class Viewport(QWidget):
    """Shows pictures of a display; scaling, colour conversion and overlay have been done on the display's thread.

    Args:
        display: where pictures come from and view options go to.
        on_painted: called with every picture that has reached the screen.
    """

    object_selected = Signal(object)
    """The chosen object (``ObjectRef``) as it is in the newest picture; None when nothing is chosen."""
    zoom_changed = Signal(float)
    drawing_finished = Signal(object)
    """The points of the shape, fractions of width and height; None when it was given up."""

    def __init__(
        self,
        display: Display,
        on_painted: Callable[[ComposedPicture], None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._display = display
        self._on_painted = on_painted
        self.picture: ComposedPicture | None = None
        self.selected: ObjectRef | None = None
        self.selected_track: int | None = None
        self.hovered: ObjectRef | None = None
        self.mode = DisplayMode.AUTO
        self.style_wish = OverlayStyle()
        self.zoom = Zoom()
        self.drawing: Drawing | None = None
        self.layer: ZoneLayer | None = None
        self.place: ViewGeometry | None = None
        self._image: QImage | None = None
        self._cursor: QPointF | None = None
        self._pressed: QPointF | None = None
        self._panned_from: QPointF | None = None
        self._badge = Badge()
        self.empty = EmptyState(self)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(240, 160)
        self.setAccessibleName("Picture")
        self.setAccessibleDescription(
            "Tab and the arrow keys go through the objects, Enter chooses one, Escape lets it go."
        )

    @override
    def sizeHint(self) -> QSize:
        return QSize(960, 540)

    # Pictures ----------------------------------------------------------------------------------------------------

    def show_picture(self, picture: ComposedPicture) -> None:
        """Show this from the next repaint on."""
        self.picture = picture
        height, width = picture.image.shape[:2]
        # The image borrows the array, which self.picture keeps alive.
        self._image = QImage(picture.image.data, width, height, width * 4, QImage.Format.Format_RGB32)
        self.empty.hide()
        self._measure()
        self._follow_objects()
        self.update()

    def clear(self) -> None:
        """Show no picture."""
        self.picture, self._image, self.place = None, None, None
        self.hovered = None
        self.select(None)
        self.empty.show()
        self.update()

    @property
    def badge(self) -> str:
        """The word in the corner of the picture."""
        return self._badge.text

    def set_badge(self, text: str) -> None:
        """A word in the corner of the picture: how it is shown."""
        if self._badge.set_text(text):
            self.update()

    def _measure(self) -> None:
        """Find where the picture lies."""
        picture = self.picture
        ratio = self.devicePixelRatioF()
        self.place = ViewGeometry(picture, self.width(), self.height(), ratio) if picture is not None else None

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = colours_of(self)
        picture, image, place = self.picture, self._image, self.place
        if picture is None or image is None or place is None:
            painter.fillRect(self.rect(), QColor(colours.stage))
            return
        target = place.target
        if target.width() < self.width() or target.height() < self.height():
            painter.fillRect(self.rect(), QColor(colours.stage))
        painter.drawImage(target, image)
        if self.drawing is not None:
            points = [place.from_fraction(point) for point in self.drawing.points]
            cursor = place.from_fraction(self.drawing.cursor) if self.drawing.cursor else None
            paint_drawing(painter, self.drawing, points, cursor, QRectF(self.rect()))
        else:
            if self.layer is not None and self.layer.active:
                self.layer.paint(painter, place)
            self._badge.paint(painter, target, self.devicePixelRatioF(), self.font())
        painter.end()
        if self._on_painted is not None:
            self._on_painted(picture)

    # View --------------------------------------------------------------------------------------------------------

    def _tell_display(self) -> None:
        """Say what is wanted; the picture then comes again, made so."""
        ratio = self.devicePixelRatioF()
        emphasised, track_id = None, self.selected_track
        pointed = self.hovered or self.selected
        if pointed is not None:
            # A row changes its place from frame to frame, a number does not.
            track_id = pointed.track_id
            emphasised = (pointed.result, pointed.row) if track_id is None else None
        self._display.set_view(
            ViewOptions(
                size_wh=(max(round(self.width() * ratio), 1), max(round(self.height() * ratio), 1)),
                mode=self.mode,
                zoom_xywh=self.zoom.xywh,
                style=self.style_wish,
                emphasised=emphasised,
                track_id=track_id,
                text_scale=ratio,
            )
        )

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        self.empty.setGeometry(self.rect())
        self._measure()
        self._tell_display()

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def set_mode(self, mode: DisplayMode) -> None:
        """In step, newest, or by the kind of source."""
        self.mode = mode
        self._tell_display()

    def set_style(self, **parts: Any) -> None:
        """Change parts of the overlay's style: ``set_style(labels=False)``."""
        self.style_wish = replace(self.style_wish, **parts)
        self._tell_display()

    def set_zoom(self, zoom: Zoom) -> None:
        """Show another part of the picture."""
        if zoom != self.zoom:
            self.zoom = zoom
            self._tell_display()
            self.zoom_changed.emit(zoom.scale)

    @Slot()
    def zoom_in(self) -> None:
        """Magnify the middle."""
        self.set_zoom(self.zoom.magnified(WHEEL_STEP**2))

    @Slot()
    def zoom_out(self) -> None:
        """The other way."""
        self.set_zoom(self.zoom.magnified(WHEEL_STEP**-2))

    @Slot()
    def zoom_fit(self) -> None:
        """Show the whole picture."""
        self.set_zoom(Zoom())

    # Objects -----------------------------------------------------------------------------------------------------

    @property
    def objects(self) -> Sequence[ObjectRef]:
        """What can be pointed at."""
        return self.picture.objects if self.picture is not None else ()

    def _object_under(self, at: QPointF) -> ObjectRef | None:
        return object_at(self.objects, *self.place.to_picture(at)) if self.place is not None else None

    def _follow_objects(self) -> None:
        """Find what is pointed at and what is chosen again in a new picture."""
        self.hovered = self._object_under(self._cursor) if self._cursor and not self.drawing else None
        if self.selected_track is not None:
            of_track = (one for one in self.objects if one.track_id == self.selected_track)
            self._reselect(next(of_track, None))
        elif self.selected is not None:
            self._reselect(best_match(self.selected, self.objects))
        self._tell_display()

    def _reselect(self, found: ObjectRef | None) -> None:
        """The chosen object as it is now; one with a number stays chosen while it is out of sight."""
        if found is None and self.selected_track is not None:
            return
        self.selected = found
        self.object_selected.emit(found)

    def select(self, one: ObjectRef | None) -> None:
        """Choose an object, or none."""
        had = self.selected is not None or self.selected_track is not None
        self.selected = one
        self.selected_track = one.track_id if one is not None else None
        if one is not None or had:
            self.object_selected.emit(one)
        self._tell_display()

    @Slot(int)
    def select_track(self, track_id: int) -> None:
        """Choose the object with this number, now or when it is next seen."""
        found = next((one for one in self.objects if one.track_id == track_id), None)
        self.selected, self.selected_track = found, track_id
        self.object_selected.emit(found)
        self._tell_display()

    def _cycle(self, step: int, around: bool) -> bool:
        """Point at the next object; False at the end when it does not go ``around``."""
        objects = in_order(self.objects)
        if not objects:
            return False
        current = self.hovered or self.selected
        again = best_match(current, objects) if current else None
        at = objects.index(again) + step if again in objects else (0 if step > 0 else len(objects) - 1)
        if not around and not 0 <= at < len(objects):
            return False
        self.hovered = objects[at % len(objects)]
        # From here on it is found again where the keyboard has put it, not where the mouse rests.
        assert self.place is not None
        self._cursor = self.place.middle_of(self.hovered)
        self.setAccessibleName(f"Picture: {object_sentence(self.hovered)}")
        self._tell_display()
        return True

    # Input -------------------------------------------------------------------------------------------------------

    @override
    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            under = self._object_under(QPointF(event.pos()))
            if under is not None and self.drawing is None and self.place is not None:
                _, _, width, height = self.place.source_box(under)
                QToolTip.showText(event.globalPos(), f"{object_sentence(under)}\n{width:.0f} x {height:.0f} px", self)
            else:
                QToolTip.hideText()
            return True
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            step = {Qt.Key.Key_Tab: 1, Qt.Key.Key_Backtab: -1}.get(Qt.Key(event.key()))
            # Past the last object Tab goes on to the next widget: nobody is caught in the picture.
            if step is not None and self.drawing is None and self._cycle(step, around=False):
                return True
        return super().event(event)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.drawing is not None:
            self._draw_key(event)
            return
        steps = {Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Down: (0, 1), Qt.Key.Key_Up: (0, -1)}
        key = Qt.Key(event.key())
        if key in steps:
            dx, dy = steps[key]
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.set_zoom(self.zoom.moved(dx * PAN_STEP, dy * PAN_STEP))
            else:
                self._cycle(dx + dy, around=True)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.hovered is not None:
            self.select(self.hovered)
        elif key == Qt.Key.Key_Escape and (self.selected or self.hovered or self.selected_track is not None):
            self.hovered, self._cursor = None, None
            self.select(None)
        else:
            super().keyPressEvent(event)

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.place is None or not event.angleDelta().y():
            event.ignore()
            return
        at = self.place.to_fraction(event.position())
        self.set_zoom(self.zoom.magnified(WHEEL_STEP ** (event.angleDelta().y() / 120), at))

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)
            return
        if self.drawing is not None and self.place is not None:
            self.drawing.press(self.place.to_fraction(event.position()), self.place.pixel())
            self.update()
            return
        self._pressed = event.position()
        self._panned_from = None

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.drawing is not None:
            if self.place is not None:
                self.drawing.move(self.place.to_fraction(event.position()))
                self.update()
            return
        if self._pressed is not None and self._pan(event.position()):
            return
        self._cursor = event.position()
        under = self._object_under(event.position())
        if under != self.hovered:
            self.hovered = under
            self.setCursor(Qt.CursorShape.PointingHandCursor if under else Qt.CursorShape.ArrowCursor)
            self._tell_display()

    def _pan(self, at: QPointF) -> bool:
        """Drag the picture along; False while it may still become a click."""
        start = self._panned_from or self._pressed
        assert start is not None
        if self._panned_from is None and (at - start).manhattanLength() < ACTUAL_DRAG_PX:
            return False
        if self.place is not None and self.zoom.scale > 1:
            target, moved = self.place.target, at - start
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.set_zoom(self.zoom.moved(-moved.x() / target.width(), -moved.y() / target.height()))
        self._panned_from = at
        return True

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.drawing is not None:
            self.drawing.release()
            self.update()
        elif event.button() == Qt.MouseButton.LeftButton and self._pressed is not None:
            if self._panned_from is None:
                self.select(self._object_under(event.position()))
            self.unsetCursor()
        self._pressed, self._panned_from = None, None

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.drawing is None:
            self.mousePressEvent(event)
        elif self.drawing.complete and self.place is not None:
            self.drawing.drop_double(self.place.pixel())
            self._end_drawing(self.drawing.points)

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._cursor = None
        if self.hovered is not None:
            self.hovered = None
            self._tell_display()

    # Drawing -----------------------------------------------------------------------------------------------------

    def begin_drawing(self, is_line: bool, points: Sequence[tuple[float, float]]) -> bool:
        """Let a line or a polygon be drawn on the picture; False when there is no picture to draw on."""
        if self.picture is None:
            return False
        if self.drawing is not None:
            self._end_drawing(None)
        self.drawing = Drawing.beginning_with(is_line, points)
        self.hovered = None
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setFocus(Qt.FocusReason.OtherFocusReason)
        self.update()
        return True

    def _draw_key(self, event: QKeyEvent) -> None:
        assert self.drawing is not None
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            self._end_drawing(None)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.drawing.complete:
                self._end_drawing(self.drawing.points)
        elif key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self.drawing.take_back()
            self.update()

    def _end_drawing(self, points: Sequence[tuple[float, float]] | None) -> None:
        self.drawing = None
        self.unsetCursor()
        self.update()
        self.drawing_finished.emit(list(points) if points is not None else None)


def object_sentence(one: ObjectRef) -> str:
    """What an object is: "person #3, 87 %"."""
    number = f" #{one.track_id}" if one.track_id is not None else ""
    return f"{one.label}{number}, {one.confidence:.0%}"
