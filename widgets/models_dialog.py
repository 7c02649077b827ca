"""The dialog of models: what is here, what can be had, and all that can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import Catalogue
from scenescope.models.catalogue.download import Downloader
from scenescope.models.catalogue.offers import Consent, DownloadCancelled, Offer, Progress
from scenescope.models.catalogue.store import Removed
from scenescope.models.catalogue.trust import distrust, trust
from scenescope.models.catalogue.understood import understood
from scenescope.models.errors import ScenescopeError
from scenescope.widgets.background_row import BackgroundRow, Work
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.model_details import ModelDetails
from scenescope.widgets.model_questions import AddressDialog, ConsentDialog, TrustDialog
from scenescope.widgets.models_table import WIDTHS_PX, Key, ModelRow, ModelRows, ModelTable, Where, rows_of

__all__ = ["ModelsDialog"]


class ModelsDialog(QDialog):
    """Shown beside the window, which goes on. A download ends with the dialog, and can be resumed in the next one.

    Args:
        downloader: of the catalogue to show.
        used_by: gives the stages that use a model, by its name.
        add_file: lets the user add a file of theirs; None where that cannot be done.
    """

    changed = Signal()
    """Models came or went, or are trusted now."""
    download_changed = Signal()
    """A download has begun, has come farther or is over: see :attr:`download`."""

    def __init__(
        self,
        downloader: Downloader,
        used_by: Callable[[str], Sequence[str]] = lambda _: (),
        add_file: Callable[[], object] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.catalogue: Catalogue = downloader.catalogue
        self._downloader = downloader
        self._used_by = used_by
        self._add_file = add_file or (lambda: None)
        self._fetching = ""
        self._removed: Removed | None = None
        self.setWindowTitle("Models")
        self.setSizeGripEnabled(True)
        self.resize(1180, 640)
        self._build()
        self.add.setVisible(add_file is not None)
        self.refresh()

    # Putting together --------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.where = QComboBox()
        self.where.setAccessibleName("Which models")
        self.where.addItems([str(where) for where in Where])
        self.task = QComboBox()
        self.task.setAccessibleName("Task")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a model")
        self.search.setAccessibleName("Find a model")
        self.search.setClearButtonEnabled(True)
        QShortcut(QKeySequence.StandardKey.Find, self, self.search.setFocus)
        top = QHBoxLayout()
        for widget, stretch in ((self.where, 0), (self.task, 0), (self.search, 1)):
            top.addWidget(widget, stretch)
        self.where.currentIndexChanged.connect(self._filter)
        self.task.currentIndexChanged.connect(self._filter)
        self.search.textChanged.connect(self._filter)

        self.offline = Banner()
        self.notice = Banner()
        self.notice.pressed.connect(self._undo)
        self._table = ModelTable(self)
        self.rows = ModelRows(self._table, self)
        self.view = QTableView()
        self.view.setModel(self.rows)
        self.view.setAccessibleName("Models")
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setShowGrid(False)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.view.setTabKeyNavigation(False)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(26)
        header = self.view.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for number, width in enumerate(WIDTHS_PX):
            self.view.setColumnWidth(number, width)
        self.view.selectionModel().currentRowChanged.connect(self._show_choice)
        self.view.doubleClicked.connect(self._get_if_offered)
        self.view.installEventFilter(self)
        self.details = ModelDetails()
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self.view)
        splitter.addWidget(self.details)
        splitter.setSizes([860, 320])
        splitter.setChildrenCollapsible(False)

        self.background = BackgroundRow()
        self.background.changed.connect(self._show_choice)
        self.background.changed.connect(self.download_changed)
        self.background.progressed.connect(self.download_changed)

        self.get = self._button("&Download...", self._get, "Ask for size and licence, then download when you agree")
        self.trust = self._button("&Trust...", self._ask_trust, "Let a file that can run code be opened")
        self.delete = self._button("De&lete", self._delete, "Delete the chosen model, or what has arrived of it")
        self.address = self._button("Fro&m address...", self._ask_address, "Download by hub id or address")
        self.add = self._button("&Add file...", self._add_file, "Add a model file or folder that you have")
        close = self._button("&Close", self.close, "Close this window")
        bottom = QHBoxLayout()
        for button in (self.get, self.trust, self.delete):
            bottom.addWidget(button)
        bottom.addStretch(1)
        for button in (self.address, self.add, close):
            bottom.addWidget(button)
        column = QVBoxLayout(self)
        column.addWidget(self.offline)
        column.addLayout(top)
        column.addWidget(self.notice)
        column.addWidget(splitter, 1)
        column.addWidget(self.background)
        column.addLayout(bottom)

    def _button(self, text: str, act: Callable[[], object], tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAccessibleDescription(tip)
        button.setAutoDefault(False)
        button.clicked.connect(lambda: act())
        return button

    # What is shown -----------------------------------------------------------------------------------------------

    def refresh(self, choose: Key | None = None) -> None:
        """Read the catalogue anew; the same row, or ``choose``, is chosen again."""
        row = self.current
        wanted = choose or (row.key if row else None)
        rows = rows_of(self.catalogue, self._downloader)
        self._table.show_rows(rows)
        tasks = sorted({row.card.task for row in rows if row.card is not None and row.card.task})
        kept = self.task.currentData()
        self.task.blockSignals(True)
        self.task.clear()
        self.task.addItem("Every task", "")
        for task in tasks:
            self.task.addItem(task, task)
        self.task.setCurrentIndex(max(self.task.findData(kept), 0))
        self.task.blockSignals(False)
        if self.catalogue.offline and not self.offline.isVisibleTo(self):
            self.offline.say(
                Level.INFO,
                "Scenescope is offline: nothing is downloaded.",
                "SCENESCOPE_OFFLINE is set. Files that you have can be added.",
            )
        self._filter()
        self._choose(wanted)

    @property
    def current(self) -> ModelRow | None:
        """The chosen row; None when there is none."""
        return self.rows.row_at(self.view.currentIndex())

    def choose(self, name: str, here: bool = False, interrupted: bool = False) -> bool:
        """Choose a model by name; False when it is not shown."""
        return self._choose((name, here, interrupted))

    def go_to(self, name: str) -> None:
        """Choose a model by name, whatever is shown now and however much of it is here."""
        self.where.setCurrentIndex(0)
        self.task.setCurrentIndex(0)
        self.search.clear()
        for here, begun in ((False, False), (False, True), (True, False)):
            if self._choose((name, here, begun)):
                return

    def _choose(self, key: Key | None) -> bool:
        keys = [
            row.key if (row := self.rows.row_at(self.rows.index(at, 0))) else None for at in range(self.rows.rowCount())
        ]
        found = key in keys
        at = keys.index(key) if found else 0
        self.view.setCurrentIndex(self.rows.index(at, 0))
        self._show_choice()
        return found

    @Slot()
    def _filter(self) -> None:
        self.rows.choose(Where(self.where.currentText()), self.task.currentData() or "", self.search.text())
        if not self.view.currentIndex().isValid():
            self.view.setCurrentIndex(self.rows.index(0, 0))
        self._show_choice()

    @Slot()
    def _show_choice(self) -> None:
        row = self.current
        self.details.show_row(row, self._used_by(row.name) if row is not None else ())
        online, idle = not self.catalogue.offline, not self.background.busy
        self.get.setEnabled(bool(online and idle and row is not None and not row.here))
        self.get.setText("&Resume" if row is not None and row.interrupted is not None else "&Download...")
        self.trust.setEnabled(bool(row is not None and row.here and row.risk and idle))
        self.trust.setText("Dis&trust" if row is not None and row.trusted and row.risk else "&Trust...")
        self.delete.setEnabled(bool(idle and row is not None and (row.removable or row.interrupted is not None)))
        self.address.setEnabled(online and idle)
        self.add.setEnabled(idle and self.catalogue.folder is not None)

    @property
    def download(self) -> tuple[str, Progress | None] | None:
        """The model that is being downloaded, by name, and how far that has come; None while none is."""
        job = self.background.job
        return (self._fetching, job.progress) if job is not None and self._fetching else None

    # Downloads ---------------------------------------------------------------------------------------------------

    @Slot()
    def _get_if_offered(self) -> None:
        if self.get.isEnabled():
            self._get()

    @Slot()
    def _get(self) -> None:
        row = self.current
        if row is None or row.card is None:
            return
        if row.interrupted is not None:
            self._fetch(row.interrupted.consent)
        else:
            self._look_up(row.card)

    @Slot()
    def _ask_address(self) -> None:
        dialog = AddressDialog(self)
        dialog.accepted.connect(lambda: self._look_up(dialog.text))
        dialog.open()

    def _look_up(self, wanted: str | ModelCard) -> None:
        title = wanted if isinstance(wanted, str) else wanted.title
        self._begin(
            f"Asking what {title} is made of...",
            lambda _, cancel: self._downloader.look_up(wanted, cancel),
            self._ask_consent,
        )

    def _ask_consent(self, offer: Offer) -> None:
        dialog = ConsentDialog(offer, self)
        dialog.accepted.connect(partial(self._fetch, Consent(offer)))
        dialog.open()

    def _fetch(self, consent: Consent) -> None:
        def work(told: Any, cancel: Any) -> tuple[ModelCard, str]:
            card, guessed = understood(self.catalogue, self._downloader.fetch(consent, told, cancel))
            return card, f"{guessed.problem} {guessed.hint}".strip() if guessed is not None else ""

        card = consent.offer.card
        self._begin(card.title, work, self._fetched, card.name)

    def _fetched(self, outcome: tuple[ModelCard, str]) -> None:
        card, problem = outcome
        self.refresh((card.name, True, False))
        self.changed.emit()
        row = self.current
        hint = problem or "It can be chosen in the stages now."
        if row is not None and row.risk and not row.trusted:
            hint = "It can run code, so it is not opened before you trust it."
        self.notice.say(Level.WARNING if problem else Level.INFO, f"{card.title} is here.", hint)

    def _begin(self, title: str, work: Work, then: Callable[[Any], None], fetching: str = "") -> None:
        self.notice.hide()
        self._fetching = fetching
        self.background.begin(title, work, then, self._failed)

    def _failed(self, error: Exception) -> None:
        self.refresh((self._fetching, False, True) if self._fetching else None)
        if isinstance(error, DownloadCancelled):
            row = self.current
            rest = "Resume goes on with it." if row is not None and row.interrupted is not None else ""
            self.notice.say(Level.INFO, "Stopped.", rest)
        elif isinstance(error, ScenescopeError):
            self.notice.say(Level.ERROR, error.user_message, error.hint)
        else:
            self.notice.say(Level.ERROR, f"Something unexpected happened: {type(error).__name__}: {error}")
            raise error

    # Other changes -----------------------------------------------------------------------------------------------

    @Slot()
    def _delete(self) -> None:
        row = self.current
        if row is None or not self.delete.isEnabled():
            return
        if row.interrupted is not None:
            self._downloader.forget(row.interrupted)
            self.refresh()
            return
        users = self._used_by(row.name)
        try:
            self._removed = self.catalogue.store.remove(row.name)
        except ScenescopeError as error:
            self._failed(error)
            return
        self.refresh()
        self.changed.emit()
        hint = f"It was used by {', '.join(users)}." if users else ""
        hint = f"{hint} Its files are deleted when this window closes.".strip()
        self.notice.say(Level.INFO, f"Deleted {row.name}.", hint, button="Undo", word="undo")

    @Slot(str)
    def _undo(self, _: str) -> None:
        removed, self._removed = self._removed, None
        self.notice.hide()
        if removed is None:
            return
        try:
            name = self.catalogue.store.restore(removed)
        except ScenescopeError as error:
            self._failed(error)
            return
        self.refresh((name, True, False))
        self.changed.emit()

    @Slot()
    def _ask_trust(self) -> None:
        row = self.current
        if row is None or row.card is None:
            return
        if row.trusted:
            self._set_trust(row, False)
        else:
            dialog = TrustDialog(row, self)
            dialog.accepted.connect(partial(self._set_trust, row, True))
            dialog.open()

    def _set_trust(self, row: ModelRow, trusted: bool) -> None:
        card = row.card
        assert card is not None

        # In the background: its hash is taken, and what could not be guessed before may be now.
        def work(told: Any, cancel: Any) -> None:
            (trust if trusted else distrust)(card.path)
            if trusted:
                understood(self.catalogue, card)

        self._begin("Taking its hash...", work, lambda _: self._trust_changed())

    def _trust_changed(self) -> None:
        self.refresh()
        self.changed.emit()

    # Qt ----------------------------------------------------------------------------------------------------------

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.view and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._get_if_offered()
                return True
            if event.key() == Qt.Key.Key_Delete:
                self._delete()
                return True
        return super().eventFilter(watched, event)

    @override
    def done(self, result: int) -> None:
        """End what runs, and delete for good what was removed."""
        self.background.close_job()
        self.download_changed.emit()
        if self.catalogue.folder is not None:
            self.catalogue.store.purge()
        super().done(result)

    @override
    def closeEvent(self, event: Any) -> None:
        self.done(0)
        super().closeEvent(event)
