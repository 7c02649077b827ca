"""Paints a timeline: what stays the same until one zooms or pans goes into a pixmap, the rest over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPen, QPolygonF

from scenescope.widgets import timeline_raster as raster
from scenescope.widgets.theme import Colours
from scenescope.widgets.timeline_data import Group, TimelineData, kind_of
from scenescope.widgets.timeline_layout import BAR_PX, Row
from scenescope.widgets.timeline_signs import SIGN_PX, label_rgb, rgb_of, sign
from scenescope.widgets.timeline_span import Span, ticks
from scenescope.widgets.timeline_stats import HOLDS_S, StageHistory

__all__ = ["RULER_PX", "Base", "Scene", "paint_base", "paint_heads", "paint_ruler"]

RULER_PX = 24
MOST_SIGNS = 3000
LEAST_APART_PX = 6.0
BAND_PX = 5
STRIP_PX = 4
FORMAT = QImage.Format.Format_RGB32


@dataclass
class Scene:
    """All that is shown.

    Attributes:
        data, rows: what there is, and how it is arranged.
        span: the time on the screen, right of the headers.
        scroll_px: how far the rows are scrolled up.
        history: of the stages.
        limits_s: where the film begins and ends; what is beyond lies in the shade. None when there is no film.
    """

    data: TimelineData = field(default_factory=TimelineData)
    rows: list[Row] = field(default_factory=list)
    span: Span = field(default_factory=lambda: Span(0.0, 60.0, 600))
    scroll_px: int = 0
    history: StageHistory = field(default_factory=StageHistory)
    limits_s: tuple[float, float] | None = None

    def seen(self, height_px: int) -> list[Row]:
        """The rows on the screen, which is ``height_px`` high below the ruler."""
        return [row for row in self.rows if row.bottom > self.scroll_px and row.top < self.scroll_px + height_px]


@dataclass(frozen=True, eq=False)
class Base:
    """Painted lanes; ``image`` borrows the array, which lives as long."""

    image: QImage
    array: raster.Block


def paint_base(scene: Scene, height_px: int, colours: Colours, ratio: float) -> Base:
    """The lanes on the screen without headers and ruler, ``span.width_px`` by ``height_px``."""
    width = scene.span.width_px
    apart_px = LEAST_APART_PX
    image, signs = _paint_rows(scene, height_px, colours, apart_px)
    # On a huge screen full of signs nobody tells one from the next: more of them become columns.
    while sum(len(rows) for _, rows in signs) > MOST_SIGNS:
        apart_px *= 2
        image, signs = _paint_rows(scene, height_px, colours, apart_px)
    base = QImage(image.data, width, height_px, 4 * width, FORMAT)
    if ratio != 1:
        base = base.scaled(round(width * ratio), round(height_px * ratio))
        base.setDevicePixelRatio(ratio)
    painter = QPainter(base)
    _paint_signs(painter, scene, signs, colours, ratio)
    painter.end()
    return Base(base, image)


def _paint_rows(
    scene: Scene, height_px: int, colours: Colours, apart_px: float
) -> tuple[raster.Block, list[tuple[Row, NDArray[np.int64]]]]:
    """The picture, uint32 (h, w), and of each row the events that want a sign."""
    image = np.empty((height_px, scene.span.width_px), np.uint32)
    image[:] = _ground(scene, colours)
    signs = []
    for row in scene.seen(height_px):
        top = row.top - scene.scroll_px
        block = image[max(top, 0) : min(top + row.height, height_px)]
        if row.bare:
            block[:] = raster.packed(rgb_of(colours.raised))
        alone = _paint_row(scene, row, block, max(-top, 0), colours, apart_px)
        if len(alone):
            signs.append((row, alone))
        if top + row.height <= height_px:
            image[top + row.height - 1] = raster.packed(rgb_of(colours.line))
    return image, signs


def group_rgb(group: Group, colours: Colours) -> tuple[int, int, int]:
    """The colour of what has no class."""
    return rgb_of(
        {
            Group.MARKS: colours.warning,
            Group.SCENES: colours.muted,
            Group.TEXT: colours.accent,
            Group.GAPS: colours.bad,
            Group.LATENCY: colours.accent,
        }.get(group, colours.muted)
    )


def _row_rgb(row: Row, colours: Colours) -> tuple[int, int, int]:
    return label_rgb(row.name, colours) if row.group is Group.CLASSES and row.name else group_rgb(row.group, colours)


def _paint_row(
    scene: Scene, row: Row, block: raster.Block, cut_px: int, colours: Colours, apart_px: float
) -> NDArray[np.int64]:
    """Paint one row; the events that stand alone and want a sign."""
    span = scene.span
    rgb = _row_rgb(row, colours)
    if row.group is Group.LATENCY and not row.closed:
        t_s, total_ms, _ = scene.history.arrays
        raster.area(block, t_s, total_ms, span, scene.history.most_ms, rgb, HOLDS_S)
    if len(row.tracks) and row.packed:
        palette = np.array([raster.packed(label_rgb(name, colours)) for name in scene.data.tracks.names], np.uint32)
        for bars in row.bars:
            top = bars.top_px - cut_px
            part = block[max(top, 0) : max(top + BAR_PX - 1, 0)]
            raster.bars(part, bars.first_s, bars.last_s, palette[bars.label], span)
    elif len(row.tracks):
        band = block[max(BAND_PX - cut_px, 0) : max(row.height - BAND_PX - cut_px, 0)]
        raster.tint(band, raster.strength(raster.coverage(*row.presence_s, span), 0.22) * 0.8, rgb)
    if row.group is Group.GAPS and len(scene.history):
        t_s, _, dropped = scene.history.arrays
        raster.tint(block, raster.strength(raster.density(t_s, span, dropped)), rgb)
    if not len(row.rows):
        return row.rows
    if len(row.stretches_s[0]):
        covered = raster.coverage(*row.stretches_s, span)
        if row.group is Group.GAPS:
            raster.hatch(block, covered, rgb)
        else:
            raster.tint(block[max(row.height - 1 - STRIP_PX - cut_px, 0) :], raster.strength(covered, 0.6), rgb)
    alone, crowd = raster.split(row.t_s, span, apart_px, SIGN_PX)
    raster.tint(block, raster.strength(crowd), rgb)
    return row.rows[alone]


def _ground(scene: Scene, colours: Colours) -> NDArray[np.uint32]:
    """The colour of each column, uint32 (w,): what is before the film or after it is that of the window."""
    width = scene.span.width_px
    ground = np.full(width, raster.packed(rgb_of(colours.panel)))
    if scene.limits_s is not None:
        begin, end = (min(max(round(scene.span.x(limit)), 0), width) for limit in scene.limits_s)
        ground[:begin] = ground[max(end, begin) :] = raster.packed(rgb_of(colours.window))
    return ground


def _paint_signs(
    painter: QPainter,
    scene: Scene,
    found: Sequence[tuple[Row, NDArray[np.int64]]],
    colours: Colours,
    ratio: float,
) -> None:
    columns = scene.data.columns
    kinds = [kind_of(name) for name in columns.names["kind"]]
    labels = columns.names["label"]
    half = SIGN_PX / 2
    for row, rows in found:
        y = row.top - scene.scroll_px + (row.height - SIGN_PX) / 2
        plain = group_rgb(row.group, colours)
        places = (columns.t_s[rows] - scene.span.start_s) * scene.span.px_per_s - half
        codes = zip(columns.kind[rows].tolist(), columns.label[rows].tolist(), strict=True)
        for (kind, label), x in zip(codes, places.tolist(), strict=True):
            name = labels[label]
            rgb = label_rgb(name, colours) if name else plain
            painter.drawPixmap(QPointF(x, y), sign(kinds[kind], rgb, colours.text, ratio))


def paint_ruler(painter: QPainter, area: QRect, span: Span, font: QFont, colours: Colours) -> None:
    """Ticks and their times."""
    metrics = QFontMetrics(font)
    painter.fillRect(area, QColor(colours.raised))
    painter.setFont(font)
    small: list[QLineF] = []
    big: list[QLineF] = []
    for tick in ticks(span, metrics.horizontalAdvance("0:00:00.00") + 18):
        x = area.left() + round(span.x(tick.t_s)) + 0.5
        (big if tick.label else small).append(QLineF(x, area.bottom() - (9 if tick.label else 4), x, area.bottom()))
        if tick.label:
            painter.setPen(QColor(colours.muted))
            painter.drawText(QPointF(x + 4, area.top() + metrics.ascent() + 2), tick.label)
    painter.setPen(QPen(QColor(colours.faint), 1))
    painter.drawLines([*small, *big])
    painter.setPen(QColor(colours.line))
    painter.drawLine(area.bottomLeft(), area.bottomRight())


def paint_heads(
    painter: QPainter, area: QRect, scene: Scene, font: QFont, colours: Colours, focused: tuple[Group, str] | None
) -> None:
    """Names of the rows, with how much each holds, in ``area`` left of the lanes."""
    metrics = QFontMetrics(font)
    painter.save()
    painter.setClipRect(area)
    painter.setFont(font)
    painter.fillRect(area, QColor(colours.raised))
    for row in scene.seen(area.height()):
        box = QRect(area.left(), area.top() + row.top - scene.scroll_px, area.width(), row.height)
        if row.key == focused:
            painter.fillRect(box.adjusted(0, 0, 0, -1), QColor(colours.accent_soft))
            painter.fillRect(QRect(box.left(), box.top(), 3, box.height() - 1), QColor(colours.accent))
        middle = box.top() + (box.height() - 1) / 2
        left = box.left() + 8
        if row.head:
            _triangle(painter, QPointF(left + 3, middle), row.closed, colours)
        elif row.group is Group.CLASSES:
            painter.fillRect(QRectF(left + 12, middle - 4, 8, 8), QColor(*label_rgb(row.name, colours)))
        left += 12 if row.head else 26
        count = len(row.rows) if row.group is not Group.TRACKS else len(row.tracks)
        number = f"{count:,}" if count else ""
        right = box.right() - 6 - metrics.horizontalAdvance(number)
        baseline = middle + (metrics.ascent() - metrics.descent()) / 2
        painter.setPen(QColor(colours.muted))
        painter.drawText(QPointF(right, baseline), number)
        painter.setPen(QColor(colours.text))
        title = metrics.elidedText(row.title, Qt.TextElideMode.ElideRight, max(right - left - 6, 0))
        painter.drawText(QPointF(left, baseline), title)
        painter.setPen(QColor(colours.line))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
    painter.drawLine(area.topRight(), area.bottomRight())
    painter.restore()


def _triangle(painter: QPainter, at: QPointF, closed: bool, colours: Colours) -> None:
    points = ((-2, -4), (3, 0), (-2, 4)) if closed else ((-4, -2), (4, -2), (0, 3))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colours.muted))
    painter.drawPolygon(QPolygonF([at + QPointF(x, y) for x, y in points]))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
