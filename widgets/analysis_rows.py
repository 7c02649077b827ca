"""Analyses as rows of a list: what was analysed, with what, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget
from typing_extensions import override

from scenescope.models import SpecError
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.analysis.run import AnalysisProgress, AnalysisState
from scenescope.pipelines.log.records import Session
from scenescope.widgets.icons import pixmap
from scenescope.widgets.theme import Colours, colours_of
from scenescope.widgets.transport_time import clock

__all__ = ["RUN_ROLE", "RunDelegate", "RunRow", "RunRows", "row_of"]

RUN_ROLE = Qt.ItemDataRole.UserRole + 1
Index = QModelIndex | QPersistentModelIndex

PAD = 8
BAR_HEIGHT = 4


@dataclass(frozen=True)
class RunRow:
    """One analysis.

    Attributes:
        session: as it is in the log.
        stages: what it ran, in words.
        here: it is of the film that is shown.
        progress: of the run, while there is one, and after it until it is resumed; None for earlier ones.
    """

    session: Session
    stages: str
    here: bool = False
    progress: AnalysisProgress | None = None

    @property
    def active(self) -> bool:
        """It goes on, or is held."""
        return self.progress is not None and not self.progress.state.over

    @property
    def complete(self) -> bool:
        """Nothing is left to do."""
        return self.session.complete or (self.progress is not None and self.progress.state is AnalysisState.DONE)

    @property
    def failed(self) -> bool:
        """Something went wrong in it."""
        return self.progress is not None and self.progress.state is AnalysisState.FAILED

    @property
    def resumable(self) -> bool:
        """It can be gone on with."""
        return not self.active and not self.complete

    @property
    def title(self) -> str:
        """What it is called."""
        return self.session.title or self.stages

    @property
    def state(self) -> str:
        """How it is, in a word."""
        if self.progress is not None and not self.complete:
            return self.progress.state.value.capitalize()
        if self.complete:
            return "Complete"
        return "Stopped" if self.session.ended_wall_s is not None else "Interrupted"

    @property
    def about(self) -> str:
        """The part of the film, the film when it is not the one that is shown, and when it began."""
        session = self.session
        whole = session.start_s is None and session.end_s is None
        end = "the end" if session.end_s is None else clock(session.end_s)
        part = "Whole film" if whole else f"{clock(session.start_s or 0.0)} to {end}"
        name = [] if self.here else [Path(session.source).name]
        began = datetime.fromtimestamp(session.began_wall_s)
        return " · ".join([*name, part, f"{began:%d %b %H:%M}"])

    @property
    def words(self) -> str:
        """How far it has come, or what went wrong."""
        now = self.progress
        if now is not None and now.message and self.failed:
            return now.message
        if now is None or self.complete:
            frames = max(self.session.frames, now.frames if now else 0)
            return f"{frames:,} frames" + ("" if self.complete else f", as far as {clock(self.session.last_s)}")
        of = f" of {now.total:,}" if now.total else ""
        parts = [f"{now.frames:,}{of} frames"]
        if now.fps >= 0.05:
            parts.append(f"{now.fps:.1f} fps" if now.fps < 10 else f"{now.fps:.0f} fps")
        if now.left_s is not None:
            parts.append(f"{clock(now.left_s).partition('.')[0]} left")
        return " · ".join(parts)

    @property
    def share(self) -> float | None:
        """How much is done, 0 to 1; None when that is not known, or all is."""
        if self.complete:
            return None
        if self.progress is not None:
            return self.progress.frames / self.progress.total if self.progress.total else None
        session = self.session
        if session.end_s is None or session.end_s <= (session.start_s or 0.0):
            return None
        begin = session.start_s or 0.0
        return min(max((session.last_s - begin) / (session.end_s - begin), 0.0), 1.0)


def row_of(session: Session, here: bool = False) -> RunRow:
    """The row of a session that is in the log. Reads its pipeline, so not for the GUI thread with hundreds of them."""
    try:
        spec = PipelineSpec.from_yaml(session.pipeline)
    except SpecError:
        return RunRow(session, "Unreadable pipeline", here)
    stages = [stage.id for stage in spec.stages if stage.enabled]
    return RunRow(session, ", ".join(stages) or "No stages", here)


class RunRows(QAbstractListModel):
    """The rows for a view: those of the film that is shown first, the newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[RunRow] = []

    def show_rows(self, rows: Sequence[RunRow]) -> None:
        """Show other rows; a view keeps its choice when they are of the same analyses."""
        rows = sorted(rows, key=lambda row: (not row.here, -row.session.began_wall_s, -row.session.id))
        if [row.session.id for row in rows] == [row.session.id for row in self.rows]:
            self.rows = rows
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def show_progress(self, session_id: int, progress: AnalysisProgress) -> None:
        """How far one of them has come now."""
        at = self.row_of(session_id)
        if at >= 0 and self.rows[at].progress != progress:
            self.rows[at] = replace(self.rows[at], progress=progress)
            self.dataChanged.emit(self.index(at), self.index(at))

    def row_of(self, session_id: int) -> int:
        """Where an analysis stands; -1 when it does not."""
        return next((at for at, row in enumerate(self.rows) if row.session.id == session_id), -1)

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    @override
    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        if not 0 <= index.row() < len(self.rows):
            return None
        row = self.rows[index.row()]
        if role == RUN_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        if role == Qt.ItemDataRole.ToolTipRole:
            hint = row.progress.hint if row.progress is not None and row.failed else ""
            return "\n".join(filter(None, [row.title, row.session.source, row.stages, row.words, hint]))
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{row.title}, {row.state}, {row.about}, {row.words}"
        return None


