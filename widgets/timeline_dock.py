"""Timeline: joins the panel of events with the engine, and does what the actions say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QUndoStack

from scenescope.models import Detections, ScenescopeError, SinkError
from scenescope.pipelines import Frame
from scenescope.pipelines.display import ObjectRef
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.sources.replay import Replay
from scenescope.pipelines.sources.video import VideoFile
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.event_panel import EventPanel
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.playback import Playback
from scenescope.widgets.settings import Settings
from scenescope.widgets.similar_objects import cut_out, embedding_of_picture, embedding_of_track
from scenescope.widgets.timeline_data import Group

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from scenescope.widgets.transport_marks import Marks

__all__ = ["Timeline"]

COLLAPSED_KEY = "timeline.collapsed"
HIDDEN_KEY = "timeline.hidden"
FOLLOW_KEY = "timeline.follow"
_OVER = (SourcePhase.STOPPED, SourcePhase.FAILED)


class Timeline(QObject):
    """The dock "Events" and its commands.

    Args:
        engine: tells where the film is.
        bridge: tells what happens.
        log: the event log, or why there is none.
        playback: moves in the film, and opens others.
        stack: where changes of marks can be undone.
        settings: where the choice of lanes is remembered.
        window: the parent of the panel; its ``viewport`` knows the selected object.
    """

    follow_changed = Signal(bool)
    """The view goes along with the film, or no longer."""
    shown = Signal()
    """A command needs the dock: show it."""

    def __init__(
        self,
        engine: Engine,
        bridge: EngineBridge,
        log: EventLog | ScenescopeError | None,
        playback: Playback,
        stack: QUndoStack,
        settings: Settings,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._engine = engine
        self._bridge = bridge
        self._playback = playback
        self._stack = stack
        self._settings = settings
        self._window = window
        self._film_marks: Marks | None = None
        self._go_to: tuple[str, float] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._film_reader = EventReader("film-content", self)
        self.panel = EventPanel(stack, window)
        self._recall()
        self.set_log(log)
        bridge.picture_changed.connect(self._picture_changed)
        bridge.stats_changed.connect(self.panel.show_stats)
        bridge.source_changed.connect(self._source_changed)
        self.panel.frame_requested.connect(self._seek_frame)
        self.panel.time_requested.connect(playback.seek)
        self.panel.open_source_requested.connect(self._open)
        self.panel.range_selected.connect(self._mark_range)
        self.panel.follow.toggled.connect(self._follow_toggled)
        self.panel.view.layout_changed.connect(self._remember)
        playback.source_changed.connect(self._look_at_film)
        self._source_changed(engine.source_state)
        self._look_at_film()

    # Wiring ------------------------------------------------------------------------------------------------------

    def set_log(self, log: EventLog | ScenescopeError | None) -> None:
        """Show another log, or say why there is none."""
        self._leave_log()
        if isinstance(log, ScenescopeError):
            self.panel.set_log(None, log.user_message, log.hint)
            return
        self.panel.set_log(log)
        if log is not None:
            self._unsubscribe = log.subscribe_problem(self._problem_changed)
            if log.problem is not None:
                self.panel.show_problem(log.problem)

    def _leave_log(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _problem_changed(self, problem: SinkError | None) -> None:
        """On the log's thread."""
        self._bridge.post(partial(self.panel.show_problem, problem))

    def set_embed(self, embed: Embed | str) -> None:
        """What tells how objects look, for "find similar"; or a sentence that says why it cannot be told."""
        self.panel.embed = embed

    def set_film_marks(self, marks: Marks) -> None:
        """The in and out marks of the film: shown here, and set from here."""
        self._film_marks = marks
        marks.changed.connect(self._film_marks_changed)
        self._film_marks_changed()

    def close(self) -> None:
        """End what runs; call it before the log is closed."""
        self._leave_log()
        self._film_reader.close()
        self.panel.close_threads()

    def _recall(self) -> None:
        view = self.panel.view
        known = {group.value: group for group in Group}
        collapsed, hidden = (
            {known[name] for name in self._settings.get(key, []) if name in known}
            for key in (COLLAPSED_KEY, HIDDEN_KEY)
        )
        for group in collapsed:
            view.collapse(group, True)
        view.hide_groups(hidden)
        self.panel.menu.show_groups(hidden)
        self.panel.follow.setChecked(bool(self._settings.get(FOLLOW_KEY, True)))

    @Slot()
    def _remember(self) -> None:
        view = self.panel.view
        self._settings.set(COLLAPSED_KEY, sorted(group.value for group in view.collapsed))
        self._settings.set(HIDDEN_KEY, sorted(group.value for group in view.hidden))

    # What the user can do ----------------------------------------------------------------------------------------

    @Slot()
    def mark(self) -> None:
        """Mark the frame that is shown, with the text that stands in the panel, if any."""
        self.panel.menu.mark()

    @Slot()
    def next_event(self) -> None:
        """Go to the next event that is shown in the timeline."""
        self.panel.view.go(1, everywhere=True)

    @Slot()
    def previous_event(self) -> None:
        """Go to the event before."""
        self.panel.view.go(-1, everywhere=True)

    @Slot()
    def search(self) -> None:
        """Let the user type what to search for."""
        self.shown.emit()
        self.panel.search.begin()

    @Slot()
    def zoom_all(self) -> None:
        """Show the whole time."""
        self.panel.view.fit()

    def toggle_follow(self, _name: str, on: bool) -> None:
        """Go along with the film while it plays, or not."""
        self.panel.follow.setChecked(on)

    @Slot()
    def find_similar(self) -> None:
        """Look for objects like the one selected in the picture, or else like that of the focused event."""
        self.shown.emit()
        viewport = getattr(self._window, "viewport", None)
        one: ObjectRef | None = getattr(viewport, "selected", None)
        frame = self._engine.latest
        if one is not None and frame is not None:
            self._find_like(one, frame)
        elif not self.panel.menu.find_similar():
            self.panel.search.say("Select an object in the picture, or an event of one in the timeline, first.")

    def _find_like(self, one: ObjectRef, frame: Frame) -> None:
        search, embed = self.panel.search, self.panel.embed
        name = f"{one.label} #{one.track_id}" if one.track_id is not None else one.label
        session, log = self.panel.session, self.panel.log
        if isinstance(embed, str):
            if one.track_id is not None and session is not None and log is not None and self.panel.is_open:
                search.find_similar(partial(embedding_of_track, log, session.id, one.track_id, embed), name, embed)
            else:
                search.say(embed)
            return
        box = _box_of(one, frame)
        if box is None:
            search.say(f"The {name} is not in the picture any more: select it again.")
            return
        try:
            picture = cut_out(frame, box)
        except ScenescopeError as error:
            search.say(str(error))
            return
        search.find_similar(lambda _anew: embedding_of_picture(picture, embed), name, embed)

    # News --------------------------------------------------------------------------------------------------------

    @Slot()
    def _picture_changed(self) -> None:
        picture = self._bridge.picture
        if picture is not None:
            playing = self._engine.source_state.phase is SourcePhase.PLAYING
            self.panel.set_position(picture.pts_s, picture.frame_index, playing)

    @Slot(object)
    def _source_changed(self, state: SourceState) -> None:
        info = state.info
        if info is None or state.phase in _OVER:
            self.panel.set_source((), film=False, duration_s=None)
        else:
            names = (info.name,) if info.live else tuple(filter(None, (self._playback.text, info.name)))
            self.panel.set_source(names, film=not info.live, duration_s=info.duration_s)
            if self._go_to is not None and self._go_to[0] == self._playback.text:
                (_, t_s), self._go_to = self._go_to, None
                self._playback.seek(t_s)

    @Slot()
    def _look_at_film(self) -> None:
        """Learn what the film is known by: it has the same sessions under another name."""
        source = self._playback.source
        self._film_reader.cancel("film")
        self.panel.set_fingerprint("")
        if isinstance(source, VideoFile | Replay):
            work = partial(content_fingerprint, source.path)
            # A film that cannot be read says so itself, when it is played.
            self._film_reader.ask("film", work, self.panel.set_fingerprint, lambda _error: None)

    @Slot(int, float)
    def _seek_frame(self, frame: int, t_s: float) -> None:
        # Without an index numbers of frames are not known to be exact, but times are.
        if self._engine.frame_index is not None:
            self._playback.seek_frame(frame)
        else:
            self._playback.seek(t_s)

    @Slot(str, float)
    def _open(self, source: str, t_s: float) -> None:
        self._go_to = (source, t_s)
        if not self._playback.open_text(source):
            self._go_to = None

    @Slot(float, float)
    def _mark_range(self, in_s: float, out_s: float) -> None:
        if self._film_marks is None:
            self.panel.set_marks(in_s, out_s)
            return
        self._stack.beginMacro("Set in and out marks")
        self._film_marks.clear()
        self._film_marks.set_in(in_s)
        self._film_marks.set_out(out_s)
        self._stack.endMacro()

    @Slot()
    def _film_marks_changed(self) -> None:
        if self._film_marks is not None:
            span = self._film_marks.span
            self.panel.set_marks(span.in_s, span.out_s)

    @Slot(bool)
    def _follow_toggled(self, on: bool) -> None:
        self._settings.set(FOLLOW_KEY, on)
        self.follow_changed.emit(on)


def _box_of(one: ObjectRef, frame: Frame) -> tuple[float, float, float, float] | None:
    """Where an object is in a frame, in pixels of it: by its number if it has one, else by its place in the result."""
    found = frame.result(one.result)
    if not isinstance(found, Detections):
        return None
    row = one.row
    numbers = getattr(found, "track_id", None)
    if one.track_id is not None and numbers is not None:
        rows = [at for at, number in enumerate(numbers.tolist()) if number == one.track_id]
        row = rows[0] if rows else -1
    if not 0 <= row < len(found):
        return None
    x1, y1, x2, y2 = found.xyxy[row].tolist()
    return x1, y1, x2, y2
