"""Going to a time, a picture or a percentage by typing it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from scenescope.widgets.transport_time import NOTHING_TYPED, FilmExtent, Target, parse_jump, resolve

__all__ = ["JumpDialog"]

LONGEST_TEXT = 40


class JumpDialog(QDialog):
    """A line that says while one types where it leads. It stays open beside the film, and Esc closes it.

    Args:
        extent: tells how far the film reaches; asked again whenever something is typed.
    """

    chosen = Signal(object)
    """The :class:`Target` to go to."""

    def __init__(self, extent: Callable[[], FilmExtent], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Go to")
        self.setModal(False)
        self.setMinimumWidth(400)
        self._extent = extent
        self._target: Target | None = None
        self.line = QLineEdit()
        self.line.setMaxLength(LONGEST_TEXT)
        self.line.setPlaceholderText("1:02.5   1h2m   #1234   37%")
        self.line.setAccessibleName("Time, frame or percentage")
        self.line.textChanged.connect(self.check)
        label = QLabel("&Time, frame or percentage")
        label.setBuddy(self.line)
        self.words = QLabel(NOTHING_TYPED)
        self.words.setWordWrap(True)
        self.words.setAccessibleName("Where it leads")
        # Room for two lines from the start, so that the dialog keeps its size.
        self.words.setMinimumHeight(self.words.fontMetrics().lineSpacing() * 2 + 4)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.go = QPushButton("&Go")
        buttons.addButton(self.go, QDialogButtonBox.ButtonRole.ActionRole)
        self.go.clicked.connect(self._go)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(label)
        column.addWidget(self.line)
        column.addWidget(self.words)
        column.addWidget(buttons)
        # A box of buttons chooses its own when it is shown, unless one inside the dialog is chosen already.
        self.go.setDefault(True)
        self.check()

    def ask(self) -> None:
        """Show the dialog, ready to type over what was typed before."""
        self.check()
        self.show()
        self.raise_()
        self.activateWindow()
        self.line.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.line.selectAll()

    @Slot()
    def check(self) -> None:
        """Say where the text leads, or why nowhere."""
        text = self.line.text()
        try:
            self._target = resolve(parse_jump(text), self._extent())
            words = self._target.words
        except ValueError as error:
            self._target, words = None, str(error)
        self.go.setEnabled(self._target is not None)
        self.words.setText(words)
        self.words.setAccessibleDescription(words)
        # An unfinished text is no mistake yet; what cannot be is told by its words as well as by their colour.
        name = "problem" if text.strip() and self._target is None else "muted"
        if self.words.objectName() != name:
            self.words.setObjectName(name)
            self.words.style().unpolish(self.words)
            self.words.style().polish(self.words)

    @Slot()
    def _go(self) -> None:
        # The film may have ended, or another may have come, since the text was typed.
        self.check()
        if self._target is not None:
            self.chosen.emit(self._target)
            self.line.selectAll()
