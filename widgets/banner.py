"""A strip above the picture that says what has happened and what can be done."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QEvent, QTimer, Signal, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.widgets.icons import icon, pixmap
from scenescope.widgets.theme import colours_of

__all__ = ["Banner", "Level"]

SIGN_PX = 20


class Level(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Banner(QFrame):
    """Sign, message, hint, one button, and a way to close it. Hidden until something is said."""

    pressed = Signal(str)
    """The button was pressed: the word that ``say`` was given for it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setAccessibleName("Notice")
        self.level = Level.INFO
        self._word = ""
        self._sign = QLabel()
        self.message = QLabel()
        self.message.setObjectName("heading")
        self.hint = QLabel()
        self.hint.setObjectName("muted")
        for label in (self.message, self.hint):
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
            label.setTextFormat(label.textFormat().PlainText)
        self.button = QPushButton()
        self.button.clicked.connect(self._press)
        self._close = QToolButton()
        self._close.setToolTip("Close this notice")
        self._close.setAccessibleName("Close this notice")
        self._close.clicked.connect(self.hide)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self.message)
        words.addWidget(self.hint)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(10)
        row.addWidget(self._sign)
        row.addLayout(words, 1)
        row.addWidget(self.button)
        row.addWidget(self._close)
        self._away = QTimer(self)
        self._away.setSingleShot(True)
        self._away.timeout.connect(self.hide)
        self.hide()

    def say(
        self,
        level: Level,
        message: str,
        hint: str = "",
        *,
        button: str = "",
        word: str = "",
        seconds: float | None = None,
    ) -> None:
        """Show a message; the button, if it has a text, answers with ``word``; it goes after ``seconds``, if given."""
        self.level = level
        self.message.setText(message)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self._word = word
        self.setProperty("level", str(level))
        self.style().unpolish(self)
        self.style().polish(self)
        self.setAccessibleDescription(f"{message} {hint}".strip())
        self._redraw()
        self._away.stop()
        if seconds is not None:
            self._away.start(round(seconds * 1000))
        self.show()

    @Slot()
    def _press(self) -> None:
        self.pressed.emit(self._word)

    def _redraw(self) -> None:
        colours = colours_of(self)
        tint = {Level.INFO: colours.accent, Level.WARNING: colours.warning, Level.ERROR: colours.bad}[self.level]
        ratio = self.devicePixelRatioF()
        sign = pixmap(str(self.level), QColor(tint), round(SIGN_PX * ratio))
        sign.setDevicePixelRatio(ratio)
        self._sign.setPixmap(sign)
        self._close.setIcon(icon("close", QColor(colours.muted)))

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._redraw()
