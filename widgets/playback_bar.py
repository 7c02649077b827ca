"""Below the picture: play, step, and where in the film we are; LIVE for what is live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.widgets.film_slider import FilmSlider
from scenescope.widgets.time_button import TimeButton, frame_words
from scenescope.widgets.transport_time import LONGEST_S, FilmExtent, clock

__all__ = ["PlaybackBar", "clock"]

SEEK_EVERY_MS = 80
FOLLOW_EVERY_S = 0.08
TICKS_PER_S = 100
ARRIVE_WITHIN_S = 0.8
"""For so long the handle waits where it was put, while pictures from elsewhere still come."""
ARRIVED_S = 0.5
"""So near to where it was put, a picture is from there."""
NARROWEST = 260
EDGE, GAP = 8, 8


class PlaybackBar(QFrame):
    """Buttons, slider and time.

    While the slider is dragged, the place is told at most a dozen times a second, the first at once and the last for
    certain: ``frame_requested`` when the times of all pictures are known, as the slider then counts pictures, else
    ``seek_requested``.
    """

    seek_requested = Signal(float)
    frame_requested = Signal(int)
    hovered = Signal(float, object, QPoint)
    """The mouse is over a place of the slider: time, the picture's number or None, and where, in global pixels."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.index: FrameIndex | None = None
        self._state = SourceState(SourcePhase.STOPPED)
        self._indexed: float | None = None
        self._wanted: int | None = None
        self._told: int | None = None
        self._wait_until_s = 0.0
        self._followed_s = 0.0
        self._position: tuple[float, int | None] | None = None
        self._marks: tuple[float | None, float | None, bool] = (None, None, False)
        self._film_only: set[QWidget] = set()
        self._spare: set[QWidget] = set()
        self.slider = FilmSlider()
        self.slider.setAccessibleName("Position in the film")
        self.slider.setToolTip("Drag, or use the arrow keys for a picture and the page keys for 10 s")
        self.slider.valueChanged.connect(self._slid)
        self.slider.hovered.connect(self._hovered)
        self.live = QLabel("● LIVE")
        self.live.setObjectName("badge")
        self.live.setProperty("level", "live")
        self.state = QLabel()
        self.state.setObjectName("muted")
        self.frame = QLabel()
        self.frame.setObjectName("muted")
        self.frame.setAccessibleName("Picture number")
        self.frame.setToolTip("Number of the picture that is shown, from 0, and how many there are")
        self.time = TimeButton()
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(0)
        self._extras = QHBoxLayout()
        self._extras.setSpacing(GAP)
        self._row = QHBoxLayout()
        self._row.setSpacing(GAP)
        self._row.addLayout(self._buttons)
        self._row.addWidget(self.live, 0, Qt.AlignmentFlag.AlignVCenter)
        self._row.addWidget(self.state, 1)
        self._row.addLayout(self._extras)
        self._row.addWidget(self.frame)
        self._row.addWidget(self.time)
        column = QVBoxLayout(self)
        column.setContentsMargins(EDGE, 4, EDGE, 4)
        column.setSpacing(0)
        column.addWidget(self.slider)
        column.addLayout(self._row)
        # Narrower than all that is in it: what matters less makes room.
        self.setMinimumWidth(NARROWEST)
        self._seek_soon = QTimer(self)
        self._seek_soon.setSingleShot(True)
        self._seek_soon.setInterval(SEEK_EVERY_MS)
        self._seek_soon.timeout.connect(self._seek_again)
        self._follow_soon = QTimer(self)
        self._follow_soon.setSingleShot(True)
        self._follow_soon.setInterval(round(FOLLOW_EVERY_S * 1000))
        self._follow_soon.timeout.connect(self._follow)
        self.show_state(self._state)

    # Putting together --------------------------------------------------------------------------------------------

    def add_actions(self, actions: Sequence[QAction], film_only: bool = False, spare: bool = False) -> None:
        """Buttons, right of those that are there.

        Args:
            actions: one button each.
            film_only: not shown for what is live.
            spare: make room in a narrow window, the rightmost first.
        """
        for action in actions:
            button = QToolButton()
            button.setDefaultAction(action)
            button.setIconSize(QSize(20, 20))
            button.setAccessibleName(action.text().replace("&", ""))
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            self._add(button, self._buttons, film_only, spare)

    def add_film_part(self, part: QWidget, spare: bool = False) -> None:
        """Something that is shown for films only, left of the time."""
        self._add(part, self._extras, True, spare)

    def _add(self, part: QWidget, row: QHBoxLayout, film_only: bool, spare: bool) -> None:
        row.addWidget(part)
        if film_only:
            self._film_only.add(part)
        if spare:
            self._spare.add(part)
        stops = [self.slider, *self._parts, self.time]
        for one, other in pairwise(stops):
            QWidget.setTabOrder(one, other)
        self._show_parts()

    @property
    def _parts(self) -> list[QWidget]:
        """Buttons and extras, from left to right."""
        items = [row.itemAt(at) for row in (self._buttons, self._extras) for at in range(row.count())]
        return [part for item in items if item is not None and (part := item.widget()) is not None]

    @override
    def event(self, event: QEvent) -> bool:
        # Also when a part wishes another width, as its text or its style is another.
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._show_parts()
        return super().event(event)

    def _show_parts(self) -> None:
        """Show what belongs to the source, and of that as much as there is room for."""
        film, info, parts = self.film, self._state.info, self._parts
        wanted = [*parts, self.frame] if film else [part for part in parts if part not in self._film_only]
        always = [self.time, *([self.live] if info is not None and info.live else [])]
        if self.state.text():
            always.append(self.state)
        room = self.width() - 2 * EDGE - sum(_width(part) for part in (*wanted, *always))
        spare = [part for part in reversed(parts) if part in self._spare]
        for part in (*spare, self.frame):
            if part in wanted and room < 0:
                room += _width(part)
                wanted.remove(part)
        for part in (*parts, self.frame):
            if part.isHidden() is (part in wanted):
                part.setVisible(part in wanted)

    # What is shown -----------------------------------------------------------------------------------------------

    @property
    def film(self) -> bool:
        """True while there is something that one can move in."""
        info, phase = self._state.info, self._state.phase
        over = phase in (SourcePhase.STOPPED, SourcePhase.FAILED)
        return bool(info and not info.live and self._duration_s) and not over

    @property
    def extent(self) -> FilmExtent:
        """How far the film reaches, as far as it is known."""
        info = self._state.info
        if info is None:
            return FilmExtent()
        return FilmExtent(self._duration_s, info.frame_count, info.rate_hz, self.index)

    @property
    def _duration_s(self) -> float | None:
        if self.index is not None and len(self.index):
            return self.index.duration_s
        claimed_s = self._state.info.duration_s if self._state.info else None
        return None if claimed_s is None or claimed_s > LONGEST_S else claimed_s

    def show_state(self, state: SourceState) -> None:
        """Show what kind of source it is and how it fares."""
        same = self._state.info == state.info
        self._state = state
        info, film = state.info, self.film
        over = state.phase in (SourcePhase.STOPPED, SourcePhase.FAILED)
        self.slider.setVisible(film)
        self.live.setVisible(bool(info and info.live) and not over)
        paused_live = bool(info and info.live) and state.phase is SourcePhase.PAUSED
        words = {
            SourcePhase.OPENING: "Opening...",
            SourcePhase.RECONNECTING: "Reconnecting...",
            SourcePhase.STOPPED: "Stopped",
            SourcePhase.FAILED: "Failed",
            SourcePhase.ENDED: "Ended",
            SourcePhase.PAUSED: "Picture held" if paused_live else "Paused",
            SourcePhase.PLAYING: "",
        }
        self.state.setText(words[state.phase])
        if over or info is None:
            self._position, self._indexed = None, None
            self._follow_soon.stop()
            self.time.clear()
            self.frame.clear()
        elif not same:
            self._measure()
        self._show_parts()

    def show_index(self, index: FrameIndex | None, done: float | None = None) -> None:
        """The times of all pictures, from now on what the slider counts; None while they are not known.

        Args:
            index: of the film that is shown.
            done: how far it has come, 0 to 1; None when it is not being made.
        """
        changed, self._indexed = index is not self.index, done
        self.index = index
        if changed:
            self._measure()
        self._write()

    def show_marks(self, first_s: float | None, last_s: float | None, looping: bool) -> None:
        """Draw the in and the out mark, and whether what lies between them is repeated."""
        self._marks = (first_s, last_s, looping)
        most = self.slider.maximum()
        first, last = (None if one is None else min(max(self._value(one), 0), most) for one in (first_s, last_s))
        self.slider.show_marks(first, last, looping)

    def show_position(self, pts_s: float, force: bool = False, frame: int | None = None) -> None:
        """Show where we are, a dozen times a second at most; the last place is shown for certain.

        Args:
            pts_s: time of the picture that is shown.
            force: show it now.
            frame: its number; when left out, that of the picture at this time.
        """
        if frame is None and self._position is not None and self._position[0] == pts_s:
            frame = self._position[1]
        self._position = (pts_s, frame)
        if force or time.monotonic() - self._followed_s >= FOLLOW_EVERY_S:
            self._follow()
        elif not self._follow_soon.isActive():
            self._follow_soon.start()

    @Slot()
    def _follow(self) -> None:
        self._followed_s = time.monotonic()
        self._follow_soon.stop()
        self._write()
        if self._position is None or self.slider.isSliderDown():
            return
        arrived = self._wanted is None or abs(self._seconds(self._wanted) - self._position[0]) <= ARRIVED_S
        if arrived or self._followed_s >= self._wait_until_s:
            self._wanted = None
            self._set_slider(self._value(*self._position))

    def _write(self) -> None:
        if self._position is None:
            return
        pts_s, frame = self._position
        if frame is None and self.index is not None:
            frame = self.index.index_showing(pts_s)
        self.time.show_time(pts_s, frame)
        self.frame.setText(frame_words(frame, self.index, self._indexed))

    # Values of the slider ----------------------------------------------------------------------------------------

    def _measure(self) -> None:
        """Lay out the slider for what is known of the film."""
        film, duration_s = self.extent, self._duration_s or 0.0
        longest = clock(duration_s)
        self.time.set_film(self._duration_s, film.rate_hz, film.even)
        count = len(self.index) if self.index is not None else 0
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(count - 1, 0) if self.index is not None else round(duration_s * TICKS_PER_S))
        self.slider.blockSignals(False)
        widest = f"#{count} / {count}" if count else "#000000, indexing 00 %"
        self.frame.setMinimumWidth(self.frame.fontMetrics().horizontalAdvance(widest) + 4)
        self.slider.setAccessibleDescription(f"{count} pictures, {longest}" if count else longest)
        self._wanted = None
        if self._position is not None:
            self._set_slider(self._value(*self._position))
        self.show_marks(*self._marks)

    def _value(self, pts_s: float, frame: int | None = None) -> int:
        if self.index is None:
            return round(pts_s * TICKS_PER_S)
        return self.index.index_showing(pts_s) if frame is None else frame

    def _seconds(self, value: int) -> float:
        if self.index is None or not 0 <= value < len(self.index):
            return value / TICKS_PER_S
        return self.index.pts_s(value)

    def _set_slider(self, value: int) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(min(max(value, 0), self.slider.maximum()))
        self.slider.blockSignals(False)

    @Slot(int)
    def _slid(self, value: int) -> None:
        self._wanted = value
        if not self._seek_soon.isActive():
            self._tell_wish(value)

    @Slot()
    def _seek_again(self) -> None:
        # Where it was put while the last wish was fresh; a place that was told already is not told again.
        if self._wanted is not None and self._wanted != self._told:
            self._tell_wish(self._wanted)

    def _tell_wish(self, value: int) -> None:
        self._told = value
        self._wait_until_s = time.monotonic() + ARRIVE_WITHIN_S
        self._seek_soon.start()
        if self.index is not None:
            self.frame_requested.emit(value)
        else:
            self.seek_requested.emit(self._seconds(value))

    @Slot(int, QPoint)
    def _hovered(self, value: int, at: QPoint) -> None:
        self.hovered.emit(self._seconds(value), None if self.index is None else value, at)


def _width(part: QWidget) -> int:
    """Room that a part takes, with the gap beside it."""
    gap = 0 if isinstance(part, QToolButton) else GAP
    return max(part.sizeHint().width(), part.minimumWidth()) + gap
