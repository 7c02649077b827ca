"""How long each stage takes: a bar for the median, a thinner one for the 95th percentile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.pipelines.events import CopyRate, StageStats
from scenescope.widgets.theme import colours_of

__all__ = ["TimingPanel"]

PAD = 12
ROW_GAP = 10
NOTHING_YET = "No stage has run yet"


class TimingBars(QWidget):
    """One row for each stage, and a mark where the time between two pictures ends."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[tuple[str, StageStats]] = []
        self.budget_ms = 0.0
        self.copies = ""
        self.setAccessibleName("Time of each stage")

    def show_stats(
        self, stats: Sequence[StageStats], titles: Mapping[str, str], rate_hz: float, copies: CopyRate | None = None
    ) -> None:
        """Show these.

        Args:
            stats: of all stages, in order.
            titles: by stage id.
            rate_hz: of the source, for the mark; 0 when it is not known.
            copies: between the host and devices, shown when there are any.
        """
        self.copies = copy_words(copies or CopyRate())
        self.rows = [(titles.get(one.stage_id, one.stage_id), one) for one in stats if one.calls]
        self.budget_ms = 1000 / rate_hz if rate_hz > 0 else 0.0
        words = [f"{title} {one.p50_ms:.1f} ms, at worst {one.p95_ms:.1f} ms" for title, one in self.rows]
        self.setAccessibleDescription("; ".join(filter(None, [*words, self.copies])) or NOTHING_YET)
        self.setMinimumHeight(self._height())
        self.update()

    @override
    def sizeHint(self) -> QSize:
        return QSize(240, self._height())

    def _row_height(self) -> int:
        return QFontMetrics(self.font()).height() + 14

    def _height(self) -> int:
        lines = 1 + bool(self.copies)
        rows = max(len(self.rows), 1) * (self._row_height() + ROW_GAP)
        return 2 * PAD + rows + lines * QFontMetrics(self.font()).height()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = colours_of(self)
        small = QFont(self.font())
        small.setPointSizeF(self.font().pointSizeF() * 0.88)
        metrics = QFontMetrics(self.font())
        if not self.rows:
            painter.setPen(QColor(colours.muted))
            area = self.rect().adjusted(PAD, PAD, -PAD, -PAD)
            painter.drawText(area, Qt.TextFlag.TextWordWrap, "The time of each stage is shown here while it runs.")
            return
        width = self.width() - 2 * PAD
        most = max(max(one.p95_ms for _, one in self.rows), self.budget_ms * 1.08, 1.0)
        mark = PAD + width * self.budget_ms / most
        top = PAD
        for title, one in self.rows:
            painter.setFont(self.font())
            painter.setPen(QColor(colours.text))
            painter.drawText(PAD, top + metrics.ascent(), title)
            painter.setFont(small)
            painter.setPen(QColor(colours.muted))
            value = f"{one.p50_ms:.1f} / {one.p95_ms:.1f} ms"
            right = self.width() - PAD - QFontMetrics(small).horizontalAdvance(value)
            painter.drawText(right, top + metrics.ascent(), value)
            bar_top = top + metrics.height() + 3
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.line))
            painter.drawRoundedRect(QRectF(PAD, bar_top, width, 8), 4, 4)
            slow = bool(self.budget_ms) and one.p50_ms > self.budget_ms
            painter.setBrush(QColor(colours.faint))
            painter.drawRoundedRect(QRectF(PAD, bar_top + 2, max(width * one.p95_ms / most, 4), 4), 2, 2)
            painter.setBrush(QColor(colours.warning if slow else colours.accent))
            painter.drawRoundedRect(QRectF(PAD, bar_top, max(width * one.p50_ms / most, 4), 8), 4, 4)
            if self.budget_ms:
                painter.setPen(QPen(QColor(colours.text), 1.4))
                painter.drawLine(QLineF(mark, bar_top - 3, mark, bar_top + 11))
            top += self._row_height() + ROW_GAP
        if self.budget_ms:
            painter.setFont(small)
            painter.setPen(QColor(colours.muted))
            text = f"{self.budget_ms:.0f} ms between pictures"
            wide = QFontMetrics(small).horizontalAdvance(text)
            left = min(max(mark - wide / 2, PAD), self.width() - PAD - wide)
            painter.drawText(QPointF(left, top + metrics.ascent()), text)
            top += metrics.height()
        if self.copies:
            painter.setFont(small)
            painter.setPen(QColor(colours.muted))
            painter.drawText(QPointF(PAD, top + metrics.ascent()), self.copies)


def copy_words(copies: CopyRate) -> str:
    """What is said of copies between the host and devices; empty when there are none."""
    if not copies.uploads and not copies.downloads:
        return ""
    up, down = f"{copies.uploads:.1f} up", f"{copies.downloads:.1f} down"
    return f"Device copies a picture: {up}, {down}, {copies.megabytes:.1f} MB"


class TimingPanel(QFrame):
    """The bars, scrolled when there are many."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars = TimingBars()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(self.bars)
        card = QFrame()
        card.setObjectName("card")
        inside = QVBoxLayout(card)
        inside.setContentsMargins(1, 1, 1, 1)
        inside.addWidget(area)
        around = QVBoxLayout(self)
        around.setContentsMargins(2, 0, 6, 4)
        around.addWidget(card)
