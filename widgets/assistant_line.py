"""HistoryLine: a line to type in that remembers."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

__all__ = ["HistoryLine"]

MAX_HISTORY = 100


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

    def begin(self, before: str, example: str, after: str) -> None:
        """Put in words with the example chosen, so that typing replaces it; what was there goes to the history."""
        if draft := self.text().strip():
            self.remember(draft)
        self._place = len(self._history)
        self._draft = ""
        self.setText(f"{before}{example}{after}")
        self.setSelection(len(before), len(example))

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
        """Keep the cursor and what is chosen as they were rather than select all."""
        chosen = self.hasSelectedText()
        super().focusInEvent(event)
        if not chosen:
            self.deselect()

    def enter(self) -> None:
        """Give out what was typed and begin a new line."""
        text = self.text().strip()
        if text:
            self.remember(text)
            self._draft = ""
            self.clear()
            self.entered.emit(text)
