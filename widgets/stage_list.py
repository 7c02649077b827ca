"""The list of stages: what each is, how it fares, how long it takes."""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)
from typing_extensions import override

from scenescope.pipelines.events import StagePhase
from scenescope.widgets.icons import pixmap
from scenescope.widgets.stage_model import ROW_ROLE, Index, StageModel, StageRow
from scenescope.widgets.theme import Colours, colours_of

__all__ = ["StageList"]

PAD = 10
CHECK = 18
SPIN_EVERY_MS = 80


class StageDelegate(QStyledItemDelegate):
    """Paints a row in two lines, and takes its clicks: the check box and the Retry button."""

    retry_requested = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.turn = 0

    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        metrics = QFontMetrics(option.font)
        return QSize(180, 2 * metrics.height() + 2 * PAD)

    def check_rect(self, rect: QRect) -> QRect:
        """Where the check box is."""
        return QRect(rect.left() + PAD, rect.center().y() - CHECK // 2 + 1, CHECK, CHECK)

    def retry_rect(self, rect: QRect, font: QFont) -> QRect:
        """Where the Retry button is, when there is one."""
        width = QFontMetrics(font).horizontalAdvance("Retry") + 22
        height = QFontMetrics(font).height() + 8
        return QRect(rect.right() - PAD - width, rect.center().y() - height // 2 + 1, width, height)

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row = index.data(ROW_ROLE)
        view = self.parent()
        if not isinstance(row, StageRow) or not isinstance(view, QWidget):
            return
        colours = colours_of(view)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = option.rect.adjusted(4, 2, -4, -2)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent_soft if chosen else colours.raised))
            painter.drawRoundedRect(rect, 6, 6)
        if chosen and option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(colours.accent), 1.2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect, 6, 6)
        self._check_box(painter, self.check_rect(option.rect), row.spec.enabled, colours)
        right = option.rect.right() - PAD
        if row.can_retry:
            button = self.retry_rect(option.rect, option.font)
            self._button(painter, button, "Retry", colours)
            right = button.left() - 6
        self._lines(painter, option, row, right, colours)
        painter.restore()

    @staticmethod
    def _check_box(painter: QPainter, rect: QRect, on: bool, colours: Colours) -> None:
        painter.setPen(QPen(QColor(colours.accent if on else colours.faint), 1.4))
        painter.setBrush(QColor(colours.accent if on else colours.field))
        painter.drawRoundedRect(QRectF(rect).adjusted(1.5, 1.5, -1.5, -1.5), 4, 4)
        if on:
            tick = QPolygonF([QPointF(5.0, 9.2), QPointF(7.8, 12.0), QPointF(13.0, 6.2)])
            pen = QPen(QColor(colours.on_accent), 2)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            painter.drawPolyline(tick.translated(QPointF(rect.topLeft())))

    @staticmethod
    def _button(painter: QPainter, rect: QRect, text: str, colours: Colours) -> None:
        painter.setPen(QPen(QColor(colours.accent), 1))
        painter.setBrush(QColor(colours.panel))
        painter.drawRoundedRect(rect, 5, 5)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)

    def _lines(
        self, painter: QPainter, option: QStyleOptionViewItem, row: StageRow, right: int, colours: Colours
    ) -> None:
        small = QFont(option.font)
        small.setPointSizeF(option.font.pointSizeF() * 0.88)
        bold = QFont(option.font)
        bold.setWeight(QFont.Weight.DemiBold)
        left = self.check_rect(option.rect).right() + PAD
        height = QFontMetrics(option.font).height()
        top = QRect(left, option.rect.top() + PAD, right - left, height)
        below = QRect(left, top.bottom() + 1, right - left, height)
        first_end = self._at_right(painter, top, row.timing, small, QColor(colours.muted))
        painter.setFont(bold)
        painter.setPen(QColor(colours.text if row.spec.enabled else colours.muted))
        title = QFontMetrics(bold).elidedText(row.title, Qt.TextElideMode.ElideRight, first_end - left)
        painter.drawText(top, Qt.AlignmentFlag.AlignVCenter, title)

        wrong_device = bool(row.state.device_problem or row.state.code_problem)
        device = row.state.device if not row.can_retry else ""
        tint = QColor(colours.bad if wrong_device else colours.muted)
        second_end = self._at_right(painter, below, device, small, tint)
        sign = self._sign(painter, QRect(left, below.top() + (height - 12) // 2, 12, 12), row, wrong_device, colours)
        painter.setFont(small)
        painter.setPen(sign if row.failed or wrong_device else QColor(colours.muted))
        text_rect = below.adjusted(17, 0, 0, 0)
        text_rect.setRight(second_end)
        sentence = QFontMetrics(small).elidedText(row.sentence, Qt.TextElideMode.ElideRight, text_rect.width())
        painter.drawText(text_rect, Qt.AlignmentFlag.AlignVCenter, sentence)

    @staticmethod
    def _at_right(painter: QPainter, rect: QRect, text: str, font: QFont, colour: QColor) -> int:
        """Write at the right end of ``rect``; where what stands left of it must end."""
        if not text:
            return rect.right()
        painter.setFont(font)
        painter.setPen(colour)
        painter.drawText(rect, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        return rect.right() - QFontMetrics(font).horizontalAdvance(text) - 8

    def _sign(self, painter: QPainter, rect: QRect, row: StageRow, wrong_device: bool, colours: Colours) -> QColor:
        """The sign before the second line: its shape says as much as its colour. Gives that colour."""
        phase = row.state.phase
        if row.failed or wrong_device:
            severe = phase in (StagePhase.TRIPPED, StagePhase.UNAVAILABLE) or wrong_device
            colour = QColor(colours.bad if severe else colours.warning)
            painter.drawPixmap(rect, pixmap("warning", colour, 24))
            return colour
        colour = QColor(colours.good if phase is StagePhase.READY else colours.muted)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if phase is StagePhase.LOADING:
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawArc(rect.adjusted(1, 1, -1, -1), -self.turn * 16, 270 * 16)
        elif phase is StagePhase.READY:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(rect.adjusted(2, 2, -2, -2))
        else:
            painter.setPen(QPen(colour, 1.4))
            painter.drawEllipse(rect.adjusted(2, 2, -2, -2))
        return colour

    @override
    def editorEvent(self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index) -> bool:
        row = index.data(ROW_ROLE)
        if not isinstance(row, StageRow):
            return False
        flip = Qt.CheckState.Unchecked if row.spec.enabled else Qt.CheckState.Checked
        if event.type() == QEvent.Type.MouseButtonRelease and isinstance(event, QMouseEvent):
            where = event.position().toPoint()
            if self.check_rect(option.rect).adjusted(-6, -8, 6, 8).contains(where):
                return model.setData(index, flip, Qt.ItemDataRole.CheckStateRole)
            if row.can_retry and self.retry_rect(option.rect, option.font).contains(where):
                self.retry_requested.emit(row.spec.id)
                return True
        return False


class StageList(QListView):
    """The view. ``chosen(stage_id)`` is told of every change of the current row, "" for none."""

    chosen = Signal(str)
    retry_requested = Signal(str)

    def __init__(self, model: StageModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stages = model
        self._wanted = ""
        self._last_row = 0
        self._delegate = StageDelegate(self)
        self._delegate.retry_requested.connect(self.retry_requested)
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName("Stages of the pipeline, in order")
        self.setAccessibleDescription("Space switches a stage on or off, Delete removes it, Ctrl+Shift+Up moves it up.")
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._spinner = QTimer(self)
        self._spinner.setInterval(SPIN_EVERY_MS)
        self._spinner.timeout.connect(self._spin)
        model.modelReset.connect(self._restore_choice)
        model.modelReset.connect(self._watch_loading)
        model.dataChanged.connect(self._watch_loading)

    @property
    def current_id(self) -> str:
        """Id of the chosen stage; "" when there is none."""
        row = self.currentIndex().data(ROW_ROLE)
        return row.spec.id if isinstance(row, StageRow) else ""

    def choose(self, stage_id: str) -> None:
        """Choose a stage, now or as soon as it is there."""
        self._wanted = stage_id
        at = self._stages.row_of(stage_id)
        if at >= 0:
            self.setCurrentIndex(self._stages.index(at))

    @override
    def currentChanged(self, current: Index, previous: Index) -> None:
        super().currentChanged(current, previous)
        if current.isValid():
            self._wanted, self._last_row = self.current_id, current.row()
            self.chosen.emit(self._wanted)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.currentIndex()
        if event.key() == Qt.Key.Key_Space and index.isValid() and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            row = index.data(ROW_ROLE)
            flip = Qt.CheckState.Unchecked if row.spec.enabled else Qt.CheckState.Checked
            self._stages.setData(index, flip, Qt.ItemDataRole.CheckStateRole)
            return
        super().keyPressEvent(event)

    @Slot()
    def _restore_choice(self) -> None:
        """After rows came or went: the same stage again, or the one that took its place."""
        if not self._stages.rows:
            self._wanted = ""
            self.chosen.emit("")
            return
        at = self._stages.row_of(self._wanted)
        self.setCurrentIndex(self._stages.index(at if at >= 0 else min(self._last_row, len(self._stages.rows) - 1)))

    @Slot()
    def _watch_loading(self) -> None:
        loading = any(row.state.phase is StagePhase.LOADING for row in self._stages.rows)
        if loading and not self._spinner.isActive():
            self._spinner.start()
        elif not loading:
            self._spinner.stop()

    @Slot()
    def _spin(self) -> None:
        self._delegate.turn = (self._delegate.turn + 30) % 360
        self.viewport().update()

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.viewport().update()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._stages.rows:
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            area = self.viewport().rect().adjusted(16, 12, -16, -12)
            how = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
            painter.drawText(area, how, "No stages: the picture is shown as it comes.\nAdd one with + above.")
