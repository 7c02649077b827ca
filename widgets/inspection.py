"""What belongs to looking closely: films, zones, the timeline of events, analyses, recordings and exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot

from scenescope.pipelines import Stage
from scenescope.pipelines.log.records import SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.sinks.event_log import LogSink, WatchedSource
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.sources.replay import Replay
from scenescope.pipelines.sources.video import VideoFile
from scenescope.widgets.analysis_commands import AnalysisCommands
from scenescope.widgets.export_commands import ExportCommands
from scenescope.widgets.film_controls import FilmControls
from scenescope.widgets.recording_commands import RecordingCommands
from scenescope.widgets.settings import Settings
from scenescope.widgets.timeline_dock import Timeline
from scenescope.widgets.zone_commands import ZoneCommands

if TYPE_CHECKING:
    from scenescope.widgets.main_window import MainWindow

__all__ = ["Inspection", "let_old_go"]

KEEP_KEY = "events.keep"
KEEP_DAYS_KEY = "events.keep_days"
"""Setting: so many days what was watched stays in the log; 0 for ever."""
KEEP_DAYS, MOST_DAYS = 90.0, 1e6
MOST_LOG_BYTES = 2 << 30


def let_old_go(log: EventLog, settings: Settings) -> None:
    """Let the log forget what was watched long ago, on its own thread.

    That is what began more than 90 days ago, or as many as the setting ``events.keep_days`` says (0 for ever); then
    the oldest until the log has at most 2 GB. Analyses stay until the user deletes them.
    """
    wish = settings.get(KEEP_DAYS_KEY, KEEP_DAYS)
    is_number = isinstance(wish, int | float) and not isinstance(wish, bool)
    days = float(min(wish, MOST_DAYS)) if is_number and wish >= 0 else KEEP_DAYS
    log.prune(days or None, MOST_LOG_BYTES, (SessionKind.LIVE, SessionKind.WATCHED))


class Inspection(QObject):
    """Makes these parts for a window, gives them their docks, and carries news between them.

    It also lets old sessions go, see :func:`let_old_go`.

    Args:
        window: whose engine, bridge, playback and views they use; its own parts are all made.
        log: where events and analyses are kept.
        registry: where stage classes are found.
        embed: tells how objects look, for "find similar", or says why it cannot be told.
    """

    def __init__(self, window: MainWindow, log: EventLog, registry: Registry[Stage], embed: Embed | str) -> None:
        super().__init__(window)
        self._window = window
        engine, bridge, playback = window.engine, window.bridge, window.playback
        settings, stack = window.settings, window.editor.stack
        let_old_go(log, settings)
        self.film = FilmControls(
            playback, window.playback_bar, engine, bridge, settings, stack, window, registry=registry
        )
        self.zones = ZoneCommands(window.editor, window.viewport, settings, window)
        self.timeline = Timeline(engine, bridge, log, playback, stack, settings, window)
        self.timeline.set_embed(embed)
        self.timeline.set_film_marks(self.film.marks)
        self.analysis = AnalysisCommands(
            engine,
            bridge,
            log,
            playback,
            window.editor,
            settings,
            window,
            registry=registry,
            embed=None if isinstance(embed, str) else embed,
        )
        self.recording = RecordingCommands(
            engine,
            bridge,
            settings,
            window,
            source=lambda: playback.source,
            style=lambda: window.viewport.style_wish,
            registry=registry,
        )
        self.export = ExportCommands(engine, log, settings, window)
        self.log_sink = LogSink(log, self._about_source)
        self._keeps_events = bool(settings.get(KEEP_KEY, True))
        self.log_sink.enabled = self._keeps_events
        engine.add_sink(self.log_sink)
        playback.source_changed.connect(self._source_changed)

    def lay_out(self) -> None:
        """Put the docks and buttons into the window."""
        window, actions = self._window, self._window.actions_
        keeper = window.layout_keeper
        keeper.add("events", "Events", self.timeline.panel, Qt.DockWidgetArea.BottomDockWidgetArea)
        keeper.add("analysis", "Analyses", self.analysis.panel, Qt.DockWidgetArea.RightDockWidgetArea)
        if window.assistant_panel is not None:
            # Three in one column would leave each too little.
            window.tabifyDockWidget(keeper.docks["assistant"], keeper.docks["analysis"])
        for name in ("events", "analysis"):
            keeper.docks[name].hide()
        bar = window.playback_bar
        bar.add_actions(actions.of("film.first"), film_only=True, spare=True)
        bar.add_actions(actions.of("film.step_back"), film_only=True)
        bar.add_actions(actions.of("film.backwards"), film_only=True, spare=True)
        bar.add_actions(actions.of("play.pause", "play.step"))
        bar.add_actions(actions.of("film.last"), film_only=True, spare=True)
        bar.add_actions(actions.of("play.stop"))
        bar.add_actions(actions.of("film.mark_in", "film.mark_out", "film.loop"), film_only=True, spare=True)
        window.statusBar().addPermanentWidget(self.recording.strip)
        self.recording.attach(actions["record.toggle"])

    def connect_parts(self) -> None:
        """Carry news."""
        window, notices = self._window, self._window.notices
        for part in (self.zones, self.analysis, self.recording):
            part.told.connect(notices.inform)
            part.failed.connect(notices.warn)
        window.bridge.pipeline_changed.connect(self.zones.show_pipeline)
        self.analysis.begun.connect(self.timeline.panel.show_session)
        self.analysis.ended.connect(self._analysis_ended)
        marks = self.film.marks
        marks.changed.connect(lambda: self.analysis.panel.show_marks(marks.span))
        self.zones.editing_changed.connect(self._zones_edited)
        self.film.changed.connect(self.update)
        self.timeline.follow_changed.connect(self.update)
        self.timeline.shown.connect(self._show_events)
        for action in window.actions_.of("analysis.start", "analysis.compare"):
            action.triggered.connect(self._show_analyses)
        window.bridge.source_changed.connect(self.update)

    def edit_zones(self, name: str, on: bool) -> None:
        """Let zones be dragged on the picture, or no longer."""
        self.zones.edit(on)

    def keep_events(self, _name: str, on: bool) -> None:
        """Write down what happens from now on, or no longer."""
        self._keeps_events = on
        self._window.settings.set(KEEP_KEY, on)
        self._source_changed()

    @Slot()
    def _source_changed(self) -> None:
        # What an analysis has found is in the log already.
        self.log_sink.enabled = self._keeps_events and not isinstance(self._window.playback.source, Replay)
        self._window.actions_.check("events.keep", self._keeps_events)

    def _about_source(self) -> WatchedSource:
        """What the log says of the source; asked on the sink's thread."""
        source, pipeline = self._window.playback.source, self._window.engine.spec.to_yaml()
        if not isinstance(source, VideoFile):
            return WatchedSource(pipeline=pipeline)
        return WatchedSource(str(source.path.resolve()), content_fingerprint(source.path), pipeline)

    @Slot(int)
    def _analysis_ended(self, session_id: int) -> None:
        # Whoever looks at another session meanwhile is not torn away from it.
        if self.timeline.panel.sessions.follows_newest:
            self.timeline.panel.show_session(session_id)

    @Slot()
    def _show_events(self) -> None:
        self._window.layout_keeper.show_dock("events", True)

    @Slot()
    def _show_analyses(self) -> None:
        self._window.layout_keeper.show_dock("analysis", True)

    @Slot(bool)
    def _zones_edited(self, on: bool) -> None:
        self._window.actions_.check("zones.edit", on)

    @Slot()
    def update(self) -> None:
        """Switch actions on and off as the film allows."""
        actions = self._window.actions_
        for action_id, on in self.film.states().items():
            actions[action_id].setEnabled(on)
        actions.check("film.loop", self.film.looping)
        actions.check("film.mute", self.film.sound.muted)
        actions.check("events.follow", self.timeline.panel.follow.isChecked())

    def close(self) -> None:
        """End what runs beside the engine; before the engine and the log are."""
        self.film.close()
        self.analysis.close()
        self.timeline.close()
        self.recording.close()
        self.export.close()
