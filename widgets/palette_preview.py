"""What the palette shows of the item that is chosen: a picture, what it is, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

__all__ = ["Preview", "PreviewPane"]

WIDTH = 644


@dataclass(frozen=True)
class Preview:
    """A picture's file, or None, and two sentences."""

    picture: Path | None
    text: str
    small_print: str = ""


class PreviewPane(QWidget):
    """Below the list; hidden when the chosen item has no preview."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setAccessibleName("Example: before and after")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.small_print = QLabel()
        self.small_print.setObjectName("muted")
        self.small_print.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 4)
        column.setSpacing(4)
        for widget in (self.picture, self.text, self.small_print):
            column.addWidget(widget)

    def show_preview(self, preview: Preview | None, width: int) -> None:
        """Show this, in a pane that is ``width`` pixels wide; None hides the pane."""
        self.setVisible(preview is not None)
        if preview is None:
            return
        pixmap = QPixmap(str(preview.picture)) if preview.picture else QPixmap()
        self.picture.setVisible(not pixmap.isNull())
        if not pixmap.isNull():
            room = min(width, WIDTH)
            self.picture.setPixmap(pixmap.scaledToWidth(room, Qt.TransformationMode.SmoothTransformation))
        self.text.setText(preview.text)
        self.small_print.setText(preview.small_print)
        self.small_print.setVisible(bool(preview.small_print))
