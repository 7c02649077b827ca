"""Small parts that dialogs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QPushButton, QTableWidget

from scenescope.models import ScenescopeError

__all__ = ["dialog_button", "in_words", "row_table"]


def in_words(error: Exception) -> str:
    """What went wrong and what to do about it."""
    if isinstance(error, ScenescopeError):
        return f"{error.user_message} {error.hint}".strip()
    return f"{type(error).__name__}: {error}"


def row_table(name: str, columns: Sequence[str]) -> QTableWidget:
    """An empty table whose rows are chosen whole and not edited. Tab leaves it."""
    table = QTableWidget(0, len(columns))
    table.setAccessibleName(name)
    table.setHorizontalHeaderLabels(columns)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setTabKeyNavigation(False)
    table.setShowGrid(False)
    table.verticalHeader().hide()
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return table


def dialog_button(text: str, act: Callable[[], object], tip: str) -> QPushButton:
    """A button that Enter in a field of the dialog does not press."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: act())
    return button
