"""EventResults: what a search has found, with pictures of the objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import (
    QAbstractListModel,
    QBuffer,
    QByteArray,
    QIODevice,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor, QFontMetrics, QImage, QImageReader, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget
from typing_extensions import override

from scenescope.pipelines.log.records import SearchHit
from scenescope.widgets.theme import colours_of
from scenescope.widgets.timeline_signs import label_rgb
from scenescope.widgets.timeline_words import one_line, stamp

__all__ = ["EventResults", "Found", "thumbnail"]

THUMB_WH = (64, 48)
MOST_PIXELS = 40_000_000
PAD_PX = 6
ROW_ROLE = int(Qt.ItemDataRole.UserRole)
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Found:
    """One answer.

    Attributes:
        hit: of the log.
        words: the event as a sentence; empty when it is no event.
        session: the name of its session; empty when it is the one that is shown.
        picture: of the object, at most ``THUMB_WH``; None when there is none.
        scored: its score means a likeness, so that it is worth showing.
    """

    hit: SearchHit
    words: str = ""
    session: str = ""
    picture: QImage | None = None
    scored: bool = False

    @property
    def title(self) -> str:
        """What it is."""
        if self.words:
            return self.words
        label = one_line(self.hit.label) or ("object" if self.hit.track_id is not None else "event")
        return f"{label} #{self.hit.track_id}" if self.hit.track_id is not None else label

    @property
    def facts(self) -> str:
        """When, where and how alike."""
        parts = [stamp(self.hit.t_s), self.session]
        if self.scored:
            parts.insert(0, f"{max(min(self.hit.score, 1.0), -1.0):.0%} alike")
        return "  ·  ".join(part for part in parts if part)


def thumbnail(jpeg: bytes) -> QImage | None:
    """A small picture of a JPEG, None when it is none; may be called on any thread."""
    data = QByteArray(jpeg)
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer, QByteArray(b"jpeg"))
    size = reader.size()
    if not size.isValid() or size.width() * size.height() > MOST_PIXELS:
        return None
    reader.setScaledSize(size.scaled(QSize(*THUMB_WH), Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1)))
    image = reader.read()
    return None if image.isNull() else image


class _Rows(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: list[Found] = []

    def show_rows(self, rows: Sequence[Found]) -> None:
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    @override
    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> object:
        row = self.rows[index.row()]
        if role == ROW_ROLE:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{row.title}, {row.facts}"
        return None


class _Painter(QStyledItemDelegate):
    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(180, max(THUMB_WH[1], 2 * QFontMetrics(option.font).height() + 4) + 2 * PAD_PX)

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row, view = index.data(ROW_ROLE), self.parent()
        if not isinstance(row, Found) or not isinstance(view, QWidget):
            return
        colours = colours_of(view)
        painter.save()
        rect = option.rect.adjusted(3, 1, -3, -1)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            if chosen and option.state & QStyle.StateFlag.State_HasFocus:
                painter.setPen(QPen(QColor(colours.accent), 1.2))
            painter.setBrush(QColor(colours.accent_soft if chosen else colours.raised))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.drawRoundedRect(rect, 5, 5)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        box = QRect(rect.left() + PAD_PX, rect.center().y() - THUMB_WH[1] // 2 + 1, *THUMB_WH)
        painter.fillRect(box, QColor(colours.stage))
        if row.picture is not None:
            at = QRect(0, 0, row.picture.width(), row.picture.height())
            at.moveCenter(box.center())
            painter.drawImage(at, row.picture)
        elif row.hit.label:
            mark = QRect(0, 0, 12, 12)
            mark.moveCenter(box.center())
            painter.fillRect(mark, QColor(*label_rgb(row.hit.label, colours)))
        metrics = QFontMetrics(option.font)
        left, width = box.right() + 10, rect.right() - box.right() - 16
        top = rect.center().y() - metrics.height() - 1
        for text, colour, at_y in (
            (row.title, colours.text, top),
            (row.facts, colours.muted, top + metrics.height() + 3),
        ):
            painter.setPen(QColor(colour))
            elided = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
            painter.drawText(left, at_y + metrics.ascent(), elided)
        painter.restore()


class EventResults(QListView):
    """Answers under each other; a click or Enter chooses one."""

    hit_chosen = Signal(object)
    """The :class:`SearchHit` to go to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = _Rows(self)
        self.setModel(self._rows)
        self.setItemDelegate(_Painter(self))
        self.setAccessibleName("Results")
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.clicked.connect(self._choose)

    @property
    def found(self) -> list[Found]:
        """What is shown."""
        return self._rows.rows

    def show_found(self, rows: Sequence[Found]) -> None:
        """Show these, the best first."""
        self._rows.show_rows(rows)
        if rows:
            self.setCurrentIndex(self._rows.index(0))

    @Slot(QModelIndex)
    def _choose(self, index: QModelIndex) -> None:
        row = index.data(ROW_ROLE)
        if isinstance(row, Found):
            self.hit_chosen.emit(row.hit)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.currentIndex())
        else:
            super().keyPressEvent(event)
