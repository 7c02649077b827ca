"""The table of actions come alive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction, QActionGroup, QColor, QKeySequence
from PySide6.QtWidgets import QWidget

from scenescope.widgets.action_table import ACTIONS, ActionSpec
from scenescope.widgets.icons import icon
from scenescope.widgets.theme import Colours

__all__ = ["Action", "ActionSet"]


class Action(QAction):
    """A row of the table come alive."""

    def __init__(self, spec: ActionSpec, window: QWidget) -> None:
        super().__init__(spec.text, window)
        self.spec = spec
        self._window = window
        self.setObjectName(spec.id)
        self.setCheckable(spec.checkable)
        self.setShortcut(QKeySequence(spec.shortcut))
        shown = self.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        self.setToolTip(f"{spec.tooltip} ({shown})")
        self.setStatusTip(spec.tooltip)
        if spec.scope == "stages":
            self.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.triggered.connect(self._run)

    @property
    def plain_text(self) -> str:
        """Its text without the marks for menus."""
        return self.text().replace("&", "").rstrip(".")

    @Slot(bool)
    def _run(self, checked: bool) -> None:
        handler: Callable[..., object] = attrgetter(self.spec.handler)(self._window)
        if self.spec.value is not None:
            handler(self.spec.value)
        elif self.spec.checkable:
            handler(self.spec.id.rpartition(".")[2], checked)
        else:
            handler()


class ActionSet(QObject):
    """All actions of a window, by id."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._groups: dict[str, QActionGroup] = {}
        self._actions = {spec.id: Action(spec, window) for spec in ACTIONS}
        for action in self:
            if action.spec.group:
                group = self._groups.setdefault(action.spec.group, QActionGroup(self))
                group.addAction(action)

    def __getitem__(self, action_id: str) -> Action:
        return self._actions[action_id]

    def __iter__(self) -> Iterator[Action]:
        return iter(self._actions.values())

    def of(self, *ids: str) -> list[Action]:
        """Some of them."""
        return [self._actions[one] for one in ids]

    def check(self, action_id: str, on: bool = True) -> None:
        """Show an action as on or off, without running it."""
        self._actions[action_id].setChecked(on)

    def tint(self, colours: Colours) -> None:
        """Draw all icons in the colours of the theme."""
        for action in self:
            if action.spec.icon:
                action.setIcon(icon(action.spec.icon, QColor(colours.text), QColor(colours.faint)))
