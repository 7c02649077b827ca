"""EventSearch: finds events by words, and objects by their looks; the answers in one list."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models import ScenescopeError
from scenescope.pipelines.log.records import SearchHit
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed
from scenescope.widgets.event_data import find_event, session_words
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.event_results import EventResults, Found, thumbnail
from scenescope.widgets.similar_objects import NOT_INSTALLED, Like, Report, look_alike
from scenescope.widgets.timeline_words import what

__all__ = ["Answer", "EventSearch", "look_up"]

TYPING_MS = 200
MOST_HITS = 50
HINT = "Type a class, a zone, a text or a code that was read."


@dataclass(frozen=True)
class Answer:
    """What was found, and a sentence about what was left out, or ""."""

    found: list[Found]
    note: str = ""


def look_up(log: EventLog, text: str, session_id: int | None, shown_id: int | None) -> Answer:
    """Events with these words, with pictures of their objects. Called on the reader's thread."""
    return Answer(_with_pictures(log, log.search(text, session_id, MOST_HITS), shown_id, scored=False))


def _find_alike(
    log: EventLog, like: Like, session_id: int | None, shown_id: int | None, embed: Embed | str, report: Report
) -> Answer:
    hits, note = look_alike(log, like, session_id, MOST_HITS, embed, report)
    return Answer(_with_pictures(log, hits, shown_id, scored=True), note)


def _with_pictures(log: EventLog, hits: list[SearchHit], shown_id: int | None, scored: bool) -> list[Found]:
    names: dict[int, str] = {}
    found = []
    for hit in hits:
        if hit.session_id != shown_id and hit.session_id not in names:
            session = log.session(hit.session_id)
            names[hit.session_id] = session_words(session) if session is not None else ""
        event = find_event(log, hit.session_id, hit.t_s, hit.event_id) if hit.event_id is not None else None
        picture = None
        if hit.track_id is not None:
            track = log.track(hit.session_id, hit.track_id)
            picture = thumbnail(track.picture_jpeg) if track is not None and track.picture_jpeg else None
        words = what(event) if event is not None else ""
        found.append(Found(hit, words, names.get(hit.session_id, ""), picture, scored))
    return found


class EventSearch(QWidget):
    """The line one types in, the choice of sessions, and the answers."""

    hit_chosen = Signal(object)
    """A :class:`SearchHit` to go to."""

    def __init__(self, reader: EventReader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reader = reader
        self._log: EventLog | None = None
        self._session_id: int | None = None
        self.line = QLineEdit()
        self.line.setPlaceholderText("Search events")
        self.line.setAccessibleName("Search events")
        self.line.setToolTip("Finds classes, zones, lines, texts, codes, captions and marks")
        self.line.setClearButtonEnabled(True)
        self.everywhere = QCheckBox("All sessions")
        self.everywhere.setToolTip("Search in all sessions of the event log")
        self.said = QLabel(HINT)
        self.said.setObjectName("muted")
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setMinimumWidth(1)
        self.results = EventResults()
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.line, 1)
        top.addWidget(self.everywhere)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.said)
        column.addWidget(self.results, 1)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_MS)
        self._soon.timeout.connect(self.search)
        self.line.textChanged.connect(self._typed)
        self.everywhere.toggled.connect(self.search)
        self.results.hit_chosen.connect(self.hit_chosen)

    def set_log(self, log: EventLog | None) -> None:
        """Search in this one."""
        self._log = log
        self.setEnabled(log is not None)

    def set_session(self, session_id: int | None) -> None:
        """The session that is shown."""
        self._session_id = session_id

    @Slot()
    def begin(self) -> None:
        """Let the user type."""
        self.line.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.line.selectAll()

    @Slot()
    def search(self) -> None:
        """Look for what was typed."""
        text = self.line.text().strip()
        if self._log is None or not text:
            return
        wanted = None if self.everywhere.isChecked() else self._session_id
        self._say("Searching…")
        self._reader.ask(
            "search", partial(look_up, self._log, text, wanted, self._session_id), self._show, self._failed
        )

    def find_similar(self, like: Like, name: str, embed: Embed | str = NOT_INSTALLED) -> None:
        """Look for objects that look like one; another search, :meth:`say`, or closing the reader ends it.

        Args:
            like: gives the object's embedding, on the reader's thread.
            name: of the object, for people.
            embed: shows objects to the network that it has not seen yet, or says why it cannot.
        """
        if self._log is None:
            return
        wanted = None if self.everywhere.isChecked() else self._session_id
        self._soon.stop()
        self._say(f"Looking for objects like {name}…")
        work = partial(_find_alike, self._log, like, wanted, self._session_id, embed, self._reader.report)
        self._reader.ask("search", work, partial(self._show, like=name), self._failed, self._show_progress)

    def say(self, words: str) -> None:
        """Say why there is nothing to show."""
        self._reader.cancel("search")
        self.results.show_found([])
        self._say(words)

    @Slot()
    def _typed(self) -> None:
        if self.line.text().strip():
            self._soon.start()
        else:
            self._soon.stop()
            self.say(HINT)

    def _show_progress(self, counts: tuple[int, int]) -> None:
        done, total = counts
        self._say(f"{done:,} of {total:,} object{'s' * (total != 1)} looked at…")

    def _show(self, answer: Answer, like: str = "") -> None:
        found = answer.found
        self.results.show_found(found)
        many = f"{'The best ' * (len(found) >= MOST_HITS)}{len(found)} result{'s' * (len(found) != 1)}"
        if like:
            words = f"{many} like {like}." if found else f"Nothing looks like {like}."
            self._say(f"{words} {answer.note}".strip())
        else:
            self._say(many if found else "Nothing was found. Try fewer words, or all sessions.")

    def _failed(self, error: Exception) -> None:
        self.results.show_found([])
        self._say(str(error) if isinstance(error, ScenescopeError) else f"The search failed: {error}")

    def _say(self, words: str) -> None:
        self.said.setText(words)
        self.said.setAccessibleName(words)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Down and self.line.hasFocus() and self.results.found:
            self.results.setFocus()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.line.hasFocus():
            self._soon.stop()
            self.search()
        else:
            super().keyPressEvent(event)
