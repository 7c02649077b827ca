"""FilterBar: which events are wanted."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QAction, QIntValidator
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QLineEdit, QMenu, QToolButton, QWidget

from scenescope.models.log_events import EventKind
from scenescope.pipelines.log.records import EventColumns
from scenescope.widgets.timeline_data import EventFilter, kind_of
from scenescope.widgets.timeline_words import KIND_TITLES, one_line

__all__ = ["FilterBar"]

TYPING_MS = 200
MOST_NUMBER = 2_147_483_647
MOST_WIDE_PX = 170


class FilterBar(QWidget):
    """Kinds, class, zone or line, number, text, and "only between the marks"; how many events that leaves."""

    changed = Signal()
    """Another choice of events."""
    text_changed = Signal(str)
    """Events with this text are wanted: look them up and call :meth:`set_found`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ids: frozenset[int] | None = None
        self._range_s: tuple[float, float] | None = None
        self.kinds = QToolButton()
        self.kinds.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.kinds.setToolTip("Which kinds of events are shown")
        self.kinds.setAccessibleName("Kinds of events")
        self._menu = QMenu(self.kinds)
        self._menu.setToolTipsVisible(True)
        self.kinds.setMenu(self._menu)
        self.kind_actions: dict[EventKind, QAction] = {}
        for kind in EventKind:
            action = self._menu.addAction(KIND_TITLES[kind])
            action.setCheckable(True)
            action.toggled.connect(self._tell)
            self.kind_actions[kind] = action
        self.label = self._combo("Class", "Only events of this class of objects")
        self.place = self._combo("Zone or line", "Only events of this zone or line")
        self.track = QLineEdit()
        self.track.setPlaceholderText("No.")
        self.track.setFixedWidth(64)
        self.track.setValidator(QIntValidator(0, MOST_NUMBER, self.track))
        self.text = QLineEdit()
        self.text.setPlaceholderText("Text")
        self.text.setMinimumWidth(80)
        for line, name, tip in (
            (self.track, "Number of the object", "Only events of the object with this number"),
            (self.text, "Text of the event", "Only codes, texts, captions and marks with these words"),
        ):
            line.setAccessibleName(name)
            line.setToolTip(tip)
            line.setClearButtonEnabled(line is self.text)
        self.in_marks = QCheckBox("In marks")
        self.in_marks.setToolTip("Only events between the in and out marks")
        self.in_marks.setEnabled(False)
        self.count = QLabel()
        self.count.setObjectName("muted")
        self.count.setAccessibleName("How many events are shown")
        self.reset = QToolButton()
        self.reset.setText("Clear")
        self.reset.setToolTip("Show all events again")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        widgets: tuple[QWidget, ...] = (self.kinds, self.label, self.place, self.track, self.text)
        for widget in (*widgets, self.in_marks, self.reset, self.count):
            row.addWidget(widget, int(widget is self.text))
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_MS)
        self._soon.timeout.connect(self._look_up)
        self.label.currentIndexChanged.connect(self._tell)
        self.place.currentIndexChanged.connect(self._tell)
        self.track.textChanged.connect(self._tell)
        self.text.textChanged.connect(self._typed)
        self.in_marks.toggled.connect(self._tell)
        self.reset.clicked.connect(self.clear)
        self._name_kinds()
        self.reset.setEnabled(False)

    @staticmethod
    def _combo(name: str, tip: str) -> QComboBox:
        made = QComboBox()
        made.setAccessibleName(name)
        made.setToolTip(tip)
        made.addItem(name, None)
        made.setMinimumContentsLength(len(name))
        made.setMaximumWidth(MOST_WIDE_PX)
        made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        return made

    @property
    def wanted(self) -> EventFilter:
        """The choice."""
        zone, line = self.place.currentData() or (None, None)
        number = self.track.text()
        return EventFilter(
            kinds=frozenset(kind for kind, action in self.kind_actions.items() if action.isChecked()),
            label=self.label.currentData(),
            zone=zone,
            line=line,
            track_id=int(number) if number.isdigit() else None,
            ids=self._ids,
            range_s=self._range_s if self.in_marks.isChecked() else None,
        )

    def show_names(self, columns: EventColumns, labels: Sequence[str] = ()) -> None:
        """Offer the classes, zones and lines that there are; a choice that is gone stays until it is changed."""
        names = sorted({*columns.names["label"], *labels} - {""})
        self._fill(self.label, [(one_line(name), name) for name in names])
        places: list[tuple[str, object]] = [
            (f"Zone {one_line(name)}", (name, None)) for name in sorted(set(columns.names["zone"]) - {""})
        ]
        places += [(f"Line {one_line(name)}", (None, name)) for name in sorted(set(columns.names["line"]) - {""})]
        self._fill(self.place, places)
        there = {kind_of(name) for name in columns.names["kind"]}
        for kind, action in self.kind_actions.items():
            action.setVisible(kind in there or action.isChecked())

    @staticmethod
    def _fill(combo: QComboBox, items: Sequence[tuple[str, object]]) -> None:
        if [combo.itemText(at) for at in range(1, combo.count())] == [text for text, _ in items]:
            return
        kept_text, kept = combo.currentText(), combo.currentData()
        combo.blockSignals(True)
        while combo.count() > 1:
            combo.removeItem(1)
        for text, data in items:
            combo.addItem(text, data)
        at = next((at for at in range(combo.count()) if combo.itemData(at) == kept), -1)
        if at < 0:
            combo.addItem(kept_text, kept)
            at = combo.count() - 1
        combo.setCurrentIndex(at)
        combo.blockSignals(False)

    def show_count(self, shown: int, whole: int) -> None:
        """Say how many events are shown, of how many."""
        some = f"{shown:,} of {whole:,} events" if shown != whole else f"{whole:,} events"
        self.count.setText(some)
        self.count.setAccessibleDescription(some)
        self.reset.setEnabled(self.wanted != EventFilter() or bool(self.text.text()))

    def set_marks(self, in_s: float | None, out_s: float | None) -> None:
        """Where the marks are."""
        far = float("inf")
        there = in_s is not None or out_s is not None
        self._range_s = (-far if in_s is None else in_s, far if out_s is None else out_s) if there else None
        self.in_marks.setEnabled(there)
        if not there:
            self.in_marks.setChecked(False)
        elif self.in_marks.isChecked():
            self._tell()

    def set_found(self, ids: frozenset[int] | None) -> None:
        """The events that have the text that is wanted."""
        if self.text.text().strip():
            self._ids = ids
            self._tell()

    @Slot()
    def clear(self) -> None:
        """Want all events again."""
        for action in self.kind_actions.values():
            action.setChecked(False)
        for combo in (self.label, self.place):
            combo.setCurrentIndex(0)
        self.track.clear()
        self.text.clear()
        self.in_marks.setChecked(False)

    @Slot()
    def _typed(self) -> None:
        if self.text.text().strip():
            self._soon.start()
        else:
            self._soon.stop()
            self._ids = None
            self._tell()

    @Slot()
    def _look_up(self) -> None:
        self.text_changed.emit(self.text.text().strip())

    @Slot()
    def _tell(self) -> None:
        self._name_kinds()
        self.changed.emit()

    def _name_kinds(self) -> None:
        chosen = [action.text() for action in self.kind_actions.values() if action.isChecked()]
        self.kinds.setText("All kinds" if not chosen else chosen[0] if len(chosen) == 1 else f"{len(chosen)} kinds")
        self.kinds.setAccessibleDescription(", ".join(chosen) or "All kinds")
