"""WatchesDialog: what the user wants to be told of, as rules that are seen and edited."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QScrollArea,
    QSplitter,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models.errors import SpecError
from scenescope.pipelines.watches import MOST_WATCHES, WatchBook, WatchRule
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.dialog_parts import dialog_button, in_words, row_table
from scenescope.widgets.event_reader import EventReader
from scenescope.widgets.watch_form import NEW, WatchForm

__all__ = ["WatchesDialog"]

COLUMNS = ("On", "Watch", "In words", "Problem", "Last")


class WatchesDialog(QDialog):
    """Beside the window, which goes on. A watch that was edited holds once it is saved.

    Args:
        book: the watches; its file is written on a thread.
        problems: why a rule cannot find anything now, such as a zone that is gone; "" for nothing.
        last_hit: when a rule, by its name, was told last, in seconds since the epoch; None for never.
        zones, lines, labels: names to choose from.
    """

    _touched = Signal()

    def __init__(
        self,
        book: WatchBook,
        problems: Callable[[WatchRule], str] = lambda _: "",
        last_hit: Callable[[str], float | None] = lambda _: None,
        zones: Callable[[], Sequence[str]] = tuple,
        lines: Callable[[], Sequence[str]] = tuple,
        labels: Callable[[], Sequence[str]] = tuple,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Watches")
        self.resize(980, 560)
        self._book, self._problems, self._last_hit = book, problems, last_hit
        self._editing: str | None = None
        self._wanted: str | None = None
        self._dirty = False
        self._removed: tuple[int, WatchRule] | None = None
        self._reader = EventReader("watches", self)
        self.form = WatchForm(zones, lines, labels)
        self._build()
        self._touched.connect(self.refresh, Qt.ConnectionType.QueuedConnection)
        self._unsubscribe = book.subscribe(self._touched.emit)
        self.refresh()
        if not book.rules:
            self._begin(None)

    def _build(self) -> None:
        self.notice = Banner()
        self.notice.pressed.connect(self._undo)
        self.table = row_table("Watches", COLUMNS)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setToolTip("Space switches the chosen watch on or off, Delete removes it")
        header = self.table.horizontalHeader()
        for column, mode in enumerate(
            ("ResizeToContents", "Interactive", "Stretch", "Interactive", "ResizeToContents")
        ):
            header.setSectionResizeMode(column, getattr(QHeaderView.ResizeMode, mode))
        self.table.currentCellChanged.connect(self._chosen)
        self.table.itemChanged.connect(self._ticked)
        delete = QShortcut(QKeySequence.StandardKey.Delete, self.table, self._remove)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        self.add = dialog_button("&Add", lambda: self._begin(None), "Begin a new watch")
        self.duplicate = dialog_button("D&uplicate", self._duplicate, "Begin a new watch that is like the chosen one")
        self.remove = dialog_button("&Remove", self._remove, "Remove the chosen watch; this can be undone (Delete)")
        self.save = dialog_button("&Save", self._save, "Let the watch be as it stands here (Ctrl+Return)")
        self.revert = dialog_button("Re&vert", self._revert, "Take back what was not saved")
        QShortcut(QKeySequence("Ctrl+Return"), self, self._save)
        self.save.setObjectName("primary")
        self.form.edited.connect(self._edited)
        left, right, split = QWidget(), QWidget(), QSplitter(Qt.Orientation.Horizontal)
        listed = QVBoxLayout(left)
        listed.setContentsMargins(0, 0, 0, 0)
        listed.addWidget(self.table, 1)
        below = QHBoxLayout()
        for button in (self.add, self.duplicate, self.remove):
            below.addWidget(button)
        below.addStretch(1)
        listed.addLayout(below)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.form)
        edited = QVBoxLayout(right)
        edited.setContentsMargins(0, 0, 0, 0)
        edited.addWidget(scroll, 1)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(self.revert)
        foot.addWidget(self.save)
        edited.addLayout(foot)
        split.addWidget(left)
        split.addWidget(right)
        split.setSizes([520, 460])
        split.setChildrenCollapsible(False)
        close = dialog_button("Close", self.close, "Close this window (Esc)")
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(close)
        whole = QVBoxLayout(self)
        whole.addWidget(self.notice)
        whole.addWidget(split, 1)
        whole.addLayout(bottom)

    # The table ---------------------------------------------------------------------------------------------------

    @Slot()
    def refresh(self) -> None:
        """Show the book as it is; what is being edited is left alone."""
        rules = self._book.rules
        wanted = self._wanted or self._editing
        self._wanted = None
        self.table.blockSignals(True)
        self.table.setRowCount(len(rules))
        for row, rule in enumerate(rules):
            hit = self._last_hit(rule.name)
            last = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(hit)) if hit is not None else "never"
            for column, text in enumerate(("", rule.name, f"{rule.sentence}.", self._problems(rule), last)):
                item = QTableWidgetItem(text)
                if column:
                    item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{COLUMNS[column]}: {text or 'none'}")
                else:
                    item.setCheckState(Qt.CheckState.Checked if rule.enabled else Qt.CheckState.Unchecked)
                    item.setData(
                        Qt.ItemDataRole.AccessibleTextRole, f"{rule.name} is {'on' if rule.enabled else 'off'}"
                    )
                self.table.setItem(row, column, item)
        names = [rule.name for rule in rules]
        self.table.setCurrentCell(names.index(wanted) if wanted in names else -1, 1)
        self.table.blockSignals(False)
        if not self._dirty and wanted in names:
            self._show(rules[names.index(wanted)])
        if self._book.notice:
            self.notice.say(Level.WARNING, "The watches may not be kept.", self._book.notice)
        self._enable()

    @property
    def current(self) -> WatchRule | None:
        """The chosen watch."""
        row = self.table.currentRow()
        item = self.table.item(row, 1) if row >= 0 else None
        return next((rule for rule in self._book.rules if item is not None and rule.name == item.text()), None)

    def _chosen(self) -> None:
        rule = self.current
        if rule is None or rule.name == self._editing:
            return
        if self._dirty:
            self.notice.say(Level.INFO, "What you had changed was not saved.", seconds=6)
        self._show(rule)

    def _show(self, rule: WatchRule) -> None:
        self._editing, self._dirty = rule.name, False
        self.form.show_rule(rule)
        self._enable()

    def _ticked(self, item: QTableWidgetItem) -> None:
        if item.column() == 0:
            name = self.table.item(item.row(), 1)
            on = item.checkState() is Qt.CheckState.Checked
            if name is not None:
                self._do(lambda: self._book.enable(name.text(), on))

    def _enable(self) -> None:
        there = self.current is not None
        self.add.setEnabled(len(self._book.rules) < MOST_WATCHES)
        self.duplicate.setEnabled(there and self.add.isEnabled())
        self.remove.setEnabled(there)
        self.revert.setEnabled(self._dirty)
        self.save.setEnabled(self._dirty and not self.form.problem.text())

    # Editing -----------------------------------------------------------------------------------------------------

    def _begin(self, like: WatchRule | None) -> None:
        """A new watch, which is none before it is saved."""
        self._editing, self._dirty = None, True
        self.table.setCurrentCell(-1, -1)
        if like is None:
            self.form.show_values({**NEW, "name": self._book.free_name(NEW["name"])})
        else:
            self.form.show_rule(like.model_copy(update={"name": self._book.free_name(like.name)}))
        self._enable()
        self.form.name.setFocus()
        self.form.name.selectAll()

    def _duplicate(self) -> None:
        if self.current is not None:
            self._begin(self.current)

    @Slot()
    def _edited(self) -> None:
        self._dirty = True
        self._enable()

    def _revert(self) -> None:
        rule = next((rule for rule in self._book.rules if rule.name == self._editing), None)
        if rule is not None:
            self._show(rule)
        else:
            self._begin(None)

    @Slot()
    def _save(self) -> None:
        if not self.save.isEnabled():
            return
        try:
            rule = self.form.rule()
        except SpecError as error:
            self.form.set_problem(error.user_message)
            return
        names = [other.name.casefold() for other in self._book.rules if other.name != self._editing]
        if rule.name.casefold() in names:
            self.form.set_problem("There is a watch of this name already: choose another name.")
            self.form.name.setFocus()
            return
        before, self._editing, self._wanted, self._dirty = self._editing, rule.name, rule.name, False
        self._do(lambda: self._put(before, rule))
        self._enable()

    def _put(self, before: str | None, rule: WatchRule) -> None:
        """Put a rule in the place of one that may have had another name; on the thread."""
        rules = list(self._book.rules)
        for place, other in enumerate(rules):
            if other.name == before:
                rules[place] = rule.model_copy(update={"enabled": other.enabled})
                break
        else:
            rules.append(rule)
        self._book.restore(rules)

    def _put_back(self, place: int, rule: WatchRule) -> None:
        """Undo a removal, whatever else has changed meanwhile; on the thread."""
        rules = [other for other in self._book.rules if other.name != rule.name]
        self._book.restore([*rules[:place], rule, *rules[place:]])

    def _remove(self) -> None:
        rule = self.current
        if rule is None:
            return
        self._removed = (self._book.rules.index(rule), rule)
        self._editing, self._dirty = None, False
        self._do(lambda: self._book.remove(rule.name))
        self.notice.say(Level.INFO, f"Removed '{rule.name}'.", button="Undo", word="undo")
        self.notice.button.setFocus()

    @Slot(str)
    def _undo(self, word: str) -> None:
        self.notice.hide()
        if word == "undo" and self._removed is not None:
            (place, rule), self._removed = self._removed, None
            self._wanted = rule.name
            self._do(lambda: self._put_back(place, rule))

    def _do(self, change: Callable[[], object]) -> None:
        """Change the book, in order, on the thread; it tells when it has changed."""
        self._reader.ask("", change, lambda _: None, self._failed)

    def _failed(self, error: Exception) -> None:
        self.notice.say(Level.ERROR, "This was not done.", in_words(error))
        self.refresh()

    @override
    def done(self, result: int) -> None:
        self._unsubscribe()
        self._reader.close(wait_s=0.0)
        super().done(result)
