"""Dialogs that explain: shortcuts, and what this program is."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QAction, QColor, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from scenescope.widgets.icons import pixmap
from scenescope.widgets.theme import colours_of

__all__ = ["AboutDialog", "ShortcutsDialog"]

LIBRARIES = ("PySide6", "opencv-python", "numpy", "av", "onnxruntime", "pydantic", "trackers")


class ShortcutsDialog(QDialog):
    """All actions with their keys, found by typing.

    Args:
        rows: category and action, in the order to show.
    """

    def __init__(self, rows: Iterable[tuple[str, QAction]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.resize(620, 560)
        found = list(rows)
        self.line = QLineEdit()
        self.line.setPlaceholderText("Find an action or a key")
        self.line.setAccessibleName("Find an action or a key")
        self.line.setClearButtonEnabled(True)
        self.line.textChanged.connect(self._filter)
        self.table = QTableWidget(len(found), 3)
        self.table.setHorizontalHeaderLabels(["Where", "Action", "Keys"])
        self.table.setAccessibleName("Keyboard shortcuts")
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        for at, (category, action) in enumerate(found):
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            words = action.text().replace("&", "").rstrip(".")
            for column, text in enumerate((category, words, keys)):
                item = QTableWidgetItem(text)
                item.setToolTip(action.toolTip())
                self.table.setItem(at, column, item)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column_box = QVBoxLayout(self)
        column_box.addWidget(self.line)
        column_box.addWidget(self.table)
        column_box.addWidget(buttons)

    def _filter(self, text: str) -> None:
        wanted = text.lower().strip()
        for row in range(self.table.rowCount()):
            items = (self.table.item(row, column) for column in range(3))
            line = " ".join(item.text().lower() for item in items if item)
            self.table.setRowHidden(row, wanted not in line)


class AboutDialog(QDialog):
    """Name, version, licence and what it is built on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About Scenescope")
        sign = QLabel()
        sign.setPixmap(pixmap("app", QColor(colours_of(self).accent), 64))
        sign.setAlignment(Qt.AlignmentFlag.AlignTop)
        name = QLabel(f"Scenescope {_version('scenescope')}")
        name.setObjectName("heading")
        words = QLabel(
            "Real-time computer vision on the desktop: detect, track, overlay and describe what a camera or a video "
            "shows. Nothing leaves this computer.\n\nApache License 2.0"
        )
        words.setWordWrap(True)
        built_on = ", ".join(f"{library} {_version(library)}" for library in LIBRARIES)
        more = QLabel(f"Python {platform.python_version()}, Qt {qVersion()}, {built_on}")
        more.setObjectName("muted")
        more.setWordWrap(True)
        more.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout()
        for widget in (name, words, more, buttons):
            column.addWidget(widget)
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 20, 20, 16)
        row.setSpacing(18)
        row.addWidget(sign)
        row.addLayout(column, 1)
        self.setMinimumWidth(480)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"
