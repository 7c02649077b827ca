"""Keys without Ctrl are shortcuts of the window, except where the focused widget needs them itself."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QWidget,
)
from typing_extensions import override

__all__ = ["KeyGuard"]

_MOVES_WITHIN = (QAbstractItemView, QAbstractSlider, QComboBox)
_NEEDS_KEYS = (QAbstractButton, *_MOVES_WITHIN)


class KeyGuard(QObject):
    """Lets Space press a focused button, check box or list row instead of pausing the picture.

    Watches the focused widget only: a filter on the whole application would run Python for every event.
    """

    def __init__(self, app: QApplication, window: QWidget) -> None:
        super().__init__(window)
        self._watched: QWidget | None = None
        app.focusChanged.connect(self._focus_changed)

    @Slot(QWidget, QWidget)
    def _focus_changed(self, old: QWidget | None, new: QWidget | None) -> None:
        if old is not None and old is self._watched:
            old.removeEventFilter(self)
            self._watched = None
        if isinstance(new, _NEEDS_KEYS):
            new.installEventFilter(self)
            self._watched = new

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
            if plain and self._wants(watched, event):
                event.accept()
                return True
        return super().eventFilter(watched, event)

    @staticmethod
    def _wants(watched: QObject, event: QKeyEvent) -> bool:
        """A button wants Space only; what one moves within has two ends; a list finds its rows by their letters."""
        if isinstance(watched, _MOVES_WITHIN) and event.key() in (Qt.Key.Key_Home, Qt.Key.Key_End):
            return True
        if isinstance(watched, QAbstractSlider):
            return False
        letters = bool(event.text()) and event.text().isprintable() and not isinstance(watched, QAbstractButton)
        return event.key() == Qt.Key.Key_Space or letters
