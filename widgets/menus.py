"""Menu bar and toolbar, made from the table of actions."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QComboBox, QMainWindow, QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from scenescope.pipelines.display import DisplayMode
from scenescope.widgets.action_table import CATEGORIES
from scenescope.widgets.actions import ActionSet
from scenescope.widgets.pipeline_files import PipelineFiles

__all__ = ["ModeCombo", "PresetMenu", "fill_menu_bar", "make_toolbar"]

MOST_NUMBERED = 9


class PresetMenu(QMenu):
    """The presets; the first nine have Alt and their number as shortcut."""

    def __init__(self, files: PipelineFiles, window: QWidget) -> None:
        super().__init__("Presets", window)
        self._files = files
        self.setToolTipsVisible(True)
        for number, preset in enumerate(files.presets(), start=1):
            action = QAction(preset.title.replace("&", "&&"), self)
            action.setData(preset)
            action.setToolTip(preset.description)
            if number <= MOST_NUMBERED:
                action.setShortcut(QKeySequence(f"Alt+{number}"))
            self.addAction(action)
        window.addActions(self.actions())
        self.triggered.connect(self._load)

    @Slot(QAction)
    def _load(self, action: QAction) -> None:
        self._files.load_preset(action.data())


class ModeCombo(QComboBox):
    """The display mode, in the toolbar."""

    _TITLES = ((DisplayMode.AUTO, "Automatic"), (DisplayMode.IN_STEP, "In step"), (DisplayMode.NEWEST, "Newest"))

    def __init__(self, actions: ActionSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        for mode, title in self._TITLES:
            self.addItem(title, mode)
            action = actions[f"mode.{mode.value.replace(' ', '_')}"]
            self.setItemData(self.count() - 1, action.spec.tooltip, Qt.ItemDataRole.ToolTipRole)
        self.setToolTip("Display mode: in step shows analysed pictures only, newest shows every picture at once")
        self.setAccessibleName("Display mode")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.activated.connect(self._chosen)

    def show_mode(self, mode: DisplayMode) -> None:
        """Show which is wished."""
        self.setCurrentIndex(self.findData(mode))

    @Slot(int)
    def _chosen(self, index: int) -> None:
        mode = DisplayMode(self.itemData(index))
        self._actions[f"mode.{mode.value.replace(' ', '_')}"].trigger()


def fill_menu_bar(
    window: QMainWindow,
    actions: ActionSet,
    preset_menu: QMenu,
    more_actions: Sequence[QAction],
) -> None:
    """One menu for each category, presets inside the pipeline's, and one for the assistant."""
    bar = window.menuBar()
    for category in CATEGORIES:
        if category == "Help" and more_actions:
            assistant = _menu("Assistant", window)
            assistant.addActions(list(more_actions))
            bar.addMenu(assistant)
        menu = _menu(category, window)
        for action in actions:
            if action.spec.category == category:
                if action.spec.separated:
                    menu.addSeparator()
                menu.addAction(action)
                if action.spec.id == "pipeline.presets":
                    menu.addMenu(preset_menu)
        bar.addMenu(menu)


def _menu(category: str, window: QWidget) -> QMenu:
    menu = QMenu(f"&{category}" if category != "Pipeline" else "Pipe&line", window)
    menu.setToolTipsVisible(True)
    return menu


def make_toolbar(
    window: QMainWindow, actions: ActionSet, source_menu: QMenu, preset_menu: QMenu, mode_combo: QWidget
) -> QToolBar:
    """Sources and presets at the left, edits and snapshots, then the mode and the search at the right."""
    bar = QToolBar("Toolbar", window)
    bar.setObjectName("toolbar")
    bar.setMovable(False)
    bar.setIconSize(QSize(18, 18))
    bar.addWidget(_menu_button("Source", "source.demo", source_menu, actions, "Choose what to look at"))
    bar.addWidget(_menu_button("Presets", "pipeline.presets", preset_menu, actions, "Choose a ready-made pipeline"))
    bar.addSeparator()
    bar.addActions(actions.of("edit.undo", "edit.redo"))
    bar.addSeparator()
    bar.addActions(actions.of("snapshot.save", "record.toggle", "zoom.out", "zoom.fit", "zoom.in", "window.present"))
    space = QWidget()
    space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(space)
    bar.addWidget(mode_combo)
    find = QToolButton()
    find.setObjectName("mainButton")
    find.setText(f"Search   {actions['help.palette'].shortcut().toString(QKeySequence.SequenceFormat.NativeText)}")
    find.setToolTip(actions["help.palette"].toolTip())
    find.setAccessibleName("Search commands")
    find.setProperty("sign", "search")
    # Not its default action, which would bring its own text along.
    find.clicked.connect(actions["help.palette"].trigger)
    find.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    gap = QWidget()
    gap.setFixedWidth(6)
    bar.addWidget(gap)
    bar.addWidget(find)
    window.addToolBar(bar)
    return bar


def _menu_button(text: str, action_id: str, menu: QMenu, actions: ActionSet, tip: str) -> QToolButton:
    button = QToolButton()
    button.setObjectName("mainButton")
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(text)
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setProperty("sign", actions[action_id].spec.icon)
    return button
