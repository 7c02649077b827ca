"""The table of networks: what is here, what can be had, and in which state each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt
from typing_extensions import override

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import Catalogue
from scenescope.models.catalogue.download import Downloader, Interrupted
from scenescope.models.catalogue.offers import size_text
from scenescope.models.catalogue.risk import risk_of
from scenescope.models.catalogue.store import Damaged
from scenescope.models.catalogue.trust import trusted_hashes
from scenescope.models.vision.runtimes import RUNTIMES

__all__ = ["WIDTHS_PX", "Key", "ModelRow", "ModelRows", "ModelTable", "Where", "rows_of"]

Key = tuple[str, bool, bool]
Index = QModelIndex | QPersistentModelIndex

COLUMNS = ("Name", "State", "Task", "Size", "Licence", "Runtime", "From")
WIDTHS_PX = (230, 130, 165, 100, 90, 110, 90)
SORT_ROLE = int(Qt.ItemDataRole.UserRole)


class Where(StrEnum):
    """Which rows are shown."""

    ALL = "All"
    HERE = "On this computer"
    AVAILABLE = "To download"


@dataclass(frozen=True)
class ModelRow:
    """One network.

    Attributes:
        card: what is known of it; None when its card is damaged.
        risk: why its file can run code; empty when it cannot, or is not here.
        trusted: the user has said that it may.
        interrupted: of a download that has begun.
        damaged: what is wrong with its folder.
    """

    name: str
    card: ModelCard | None = None
    here: bool = False
    risk: str = ""
    trusted: bool = False
    interrupted: Interrupted | None = None
    damaged: Damaged | None = None

    @property
    def key(self) -> Key:
        """By which a row is found again after a change: its name, whether it is here, whether it was interrupted."""
        return self.name, self.here, self.interrupted is not None

    @property
    def removable(self) -> bool:
        """It is the user's own."""
        return self.damaged is not None or (self.here and self.card is not None and self.card.origin != "bundled")

    @property
    def size_bytes(self) -> int:
        """On the disk, or of the download."""
        if self.card is None:
            return 0
        if self.interrupted is not None:
            return self.interrupted.consent.offer.size_bytes
        return self.card.size_bytes if self.here else self.card.download_size_bytes

    @property
    def state(self) -> str:
        """In a few words."""
        if self.damaged is not None:
            return "Damaged"
        if self.interrupted is not None:
            whole = self.size_bytes
            share = f" at {self.interrupted.done_bytes / whole:.0%}" if whole else ""
            return f"Interrupted{share}"
        if not self.here:
            return "To download"
        if self.risk and not self.trusted:
            return "Not trusted yet"
        return "Ready" if not self.missing else "Library missing"

    @property
    def missing(self) -> str:
        """What to install before it can be used; empty when all is there."""
        info = RUNTIMES.get(self.card.runtime) if self.card is not None else None
        if info is None or not info.missing:
            return ""
        return f"pip install '{f'scenescope[{info.extra}]' if info.extra else ' '.join(info.missing)}'"

    def cells(self) -> tuple[str, ...]:
        """What the columns show."""
        card = self.card
        if card is None:
            return (self.name, self.state, "", "", "", "", "")
        about = "" if self.here or self.interrupted else "about "
        size = f"{about}{size_text(self.size_bytes)}" if self.size_bytes else ""
        runtime = RUNTIMES[card.runtime].title if card.runtime in RUNTIMES else card.runtime
        origin = {"bundled": "Scenescope", "local": "your file"}.get(card.origin, card.upstream or "download")
        return (self.name, self.state, card.task, size, card.licence, runtime, origin)


def rows_of(catalogue: Catalogue, downloader: Downloader) -> list[ModelRow]:
    """Everything that there is: here first, then what can be had."""
    trusted = trusted_hashes()
    rows = []
    for card in catalogue.cards():
        risk = risk_of(card.path) if card.origin != "bundled" else ""
        rows.append(ModelRow(card.name, card, here=True, risk=risk, trusted=card.sha256 in trusted))
    rows += [ModelRow(broken.name, here=True, damaged=broken) for broken in catalogue.damaged()]
    interrupted = downloader.interrupted()
    rows += [ModelRow(one.card.name, one.card, interrupted=one) for one in interrupted]
    begun = {one.card.url for one in interrupted}
    return [*rows, *(ModelRow(card.name, card) for card in catalogue.available() if card.url not in begun)]


class ModelTable(QAbstractTableModel):
    """The rows for a view."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[ModelRow] = []

    def show_rows(self, rows: Sequence[ModelRow]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    @override
    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(COLUMNS)

    @override
    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = int(Qt.ItemDataRole.DisplayRole)
    ) -> Any:
        shown = orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return COLUMNS[section] if shown else None

    @override
    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return row.cells()[column]
        if role == SORT_ROLE:
            return row.size_bytes if COLUMNS[column] == "Size" else row.cells()[column].casefold()
        if role == Qt.ItemDataRole.ToolTipRole and row.card is not None:
            return f"{row.card.title}. {row.card.summary}" if column == 0 else row.cells()[column]
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{COLUMNS[column]}: {row.cells()[column] or 'not known'}"
        if role == Qt.ItemDataRole.TextAlignmentRole and COLUMNS[column] == "Size":
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class ModelRows(QSortFilterProxyModel):
    """Those of the rows that are wanted, sorted by a column."""

    def __init__(self, table: ModelTable, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._table = table
        self._where, self._task, self._words = Where.ALL, "", ""
        self.setSourceModel(table)
        self.setSortRole(SORT_ROLE)

    def choose(self, where: Where, task: str, words: str) -> None:
        """Show only some: here or not, of a task ("" for all), with all of the words in them."""
        self._where, self._task, self._words = where, task, words.casefold()
        self.invalidate()

    def row_at(self, index: Index) -> ModelRow | None:
        """The row under an index of this model; None when there is none."""
        return self._table.rows[self.mapToSource(index).row()] if index.isValid() else None

    @override
    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        row = self._table.rows[source_row]
        if self._where is not Where.ALL and row.here != (self._where is Where.HERE):
            return False
        if self._task and (row.card is None or row.card.task != self._task):
            return False
        about = (row.card.title, row.card.summary) if row.card is not None else ()
        text = " ".join((*row.cells(), *about)).casefold()
        return all(word in text for word in self._words.split())
