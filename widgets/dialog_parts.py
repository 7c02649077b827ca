"""Small parts that dialogs share."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QPushButton

__all__ = ["dialog_button"]


def dialog_button(text: str, act: Callable[[], object], tip: str) -> QPushButton:
    """A button that Enter in a field of the dialog does not press."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: act())
    return button
