"""One message of the conversation as a widget, and two small ones around it: a flow of chips, a line with history."""

from __future__ import annotations

import re
import time

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QFocusEvent, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFrame, QLabel, QLayout, QLayoutItem, QLineEdit, QPushButton, QVBoxLayout, QWidget

from scenescope.models.language import Evidence, Message, MessageKind, media_time

__all__ = ["FlowLayout", "HistoryLine", "MessageView", "chip"]

MAX_HISTORY = 100
LONGEST_WORD = 24
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


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


def chip(text: str, tip: str) -> QPushButton:
    """A small button whose text is shown as it is: an ampersand in it is no shortcut."""
    button = QPushButton(text.replace("&", "&&"))
    button.setObjectName("assistantChip")
    button.setAccessibleName(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.setMinimumWidth(1)
    return button


def breakable(text: str) -> str:
    """The text with invisible places to break in words that are wider than any panel."""
    return re.sub(rf"\S{{{LONGEST_WORD}}}(?=\S)", lambda match: match[0] + ZERO_WIDTH_SPACE, text)


class MessageView(QFrame):
    """One message: who and when, the words as plain text, and chips for the evidence.

    Signals:
        evidence_clicked: an :class:`~scenescope.models.language.Evidence`.
    """

    evidence_clicked = Signal(object)

    def __init__(self, message: Message, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._head = QLabel()
        self._head.setTextFormat(Qt.TextFormat.PlainText)
        self._head.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        small = self._head.font()
        if small.pointSizeF() > 0:  # A font may be given in pixels.
            small.setPointSizeF(small.pointSizeF() * 0.85)
            self._head.setFont(small)
        self.body = QLabel()
        # Words from the picture may be hostile: never HTML, links or pictures.
        self.body.setTextFormat(Qt.TextFormat.PlainText)
        self.body.setWordWrap(True)
        self.body.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.body.setFocusProxy(self)
        self.body.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.chips: list[QPushButton] = []
        self._chip_row = QWidget()
        self._flow = FlowLayout(self._chip_row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 5, 8, 6)
        layout.setSpacing(3)
        for part in (self._head, self.body, self._chip_row):
            layout.addWidget(part)
        self.copy_action = QAction("&Copy message", self)
        self.copy_action.setShortcut(QKeySequence.StandardKey.Copy)
        self.copy_action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.copy_action.triggered.connect(self.copy)
        self.addAction(self.copy_action)
        self.show_message(message)

    def show_message(self, message: Message) -> None:
        """Show another text in place: an answer that grows."""
        self.message = message
        clock = time.strftime("%H:%M", time.localtime(message.wall_s))
        at = [] if message.pts_s is None else [media_time(message.pts_s)]
        error = ["problem"] if message.kind is MessageKind.ERROR else []
        self._head.setText("  ·  ".join([message.author, *error, *at, clock]))
        text = "\n".join(filter(None, (message.text, message.hint)))
        self.body.setText(breakable(text))
        self.setAccessibleName(f"{message.author}: {text}")
        self.setProperty("kind", message.kind.value)
        for old in self.chips:
            self._flow.removeWidget(old)
            old.deleteLater()
        self.chips = [self._evidence_chip(evidence) for evidence in message.evidence]
        self._chip_row.setVisible(bool(self.chips))

    def copy(self) -> None:
        """Put the selected words, or the whole text, on the clipboard."""
        QGuiApplication.clipboard().setText(self.body.selectedText().replace(ZERO_WIDTH_SPACE, "") or self.message.text)

    def set_current(self, current: bool) -> None:
        """Let the Tab key stop at the chips of the current message only, not at those of all five hundred."""
        for button in self.chips:
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus if current else Qt.FocusPolicy.ClickFocus)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the first piece of evidence."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.chips:
            self.chips[0].click()
        else:
            super().keyPressEvent(event)

    def _evidence_chip(self, evidence: Evidence) -> QPushButton:
        about = "" if evidence.track_id is None else f" and select #{evidence.track_id}"
        button = chip(str(evidence), f"Jump to {media_time(evidence.pts_s)}{about}")
        button.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        button.clicked.connect(lambda: self.evidence_clicked.emit(evidence))
        self._flow.addWidget(button)
        return button


class HistoryLine(QLineEdit):
    """A line that remembers what was entered: Up and Down bring it back.

    Signals:
        entered: the text, when Return is pressed on a line that is not blank.
    """

    entered = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history: list[str] = []
        self._place = 0
        self._draft = ""
        self.returnPressed.connect(self.enter)

    def remember(self, text: str) -> None:
        """Add a text to the history, once in a row."""
        if self._history[-1:] != [text]:
            self._history = [*self._history, text][-MAX_HISTORY:]
        self._place = len(self._history)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down walk through the history; what was being typed waits at its end."""
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        place = self._place + step
        if 0 <= place <= len(self._history):
            if self._place == len(self._history):
                self._draft = self.text()
            self._place = place
            self.setText(self._draft if place == len(self._history) else self._history[place])

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Keep the cursor where it was rather than select all."""
        super().focusInEvent(event)
        self.deselect()

    def enter(self) -> None:
        """Give out what was typed and begin a new line."""
        text = self.text().strip()
        if text:
            self.remember(text)
            self._draft = ""
            self.clear()
            self.entered.emit(text)
