"""EventPanel: the timeline of a session, what is shown of it, and the search; one dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QColor, QHideEvent, QShowEvent, QUndoStack
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QSplitter, QToolButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models import ScenescopeError
from scenescope.models.log_events import LogEvent
from scenescope.pipelines.events import Stats
from scenescope.pipelines.log.records import SearchHit, Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.event_data import Loaded, find_event, ids_with, same_source, source_name
from scenescope.widgets.event_feed import EventFeed
from scenescope.widgets.event_filter_bar import FilterBar
from scenescope.widgets.event_marks import EventMarks
from scenescope.widgets.event_menu import EventMenu
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.event_search import EventSearch
from scenescope.widgets.event_sessions import SessionBox
from scenescope.widgets.icons import icon
from scenescope.widgets.similar_objects import NOT_INSTALLED
from scenescope.widgets.theme import colours_of
from scenescope.widgets.timeline_data import TimelineData
from scenescope.widgets.timeline_hits import What
from scenescope.widgets.timeline_stats import StageHistory
from scenescope.widgets.timeline_view import TimelineView

__all__ = ["EventPanel"]

NO_LOG = "The event log is not open."


class EventPanel(QWidget):
    """Shows one session of the log, and goes along while it grows.

    Args:
        stack: where changes of marks are remembered.
        parent: as for every QWidget.
    """

    frame_requested = Signal(int, float)
    """Go to this frame of the film that is open; and its time."""
    time_requested = Signal(float)
    """Go to this time of the film that is open."""
    range_selected = Signal(float, float)
    """A range was drawn: the in and out marks."""
    open_source_requested = Signal(str, float)
    """Open this source, and go to this time of it."""
    session_changed = Signal(object)
    """The :class:`Session` that is shown, or None."""
    failed = Signal(str, str)
    """Something that was asked for was not done: message and hint."""

    def __init__(self, stack: QUndoStack, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Events")
        self.session: Session | None = None
        self.embed: Embed | str = NOT_INSTALLED
        self.history = StageHistory()
        self._names: tuple[str, ...] = ()
        self._fingerprint = ""
        self._film = False
        self._duration_s: float | None = None
        self._position: tuple[float, int] | None = None
        self._playing = False
        self._pending: SearchHit | None = None
        self._marks_wait: list[Callable[[], None]] = []
        self.feed = EventFeed(self)
        self._seeker = EventReader("event-search", self)
        self.marks = EventMarks(self.feed.reader, stack, self)
        self._build()
        self._connect()
        self.set_log(None, NO_LOG)

    # Putting together --------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.sessions = SessionBox()
        self.follow = QCheckBox("Follow")
        self.follow.setChecked(True)
        self.follow.setToolTip("Keep the place of the film in sight while it plays")
        self.lanes = QToolButton()
        self.lanes.setText("Lanes")
        self.lanes.setToolTip("Which lanes are shown")
        self.lanes.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.whole = QToolButton()
        self.whole.setToolTip("Show the whole time")
        self.whole.setAccessibleName("Show the whole time")
        self.filter = FilterBar()
        self.notice = Banner()
        self.view = TimelineView()
        self.search = EventSearch(self._seeker)
        self.menu = EventMenu(self)
        self.lanes.setMenu(self.menu.lanes)
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.sessions, 2)
        top.addWidget(self.menu.mark_text, 1)
        for widget in (self.follow, self.lanes, self.whole):
            top.addWidget(widget)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.filter)
        column.addWidget(self.notice)
        column.addWidget(self.view, 1)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(left)
        self.splitter.addWidget(self.search)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setSizes([900, 280])
        around = QVBoxLayout(self)
        around.setContentsMargins(6, 2, 6, 6)
        around.addWidget(self.splitter)
        self._redraw()

    def _connect(self) -> None:
        view = self.view
        self.feed.listed.connect(self._show_list)
        self.feed.loaded.connect(self._show_loaded)
        self.feed.failed.connect(self._failed)
        view.frame_requested.connect(self.go_to)
        view.time_requested.connect(partial(self.go_to, -1))
        view.range_selected.connect(self.range_selected)
        view.details_wanted.connect(self._find_details)
        view.menu_wanted.connect(self.menu.show)
        view.rename_wanted.connect(self.menu.rename)
        view.remove_wanted.connect(self.menu.remove)
        self.whole.clicked.connect(view.fit)
        self.filter.changed.connect(self._filter)
        self.filter.text_changed.connect(self._find_text)
        self.sessions.chosen.connect(self._choose)
        self.sessions.delete_wanted.connect(self._delete)
        self.search.hit_chosen.connect(self.show_hit)
        self.follow.toggled.connect(self._follow)
        self.notice.pressed.connect(self._pressed)
        self.marks.begun.connect(view.forget_details)
        self.marks.changed.connect(self._marks_changed)
        self.marks.failed.connect(self._warn)

    # What it is about --------------------------------------------------------------------------------------------

    def set_log(self, log: EventLog | None, message: str = NO_LOG, hint: str = "") -> None:
        """Show this log; without one, ``message`` and ``hint`` say why."""
        self._pending, self._marks_wait = None, []
        self._leave()
        self.feed.set_log(log)
        self.search.set_log(log)
        self.sessions.setEnabled(log is not None)
        self.filter.setEnabled(log is not None)
        self.notice.hide()
        self.view.say_empty(f"{message} {hint}".strip() if log is None else "Reading the event log…")
        if log is not None and log.notice:
            self.notice.say(Level.WARNING, log.notice)

    def show_problem(self, problem: ScenescopeError | None) -> None:
        """What keeps the log from writing; None when it is over."""
        if problem is not None:
            self.notice.say(Level.ERROR, problem.user_message, problem.hint)
        elif self.notice.level is Level.ERROR:
            self.notice.hide()

    def set_source(self, names: tuple[str, ...], film: bool, duration_s: float | None) -> None:
        """What is played: as sessions may call it, whether one can move in it, and how long it is."""
        if names != self._names:
            self.history, self._position, self._marks_wait = StageHistory(), None, []
        self._names, self._film, self._duration_s = names, film, duration_s
        self._show_source()

    def set_fingerprint(self, fingerprint: str) -> None:
        """What the film that is played is known by, wherever it lies and whatever it is called."""
        self._fingerprint = fingerprint
        self._show_source()

    def set_position(self, t_s: float, frame: int, playing: bool) -> None:
        """Where the film is."""
        self._position, self._playing = (t_s, frame), playing
        self.view.follow = playing and self.follow.isChecked()
        if self.is_open:
            self.view.set_playhead(t_s)

    def set_marks(self, in_s: float | None, out_s: float | None) -> None:
        """Where the in and out marks are."""
        self.view.set_marks(in_s, out_s)
        self.filter.set_marks(in_s, out_s)

    @Slot(object)
    def show_stats(self, stats: Stats) -> None:
        """How long the stages took just now."""
        if self._position is not None and self._playing:
            self.history.add(self._position[0], stats)
            if self.is_open and self.isVisible():
                self.view.set_history(self.history)

    @property
    def log(self) -> EventLog | None:
        """The log that is shown."""
        return self.feed.log

    @property
    def is_open(self) -> bool:
        """True when the session that is shown is of what is played."""
        session = self.session
        if session is None or not self._names:
            return False
        by_content = bool(self._fingerprint) and session.fingerprint == self._fingerprint
        return by_content or any(same_source(session.source, name) for name in self._names)

    def close_threads(self) -> None:
        """End what runs; call it before the log is closed."""
        self.feed.close()
        self._seeker.close()

    def _show_source(self) -> None:
        there = self.is_open
        limits = (0.0, self._duration_s) if there and self._film and self._duration_s else None
        self.view.set_limits(limits)
        self.view.set_history(self.history if there else StageHistory())
        self.view.set_playhead(self._position[0] if there and self._position is not None else None)

    # Sessions ----------------------------------------------------------------------------------------------------

    def show_session(self, session_id: int) -> None:
        """Show a session, as if it were chosen."""
        self.sessions.choose(session_id)

    @Slot(list)
    def _show_list(self, sessions: list[Session]) -> None:
        self.sessions.show_sessions(sessions)
        if self.sessions.follows_newest:
            newest = sessions[0].id if sessions else None
            if newest != self.feed.wanted_id:
                self._want(newest)
        if not sessions:
            self.view.say_empty("The event log is empty. Events appear here while a source runs.")
        if self.feed.wanted_id not in {one.id for one in sessions}:
            self.feed.refresh()  # Newer than the list, or gone: reading it tells.

    @Slot(object)
    def _choose(self, session_id: int | None) -> None:
        if session_id is None:
            self.feed.list_sessions()
        elif session_id != self.feed.wanted_id:
            self._want(session_id)

    def _want(self, session_id: int | None) -> None:
        self._pending = None
        self._leave()
        self.search.set_session(session_id)
        self.feed.want(session_id)

    def _leave(self) -> None:
        self.session = None
        self.filter.clear()
        self.view.focus_on(None)
        self.view.forget_details()
        self.view.show_data(TimelineData())
        self.view.fit()
        self.sessions.show_current(None)
        self._show_source()
        self._filter()
        self.session_changed.emit(None)

    @Slot(object)
    def _show_loaded(self, loaded: Loaded) -> None:
        if loaded.session is None:
            self._leave()
            self._mark_what_waits()
            if self._pending is not None:
                self._pending = None
                self.notice.say(Level.INFO, "What was kept of that time is not in the event log any more.")
            self.sessions.choose(None)
            return
        first = self.session is None
        self.session = loaded.session
        self.view.say_empty("There are no events in this session.")
        self.filter.show_names(loaded.data.columns, loaded.data.tracks.names)
        self.view.show_data(loaded.data)
        self._filter()
        if first:
            self.sessions.show_current(loaded.session.id)
            self._show_source()
            self.view.fit()
            self.session_changed.emit(loaded.session)
            self._mark_what_waits()
        if self._pending is not None and self._pending.session_id == loaded.session.id:
            hit, self._pending = self._pending, None
            self.show_hit(hit)

    @Slot(int)
    def _delete(self, session_id: int) -> None:
        if session_id == self.feed.wanted_id:
            self._leave()
        self.feed.delete(session_id)
        self.sessions.choose(None)

    # Events ------------------------------------------------------------------------------------------------------

    @Slot()
    def _filter(self) -> None:
        self.view.set_filter(self.filter.wanted)
        self.filter.show_count(len(self.view.rows), len(self.view.data.columns))

    @Slot(str)
    def _find_text(self, text: str) -> None:
        if self.log is not None and self.feed.wanted_id is not None:
            work = partial(ids_with, self.log, self.feed.wanted_id, text)
            self.feed.reader.ask("text", work, self.filter.set_found, self._failed)

    @Slot(object)
    def _find_details(self, event_id: int) -> None:
        hit = self.view.find_hit(event_id, None)
        if self.log is not None and self.feed.wanted_id is not None and hit is not None:
            _, t_s = hit.moment(self.view.data)
            work = partial(find_event, self.log, self.feed.wanted_id, t_s, event_id)
            self.feed.reader.ask("details", work, self._show_details, self._failed)

    def _show_details(self, event: LogEvent | None) -> None:
        if event is not None:
            self.view.set_details(event)

    @Slot(int, float)
    def go_to(self, frame: int, t_s: float) -> None:
        """Go to a frame of the session's film, or to a time when ``frame`` is negative; or say why not."""
        session = self.session
        if session is None:
            return
        if self.is_open and self._film:
            if frame >= 0:
                self.frame_requested.emit(frame, t_s)
            else:
                self.time_requested.emit(t_s)
        elif session.kind is SessionKind.LIVE or (self.is_open and not self._film):
            self.notice.say(
                Level.INFO,
                "A live picture cannot be turned back.",
                "What the log knows of it is shown here.",
                seconds=5,
            )
        else:
            self.notice.say(
                Level.INFO,
                f"These events are of {source_name(session.source)}, which is not open.",
                button="Open it there",
                word=f"{t_s!r}|{session.source}",
            )

    @Slot(str)
    def _pressed(self, word: str) -> None:
        t_s, _, source = word.partition("|")
        self.notice.hide()
        if source:
            self.open_source_requested.emit(source, float(t_s))

    @Slot(object)
    def show_hit(self, hit: SearchHit) -> None:
        """Go to what a search has found, in its own session, once that is read; or say why not."""
        if hit.session_id != self.feed.wanted_id:
            self.sessions.choose(hit.session_id)
        if self.session is None or self.session.id != hit.session_id:
            self._pending = hit
            return
        self.view.focus_on(self.view.find_hit(hit.event_id, hit.track_id))
        self.view.reveal(hit.t_s)
        self.go_to(hit.frame, hit.t_s)

    def add_mark(self, text: str = "", at: tuple[float, int] | None = None) -> None:
        """Mark the frame at which the film is, or that of ``at``; while a session is being read, once that is done."""
        at = at or self._position
        if self.session is None and self.feed.wanted_id is not None:
            self._marks_wait.append(partial(self.add_mark, text, at))
        elif self.log is None or self.session is None:
            self._warn("There is no session to mark.", "Start a source: its session begins with it.")
        elif not self.is_open or at is None:
            self._warn("The session that is shown is not of what is played.", "Choose the newest session.")
        else:
            self.marks.add(self.log, self.session.id, *at, text)

    def _mark_what_waits(self) -> None:
        waiting, self._marks_wait = self._marks_wait, []
        for mark in waiting:
            mark()

    def focused_mark(self) -> LogEvent | None:
        """The mark that is focused, with its text; None when another event is, or its text is not known yet."""
        hit = self.view.focused
        if hit is None or hit.what is What.TRACK:
            return None
        known = self.view.details(int(self.view.data.columns.id[hit.row]))
        return known if known is not None and known.kind == "mark" else None

    @Slot(int)
    def _marks_changed(self, session_id: int) -> None:
        if session_id == self.feed.wanted_id:
            self.feed.refresh()

    # The rest ----------------------------------------------------------------------------------------------------

    @Slot(bool)
    def _follow(self, on: bool) -> None:
        self.view.follow = on and self._playing
        if on and self._position is not None and self.is_open:
            self.view.reveal(self._position[0])

    @Slot(object)
    def _failed(self, error: Exception) -> None:
        if isinstance(error, ScenescopeError):
            self.notice.say(Level.ERROR, error.user_message, error.hint)
        else:
            self.notice.say(Level.ERROR, f"The event log cannot be read: {type(error).__name__}: {error}")

    @Slot(str, str)
    def _warn(self, message: str, hint: str) -> None:
        self.notice.say(Level.WARNING, message, hint)
        self.failed.emit(message, hint)

    def _redraw(self) -> None:
        self.whole.setIcon(icon("zoom-fit", QColor(colours_of(self).text)))

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.feed.set_seen(True)
        self._show_source()

    @override
    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.feed.set_seen(False)

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "whole"):
            self._redraw()
