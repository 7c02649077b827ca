"""The slider of a film: jumps to the click, steps by pictures, shows marks, and tells where the mouse is."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSlider, QStyle, QStyleOptionSlider, QWidget
from typing_extensions import override

from scenescope.widgets.theme import colours_of

__all__ = ["FilmSlider"]

HEIGHT = 26
PAGE_S = 10.0
MANY = 10
MARK_PX = 7
RING_PX = 9.0

_Key = Qt.Key
_STEPS = {_Key.Key_Left: -1, _Key.Key_Down: -1, _Key.Key_Right: 1, _Key.Key_Up: 1}
_PAGES = {_Key.Key_PageDown: -PAGE_S, _Key.Key_PageUp: PAGE_S}


class FilmSlider(QSlider):
    """A horizontal slider over the length of a film. Its values are pictures or ticks, as its owner wishes."""

    stepped = Signal(int)
    """An arrow key: so many pictures on, or back."""
    skipped = Signal(float)
    """A page key: so many seconds on, or back."""
    end_wished = Signal(bool)
    """The key End, or Home with False."""
    hovered = Signal(int, QPoint)
    """The mouse is over this value; the point is above it, on the slider's upper edge, in global pixels."""
    left = Signal()
    """It no longer is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setMouseTracking(True)
        self.setMinimumHeight(HEIGHT)
        self._marks: tuple[int | None, int | None] = (None, None)
        self._looping = False

    def show_marks(self, first: int | None, last: int | None, looping: bool) -> None:
        """Show the in and the out mark, by value, and whether what lies between them is repeated."""
        if ((first, last), looping) != (self._marks, self._looping):
            self._marks, self._looping = (first, last), looping
            self.update()

    # Geometry ----------------------------------------------------------------------------------------------------

    def _handle(self) -> QRect:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        part = QStyle.SubControl.SC_SliderHandle
        return self.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, self)

    def value_at(self, x: float) -> int:
        """The value whose handle would be centred at ``x``."""
        width = self._handle().width()
        room = max(self.width() - width, 1)
        return QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), round(x) - width // 2, room)

    def x_of(self, value: int) -> int:
        """Where the centre of the handle is at a value."""
        width = self._handle().width()
        room = max(self.width() - width, 1)
        return QStyle.sliderPositionFromValue(self.minimum(), self.maximum(), value, room) + width // 2

    # Mouse and keys ----------------------------------------------------------------------------------------------

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self._handle().contains(event.position().toPoint()):
            self.setSliderPosition(self.value_at(event.position().x()))
        super().mousePressEvent(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        value = self.value_at(event.position().x())
        x = min(max(round(event.position().x()), 0), self.width())
        self.hovered.emit(value, self.mapToGlobal(QPoint(x, 0)))

    @override
    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.left.emit()

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = _Key(event.key())
        if key in _STEPS:
            self.stepped.emit(_STEPS[key] * (MANY if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1))
        elif key in _PAGES:
            self.skipped.emit(_PAGES[key])
        elif key in (_Key.Key_Home, _Key.Key_End):
            self.end_wished.emit(key == _Key.Key_End)
        else:
            super().keyPressEvent(event)

    # Painting ----------------------------------------------------------------------------------------------------

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_marks(painter)
        if self.hasFocus():
            # The strongest contrast there is, not a shade of the handle.
            painter.setPen(QPen(QColor(colours_of(self).text), 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(QRectF(self._handle()).center()), RING_PX, RING_PX)
        painter.end()

    def _paint_marks(self, painter: QPainter) -> None:
        first, last = self._marks
        if first is None and last is None and not self._looping:
            return
        colours = colours_of(self)
        left = self.x_of(self.minimum() if first is None else first)
        right = self.x_of(self.maximum() if last is None else last)
        base = self.height() - 2
        # A repeated span is a full line, one that is only marked is a dotted one: the colour does not tell it alone.
        style = Qt.PenStyle.SolidLine if self._looping else Qt.PenStyle.DotLine
        painter.setPen(QPen(QColor(colours.good if self._looping else colours.muted), 2.0, style))
        painter.drawLine(QPointF(left, base), QPointF(right, base))
        painter.setPen(QPen(QColor(colours.text), 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        for value, x, inwards in ((first, left, 1), (last, right, -1)):
            if value is not None:
                foot = QPointF(x + inwards * MARK_PX * 0.6, 0)
                for y in (self.height() / 2 - MARK_PX - 2, float(base)):
                    painter.drawLine(QPointF(x - inwards, y), QPointF(foot.x(), y))
                painter.drawLine(QPointF(x, self.height() / 2 - MARK_PX - 2), QPointF(x, base))
