"""TimelineCanvas: shows a timeline; what the mouse and the keys do is in ``timeline_view``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QScrollBar, QWidget
from typing_extensions import override

from scenescope.models.log_events import LogEvent
from scenescope.widgets.theme import Colours, colours_of
from scenescope.widgets.timeline_data import EventFilter, Group, TimelineData, lanes_of
from scenescope.widgets.timeline_hits import Hit, What, hit_in, words_of
from scenescope.widgets.timeline_layout import BAR_PX, PAD_PX, arrange, row_at
from scenescope.widgets.timeline_paint import RULER_PX, Base, Scene, paint_base, paint_heads, paint_ruler
from scenescope.widgets.timeline_signs import SIGN_PX
from scenescope.widgets.timeline_span import Span
from scenescope.widgets.timeline_stats import StageHistory

__all__ = ["TimelineCanvas"]

HEADS_PX = 150
MARGIN = 0.02
FOLLOW_AT = 0.8
MOST_DETAILS = 512
NOTHING = "No events yet. They appear here while a source runs with stages that find objects."


class TimelineCanvas(QWidget):
    """Lanes over time, drawn by numpy into a pixmap that is kept until one zooms, pans, filters or scrolls."""

    details_wanted = Signal(object)
    """Id of an event whose text and value are needed; answer with :meth:`set_details`."""
    layout_changed = Signal()
    """Lanes were collapsed, opened, hidden or shown."""
    focus_changed = Signal()
    """Another event is the focused one, or none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Timeline of events")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(HEADS_PX + 120, RULER_PX + 60)
        self.scene = Scene()
        self.wanted = EventFilter()
        self.rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self.collapsed: set[Group] = set()
        self.hidden: set[Group] = set()
        self.playhead_s: float | None = None
        self.marks_s: tuple[float | None, float | None] = (None, None)
        self.focused: Hit | None = None
        self.lane: tuple[Group, str] | None = None
        self.follow = True
        self.fits = True
        self.empty_text = NOTHING
        self._lanes = lanes_of(self.scene.data, self.wanted)[0]
        self._base: Base | None = None
        self._heads: QPixmap | None = None
        self._details: OrderedDict[int, LogEvent] = OrderedDict()
        self._bar = QScrollBar(Qt.Orientation.Vertical, self)
        self._bar.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._bar.setAccessibleName("Lanes")
        self._bar.valueChanged.connect(self._scrolled)
        self._describe()

    @override
    def sizeHint(self) -> QSize:
        return QSize(900, 260)

    # What is shown -----------------------------------------------------------------------------------------------

    @property
    def data(self) -> TimelineData:
        """Events and tracks, also those that are not wanted."""
        return self.scene.data

    @property
    def span(self) -> Span:
        """The time on the screen."""
        return self.scene.span

    def show_data(self, data: TimelineData) -> None:
        """Show other events, or more of them; the focused one stays so, as far as it is there."""
        old, focused = self.scene.data, self.focused
        self.scene.data = data
        if focused is not None:
            ids = old.tracks.track_id if focused.what is What.TRACK else old.columns.id
            number = int(ids[focused.row])
            self.focused = self.find_hit(None, number) if focused.what is What.TRACK else self.find_hit(number, None)
        self._sift()
        if self.fits:
            self.fit()
        if self.focused is None and focused is not None:
            self.focus_on(None)

    def say_empty(self, words: str) -> None:
        """What stands where there are no lanes."""
        if words != self.empty_text:
            self.empty_text = words
            self.update()

    def set_filter(self, wanted: EventFilter) -> None:
        """Show only some."""
        if wanted != self.wanted:
            self.wanted = wanted
            self._sift()

    def set_limits(self, limits_s: tuple[float, float] | None) -> None:
        """Where the film begins and ends; None when there is none."""
        if limits_s != self.scene.limits_s:
            self.scene.limits_s = limits_s
            self._forget()
            if self.fits:
                self.fit()

    def set_marks(self, in_s: float | None, out_s: float | None) -> None:
        """Where the marks are."""
        if (in_s, out_s) != self.marks_s:
            self.marks_s = (in_s, out_s)
            self.update()

    def set_playhead(self, t_s: float | None) -> None:
        """Where the film is; the view goes along when it follows and the playhead runs out of it."""
        before, self.playhead_s = self.playhead_s, t_s
        if t_s is None or before is None:
            self.update()
            return
        span = self.span
        # One who has panned away from the playhead is left there.
        inside = span.start_s <= t_s <= span.start_s + FOLLOW_AT * span.length_s
        if self.follow and not self.fits and not inside and span.start_s <= before <= span.end_s:
            self._set_span(span.moved(t_s - span.start_s - FOLLOW_AT * span.length_s))
        elif self.fits and t_s > span.end_s:
            self.fit()
        for x in {round(self.x_of(before)), round(self.x_of(t_s))} if span.x(before) != span.x(t_s) else ():
            self.update(QRect(x - 7, 0, 15, self.height()))

    def set_history(self, history: StageHistory) -> None:
        """Show how long the stages took; call it again when there is more of it."""
        known, self.scene.history = self.scene.history, history
        needed = {Group.LATENCY: len(history) > 0, Group.GAPS: history.dropped > 0}
        missing = {group for group, on in needed.items() if on} - self.hidden - {row.group for row in self.scene.rows}
        if known is not history or missing:
            self._arrange()
        self._forget(heads=False)

    def collapse(self, group: Group, on: bool | None = None) -> None:
        """Make a group of lanes one low row, or open it; the other of the two when not said."""
        closed = group not in self.collapsed if on is None else on
        (self.collapsed.add if closed else self.collapsed.discard)(group)
        self._arrange()
        self.layout_changed.emit()

    def hide_groups(self, groups: Collection[Group]) -> None:
        """Hide these groups of lanes, and no others."""
        self.hidden = set(groups)
        self._arrange()
        self.layout_changed.emit()

    # Time --------------------------------------------------------------------------------------------------------

    @property
    def extent_s(self) -> tuple[float, float]:
        """All the time there is: of the film, its events, and where it is."""
        begin, end = self.data.range_s
        moments = [0.0, begin, end, *(self.scene.limits_s or ())]
        if self.playhead_s is not None:
            moments.append(self.playhead_s)
        return min(moments), max(moments)

    @Slot()
    def fit(self) -> None:
        """Show all the time there is, and go on doing so while it grows."""
        begin, end = self.extent_s
        length = max(end - begin, 1.0)
        self._set_span(replace(self.span, start_s=begin - MARGIN * length, end_s=end + MARGIN * length))
        self.fits = True

    def zoom(self, factor: float, at_px: float | None = None) -> None:
        """Show ``1 / factor`` of the time, that at pixel ``at_px`` staying; by default the focused one, or the middle.

        ``at_px`` counts from the left edge of the lanes.
        """
        if at_px is None:
            moment = self.focused.moment(self.data)[1] if self.focused is not None else self.playhead_s
            x = self.span.x(moment) if moment is not None else -1.0
            at_px = x if 0 <= x <= self.span.width_px else self.span.width_px / 2
        begin, end = self.extent_s
        self._set_span(self.span.zoomed(factor, at_px, 1.5 * max(end - begin, 1.0)))
        self.fits = False

    def pan(self, seconds: float) -> None:
        """Go along in time."""
        self._set_span(self.span.moved(seconds))
        self.fits = False

    def reveal(self, t_s: float) -> None:
        """Make sure that a time is on the screen."""
        edge = 0.05 * self.span.length_s
        if not self.span.start_s + edge <= t_s <= self.span.end_s - edge:
            self.pan(t_s - (self.span.start_s + self.span.end_s) / 2)

    def _set_span(self, span: Span) -> None:
        begin, end = self.extent_s
        span = span.within(begin, end)
        if span != self.scene.span:
            self.scene.span = span
            self._forget(heads=False)

    # The focused event -------------------------------------------------------------------------------------------

    def focus_on(self, hit: Hit | None) -> None:
        """Make this the focused event, which the keys go on from and screen readers read."""
        self.focused = hit
        if hit is not None:
            self.reveal(hit.moment(self.data)[1])
            self._ask(hit)
        self._describe()
        self.update()
        self.focus_changed.emit()

    def words(self, hit: Hit) -> str:
        """A hit as a sentence, as far as it is known."""
        event_id = int(self.data.columns.id[hit.row]) if hit.what is What.EVENT else -1
        return words_of(hit, self.data, self._details.get(event_id))

    def set_details(self, event: LogEvent) -> None:
        """What the log has of an event that was asked for."""
        if event.id is None:
            return
        self._details[event.id] = event
        if len(self._details) > MOST_DETAILS:
            self._details.popitem(last=False)
        self._describe()

    @Slot()
    def forget_details(self) -> None:
        """The events are those of another session, or have changed."""
        self._details.clear()
        if self.focused is not None:
            self._ask(self.focused)

    def details(self, event_id: int) -> LogEvent | None:
        """What was told of an event; None when it was not."""
        return self._details.get(event_id)

    def find_hit(self, event_id: int | None, track_id: int | None) -> Hit | None:
        """The event of an id, or else the track of a number; None when it is not there."""
        for what, ids, wanted in (
            (What.EVENT, self.data.columns.id, event_id),
            (What.TRACK, self.data.tracks.track_id, track_id),
        ):
            at = np.flatnonzero(ids == wanted) if wanted is not None else ids[:0]
            if len(at):
                return Hit(what, int(at[0]))
        return None

    def _ask(self, hit: Hit) -> None:
        if hit.what is What.EVENT and (event_id := int(self.data.columns.id[hit.row])) not in self._details:
            self.details_wanted.emit(event_id)

    def _describe(self) -> None:
        lane = f"Lane {self.lane[1] or self.lane[0].value}. " if self.lane is not None else ""
        many = f"{len(self.rows):,} events"
        self.setAccessibleDescription(f"{lane}{self.words(self.focused) if self.focused else many}")

    # Places ------------------------------------------------------------------------------------------------------

    def x_of(self, t_s: float) -> float:
        """Pixel of a time in this widget."""
        return HEADS_PX + self.span.x(t_s)

    def hit(self, at: QPointF) -> Hit | None:
        """What is under a point of this widget."""
        if at.x() < HEADS_PX or at.y() < RULER_PX:
            return None
        y = at.y() - RULER_PX + self.scene.scroll_px
        row = row_at(self.scene.rows, y)
        return hit_in(row, self.data, self.span, at.x() - HEADS_PX, y - row.top) if row is not None else None

    def show_lane(self, key: tuple[Group, str] | None) -> None:
        """Make a lane the focused one, and scroll it into sight; None stands for all."""
        self.lane = key
        row = next((row for row in self.scene.rows if row.key == key), None)
        if row is not None:
            height = self.height() - RULER_PX
            self._bar.setValue(max(min(self.scene.scroll_px, row.top), row.bottom - height))
        self._heads = None
        self._describe()
        self.update()

    # Putting together --------------------------------------------------------------------------------------------

    def _sift(self) -> None:
        self._lanes, self.rows = lanes_of(self.data, self.wanted)
        self._arrange()
        self._describe()

    def _arrange(self) -> None:
        history = self.scene.history
        self.scene.rows = arrange(
            self._lanes, self.data, self.collapsed, self.hidden, drops=history.dropped > 0, curve=len(history) > 0
        )
        if self.lane is not None and not any(row.key == self.lane for row in self.scene.rows):
            self.lane = None
        self._measure()

    def _measure(self) -> None:
        height = max(self.height() - RULER_PX, 1)
        whole = self.scene.rows[-1].bottom if self.scene.rows else 0
        self._bar.setPageStep(height)
        self._bar.setSingleStep(20)
        self._bar.setRange(0, max(whole - height, 0))
        self._bar.setVisible(whole > height)
        right = self._bar.sizeHint().width() if whole > height else 0
        self._bar.setGeometry(self.width() - right, RULER_PX, right, height)
        self.scene.scroll_px = self._bar.value()
        width = max(self.width() - HEADS_PX - right, 1)
        if width != self.span.width_px:
            self.scene.span = replace(self.span, width_px=width)
        self._forget()

    def _forget(self, heads: bool = True) -> None:
        self._base = None
        if heads:
            self._heads = None
        self.update()

    @Slot(int)
    def _scrolled(self, value: int) -> None:
        self.scene.scroll_px = value
        self._forget()

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._measure()

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and hasattr(self, "_base"):
            self._forget()

    # Painting ----------------------------------------------------------------------------------------------------

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        colours = colours_of(self)
        height = max(self.height() - RULER_PX, 1)
        if self._base is None:
            self._base = paint_base(self.scene, height, colours, self.devicePixelRatioF())
        if self._heads is None:
            self._heads = self._painted_heads(height, colours)
        painter = QPainter(self)
        width = self.span.width_px
        painter.drawImage(HEADS_PX, RULER_PX, self._base.image)
        painter.fillRect(QRect(HEADS_PX + width, 0, self.width(), self.height()), QColor(colours.raised))
        paint_ruler(painter, QRect(HEADS_PX, 0, width, RULER_PX), self.span, self.font(), colours)
        lanes = QRect(HEADS_PX, 0, width, self.height())
        painter.setClipRect(lanes)
        if not self.scene.rows:
            painter.setPen(QColor(colours.muted))
            area = lanes.adjusted(12, RULER_PX, -12, 0)
            painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.empty_text)
        self._paint_marks(painter, colours)
        self._paint_focus(painter, colours)
        self._paint_playhead(painter, colours)
        painter.setClipping(False)
        painter.drawPixmap(0, 0, self._heads)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _painted_heads(self, height: int, colours: Colours) -> QPixmap:
        ratio = self.devicePixelRatioF()
        made = QPixmap(round(HEADS_PX * ratio), round((RULER_PX + height) * ratio))
        made.setDevicePixelRatio(ratio)
        made.fill(QColor(colours.raised))
        painter = QPainter(made)
        paint_heads(painter, QRect(0, RULER_PX, HEADS_PX, height), self.scene, self.font(), colours, self.lane)
        painter.end()
        return made

    def _paint_marks(self, painter: QPainter, colours: Colours) -> None:
        in_s, out_s = self.marks_s
        accent = QColor(colours.accent)
        if in_s is not None and out_s is not None:
            soft = QColor(accent)
            soft.setAlpha(38)
            painter.fillRect(QRectF(self.x_of(in_s), 0, self.x_of(out_s) - self.x_of(in_s), self.height()), soft)
        for t_s, side in ((in_s, 1), (out_s, -1)):
            if t_s is not None:
                x = round(self.x_of(t_s)) + 0.5
                painter.setPen(QPen(accent, 1.4))
                # A bracket that opens to the side that is inside: the two marks differ in shape.
                painter.drawPolyline(
                    QPolygonF(
                        [
                            QPointF(x + 6 * side, 1),
                            QPointF(x, 1),
                            QPointF(x, self.height() - 1),
                            QPointF(x + 6 * side, self.height() - 1),
                        ]
                    )
                )

    def _paint_focus(self, painter: QPainter, colours: Colours) -> None:
        if self.focused is None:
            return
        hit, half = self.focused, SIGN_PX / 2 + 2
        for row in self.scene.seen(self.height() - RULER_PX):
            mine = row.tracks if hit.what is What.TRACK else row.rows
            at = int(np.searchsorted(mine, hit.row))
            if at == len(mine) or mine[at] != hit.row or (hit.what is What.TRACK and row.group is not Group.TRACKS):
                continue
            left, right = self.x_of(hit.moment(self.data)[1]), self.x_of(hit.end_s(self.data))
            top = RULER_PX + row.top - self.scene.scroll_px
            box = QRectF(left - half, top + row.height / 2 - half - 0.5, max(right - left, 0) + 2 * half, 2 * half)
            if row.packed:
                bar = top + PAD_PX + int(self.data.tracks.row[hit.row]) * BAR_PX
                box = QRectF(left - 2, bar - 2, right - left + 4, BAR_PX + 3)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRoundedRect(box, 3, 3)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            return

    def _paint_playhead(self, painter: QPainter, colours: Colours) -> None:
        if self.playhead_s is None:
            return
        x = round(self.x_of(self.playhead_s)) + 0.5
        painter.setPen(QPen(QColor(colours.bad), 1.5))
        painter.drawLine(QPointF(x, 8), QPointF(x, self.height()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.bad))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawPolygon(QPolygonF([QPointF(x - 5.5, 1), QPointF(x + 5.5, 1), QPointF(x, 10)]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
