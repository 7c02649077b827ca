"""The window: puts the views together, and carries news from the engine to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QAction, QCloseEvent, QColor, QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QMainWindow, QToolButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models import Detections, ScenescopeError
from scenescope.models.catalogue.download import Downloader
from scenescope.pipelines import STAGES, Source, Stage
from scenescope.pipelines.display import DisplayMode
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import PipelineChanged, SourcePhase, SourceState, Stats
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed
from scenescope.pipelines.presets import Preset
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.sources.open import open_source as open_source_by_text
from scenescope.pipelines.user_stages import StageFolder
from scenescope.widgets.action_states import ActionStates
from scenescope.widgets.actions import ActionSet
from scenescope.widgets.add_models import AddModels
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.help_commands import HelpCommands
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.icons import icon
from scenescope.widgets.inspection import Inspection
from scenescope.widgets.keys import KeyGuard
from scenescope.widgets.layout_keeper import LayoutKeeper
from scenescope.widgets.menus import ModeCombo, PresetMenu, fill_menu_bar, make_toolbar
from scenescope.widgets.model_commands import ModelCommands
from scenescope.widgets.notices import Notices
from scenescope.widgets.object_info import ObjectInfo
from scenescope.widgets.pipeline_files import PipelineFiles
from scenescope.widgets.playback import Playback
from scenescope.widgets.playback_bar import PlaybackBar
from scenescope.widgets.settings import MemorySettings, Settings
from scenescope.widgets.snapshot import Snapshots
from scenescope.widgets.source_chooser import CameraLister, SourceMenu
from scenescope.widgets.source_commands import Cameras, SourceCommands
from scenescope.widgets.stage_files import StageFiles
from scenescope.widgets.stage_panel import StagePanel
from scenescope.widgets.status_strip import StatusStrip
from scenescope.widgets.theme import Theme, ThemeChoice
from scenescope.widgets.timing import TimingPanel
from scenescope.widgets.tools import Tools
from scenescope.widgets.viewport import Viewport

__all__ = ["MainWindow"]

Choice = TypeVar("Choice", ThemeChoice, DisplayMode)

TITLE = "Scenescope"
OVERLAY_PARTS = ("boxes", "labels", "trails", "masks", "keypoints")
STOP_WITHIN_S = 5.0


class MainWindow(QMainWindow):
    """Commands go to the engine, what it tells comes back to the views; the window keeps no state of the pipeline.

    Args:
        engine: not started, or running. The window stops it when it closes.
        settings: what is remembered between runs.
        log: where events and analyses are kept; closed by whoever made it, after the window.
        embed: tells how objects look, for "find similar", or says why it cannot be told.
        assistant_panel: shown in a dock of its own. Of ``seek_requested(float)``, ``track_selected(int)``,
            ``show_requested()``, ``told(str, str)``, ``put_badge_over(viewport)`` and ``menu_actions`` it uses those
            that there are.
        camera_lister: gives the cameras that are connected now. Called first in the GUI thread, when a camera is asked
            for, and later in others, when one is looked for again.
        open_source: makes a source of a text and options.
        own_presets: gives the user's own presets.
        registry: where stage classes are found.
        stage_folder: the user's own stage files.
        data_folder: where calibrations are kept.
        downloader: fetches models; one of the catalogue in use when None.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings | None = None,
        *,
        log: EventLog,
        embed: Embed | str = "No network for pictures is installed.",
        assistant_panel: QWidget | None = None,
        camera_lister: CameraLister | None = None,
        open_source: Callable[..., Source] = open_source_by_text,
        own_presets: Callable[[], list[Preset]] = list,
        registry: Registry[Stage] = STAGES,
        stage_folder: StageFolder | None = None,
        data_folder: Path | None = None,
        downloader: Downloader | None = None,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.settings: Settings = settings if settings is not None else MemorySettings()
        self.assistant_panel = assistant_panel
        self._closed = False
        self.setWindowTitle(TITLE)
        self.setAcceptDrops(True)
        self.resize(1440, 900)
        self.setDockOptions(QMainWindow.DockOption.AllowTabbedDocks | QMainWindow.DockOption.AllowNestedDocks)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        self.theme = Theme(app, _remembered(self.settings, "theme", ThemeChoice.SYSTEM), self)
        lister = camera_lister or Cameras(self)
        self.actions_ = ActionSet(self)
        self.bridge = EngineBridge(engine, self)
        self.editor = PipelineEditor(engine, self)
        self.playback = Playback(engine, self.settings, open_source, self)
        self.files = PipelineFiles(self.editor, self.settings, own_presets, self)
        self.snapshots = Snapshots(self.bridge, self.settings, self)
        self.sources = SourceCommands(self.playback, self.files, self.settings, lister, self)
        self.layout_keeper = LayoutKeeper(self, self.actions_, self.settings)
        self.viewport = Viewport(engine.display, self.bridge.note_painted)
        self.stages = StagePanel(self.editor, registry)
        self.tools = Tools(engine, data_folder, self)
        self.stage_files = StageFiles(stage_folder, engine, self.bridge, self)
        self.models = ModelCommands(downloader, lambda: engine.spec, self)
        self.add_models = AddModels(self.editor, engine, self.sources, self.models, self)
        self.timing = TimingPanel()
        self.status = StatusStrip()
        self.playback_bar = PlaybackBar()
        self.object_info = ObjectInfo(self.viewport)
        self.notices = Notices(self.bridge)
        more = list(getattr(assistant_panel, "menu_actions", ()))
        self.help = HelpCommands(self.actions_, more, self.files, self.stages, self.sources, registry, self)
        self.source_menu = SourceMenu(
            self.actions_.of("source.demo", "source.camera", "source.file", "source.folder", "source.url"),
            self.playback,
            lister,
            self,
        )
        self.preset_menu = PresetMenu(self.files, self)
        self.mode_combo = ModeCombo(self.actions_)
        self.states = ActionStates(self.actions_, self.editor, self.stages, self.playback, self.theme, self)
        self.inspection = Inspection(self, log, registry, embed)
        self._lay_out(more)
        self._connect()
        self.inspection.connect_parts()
        self._key_guard = KeyGuard(app, self)
        self.theme.changed.connect(self._tint)
        self._tint()
        self._recall()
        self._show_pipeline_again()
        self._show_source(engine.source_state)

    # Putting together --------------------------------------------------------------------------------------------

    def _lay_out(self, more: list[QAction]) -> None:
        actions = self.actions_
        # Before buttons are made of them: without a picture they would be as wide as their words.
        actions.tint(self.theme.colours)
        for action in actions:
            (self.stages if action.spec.scope == "stages" else self).addAction(action)
        # Their keys work also where neither panel nor menu bar is to be seen.
        self.addActions(more)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(2, 0, 2, 0)
        column.setSpacing(6)
        column.addWidget(self.notices)
        column.addWidget(self.viewport, 1)
        column.addWidget(self.object_info)
        column.addWidget(self.playback_bar)
        self.setCentralWidget(centre)
        self.viewport.empty.add_actions(actions.of("source.demo", "source.camera", "source.file"))
        self.stages.add_actions(
            actions.of("stage.add", "stage.duplicate", "stage.remove", "stage.up", "stage.down", "stage.retry")
        )
        keeper = self.layout_keeper
        keeper.add("stages", "Stages", self.stages, Qt.DockWidgetArea.LeftDockWidgetArea)
        right = Qt.DockWidgetArea.RightDockWidgetArea
        if self.assistant_panel is not None:
            keeper.add("assistant", "Assistant", self.assistant_panel, right)
        keeper.add("timing", "Timing", self.timing, right)
        self.inspection.lay_out()
        actions["dock.assistant"].setEnabled(self.assistant_panel is not None)
        fill_menu_bar(self, actions, self.preset_menu, more)
        self.toolbar = make_toolbar(self, actions, self.source_menu, self.preset_menu, self.mode_combo)
        bottom = self.statusBar()
        bottom.setSizeGripEnabled(False)
        bottom.addPermanentWidget(self.status, 1)
        keeper.hide_when_presenting(self.menuBar(), self.toolbar, self.object_info, self.playback_bar, bottom)

    def _connect(self) -> None:
        bridge, notices = self.bridge, self.notices
        bridge.picture_changed.connect(self._show_picture)
        bridge.stats_changed.connect(self._show_stats)
        bridge.pipeline_changed.connect(self._show_pipeline)
        bridge.source_changed.connect(self._show_source)
        self.playback.failed.connect(notices.source_refused)
        self.playback.source_changed.connect(self._source_replaced)
        self.editor.refused.connect(notices.warn)
        self.files.failed.connect(notices.warn)
        self.files.saved.connect(notices.pipeline_saved)
        self.stage_files.failed.connect(notices.warn)
        self.stage_files.told.connect(notices.inform)
        self.stage_files.changed.connect(self._show_pipeline_again)
        self.tools.told.connect(notices.inform)
        self.snapshots.failed.connect(notices.warn)
        self.snapshots.saved.connect(notices.snapshot_saved)
        self.snapshots.copied.connect(notices.snapshot_copied)
        self.viewport.drawing_finished.connect(self.stages.take_drawing)
        self.playback_bar.seek_requested.connect(self.playback.seek)
        self.stages.retry_requested.connect(self._retry)
        self.stages.draw_requested.connect(self._draw)
        self.models.changed.connect(self.stages.models_changed)
        self.add_models.told.connect(notices.inform)
        self.stages.choice_changed.connect(self.states.update)
        self.source_menu.chosen.connect(self.sources.open_listed)
        notices.retry_wished.connect(self._retry)
        notices.source_wished.connect(self.playback.start)
        notices.file_wished.connect(self.sources.choose_file)
        self.editor.stack.indexChanged.connect(self.states.update)
        panel = self.assistant_panel
        if (seek := getattr(panel, "seek_requested", None)) is not None:
            seek.connect(self.playback.seek)
        if (select := getattr(panel, "track_selected", None)) is not None:
            select.connect(self.viewport.select_track)
        if (show := getattr(panel, "show_requested", None)) is not None:
            show.connect(lambda: self.layout_keeper.show_dock("assistant", True))
        if (told := getattr(panel, "told", None)) is not None:
            told.connect(notices.inform)
        if (put_badge_over := getattr(panel, "put_badge_over", None)) is not None:
            put_badge_over(self.viewport)

    def _recall(self) -> None:
        """Bring back what was chosen the last time."""
        for part in OVERLAY_PARTS:
            on = bool(self.settings.get(f"overlay.{part}", True))
            self.actions_.check(f"overlay.{part}", on)
            self.set_overlay_part(part, on)
        self.set_mode(_remembered(self.settings, "view.mode", DisplayMode.AUTO))
        self.layout_keeper.restore_geometry()

    # What the user can do ----------------------------------------------------------------------------------------

    def show_source(self, source: Source, text: str = "") -> None:
        """Show a source that is not open yet."""
        self.playback.show(source, text)

    def open_source_text(self, text: str) -> bool:
        """Show what a text means: "demo", a file, a folder, an address; False when it means nothing."""
        return self.sources.open_text(text)

    def skip(self, seconds: float) -> None:
        """Go back or forward in a film."""
        if self.bridge.picture is not None:
            self.playback.skip(seconds, self.bridge.picture.pts_s)

    def set_mode(self, mode: DisplayMode) -> None:
        """How picture and overlay go together."""
        self.viewport.set_mode(mode)
        self.mode_combo.show_mode(mode)
        self.actions_.check(f"mode.{mode.value.replace(' ', '_')}")
        self.settings.set("view.mode", mode.value)

    def set_overlay_part(self, part: str, on: bool) -> None:
        """Draw a part of the overlay, or not."""
        self.viewport.set_style(**{part: on})
        self.snapshots.style = self.viewport.style_wish
        self.settings.set(f"overlay.{part}", on)

    def choose_theme(self, choice: ThemeChoice) -> None:
        """Light, dark, or as the system is."""
        self.settings.set("theme", choice.value)
        self.theme.choose(choice)
        self.actions_.check(f"theme.{choice.value}")

    @Slot()
    def choose_snapshot_folder(self) -> None:
        """Let the user choose where snapshots go."""
        chosen = QFileDialog.getExistingDirectory(self, "Snapshot folder", str(self.snapshots.folder))
        if chosen:
            self.snapshots.folder = Path(chosen)

    @Slot(str)
    def _retry(self, stage_id: str) -> None:
        try:
            self.engine.retry(stage_id)
        except ScenescopeError as error:
            self.notices.warn(error.user_message, error.hint)

    @Slot(bool, object)
    def _draw(self, is_line: bool, points: list[tuple[float, float]]) -> None:
        if not self.viewport.begin_drawing(is_line, points):
            self.stages.take_drawing(None)
            self.notices.warn("There is no picture to draw on.", "Start a source first.")

    # News --------------------------------------------------------------------------------------------------------

    @Slot()
    def _show_picture(self) -> None:
        picture = self.bridge.picture
        # Once the source was stopped, a picture that is still on its way is not wanted.
        if picture is not None and self.engine.running:
            self.viewport.show_picture(picture)
            self.playback_bar.show_position(picture.pts_s)

    @Slot(object)
    def _show_stats(self, stats: Stats) -> None:
        if not self.engine.running:
            return
        picture = self.bridge.picture
        self.status.show_stats(stats, self.bridge.painted())
        self.status.show_overlay(picture)
        self.stages.show_stats(stats.stages)
        titles = {row.spec.id: row.title for row in self.stages.model.rows}
        info = self.engine.source_state.info
        self.timing.bars.show_stats(stats.stages, titles, info.rate_hz if info else 0.0, stats.copies)
        if picture is not None:
            self.playback_bar.show_position(picture.pts_s, force=True)
            how = "In step" if picture.mode is DisplayMode.IN_STEP else "Newest"
            # What is recorded is said in the status bar, which a presentation does without.
            recording = self.inspection.recording.strip.brief if self.statusBar().isHidden() else ""
            self.viewport.set_badge(" · ".join(filter(None, (recording, how))))
        latest = self.engine.latest
        found = latest.latest(Detections) if latest is not None else None
        if found is not None:
            self.stages.suggest_names(found[1].class_names)

    @Slot()
    def _show_pipeline_again(self) -> None:
        self._show_pipeline(PipelineChanged(self.engine.spec, self.engine.stage_states))

    @Slot(object)
    def _show_pipeline(self, change: PipelineChanged) -> None:
        self.editor.adopt_foreign_edits()
        # The engine's wish may be newer than the news of it; a slider must not jump back for a moment.
        spec = self.engine.spec
        self.stages.show_pipeline(spec, change.stages)
        self.status.show_devices(spec, change.stages, self.engine.running)
        self.states.update()

    @Slot(object)
    def _show_source(self, state: SourceState) -> None:
        info, phase = state.info, state.phase
        self.playback_bar.show_state(state)
        name = info.name if info else self.playback.name
        running = phase not in (SourcePhase.STOPPED, SourcePhase.FAILED)
        self.setWindowTitle(f"{name} - {TITLE}" if running and name else TITLE)
        words = [name, f"{info.size_wh[0]} x {info.size_wh[1]}", f"{info.rate_hz:.4g} fps", info.detail] if info else []
        self.status.show_source("  ·  ".join(w for w in words if w) if running else "No source")
        self.notices.show_source(state)
        if phase is SourcePhase.OPENING and self.viewport.picture is None:
            self.viewport.empty.say("Opening...", name)
        elif not running:
            self.viewport.empty.say()
        if phase is SourcePhase.STOPPED:
            self._forget_picture()
            # The stages were closed with the source, of which nothing else tells.
            self._show_pipeline_again()
        self.states.update()

    @Slot()
    def _source_replaced(self) -> None:
        self.notices.source_banner.hide()
        self._forget_picture()
        self.viewport.empty.say("Opening...", self.playback.name)
        self.help.recent = self.playback.recent

    def _forget_picture(self) -> None:
        self.bridge.forget_picture()
        self.viewport.clear()
        self.viewport.zoom_fit()
        self.status.show_stats(None, self.bridge.painted())
        self.status.show_overlay(None)

    @Slot()
    def _tint(self) -> None:
        colours = self.theme.colours
        self.actions_.tint(colours)
        self.actions_.check(f"theme.{self.theme.choice.value}")
        self.setWindowIcon(icon("app", QColor(colours.accent)))
        for button in self.toolbar.findChildren(QToolButton):
            if sign := button.property("sign"):
                button.setIcon(icon(sign, QColor(colours.text)))
                button.setIconSize(QSize(16, 16))
        self.states.update()

    # Qt ----------------------------------------------------------------------------------------------------------

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # Sizes of docks mean nothing before the window has one.
        self.layout_keeper.begin()
        self.stage_files.watch()

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.layout_keeper.presenting:
            self.layout_keeper.leave_presentation()
        else:
            super().keyPressEvent(event)

    @override
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if SourceCommands.takes(event.mimeData()):
            event.acceptProposedAction()

    @override
    def dropEvent(self, event: QDropEvent) -> None:
        if self.sources.take(event.mimeData()):
            event.acceptProposedAction()

    @override
    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._closed:
            self._closed = True
            self.states.close()
            self.layout_keeper.save()
            for part in (self.inspection, self.stage_files, self.tools, self.models, self.add_models):
                part.close()
            self.bridge.close()
            self.engine.stop(STOP_WITHIN_S)
            self.snapshots.close()
            self.theme.close()
        super().closeEvent(event)


def _remembered(settings: Settings, key: str, default: Choice) -> Choice:
    """A choice as it was remembered; the default when what was remembered is none of the choices any more."""
    try:
        return type(default)(settings.get(key, default.value))
    except ValueError:
        return default
