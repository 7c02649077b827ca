"""AskRow: the foot of the assistant's panel, where one types or clicks what to ask."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from scenescope.widgets.assistant_diff import SETTLE_S
from scenescope.widgets.assistant_line import HistoryLine
from scenescope.widgets.assistant_parts import Chip, FlowLayout

__all__ = ["MAX_QUESTION_CHARS", "AskRow"]

MAX_QUESTION_CHARS = 500
MOST_SUGGESTIONS = 4


class AskRow(QWidget):
    """Suggestions to click on, a line with history, and a button that stops while an answer is being given.

    Return asks in any case: it is for the conversation to say what becomes of the answer that goes on.

    Signals:
        asked: the text.
        stop_wanted: the answer shall end.
    """

    asked = Signal(str)
    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.answering = False
        self._stops_from_s = 0.0
        self.suggested: list[Chip] = []
        self.suggestions = QWidget()
        self.suggestions.setAccessibleName("Suggested questions")
        self._flow = FlowLayout(self.suggestions)
        self.line = HistoryLine()
        self.line.setPlaceholderText("Ask about the picture")
        self.line.setAccessibleName("Question")
        self.line.setToolTip("Return asks, Up and Down bring earlier questions back")
        self.line.setMaxLength(MAX_QUESTION_CHARS)
        self.line.entered.connect(self.asked)
        self.send = QPushButton()
        self.send.setAutoDefault(False)
        self.send.clicked.connect(self._press)
        row = QHBoxLayout()
        row.addWidget(self.line, 1)
        row.addWidget(self.send)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.suggestions)
        column.addLayout(row)
        self.setFocusProxy(self.line)
        self.set_answering(False)

    def set_answering(self, answering: bool) -> None:
        """Let the button stop, or ask."""
        if answering and not self.answering:
            # The second click of a double click that asked must not stop the answer.
            self._stops_from_s = monotonic() + SETTLE_S
        self.answering = answering
        self.send.setText("Stop" if answering else "Ask")
        self.send.setToolTip("Stop answering (Esc)" if answering else "Ask the question (Return)")

    def offer(self, texts: Sequence[str]) -> None:
        """Show questions to click on."""
        texts = texts[:MOST_SUGGESTIONS]
        if [chip.whole for chip in self.suggested] == list(texts):
            return
        if any(chip.hasFocus() for chip in self.suggested):
            self.line.setFocus()
        for old in self.suggested:
            self._flow.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.suggested = [Chip(text, "Ask this") for text in texts]
        for chip in self.suggested:
            chip.clicked.connect(lambda _=False, text=chip.whole: self._ask_suggestion(text))
            self._flow.addWidget(chip)
        self.suggestions.setVisible(bool(texts))

    def _ask_suggestion(self, text: str) -> None:
        self.line.setFocus()
        self.asked.emit(text)

    @Slot()
    def _press(self) -> None:
        if not self.answering:
            self.line.enter()
        elif monotonic() >= self._stops_from_s:
            self.stop_wanted.emit()
