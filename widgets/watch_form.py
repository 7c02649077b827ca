"""WatchForm: all that a watch is made of, its sentence as one types, and what keeps it from being one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QTimeEdit,
    QVBoxLayout,
    QWidget,
)

from scenescope.models.errors import SpecError
from scenescope.pipelines.scene_look import COLOURS
from scenescope.pipelines.watches.rule import DAY_S, Trigger, WatchRule
from scenescope.widgets.assistant_parts import breakable, plain_label

__all__ = ["NEW", "TRIGGERS", "WatchForm"]

TRIGGERS = {
    "appear": "appears",
    "vanish": "vanishes",
    "zone_enter": "enters a zone",
    "zone_leave": "leaves a zone",
    "dwell": "stays in a zone",
    "line_cross": "crosses a line",
    "count": "reaches a number",
}
FIELDS = {
    "zone": ("zone_enter", "zone_leave", "dwell", "count"),
    "line": ("line_cross",),
    "direction": ("line_cross",),
    "at_least": ("count",),
    "at_most": ("count",),
    "for_s": ("appear", "vanish", "dwell", "count"),
}
"""Fields that only some triggers have."""
NEW: dict[str, Any] = {"name": "New watch", "trigger": "appear", "labels": ("person",)}
MOST = 100_000


class WatchForm(QWidget):
    """The fields of one watch. Those that the chosen trigger does not have are hidden, and left out of the rule.

    Args:
        zones, lines, labels: names to choose from; others can be typed.

    Signals:
        edited: something was changed by the user.
    """

    edited = Signal()

    def __init__(
        self,
        zones: Callable[[], Sequence[str]] = tuple,
        lines: Callable[[], Sequence[str]] = tuple,
        labels: Callable[[], Sequence[str]] = tuple,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._offers = {"zone": zones, "line": lines, "labels": labels}
        self._enabled = True
        self._filling = False
        self.name = QLineEdit()
        self.name.setMaxLength(60)
        self.trigger = QComboBox()
        for trigger in get_args(Trigger):
            self.trigger.addItem(TRIGGERS[trigger], trigger)
        self.labels = self._offer("Classes, with commas between; all when empty")
        self.colour = QComboBox()
        self.colour.addItem("Any", "")
        for colour in COLOURS:
            self.colour.addItem(colour, colour)
        self.zone = self._offer("The name of the zone")
        self.line = self._offer("The name of the line")
        self.direction = QLineEdit()
        self.direction.setToolTip("The line's own word for the way over it; both ways when empty")
        self.at_least, self.at_most = QSpinBox(), QSpinBox()
        for box in (self.at_least, self.at_most):
            box.setRange(-1, MOST)
            box.setSpecialValueText("No bound")
        self.for_s, self.cooldown_s = QDoubleSpinBox(), QDoubleSpinBox()
        for seconds in (self.for_s, self.cooldown_s):
            seconds.setRange(0, DAY_S)
            seconds.setDecimals(1)
            seconds.setSuffix(" s")
        self.for_s.setToolTip("How long it must last, in the time of the source")
        self.cooldown_s.setToolTip("After it was told, it is not told again for so long")
        self.at_times = QCheckBox("Only &between")
        self.start, self.end = QTimeEdit(), QTimeEdit()
        times = QHBoxLayout()
        for part, name in ((self.at_times, ""), (self.start, "From"), (self.end, "To")):
            times.addWidget(part)
            if isinstance(part, QTimeEdit):
                part.setDisplayFormat("HH:mm")
                part.setMaximumWidth(80)
                part.setAccessibleName(name)
                self.at_times.toggled.connect(part.setEnabled)
        times.addStretch(1)
        self.question = QLineEdit()
        self.question.setMaxLength(200)
        self.question.setPlaceholderText("None")
        self.question.setToolTip("A model must say yes to this about the picture before you are told")
        self.fields: dict[str, QWidget] = {
            "name": self.name,
            "trigger": self.trigger,
            "labels": self.labels,
            "colour": self.colour,
            "zone": self.zone,
            "line": self.line,
            "direction": self.direction,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "for_s": self.for_s,
            "cooldown_s": self.cooldown_s,
            "question": self.question,
        }
        self.form = QFormLayout()
        titles = ("&Name", "&When it", "&Classes", "C&olour", "&Zone", "&Line", "D&irection", "At least", "At most")
        for (name, field), title in zip(
            self.fields.items(), (*titles, "&For", "Not again &within", "&Question"), strict=True
        ):
            field.setAccessibleName(title.replace("&", ""))
            self.form.addRow(title, field)
            if name == "for_s":
                self.form.addRow("", times)
        self.sentence = plain_label()
        self.sentence.setObjectName("heading")
        self.problem = plain_label()
        self.problem.setObjectName("problem")
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 12, 4)
        column.addLayout(self.form)
        column.addWidget(self.sentence)
        column.addWidget(self.problem)
        column.addStretch(1)
        self._connect()
        self.show_values(NEW)

    @staticmethod
    def _offer(tip: str) -> QComboBox:
        combo = QComboBox()
        combo.setEditable(True)
        combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        combo.setMinimumContentsLength(10)
        combo.setToolTip(tip)
        return combo

    def _connect(self) -> None:
        for field in (*self.fields.values(), self.at_times, self.start, self.end):
            if isinstance(field, QLineEdit):
                field.textChanged.connect(self._changed)
            elif isinstance(field, QComboBox):
                (field.editTextChanged if field.isEditable() else field.currentIndexChanged).connect(self._changed)
            elif isinstance(field, QSpinBox | QDoubleSpinBox):
                field.valueChanged.connect(self._changed)
            elif isinstance(field, QTimeEdit):
                field.timeChanged.connect(self._changed)
            elif isinstance(field, QCheckBox):
                field.toggled.connect(self._changed)

    # Values ------------------------------------------------------------------------------------------------------

    def show_rule(self, rule: WatchRule) -> None:
        """Fill the fields from a rule."""
        self.show_values(rule.model_dump())

    def show_values(self, values: dict[str, Any]) -> None:
        """Fill the fields; what is not given is as in a new rule."""
        self._filling = True
        self._enabled = values.get("enabled", True)
        for name, offers in self._offers.items():
            combo = self.fields[name]
            assert isinstance(combo, QComboBox)
            combo.clear()
            combo.addItems(list(offers()))
        self.name.setText(values["name"])
        self.trigger.setCurrentIndex(self.trigger.findData(values["trigger"]))
        self.labels.setEditText(", ".join(values.get("labels", ())))
        self.colour.setCurrentIndex(max(self.colour.findData(values.get("colour", "")), 0))
        self.zone.setEditText(values.get("zone", ""))
        self.line.setEditText(values.get("line", ""))
        self.direction.setText(values.get("direction", ""))
        for name, box in (("at_least", self.at_least), ("at_most", self.at_most)):
            bound = values.get(name)
            box.setValue(-1 if bound is None else bound)
        self.for_s.setValue(values.get("for_s", 0.0))
        self.cooldown_s.setValue(values.get("cooldown_s", 10.0))
        between = values.get("between")
        self.at_times.setChecked(between is not None)
        for edit, clock in zip((self.start, self.end), between or ("08:00", "18:00"), strict=True):
            edit.setTime(edit.time().fromString(clock, "HH:mm"))
            edit.setEnabled(between is not None)
        self.question.setText(values.get("question", ""))
        self._filling = False
        self._look()

    def rule(self) -> WatchRule:
        """The watch that the fields make.

        Raises:
            SpecError: they make none; the message says why.
        """
        trigger = self.trigger.currentData()
        clocks = (self.start.time().toString("HH:mm"), self.end.time().toString("HH:mm"))
        values: dict[str, Any] = {
            "name": self.name.text(),
            "trigger": trigger,
            "labels": tuple(filter(None, (label.strip() for label in self.labels.currentText().split(",")))),
            "colour": self.colour.currentData(),
            "zone": self.zone.currentText().strip(),
            "line": self.line.currentText().strip(),
            "direction": self.direction.text().strip(),
            "at_least": self.at_least.value() if self.at_least.value() >= 0 else None,
            "at_most": self.at_most.value() if self.at_most.value() >= 0 else None,
            "for_s": self.for_s.value(),
            "cooldown_s": self.cooldown_s.value(),
            "between": clocks if self.at_times.isChecked() else None,
            "question": self.question.text(),
            "enabled": self._enabled,
        }
        return WatchRule.of({name: value for name, value in values.items() if trigger in FIELDS.get(name, (trigger,))})

    def set_problem(self, text: str) -> None:
        """Say what is wrong."""
        self.problem.setText(breakable(text))
        self.problem.setVisible(bool(text))

    @Slot()
    def _changed(self) -> None:
        if not self._filling:
            self._look()
            self.edited.emit()

    def _look(self) -> None:
        """Show the fields of the trigger, and the sentence or the problem."""
        trigger = self.trigger.currentData()
        for name, triggers in FIELDS.items():
            self.form.setRowVisible(self.fields[name], trigger in triggers)
        try:
            said, problem = f"{self.rule().sentence}.", ""
        except SpecError as error:
            said, problem = "", error.user_message
        self.sentence.setText(breakable(said))
        self.sentence.setAccessibleName(f"In words: {said}")
        self.sentence.setVisible(bool(said))
        self.set_problem(problem)
