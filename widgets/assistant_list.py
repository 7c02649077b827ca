"""MessageList: the messages under each other, placed one by one so that a long conversation stays quick."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QWidget

from scenescope.widgets.assistant_message import MessageView

__all__ = ["MessageList"]

SPACING_PX = 6
AT_END_PX = 6


class MessageList(QScrollArea):
    """Messages, oldest at the top. Up and Down go from one to the next, Tab into the chips of the current one.

    It stays at the end while it is there, and stays where it is while something older is being read. A layout of Qt
    measures every message again when one is added (0.3 s for five hundred); here only the new one is measured.

    Signals:
        earlier_wanted: the button above the first message was clicked.
        end_reached: the user scrolled to the end.
    """

    earlier_wanted = Signal()
    end_reached = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Always there, so that its coming does not change the width of all messages.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Conversation")
        self.views: list[MessageView] = []
        self.at_end = True
        self._heights: dict[MessageView, int] = {}
        self._measured_width = 0
        self._current: MessageView | None = None
        self._column = QWidget()
        self._earlier = QPushButton("Show earlier messages", self._column)
        self._earlier.setAutoDefault(False)
        self._earlier.clicked.connect(self.earlier_wanted)
        self._earlier.hide()
        self.setWidget(self._column)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)

    def add(self, views: Sequence[MessageView]) -> None:
        """Put messages at the end."""
        for view in views:
            self._adopt(view)
            self.views.append(view)
        self._place()

    def add_before(self, views: Sequence[MessageView]) -> None:
        """Put messages above the others; what is being read stays where it is."""
        for view in views:
            self._adopt(view)
        self.views[:0] = views
        self._place(sum(self._heights[view] + SPACING_PX for view in views))

    def remove(self, views: Sequence[MessageView]) -> None:
        """Take messages away."""
        gone = set(views)
        above = 0
        for view in views:
            above += self._heights.pop(view) + SPACING_PX
            if self._current is view:
                self._current = None
            view.hide()
            view.deleteLater()
        self.views = [view for view in self.views if view not in gone]
        self._place(-above)

    def measure(self, view: MessageView) -> None:
        """Make room for a message whose text has changed."""
        self._heights[view] = view.heightForWidth(self._measured_width)
        self._place()

    def set_earlier(self, there_are: bool) -> None:
        """Offer, or no longer offer, to show earlier messages."""
        self._earlier.setVisible(there_are)
        self._place()

    def go_to_end(self) -> None:
        """Scroll to the newest message."""
        self.at_end = True
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Measure all messages for another width."""
        super().resizeEvent(event)
        self._measure_all(always=False)

    def changeEvent(self, event: QEvent) -> None:
        """Measure all messages in another font or style."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and hasattr(self, "_column"):
            self._measure_all(always=True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk from message to message."""
        last = len(self.views) - 1
        here = self.views.index(self._current) if self._current is not None else last + 1
        places = {
            Qt.Key.Key_Up: here - 1,
            Qt.Key.Key_Down: here + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        place = places.get(Qt.Key(event.key()))
        if place is None or last < 0:
            super().keyPressEvent(event)
            return
        if self._current is not None:
            self._current.set_current(False)
        self._current = self.views[min(max(place, 0), last)]
        self._current.set_current(True)
        self._current.setFocus(Qt.FocusReason.OtherFocusReason)
        self.ensureWidgetVisible(self._current, 0, SPACING_PX)

    def _adopt(self, view: MessageView) -> None:
        view.setParent(self._column)
        # The style sheet gives margins when a widget is polished, which is otherwise when it is shown.
        for part in (view, *view.findChildren(QWidget)):
            part.ensurePolished()
        self._heights[view] = view.heightForWidth(self._measured_width)

    def _measure_all(self, *, always: bool) -> None:
        width = max(self.viewport().width() - SPACING_PX, 1)
        if always or width != self._measured_width:
            self._measured_width = width
            for view in self.views:
                self._heights[view] = view.heightForWidth(width)
        self._place()

    def _place(self, shift: int = 0) -> None:
        """Put every message where it belongs; ``shift`` is by how much what is read has moved down."""
        bar = self.verticalScrollBar()
        at_end, value = self.at_end, bar.value()
        y = 0
        if not self._earlier.isHidden():
            self._earlier.setGeometry(0, 0, self._measured_width, self._earlier.sizeHint().height())
            y = self._earlier.height() + SPACING_PX
        # A short conversation stands at the bottom, next to where one types.
        total = y + sum(self._heights[view] + SPACING_PX for view in self.views)
        y += max(self.viewport().height() - total, 0)
        for view in self.views:
            view.setGeometry(0, y, self._measured_width, self._heights[view])
            view.show()
            y += self._heights[view] + SPACING_PX
        self._column.resize(self._measured_width, max(y, 1))
        self.at_end = at_end
        bar.setValue(bar.maximum() if at_end else value + shift)

    def _scrolled(self, value: int) -> None:
        self.at_end = value >= self.verticalScrollBar().maximum() - AT_END_PX
        if self.at_end:
            self.end_reached.emit()
