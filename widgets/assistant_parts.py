"""Small parts of the assistant's panel: a flow of chips, text that is cut to fit, signs."""

from __future__ import annotations

import re

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QLayout, QLayoutItem, QPushButton, QWidget
from typing_extensions import override

from scenescope.widgets.icons import icon
from scenescope.widgets.theme import colours_of

__all__ = [
    "ZERO_WIDTH_SPACE",
    "Chip",
    "Dots",
    "ElidedLabel",
    "FlowLayout",
    "breakable",
    "plain_label",
    "plain_tip",
    "sign",
]

LONGEST_WORD = 24
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"
SIGN_PX = 14
CHIP_PADDING_PX = 24
CHIP_SLACK_PX = 4


class FlowLayout(QLayout):
    """Puts widgets side by side and starts a new line when a line is full."""

    def __init__(self, parent: QWidget | None = None, spacing: int = 4) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        # Qt asks again and again, and a list of messages has hundreds of these.
        self._heights: dict[int, int] = {}
        self._minimum: QSize | None = None
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(spacing)

    def addItem(self, item: QLayoutItem) -> None:
        """Take one more."""
        self._items.append(item)

    def count(self) -> int:
        """How many there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """The item with this number."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Give one back."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        """Always: fewer columns need more lines."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of all lines."""
        if width not in self._heights:
            self._heights[width] = self._arrange(QRect(0, 0, width, 0), move=False)
        return self._heights[width]

    def invalidate(self) -> None:
        """Measure anew."""
        self._heights.clear()
        self._minimum = None
        super().invalidate()

    def setGeometry(self, rect: QRect) -> None:
        """Place the items."""
        super().setGeometry(rect)
        self._arrange(rect, move=True)

    def sizeHint(self) -> QSize:
        """One line at least."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """The widest item may still shrink, so that a narrow panel cuts text rather than grow."""
        if self._minimum is None:
            self._minimum = QSize(1, max((item.sizeHint().height() for item in self._items), default=0))
        return self._minimum

    def _arrange(self, rect: QRect, move: bool) -> int:
        x, y, line = rect.x(), rect.y(), 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint().boundedTo(QSize(max(rect.width(), 1), 10_000))
            if x > rect.x() and x + size.width() > rect.right() + 1:
                x, y, line = rect.x(), y + line + self.spacing(), 0
            if move:
                item.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self.spacing()
            line = max(line, size.height())
        return y + line - rect.y()


def breakable(text: str) -> str:
    """The text with invisible places to break in words that are wider than any panel."""
    return re.sub(rf"\S{{{LONGEST_WORD}}}(?=\S)", lambda match: match[0] + ZERO_WIDTH_SPACE, text)


def plain_tip(text: str) -> str:
    """The text for a tooltip, which would read HTML: without the sign that begins a tag."""
    return text.replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")


def plain_label(text: str = "", *, wraps: bool = True) -> QLabel:
    """A label that never reads HTML and may be as narrow as the panel is."""
    label = QLabel(breakable(text))
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
    label.setWordWrap(wraps)
    label.setMinimumWidth(1)
    return label


def sign(name: str, colour: str, widget: QWidget, size_px: int = SIGN_PX) -> QPixmap:
    """A small drawing, sharp on the screen that ``widget`` is on."""
    return icon(name, QColor(colour)).pixmap(QSize(size_px, size_px), widget.devicePixelRatioF())


class Chip(QPushButton):
    """A small button; a text that is too long for it is cut, and told whole by its tooltip.

    The text is shown as it is: an ampersand in it is no shortcut.

    Args:
        text: on it.
        tip: what a click does.
        padding_px: what it needs beside the text.
    """

    def __init__(
        self, text: str, tip: str, parent: QWidget | None = None, *, padding_px: int = CHIP_PADDING_PX
    ) -> None:
        super().__init__(parent)
        self.whole = text
        self._tip = tip
        self._padding_px = padding_px
        self.setObjectName("assistantChip")
        self.setAutoDefault(False)
        self.setMinimumWidth(1)
        self.set_whole(text)

    def set_whole(self, text: str) -> None:
        """Show another text."""
        self.whole = text
        self.setAccessibleName(text)
        self.setText(text.replace("&", "&&"))
        self._cut()
        self.updateGeometry()

    @override
    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.whole) + self._padding_px, super().sizeHint().height())

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        # Widths are whole pixels here and fractions there: what fits by a hair is not cut.
        room = self.width() - self._padding_px + CHIP_SLACK_PX
        shown = self.fontMetrics().elidedText(self.whole, Qt.TextElideMode.ElideRight, max(room, 1))
        self.setText(shown.replace("&", "&&"))
        self.setToolTip(plain_tip(f"{self._tip}: {self.whole}") if shown != self.whole else self._tip)


class ElidedLabel(QLabel):
    """One line of plain text that is cut at its end where there is no room."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.setMinimumWidth(1)

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(1, super().minimumSizeHint().height())

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)


class Dots(QFrame):
    """Three dots of which one stands out: something is going on. :meth:`step` moves on."""

    COUNT = 3
    DOT_PX = 4

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._at = 0
        self.setFixedSize(self.COUNT * self.DOT_PX * 2, SIGN_PX)
        self.setAccessibleName("Busy")

    def step(self) -> None:
        """Let the next one stand out."""
        self._at = (self._at + 1) % self.COUNT
        self.update()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        colours, painter = colours_of(self), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        y = (self.height() - self.DOT_PX) // 2
        for number in range(self.COUNT):
            painter.setBrush(QColor(colours.accent if number == self._at else colours.faint))
            painter.drawEllipse(number * self.DOT_PX * 2, y, self.DOT_PX, self.DOT_PX)
