"""What was guessed of a model, one row each: the value to correct, how sure it is, and why."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QWidget
from typing_extensions import override

from scenescope.models.catalogue.guess import Finding
from scenescope.widgets.theme import Colours, colours_of

__all__ = ["FROM_FILE", "FindingsForm", "confidence_words", "value_text"]

FROM_FILE = "From a file..."
"""The choice of labels that asks for a file."""
TITLES = {
    "runtime": "Runs on",
    "task": "Task",
    "architecture": "Family",
    "boxes": "Outputs",
    "size": "Input size",
    "layout": "Layout",
    "colour": "Colours",
    "normalisation": "Values",
    "dtype": "Numbers",
    "fit": "Pictures are fitted by",
    "labels": "Class names",
}
_WORDS = ((0.9, "sure", 3), (0.6, "likely", 2), (0.0, "unsure", 1))
_BAR_PX, _GAP_PX, _SIGN_PX = 4, 2, 16


def confidence_words(finding: Finding) -> str:
    """How sure it is, in a word and a number: "sure, 96 %"; or that the user has said so."""
    if finding.corrected:
        return "your choice"
    return f"{_level(finding)[1]}, {finding.confidence:.0%}".replace("%", " %")


def value_text(value: Any) -> str:
    """A value for people."""
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return f"{value[0]} x {value[1]}"
    return str(value).replace("-", " ") if isinstance(value, str) and value.islower() else str(value)


def _level(finding: Finding) -> tuple[float, str, int]:
    return next(level for level in _WORDS if finding.confidence >= level[0])


class FindingsForm(QWidget):
    """A row for each finding; a choice in a combo box is told by ``corrected(field, value)``."""

    corrected = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combos: dict[str, QComboBox] = {}
        self._signs: dict[str, QLabel] = {}
        self._words: dict[str, QLabel] = {}
        self._whys: dict[str, QLabel] = {}
        self._rows: dict[str, tuple[QWidget, ...]] = {}
        self._findings: dict[str, Finding] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)

    def show_findings(self, findings: tuple[Finding, ...]) -> None:
        """Show these; rows stay where they are, so that the keyboard's place is kept."""
        self._findings = {finding.field: finding for finding in findings}
        for field in self._findings:
            if field not in self.combos:
                self._add_row(field)
        for field in self.combos:
            finding = self._findings.get(field)
            for widget in self._rows[field]:
                widget.setVisible(finding is not None)
            if finding is not None:
                self._show(field, finding)

    def finding(self, field: str) -> Finding | None:
        """What is shown in a row."""
        return self._findings.get(field)

    def _add_row(self, field: str) -> None:
        row, title = 2 * list(TITLES).index(field), TITLES[field]
        name = QLabel(title)
        combo = QComboBox()
        combo.setAccessibleName(title)
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(18)
        combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        combo.activated.connect(lambda at, field=field: self._chosen(field, at))
        name.setBuddy(combo)
        sign, words, why = QLabel(), QLabel(), QLabel()
        why.setObjectName("muted")
        why.setTextFormat(Qt.TextFormat.PlainText)
        why.setWordWrap(True)
        why.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        why.setContentsMargins(0, 0, 0, 6)
        for column, widget in enumerate((name, combo, sign, words)):
            self._grid.addWidget(widget, row, column)
        self._grid.addWidget(why, row + 1, 1, 1, 3)
        self.combos[field], self._signs[field], self._words[field], self._whys[field] = combo, sign, words, why
        self._rows[field] = (name, combo, sign, words, why)

    def _show(self, field: str, finding: Finding) -> None:
        combo = self.combos[field]
        combo.clear()
        for value in finding.choices:
            combo.addItem(value_text(value), value)
            combo.setItemData(combo.count() - 1, value_text(value), Qt.ItemDataRole.ToolTipRole)
        combo.setCurrentIndex(finding.choices.index(finding.value))
        if field == "labels":
            combo.addItem(FROM_FILE, FROM_FILE)
        combo.setEnabled(combo.count() > 1)
        said = confidence_words(finding)
        self._words[field].setText(said)
        self._whys[field].setText(finding.why)
        self._signs[field].setPixmap(self._sign(finding))
        self._signs[field].setAccessibleName(said)
        combo.setAccessibleDescription(f"{said}: {finding.why}")
        combo.setToolTip(value_text(finding.value))

    def _chosen(self, field: str, at: int) -> None:
        value = self.combos[field].itemData(at)
        finding = self._findings.get(field)
        if finding is not None and value != finding.value:
            self.corrected.emit(field, value)

    def _sign(self, finding: Finding) -> QPixmap:
        """Bars, as of a radio signal: one when unsure, three when sure; a tick for what the user has said."""
        ratio = self.devicePixelRatioF()
        picture = QPixmap(round(_SIGN_PX * ratio), round(_SIGN_PX * ratio))
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = colours_of(self)
        if finding.corrected:
            painter.setPen(QPen(QColor(colours.accent), 2.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawPolyline([QPointF(3, 9), QPointF(6.5, 12.5), QPointF(13, 4)])
        else:
            _paint_bars(painter, _level(finding)[2], colours)
        painter.end()
        return picture

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for field, finding in self._findings.items():
                self._signs[field].setPixmap(self._sign(finding))


def _paint_bars(painter: QPainter, count: int, colours: Colours) -> None:
    tint = QColor({3: colours.good, 2: colours.accent, 1: colours.warning}[count])
    for bar in range(3):
        height = 5 + 4 * bar
        box = QRectF(bar * (_BAR_PX + _GAP_PX), _SIGN_PX - 1 - height, _BAR_PX, height)
        painter.setPen(QPen(tint if bar < count else QColor(colours.faint), 1))
        painter.setBrush(tint if bar < count else Qt.BrushStyle.NoBrush)
        painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
