"""What stands where the picture will be: what to do, in one or two clicks."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.widgets.icons import pixmap

__all__ = ["EmptyState"]

TITLE = "Nothing to look at yet"
TEXT = "Start the demo camera, choose a camera, or drop a video, an image or a folder of images here."


class EmptyState(QWidget):
    """A sign, a sentence, and buttons for the ways on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sign = QLabel()
        self._sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title = QLabel(TITLE)
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        font = self.title.font()
        font.setPointSizeF(font.pointSizeF() * 1.5)
        self.title.setFont(font)
        self.text = QLabel(TEXT)
        self.text.setObjectName("muted")
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text.setWordWrap(True)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(12)
        column.addStretch(1)
        column.addWidget(self._sign)
        column.addWidget(self.title)
        column.addWidget(self.text)
        column.addLayout(self._buttons)
        column.addStretch(1)
        self._redraw()

    def add_actions(self, actions: Sequence[QAction]) -> None:
        """One button for each; the first is the one to press."""
        self._buttons.addStretch(1)
        for at, action in enumerate(actions):
            button = QPushButton(action.text().replace("&", ""))
            button.setToolTip(action.toolTip())
            if at == 0:
                button.setObjectName("primary")
            button.clicked.connect(action.trigger)
            self._buttons.addWidget(button)
        self._buttons.addStretch(1)

    def say(self, title: str = TITLE, text: str = TEXT) -> None:
        """Say something else."""
        self.title.setText(title)
        self.text.setText(text)

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._redraw()

    def _redraw(self) -> None:
        self._sign.setPixmap(pixmap("app", self.palette().placeholderText().color(), 64))
