"""What can be done in the assistant's panel, as actions for its buttons and for a menu."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QAction, QColor, QKeySequence
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from scenescope.widgets.icons import icon
from scenescope.widgets.theme import colours_of

__all__ = ["PanelActions"]

# Name, text in menus, text on buttons, shortcut, icon, tooltip.
ROWS = (
    ("ask", "&Ask the assistant", "Ask", "Ctrl+/", "chat", "Type a question about the picture"),
    ("describe", "D&escribe now", "Describe", "Ctrl+Shift+N", "eye", "Describe the scene now, changed or not"),
    ("stop", "&Stop answering", "Stop", "Ctrl+Shift+X", "stop", "End what is being said; Esc does it in the panel"),
    ("pause", "&Pause descriptions", "Pause", "Ctrl+Shift+D", "pause",
     "Stop describing the scene; questions are still answered"),
    ("pause_sending", "Pause se&nding pictures", "Pause sending", "Ctrl+Shift+B", "sent-stop",
     "Let no picture leave this computer until you go on"),
    ("clear", "&Clear conversation", "Clear", "Ctrl+Shift+L", "remove",
     "Clear the conversation; this can be undone"),
    ("watches", "&Watches...", "Watches", "Ctrl+Shift+W", "watch", "Be told when something happens"),
    ("history", "&Earlier conversations...", "History", "Ctrl+Shift+H", "history",
     "Search, read, export and forget earlier conversations"),
    ("egress", "What was s&ent...", "Sent", "Ctrl+Shift+G", "sent",
     "See which pictures left this computer, to whom and when"),
    ("settings", "Assistant se&ttings...", "Settings", "Ctrl+Alt+A", "settings",
     "Choose who describes and who answers"),
)  # fmt: skip
# Of those that are switched on and off, what then holds: on, off.
CHECKABLE = {
    "pause": ("The scene is not described until you go on.", "The scene is described again."),
    "pause_sending": ("No picture leaves this computer until you go on.", "Pictures may be sent again."),
}


class PanelActions(QObject):
    """The actions by their names; their icons follow the theme.

    Args:
        panel: has their shortcuts, and gives the colours.
    """

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        self._icons: dict[QAction, str] = {}
        self._by_name: dict[str, QAction] = {}
        for name, text, short, shortcut, icon_name, tip in ROWS:
            action = QAction(text, self)
            action.setIconText(short)
            action.setShortcut(QKeySequence(shortcut))
            action.setToolTip(f"{tip} ({QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)})")
            action.setCheckable(name in CHECKABLE)
            panel.addAction(action)
            self._icons[action] = icon_name
            self._by_name[name] = action
        panel.installEventFilter(self)
        self._redraw()

    def __getitem__(self, name: str) -> QAction:
        return self._by_name[name]

    def all(self) -> list[QAction]:
        """In the order of a menu."""
        return list(self._by_name.values())

    def switched(self, name: str) -> tuple[str, str]:
        """What holds since an action was switched on or off, and how to switch it back."""
        action, (on, off) = self._by_name[name], CHECKABLE[name]
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        return (on, f"{keys} goes on.") if action.isChecked() else (off, f"{keys} pauses it again.")

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.PaletteChange:
            self._redraw()
        return super().eventFilter(watched, event)

    def _redraw(self) -> None:
        colours = colours_of(self._panel)
        for action, name in self._icons.items():
            action.setIcon(icon(name, QColor(colours.text), QColor(colours.faint)))
