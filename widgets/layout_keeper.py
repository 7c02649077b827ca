"""Docks and where they are; the presentation without them."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QObject, Qt, Slot
from PySide6.QtWidgets import QDockWidget, QMainWindow, QWidget

from scenescope.widgets.actions import ActionSet
from scenescope.widgets.settings import Settings

__all__ = ["LayoutKeeper"]

GEOMETRY_KEY = "window.geometry"
STATE_KEY = "window.state"
VERSION = 2
"""Counted up when docks are added or renamed, so that an old state is not forced upon new docks."""
DOCK_WIDTH = 320
UPPER_HEIGHT, LOWER_HEIGHT, BOTTOM_HEIGHT = 560, 190, 250
BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea


class LayoutKeeper(QObject):
    """Adds docks, remembers their places, and brings them back."""

    def __init__(self, window: QMainWindow, actions: ActionSet, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._actions = actions
        self._settings = settings
        self._presenting: tuple[QByteArray, bool] | None = None
        self._hidden: list[QWidget] = []
        self._shipped: QByteArray | None = None
        self._sized: set[str] = set()
        self.docks: dict[str, QDockWidget] = {}

    def add(self, name: str, title: str, content: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        """Add a dock, shown and hidden by the action ``dock.<name>``."""
        dock = QDockWidget(title, self._window)
        dock.setObjectName(name)
        dock.setAccessibleName(title)
        dock.setWidget(content)
        dock.setAllowedAreas(Qt.DockWidgetArea.LeftDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea | BOTTOM)
        self._window.addDockWidget(area, dock)
        dock.visibilityChanged.connect(self._check)
        self.docks[name] = dock
        return dock

    def begin(self) -> None:
        """When the window is shown for the first time: docks get their sizes, then those of the last time if any."""
        if self._shipped is not None:
            return
        columns: dict[Qt.DockWidgetArea, list[QDockWidget]] = {}
        for dock in self.docks.values():
            # With a hidden one among them Qt makes all of a column equally high.
            if not dock.isHidden():
                columns.setdefault(self._window.dockWidgetArea(dock), []).append(dock)
        heads = [column[0] for column in columns.values()]
        self._window.resizeDocks(heads, [DOCK_WIDTH] * len(heads), Qt.Orientation.Horizontal)
        for column in columns.values():
            heights = [UPPER_HEIGHT, *[LOWER_HEIGHT] * (len(column) - 1)]
            self._window.resizeDocks(column, heights, Qt.Orientation.Vertical)
        self._shipped = self._window.saveState(VERSION)
        state = self._settings.get(STATE_KEY, "")
        if state:
            self._window.restoreState(_bytes(state), VERSION)

    def restore_geometry(self) -> None:
        """Place and size of the window as they were when it was last closed. Call it before the window is shown."""
        geometry = self._settings.get(GEOMETRY_KEY, "")
        if geometry:
            self._window.restoreGeometry(_bytes(geometry))

    def save(self) -> None:
        """Remember it."""
        self.leave_presentation()
        self._settings.set(GEOMETRY_KEY, _text(self._window.saveGeometry()))
        if self._shipped is not None:
            self._settings.set(STATE_KEY, _text(self._window.saveState(VERSION)))

    @Slot()
    def reset(self) -> None:
        """Put all docks back to their places."""
        self.leave_presentation()
        if self._shipped is not None:
            self._window.restoreState(self._shipped, VERSION)

    def show_dock(self, name: str, on: bool) -> None:
        """Show or hide a dock."""
        dock = self.docks.get(name)
        if dock is None:
            return
        dock.setVisible(on)
        if on:
            dock.raise_()
        if on and name not in self._sized and self._window.dockWidgetArea(dock) is BOTTOM:
            # It takes half the window otherwise, since it could show more than there is room for.
            self._sized.add(name)
            self._window.resizeDocks([dock], [BOTTOM_HEIGHT], Qt.Orientation.Vertical)

    @Slot()
    def _check(self) -> None:
        for name, dock in self.docks.items():
            # A dock behind another tab is there all the same.
            self._actions.check(f"dock.{name}", not dock.isHidden())

    # Presentation ------------------------------------------------------------------------------------------------

    @property
    def presenting(self) -> bool:
        """True while only the picture is shown."""
        return self._presenting is not None

    def hide_when_presenting(self, *widgets: QWidget) -> None:
        """These are in the way then."""
        self._hidden.extend(widgets)

    def present(self, _name: str = "present", on: bool = True) -> None:
        """Fill the screen with the picture, or come back from that."""
        if not on:
            self.leave_presentation()
        elif self._presenting is None:
            self._presenting = (self._window.saveState(VERSION), self._window.isMaximized())
            for widget in (*self._hidden, *self.docks.values()):
                widget.hide()
            self._window.showFullScreen()
            self._actions.check("window.present", True)

    @Slot()
    def leave_presentation(self) -> None:
        """Come back."""
        if self._presenting is None:
            return
        (state, maximised), self._presenting = self._presenting, None
        for widget in self._hidden:
            widget.show()
        self._window.showMaximized() if maximised else self._window.showNormal()
        self._window.restoreState(state, VERSION)
        self._actions.check("window.present", False)


def _text(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode()


def _bytes(text: str) -> QByteArray:
    return QByteArray.fromBase64(text.encode())
