"""Keys without Ctrl are shortcuts of the window, except where the focused widget needs them itself."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QComboBox, QWidget
from typing_extensions import override

__all__ = ["KeyGuard"]

_NEEDS_KEYS = (QAbstractButton, QAbstractItemView, QComboBox)


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
            # A button wants Space only; a list also finds its rows by their first letter.
            wanted = event.key() == Qt.Key.Key_Space or (event.text().isprintable() and event.text())
            if plain and (wanted if not isinstance(watched, QAbstractButton) else event.key() == Qt.Key.Key_Space):
                event.accept()
                return True
        return super().eventFilter(watched, event)
