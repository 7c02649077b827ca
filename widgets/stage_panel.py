"""The stages dock: the list, what can be done with it, and the form of the chosen stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models import PluginError
from scenescope.pipelines import PipelineSpec, Stage, StageInfo
from scenescope.pipelines.events import StagePhase, StageState, StageStats
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.stage_cards import card_of
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.icons import icon
from scenescope.widgets.palette import Palette, PaletteItem
from scenescope.widgets.palette_preview import Preview
from scenescope.widgets.params_form import ParamsForm, UnknownForm
from scenescope.widgets.stage_list import StageList
from scenescope.widgets.stage_model import StageModel
from scenescope.widgets.theme import Colours, colours_of

__all__ = ["StagePanel", "stage_items"]


class StagePanel(QWidget):
    """Shows the pipeline as the engine tells it, and hands every edit to the editor."""

    retry_requested = Signal(str)
    draw_requested = Signal(bool, object)
    """Asks for a line (True) or a polygon, beginning with these points; the answer goes to :meth:`take_drawing`."""
    choice_changed = Signal()

    def __init__(self, editor: PipelineEditor, registry: Registry[Stage], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editor = editor
        self._registry = registry
        self._spec = PipelineSpec()
        self._names: Sequence[str] = ()
        self._drawing_for: tuple[str, str] | None = None
        self._shown_kind: tuple[str, str, type[Stage] | None] | None = None
        self.form: ParamsForm | UnknownForm | None = None
        self.model = StageModel(registry, self)
        self.model.enable_requested.connect(editor.enable)
        self.model.move_requested.connect(editor.move)
        self.list = StageList(self.model)
        self.list.retry_requested.connect(self.retry_requested)
        self.list.chosen.connect(self._choose)

        self._bar = QHBoxLayout()
        self._bar.setContentsMargins(6, 4, 6, 4)
        self._bar.setSpacing(2)
        upper = QFrame()
        upper.setObjectName("card")
        above = QVBoxLayout(upper)
        above.setContentsMargins(1, 1, 1, 1)
        above.setSpacing(0)
        above.addLayout(self._bar)
        above.addWidget(self.list, 1)

        self.title = QLabel()
        self.title.setObjectName("heading")
        self.summary = QLabel()
        self.summary.setObjectName("muted")
        self.summary.setWordWrap(True)
        self.summary.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setAccessibleName("Parameters of the chosen stage")
        lower = QFrame()
        lower.setObjectName("card")
        below = QVBoxLayout(lower)
        below.setContentsMargins(1, 10, 1, 1)
        below.setSpacing(2)
        head = QVBoxLayout()
        head.setContentsMargins(12, 0, 12, 0)
        head.setSpacing(2)
        head.addWidget(self.title)
        head.addWidget(self.summary)
        below.addLayout(head)
        below.addWidget(self._area, 1)

        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(upper)
        splitter.addWidget(lower)
        splitter.setSizes([260, 480])
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(6)
        splitter.setStyleSheet("QSplitter::handle { background: transparent; }")
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 2, 4)
        column.addWidget(splitter)
        self._choose("")

    def add_actions(self, actions: Sequence[QAction]) -> None:
        """Put buttons for these above the list; their shortcuts work while the focus is inside the panel."""
        for action in actions:
            button = QToolButton()
            button.setDefaultAction(action)
            button.setAutoRaise(True)
            button.setAccessibleName(action.text().replace("&", "").rstrip("."))
            self._bar.addWidget(button)
        self._bar.addStretch(1)

    @property
    def current_id(self) -> str:
        """Id of the chosen stage; "" when there is none."""
        return self.list.current_id

    # Commands ----------------------------------------------------------------------------------------------------

    @Slot()
    def ask_add(self) -> None:
        """Let the user find a stage to add; it comes behind the chosen one."""
        Palette(stage_items(self._registry, self.add, colours_of(self)), "Add a stage", self).popup()

    def add(self, kind: str) -> None:
        """Add a stage behind the chosen one, and choose it."""
        at = self.model.row_of(self.current_id)
        added = self._editor.add(kind, at + 1 if at >= 0 else None)
        if added is not None:
            self.list.choose(added)

    @Slot()
    def remove_current(self) -> None:
        """Remove the chosen stage."""
        if self.current_id:
            self._editor.remove(self.current_id)

    @Slot()
    def duplicate_current(self) -> None:
        """Put a copy behind the chosen stage."""
        if self.current_id:
            self._editor.duplicate(self.current_id)

    def move_current(self, by: int) -> None:
        """Run the chosen stage earlier (-1) or later (1)."""
        at = self.model.row_of(self.current_id)
        if at >= 0 and 0 <= at + by < len(self.model.rows):
            self._editor.move(self.current_id, at + by)

    @Slot()
    def toggle_current(self) -> None:
        """Switch the chosen stage on or off."""
        at = self.model.row_of(self.current_id)
        if at >= 0:
            self._editor.enable(self.current_id, not self.model.rows[at].spec.enabled)

    @Slot()
    def retry_current(self) -> None:
        """Load the chosen stage again."""
        if self.current_id:
            self.retry_requested.emit(self.current_id)

    # News --------------------------------------------------------------------------------------------------------

    def show_pipeline(self, spec: PipelineSpec, states: Sequence[StageState]) -> None:
        """Show the pipeline as it is."""
        self._spec = spec
        self.model.show_pipeline(spec, states)
        self._show_form()

    def show_stats(self, stats: Sequence[StageStats]) -> None:
        """Show how long the stages take."""
        self.model.show_stats(stats)

    def suggest_names(self, names: Sequence[str]) -> None:
        """Class names that forms can complete."""
        self._names = names
        if isinstance(self.form, ParamsForm):
            self.form.suggest_names(names)

    def take_drawing(self, points: Sequence[tuple[float, float]] | None) -> None:
        """The shape that was asked for; None when it was given up."""
        wanted, self._drawing_for = self._drawing_for, None
        if wanted and isinstance(self.form, ParamsForm) and wanted[0] == self.current_id:
            self.form.take_drawing(wanted[1], points)

    # Choice ------------------------------------------------------------------------------------------------------

    @Slot(str)
    def _choose(self, stage_id: str) -> None:
        self._show_form()
        self.choice_changed.emit()

    def _show_form(self) -> None:
        stage_id = self.current_id
        stage = next((one for one in self._spec.stages if one.id == stage_id), None)
        if stage is None:
            self._replace_form(None)
            self.title.setText("No stage chosen")
            self.summary.setText("Choose a stage to see and change its parameters.")
            self._shown_kind = None
            return
        shown = (stage.id, stage.kind, self._class_of(stage.kind))
        if self._shown_kind != shown or self.form is None:
            self._shown_kind = shown
            self._replace_form(self._new_form(stage.kind))
        assert self.form is not None
        self.form.show_values(stage.params)

    @Slot()
    def models_changed(self) -> None:
        """Networks came or went: the form offers others, and a stage that lacked one may find it now."""
        self._shown_kind = None
        self._show_form()
        for row in self.model.rows:
            if row.state.phase is StagePhase.UNAVAILABLE and row.info is not None:
                self.retry_requested.emit(row.spec.id)

    def _class_of(self, kind: str) -> type[Stage] | None:
        """Its code as it is now: a file that was saved brings another class under the same name."""
        try:
            return self._registry.get(kind)
        except PluginError:
            return None

    def _new_form(self, kind: str) -> ParamsForm | UnknownForm:
        try:
            cls = self._registry.get(kind)
        except PluginError as error:
            self.title.setText(kind)
            self.summary.setText("This stage is not installed here.")
            return UnknownForm(error.user_message, error.hint)
        self.title.setText(cls.info.title)
        self.summary.setText(cls.info.summary)
        form = ParamsForm(cls.Params)
        form.edited.connect(self._edit)
        form.draw_requested.connect(self._draw)
        form.suggest_names(self._names)
        return form

    def _replace_form(self, form: ParamsForm | UnknownForm | None) -> None:
        self.form = form
        old = self._area.takeWidget()
        if old is not None:
            old.deleteLater()
        if form is not None:
            self._area.setWidget(form)

    @Slot(str, object, object)
    def _edit(self, name: str, value: Any, gesture: Any) -> None:
        if not self._editor.set_param(self.current_id, name, value, gesture):
            self._show_form()

    @Slot(str, bool, object)
    def _draw(self, name: str, is_line: bool, points: Any) -> None:
        self._drawing_for = (self.current_id, name)
        self.draw_requested.emit(is_line, points)

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and isinstance(self.form, ParamsForm):
            self.form.refresh_icons()


def stage_items(registry: Registry[Stage], add: Callable[[str], None], colours: Colours) -> list[PaletteItem]:
    """Every stage that is registered, by group; those that cannot be imported come last, with their problem."""
    sign = icon("add", QColor(colours.muted), QColor(colours.faint))
    items, broken = [], []
    for row in registry.rows():
        run = partial(add, row.name)
        if row.problem:
            broken.append(
                PaletteItem(row.name, partial(add, row.name), "Cannot be used", icon=sign, problem=row.problem)
            )
        else:
            info = registry.get(row.name).info
            run = partial(add, row.name)
            preview = _preview(row.name, info)
            item = PaletteItem(info.title, run, info.group, info.summary, icon=sign, keywords=row.name, preview=preview)
            items.append(item)
    return [*sorted(items, key=lambda item: (item.group, item.title)), *broken]


def _preview(kind: str, info: StageInfo) -> Preview:
    card = card_of(kind)
    words = [card.cost] if card else []
    if info.lane == "side":
        words.append("On live sources it works at its own pace; the age of what it shows is told.")
    return Preview(card.picture if card else None, info.summary, " ".join(words))
