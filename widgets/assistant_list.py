"""MessageList: the messages under each other, placed one by one so that a long conversation stays quick."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QWidget

from scenescope.widgets.assistant_message import MessageView
from scenescope.widgets.theme import colours_of

__all__ = ["MessageList"]

SPACING_PX = 6
AT_END_PX = 6


class MessageList(QScrollArea):
    """Messages, oldest at the top. Up and Down go from one to the next, Tab into the chips of the current one.

    It stays at the end while it is there, but lets the beginning of the last message not leave the view by itself: who
    reads a long answer that grows keeps their place. While something older is being read, that stays where it is. A
    layout of Qt measures every message again when one is added (0.3 s for five hundred); here only the new one is.

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
        self._colours = colours_of(self)
        self._redraw_soon = QTimer(self)
        self._redraw_soon.setSingleShot(True)
        self._redraw_soon.setInterval(0)
        self._redraw_soon.timeout.connect(self._redraw)
        self._column = QWidget()
        self._earlier = QPushButton("Show earlier messages", self._column)
        self._earlier.setAutoDefault(False)
        self._earlier.clicked.connect(self.earlier_wanted)
        self._earlier.hide()
        self.setWidget(self._column)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)

    def add(self, views: Sequence[MessageView]) -> None:
        """Put messages at the end."""
        anchor = self._anchor()
        for view in views:
            self._adopt(view)
            self.views.append(view)
        self._place(anchor, grown=True)

    def add_before(self, views: Sequence[MessageView]) -> None:
        """Put messages above the others; what is being read stays where it is."""
        anchor = self._anchor()
        for view in views:
            self._adopt(view)
        self.views[:0] = views
        self._place(anchor)

    def remove(self, views: Sequence[MessageView]) -> None:
        """Take messages away."""
        gone = set(views)
        self.views = [view for view in self.views if view not in gone]
        anchor = self._anchor()
        for view in views:
            del self._heights[view]
            if self._current is view:
                self._current = None
            view.hide()
            view.deleteLater()
        self._place(anchor)

    def measure(self, views: Iterable[MessageView]) -> None:
        """Make room for messages that have changed."""
        anchor = self._anchor()
        for view in views:
            _polish(view)
            self._heights[view] = view.heightForWidth(self._measured_width)
        self._place(anchor, grown=True)

    def set_earlier(self, there_are: bool) -> None:
        """Offer, or no longer offer, to show earlier messages."""
        if there_are != self._earlier.isHidden():
            return
        anchor = self._anchor()
        self._earlier.setVisible(there_are)
        self._place(anchor)

    def go_to_end(self) -> None:
        """Scroll to the newest message."""
        self.at_end = True
        self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())

    def go_to(self, view: MessageView) -> None:
        """Let a message be the current one, and bring it into view."""
        if self._current is not None:
            self._current.set_current(False)
        self._current = view
        view.set_current(True)
        # Of a message that is higher than the view, its beginning.
        self.ensureVisible(0, view.y() + min(view.height(), self.viewport().height()), 0, SPACING_PX)
        self.ensureVisible(0, view.y(), 0, SPACING_PX)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Measure all messages for another width."""
        super().resizeEvent(event)
        self._measure_all(always=False)

    def changeEvent(self, event: QEvent) -> None:
        """Measure all messages in another font or style, and draw them in other colours."""
        super().changeEvent(event)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if event.type() in kinds and hasattr(self, "_colours") and colours_of(self) is not self._colours:
            self._colours = colours_of(self)
            # The messages hear of the other colours after the list has.
            self._redraw_soon.start()
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
        self.go_to(self.views[min(max(place, 0), last)])
        self.views[min(max(place, 0), last)].setFocus(Qt.FocusReason.OtherFocusReason)

    def _adopt(self, view: MessageView) -> None:
        view.setParent(self._column)
        _polish(view)
        self._heights[view] = view.heightForWidth(self._measured_width)

    def _measure_all(self, *, always: bool) -> None:
        width = max(self.viewport().width() - SPACING_PX, 1)
        anchor = self._anchor()
        if always or width != self._measured_width:
            self._measured_width = width
            for view in self.views:
                self._heights[view] = view.heightForWidth(width)
        self._place(anchor)

    def _anchor(self) -> tuple[MessageView, int] | None:
        """The first message in view, and where its top is, so that it can be put there again."""
        top = self.verticalScrollBar().value()
        at = bisect_right(self.views, top, key=lambda view: view.y() + view.height())
        return (self.views[at], self.views[at].y() - top) if at < len(self.views) else None

    def _place(self, anchor: tuple[MessageView, int] | None, *, grown: bool = False) -> None:
        """Put every message where it belongs; what is in view stays there, unless it is the end that does."""
        bar = self.verticalScrollBar()
        at_end = self.at_end
        follows_last = anchor is not None and anchor[0] is self.views[-1] and anchor[1] < 0
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
        if at_end:
            holds = grown and not follows_last and bool(self.views) and self.views[-1].y() < bar.maximum()
            bar.setValue(self.views[-1].y() if holds else bar.maximum())
            self.at_end = not holds
        elif anchor is not None:
            bar.setValue(anchor[0].y() - anchor[1])
            self.at_end = bar.value() >= bar.maximum() - AT_END_PX

    def _redraw(self) -> None:
        for view in self.views:
            view.redraw()

    def _scrolled(self, value: int) -> None:
        self.at_end = value >= self.verticalScrollBar().maximum() - AT_END_PX
        if self.at_end:
            self.end_reached.emit()
        for view in self.views:
            if view.proposals:
                view.unsettle()


def _polish(view: MessageView) -> None:
    """The style sheet gives margins when a widget is polished, which is otherwise when it is shown."""
    for part in (view, *view.findChildren(QWidget)):
        part.ensurePolished()