class RunDelegate(QStyledItemDelegate):
    """Draws a row: title and state, what it is of, and how far it has come."""

    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, 3 * QFontMetrics(option.font).height() + 2 * PAD + BAR_HEIGHT + 4)

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row, view = index.data(RUN_ROLE), self.parent()
        if not isinstance(row, RunRow) or not isinstance(view, QWidget):
            return
        colours = colours_of(view)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = option.rect.adjusted(2, 1, -2, -1)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent_soft if chosen else colours.raised))
            painter.drawRoundedRect(rect, 6, 6)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(colours.accent), 1.2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect, 6, 6)
        self._lines(painter, option.font, rect.adjusted(PAD, PAD - 2, -PAD, -PAD), row, colours)
        painter.restore()

    def _lines(self, painter: QPainter, font: QFont, rect: QRect, row: RunRow, colours: Colours) -> None:
        small, bold = QFont(font), QFont(font)
        small.setPointSizeF(font.pointSizeF() * 0.9)
        bold.setWeight(QFont.Weight.DemiBold)
        height = QFontMetrics(font).height()
        line = QRect(rect.left(), rect.top(), rect.width(), height)
        right = self._state(painter, line, small, row, colours)
        self._text(
            painter, QRect(line.left(), line.top(), right - line.left() - 8, height), bold, row.title, colours.text
        )
        line.translate(0, height)
        self._text(painter, line, small, row.about, colours.muted)
        line.translate(0, height)
        self._text(painter, line, small, row.words, colours.bad if row.failed else colours.muted)
        if row.share is not None:
            self._bar(painter, QRectF(rect.left(), line.bottom() + 3, rect.width(), BAR_HEIGHT), row, colours)

    @staticmethod
    def _text(painter: QPainter, rect: QRect, font: QFont, text: str, colour: str) -> None:
        painter.setFont(font)
        painter.setPen(QColor(colour))
        shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)

    @staticmethod
    def _state(painter: QPainter, line: QRect, font: QFont, row: RunRow, colours: Colours) -> int:
        """The state at the right end, with a sign; where it begins."""
        colour = QColor(colours.bad if row.failed else colours.good if row.complete else colours.muted)
        if row.active:
            colour = QColor(colours.accent)
        painter.setFont(font)
        painter.setPen(colour)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, row.state)
        left = line.right() - QFontMetrics(font).horizontalAdvance(row.state) - 17
        sign = QRect(left, line.center().y() - 5, 12, 12)
        if row.failed:
            painter.drawPixmap(sign, pixmap("warning", colour, 24))
        elif row.complete:
            painter.setBrush(colour)
            painter.drawEllipse(sign.adjusted(2, 2, -2, -2))
        else:
            painter.setPen(QPen(colour, 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(sign.adjusted(2, 2, -2, -2))
        return left

    @staticmethod
    def _bar(painter: QPainter, rect: QRectF, row: RunRow, colours: Colours) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.line))
        painter.drawRoundedRect(rect, 2, 2)
        done = QRectF(rect)
        done.setWidth(rect.width() * (row.share or 0.0))
        painter.setBrush(QColor(colours.accent if row.active else colours.faint))
        painter.drawRoundedRect(done, 2, 2)
