"""TimelineView: the timeline under the mouse and the keys."""

from __future__ import annotations

import html

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal, Slot
from PySide6.QtGui import QContextMenuEvent, QHelpEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip, QWidget
from typing_extensions import override

from scenescope.models.log_events import LogEvent
from scenescope.widgets.timeline_canvas import HEADS_PX, TimelineCanvas
from scenescope.widgets.timeline_data import Group
from scenescope.widgets.timeline_hits import Hit, What, neighbour
from scenescope.widgets.timeline_layout import Row, row_at
from scenescope.widgets.timeline_paint import RULER_PX
from scenescope.widgets.timeline_words import event_words, stamp

__all__ = ["TimelineView"]

WHEEL_STEP = 120.0
ZOOM_STEP = 1.25
RULER_TIP = "Drag to set the in and out marks, click to go there"
HEAD_TIP = "Click to open or close, wheel to scroll"


class TimelineView(TimelineCanvas):
    """Wheel zooms at the cursor, drag pans, a click goes to the event or the time, a drag on the ruler sets the marks.

    Keys: Left and Right go through the events of the focused lane, Up and Down through the lanes (above the first is
    "all"), Enter jumps, Home and End go to the first and last event, + and - zoom, 0 shows all, Page Up and Page Down
    scroll, Space on a lane opens or closes it, F2 changes the text of a mark, Delete deletes it.
    """

    frame_requested = Signal(int, float)
    """An event was chosen: its exact frame, and the time of that."""
    time_requested = Signal(float)
    """An empty place was clicked: its time."""
    range_selected = Signal(float, float)
    """A range was drawn on the ruler."""
    menu_wanted = Signal(QPoint, object)
    """The menu of a hit, or of None, at a place of the screen."""
    rename_wanted = Signal()
    """The focused mark shall have another text (F2)."""
    remove_wanted = Signal()
    """The focused mark shall go (Delete)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pressed: QPointF | None = None
        self._dragged = False
        self._on_ruler = False
        self._last = QPointF()
        self._tip_id: int | None = None
        self._tip_at = QPoint()

    # What can be done ----------------------------------------------------------------------------------------------

    def go(self, step: int, everywhere: bool = False) -> bool:
        """Focus the next event (1) or the one before (-1) and jump there; False when there is none.

        ``everywhere`` goes through all lanes and from where the film is, unless the focused event is there.
        """
        rows = self.rows if everywhere else self._lane_rows()
        now = self.playhead_s if self.playhead_s is not None else self.span.start_s
        row = self.focused.row if self.focused is not None and self.focused.what is What.EVENT else None
        if everywhere and row is not None and abs(float(self.data.columns.t_s[row]) - now) > 1e-3:
            row = None
        found = neighbour(rows, self.data, step, row, now)
        if found is None:
            return False
        self.focus_on(Hit(What.EVENT, found))
        if everywhere:
            self.jump()
        return True

    @Slot()
    def jump(self) -> None:
        """Go to the frame of the focused event."""
        if self.focused is not None:
            self.frame_requested.emit(*self.focused.moment(self.data))

    def _lane_rows(self) -> NDArray[np.int64]:
        row = next((row for row in self.scene.rows if row.key == self.lane), None)
        return self.rows if row is None or row.bare else row.rows

    # Keys ----------------------------------------------------------------------------------------------------------

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, plain = Qt.Key(event.key()), not event.modifiers() & ~_HARMLESS
        if not plain or not self._key(key):
            super().keyPressEvent(event)

    @override
    def event(self, event: QEvent) -> bool:
        # Single keys are shortcuts of the window elsewhere.
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            ours = event.key() in _KEYS or (event.key() == Qt.Key.Key_Space and self.lane is not None)
            if ours and not event.modifiers() & ~_HARMLESS:
                event.accept()
                return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            self._tip(event)
            return True
        return super().event(event)

    def _key(self, key: Qt.Key) -> bool:
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.go(1 if key == Qt.Key.Key_Right else -1)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._next_lane(1 if key == Qt.Key.Key_Down else -1)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            rows = self._lane_rows()
            if len(rows):
                self.focus_on(Hit(What.EVENT, int(rows[0 if key == Qt.Key.Key_Home else -1])))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.jump()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(ZOOM_STEP**2)
        elif key == Qt.Key.Key_Minus:
            self.zoom(ZOOM_STEP**-2)
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self._bar.setValue(self._bar.value() + (1 if key == Qt.Key.Key_PageDown else -1) * self._bar.pageStep())
        elif key == Qt.Key.Key_Space and self.lane is not None:
            self.collapse(self.lane[0])
        elif key == Qt.Key.Key_F2:
            self.rename_wanted.emit()
        elif key == Qt.Key.Key_Delete:
            self.remove_wanted.emit()
        elif key == Qt.Key.Key_Menu:
            at = QPointF(self.x_of(self.focused.moment(self.data)[1]) if self.focused else HEADS_PX, RULER_PX)
            self.menu_wanted.emit(self.mapToGlobal(at.toPoint()), self.focused)
        else:
            return False
        return True

    def _next_lane(self, step: int) -> None:
        keys: list[tuple[Group, str] | None] = [None, *(row.key for row in self.scene.rows)]
        at = keys.index(self.lane) if self.lane in keys else 0
        self.show_lane(keys[min(max(at + step, 0), len(keys) - 1)])

    # Mouse ---------------------------------------------------------------------------------------------------------

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        delta = event.angleDelta()
        over_heads = event.position().x() < HEADS_PX or event.position().x() >= HEADS_PX + self.span.width_px
        if over_heads:
            self._bar.setValue(self._bar.value() - round(delta.y() / WHEEL_STEP * 40))
        elif delta.x() or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.pan(-(delta.x() or delta.y()) / WHEEL_STEP * 0.1 * self.span.length_s)
        else:
            self.zoom(ZOOM_STEP ** (delta.y() / WHEEL_STEP), event.position().x() - HEADS_PX)
        event.accept()

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        at = event.position()
        if at.x() < HEADS_PX:
            if event.button() == Qt.MouseButton.LeftButton:
                self._press_head(at)
            return
        self._pressed, self._last, self._dragged = at, at, False
        self._on_ruler = at.y() < RULER_PX

    def _press_head(self, at: QPointF) -> None:
        row = row_at(self.scene.rows, at.y() - RULER_PX + self.scene.scroll_px) if at.y() >= RULER_PX else None
        if row is None:
            self.show_lane(None)
        elif row.head:
            self.collapse(row.group)
        else:
            self.show_lane(row.key)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._pressed is None:
            over = at.x() >= HEADS_PX and self.hit(at) is not None
            self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
            return
        if not self._dragged and (at - self._pressed).manhattanLength() < QApplication.startDragDistance():
            return
        self._dragged = True
        if self._on_ruler:
            self.set_marks(*self._drawn(at))
        else:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.pan((self._last.x() - at.x()) / self.span.px_per_s)
            self._bar.setValue(round(self._bar.value() + self._last.y() - at.y()))
        self._last = at

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        if pressed is None:
            return
        self.setCursor(Qt.CursorShape.ArrowCursor)
        at = event.position()
        if self._dragged:
            if self._on_ruler:
                self._pressed = pressed
                drawn = self._drawn(at)
                self._pressed = None
                self.range_selected.emit(*drawn)
        elif event.button() == Qt.MouseButton.LeftButton:
            hit = self.hit(at)
            if hit is not None:
                self.focus_on(hit)
                self.jump()
            else:
                self.time_requested.emit(self._time(at))

    def _time(self, at: QPointF) -> float:
        return self.span.t(min(max(at.x() - HEADS_PX, 0.0), float(self.span.width_px)))

    def _drawn(self, at: QPointF) -> tuple[float, float]:
        assert self._pressed is not None
        one, other = self._time(self._pressed), self._time(at)
        return min(one, other), max(one, other)

    @override
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        hit = self.hit(QPointF(event.pos())) if event.reason() == QContextMenuEvent.Reason.Mouse else self.focused
        if hit is not None:
            self.focus_on(hit)
        self.menu_wanted.emit(event.globalPos(), hit)

    # Tooltips ------------------------------------------------------------------------------------------------------

    def _tip(self, event: QHelpEvent) -> None:
        at = QPointF(event.pos())
        self._tip_id, self._tip_at = None, event.globalPos()
        words = ""
        if at.x() < HEADS_PX:
            words = HEAD_TIP
        elif at.y() < RULER_PX:
            words = RULER_TIP
        elif (hit := self.hit(at)) is not None:
            words = self.words(hit)
            if hit.what is What.EVENT:
                self._tip_id = int(self.data.columns.id[hit.row])
            self._ask(hit)
        elif (row := self._row_under(at)) is not None and row.group in (Group.LATENCY, Group.GAPS):
            words = self.scene.history.words(self._time(at))
        self._show_tip(words or (stamp(self._time(at)) if at.x() >= HEADS_PX else ""))

    def _row_under(self, at: QPointF) -> Row | None:
        return row_at(self.scene.rows, at.y() - RULER_PX + self.scene.scroll_px)

    def _show_tip(self, words: str) -> None:
        # Text of the log may look like HTML; escaped, and said to be rich, it is shown as it is.
        QToolTip.showText(self._tip_at, f"<qt>{html.escape(words)}</qt>" if words else "", self)

    @override
    def set_details(self, event: LogEvent) -> None:
        super().set_details(event)
        if event.id is not None and event.id == self._tip_id and QToolTip.isVisible():
            self._show_tip(event_words(event))


_HARMLESS = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier
_KEYS = frozenset(
    {
        Qt.Key.Key_Left,
        Qt.Key.Key_Right,
        Qt.Key.Key_Up,
        Qt.Key.Key_Down,
        Qt.Key.Key_Home,
        Qt.Key.Key_End,
        Qt.Key.Key_Return,
        Qt.Key.Key_Enter,
        Qt.Key.Key_Plus,
        Qt.Key.Key_Equal,
        Qt.Key.Key_Minus,
        Qt.Key.Key_0,
        Qt.Key.Key_F2,
        Qt.Key.Key_Delete,
        Qt.Key.Key_PageUp,
        Qt.Key.Key_PageDown,
    }
)
