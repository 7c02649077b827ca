"""How two analyses of a film differ: how far they agree, by class, and the pictures where they do not."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.pipelines.analysis.compare import Comparison, Difference
from scenescope.widgets.transport_time import exact_clock

__all__ = ["ComparisonView", "difference_words"]

Index = QModelIndex | QPersistentModelIndex

CLASS_COLUMNS = ("Class", "First", "Second", "Agree")
FRAME_COLUMNS = ("Time", "Picture", "What differs")
NUMBERS = {"First", "Second", "Agree", "Picture"}
MOST_CLASS_ROWS_SHOWN = 6
_AT_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


def difference_words(one: Difference) -> str:
    """What differs in a frame: "car only in the first, truck is bus in the second"."""
    parts = []
    if one.missing:
        parts.append(f"{_listed(one.missing)} only in the first")
    if one.added:
        parts.append(f"{_listed(one.added)} only in the second")
    parts += [f"{first} is {second} in the second" for first, second in one.renamed]
    return ", ".join(parts)


def _listed(labels: tuple[str, ...]) -> str:
    counted = [f"{name} ({labels.count(name)})" if labels.count(name) > 1 else name for name in sorted(set(labels))]
    return " and ".join(counted)


class _Cells(QAbstractTableModel):
    """A table of words; numbers stand at the right."""

    def __init__(self, columns: tuple[str, ...], parent: QObject) -> None:
        super().__init__(parent)
        self._columns = columns
        self.cells: list[tuple[str, ...]] = []

    def show_cells(self, cells: list[tuple[str, ...]]) -> None:
        self.beginResetModel()
        self.cells = cells
        self.endResetModel()

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.cells)

    @override
    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._columns)

    @override
    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = int(Qt.ItemDataRole.DisplayRole)
    ) -> Any:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section]
        right = role == Qt.ItemDataRole.TextAlignmentRole and self._columns[section] in NUMBERS
        return _AT_RIGHT if right else None

    @override
    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        text = self.cells[index.row()][index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{self._columns[index.column()]}: {text}"
        if role == Qt.ItemDataRole.TextAlignmentRole and self._columns[index.column()] in NUMBERS:
            return _AT_RIGHT
        return None


class ComparisonView(QWidget):
    """Shows a comparison; Enter or a click on a picture of the list goes there."""

    jump_wished = Signal(int, float)
    """Number and time of a picture."""
    back_wished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.comparison: Comparison | None = None
        self.back = QPushButton("Back to the list")
        self.back.setToolTip("Show the analyses again (Esc)")
        self.back.clicked.connect(self.back_wished)
        self.headline = QLabel()
        self.headline.setObjectName("heading")
        self.names = QLabel()
        self.names.setObjectName("muted")
        self.summary = QLabel()
        for label in (self.headline, self.names, self.summary):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._classes = _Cells(CLASS_COLUMNS, self)
        self.classes = _table(self._classes, "Agreement by class")
        self._frames = _Cells(FRAME_COLUMNS, self)
        self.frames = _table(self._frames, "Pictures where they differ")
        self.frames.setAccessibleDescription("Enter goes to the chosen picture.")
        self.frames.clicked.connect(self._jump)
        self.frames.activated.connect(self._jump)
        row = QHBoxLayout()
        row.addWidget(self.headline, 1)
        row.addWidget(self.back)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(row)
        column.addWidget(self.names)
        column.addWidget(self.classes)
        column.addWidget(self.summary)
        column.addWidget(self.frames, 1)

    def show_comparison(self, comparison: Comparison, first: str, second: str) -> None:
        """Show this one, of analyses with these names."""
        found = self.comparison = comparison
        self.headline.setText(f"{found.agreement:.1%} agreement")
        self.names.setText(f"First: {first}\nSecond: {second}")
        self._classes.show_cells(
            [(one.label, f"{one.first:,}", f"{one.second:,}", f"{one.agreement:.1%}") for one in found.classes]
        )
        self._frames.show_cells(
            [(exact_clock(one.pts_s), f"{one.frame}", difference_words(one)) for one in found.differences]
        )
        self.summary.setText(_summary(found))
        self.classes.setVisible(bool(found.classes))
        self.frames.setVisible(bool(found.differences))
        self._fit()

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.back_wished.emit()
        else:
            super().keyPressEvent(event)

    def _fit(self) -> None:
        """As high as its rows, up to a few of them."""
        rows = min(len(self._classes.cells), MOST_CLASS_ROWS_SHOWN)
        row = self.classes.verticalHeader().defaultSectionSize()
        self.classes.setFixedHeight(self.classes.horizontalHeader().sizeHint().height() + rows * row + 6)
        self.classes.resizeColumnsToContents()
        self.classes.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.frames.resizeColumnToContents(0)
        self.frames.resizeColumnToContents(1)

    @Slot(object)
    def _jump(self, index: Index) -> None:
        if self.comparison is not None and index.isValid():
            one = self.comparison.differences[index.row()]
            self.jump_wished.emit(one.frame, one.pts_s)


def _summary(found: Comparison) -> str:
    one_only = [
        f"{count:,} pictures are in the {which} only."
        for count, which in ((found.only_first, "first"), (found.only_second, "second"))
        if count
    ]
    if not found.frames:
        return " ".join(["They have no pictures in common.", *one_only])
    if not found.differing:
        return " ".join([f"They agree in all of {found.frames:,} pictures.", *one_only])
    places = f"{len(found.ranges):,} place" + "s" * (len(found.ranges) != 1)
    parts = [f"They differ in {found.differing:,} of {found.frames:,} pictures, at {places}.", *one_only]
    if len(found.differences) < found.differing:
        parts.append(f"The {len(found.differences):,} that differ most:")
    return " ".join(parts)


def _table(model: _Cells, name: str) -> QTableView:
    table = QTableView()
    table.setModel(model)
    table.setAccessibleName(name)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setShowGrid(False)
    table.setTabKeyNavigation(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(24)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return table
