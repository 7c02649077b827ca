"""The zones and lines of a stage as a list, with the properties of the chosen one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError
from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.pipelines.stage import params_problem
from scenescope.pipelines.zones.model import CountLine, Ground, Zone, ZoneSet
from scenescope.widgets.field_editor import DrawnEditor
from scenescope.widgets.icons import icon
from scenescope.widgets.param_fields import ParamField
from scenescope.widgets.shape_edit import GROUND, changed, free_name, outline, without

__all__ = ["ZonesEditor"]

LIST_HEIGHT = 110
NEW_GROUND_M = (5.0, 5.0)
MOST_DWELL_S = 86_400.0


class ZonesEditor(DrawnEditor):
    """What is drawn is edited on the picture; here shapes are added, named, limited to classes, and removed.

    ``chosen(name)`` tells which shape is worked on, so that it stands out on the picture.
    """

    chosen = Signal(str)

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self.zones = ZoneSet()
        self._drawn = ""
        self.buttons = {
            "zone": self._button("Zone", "Draw a zone on the picture", partial(self._ask, "zone")),
            "line": self._button("Line", "Draw a counting line on the picture", partial(self._ask, "line")),
            "ground": self._button(
                "Ground", "Mark a rectangle on the ground by its four corners, to measure speed", self._ask_ground
            ),
        }
        self.list = QListWidget()
        self.list.setAccessibleName("Zones and lines")
        self.list.setToolTip("Choose a shape to name it; drag it on the picture")
        self.list.setMaximumHeight(LIST_HEIGHT)
        self.list.currentItemChanged.connect(self._chosen)
        self.remove = QToolButton()
        self.remove.setIcon(icon("remove", self.palette().windowText().color()))
        self.remove.setIconSize(QSize(16, 16))
        self.remove.setToolTip("Remove the chosen shape")
        self.remove.setAccessibleName("Remove the chosen shape")
        self.remove.clicked.connect(self._remove)
        self.form = QWidget()
        self.fields = QFormLayout(self.form)
        self.fields.setContentsMargins(0, 2, 0, 0)
        self.problem = QLabel()
        self.problem.setObjectName("problem")
        self.problem.setWordWrap(True)
        self.problem.hide()

        above = QHBoxLayout()
        above.setSpacing(4)
        for button in self.buttons.values():
            above.addWidget(button)
        above.addStretch(1)
        above.addWidget(self.remove)
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addLayout(above)
        column.addWidget(self.list)
        column.addWidget(self.form)
        column.addWidget(self.problem)
        self.row.addLayout(column, 1)
        self.setFocusProxy(self.buttons["zone"])
        self._show_form()

    def _button(self, text: str, tip: str, run: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setCheckable(True)
        button.clicked.connect(run)
        return button

    # From outside ------------------------------------------------------------------------------------------------

    @override
    def show_value(self, value: Any) -> None:
        try:
            self.zones = ZoneSet.model_validate(value or {})
        except ValidationError as error:
            self._say(params_problem(error))
            return
        shown = [self.list.item(i).data(Qt.ItemDataRole.UserRole) for i in range(self.list.count())]
        wanted = [GROUND] * (self.zones.ground is not None) + list(self.zones.names)
        if shown != wanted:
            self._fill(wanted)
        for i, name in enumerate(wanted):
            self.list.item(i).setText(self._title(name))
        self._show_form()

    def choose(self, name: str) -> None:
        """Choose a shape that was clicked on the picture."""
        for i in range(self.list.count()):
            if self.list.item(i).data(Qt.ItemDataRole.UserRole) == name:
                self.list.setCurrentRow(i)

    @override
    def take_drawing(self, points: Sequence[tuple[float, float]] | None) -> None:
        drawn, self._drawn = self._drawn, ""
        for button in self.buttons.values():
            button.setChecked(False)
        if points is None:
            return
        try:
            zones, name = with_drawn(self.zones, drawn, points)
        except ValidationError as error:
            self._say(params_problem(error))
            return
        self._edit(zones)
        self.choose(name)

    # Inside ------------------------------------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The chosen shape; "" for none."""
        item = self.list.currentItem()
        return str(item.data(Qt.ItemDataRole.UserRole)) if item is not None else ""

    def _title(self, name: str) -> str:
        if name == GROUND and self.zones.ground is not None:
            return f"Ground, {self.zones.ground.width_m:g} x {self.zones.ground.length_m:g} m"
        kind = "line" if any(line.name == name for line in self.zones.lines) else "zone"
        return f"{name}  ({kind})"

    def _fill(self, names: list[str]) -> None:
        current = self.current
        self.list.blockSignals(True)
        self.list.clear()
        for name in names:
            item = QListWidgetItem()
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.list.addItem(item)
            if name == current:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)

    def _ask(self, what: str) -> None:
        self._drawn = what
        for name, button in self.buttons.items():
            button.setChecked(name == what)
        self.draw_requested.emit(what == "line", [])

    def _ask_ground(self) -> None:
        self._drawn = "ground"
        self.buttons["ground"].setChecked(True)
        self.draw_requested.emit(False, list(outline(self.zones, GROUND)))

    @Slot()
    def _remove(self) -> None:
        if self.current:
            self._edit(without(self.zones, self.current))

    @Slot()
    def _chosen(self) -> None:
        self._show_form()
        self.chosen.emit(self.current)

    def _edit(self, zones: ZoneSet) -> None:
        self._say("")
        value = zones.model_dump(mode="json")
        # Shown at once: the next edit begins with it, also when the pipeline has not told of it yet.
        self.show_value(value)
        self.edited.emit(value, None)

    def _set(self, name: str, /, **changes: Any) -> None:
        """Change a property of one shape; what is not valid is said and not applied."""
        try:
            if name == GROUND and self.zones.ground is not None:
                ground = Ground.model_validate({**self.zones.ground.model_dump(), **changes})
                self._edit(self.zones.model_copy(update={"ground": ground}))
            else:
                zones = changed(self.zones, name, **changes)
                item = self.list.currentItem()
                if item is not None:
                    # Known under its new name before the pipeline says so, so that it stays chosen.
                    item.setData(Qt.ItemDataRole.UserRole, changes.get("name", name))
                self._edit(zones)
        except ValidationError as error:
            self._say(params_problem(error))

    def _say(self, sentence: str) -> None:
        self.problem.setText(sentence[:1].upper() + sentence[1:])
        self.problem.setVisible(bool(sentence))

    # Properties --------------------------------------------------------------------------------------------------

    def _show_form(self) -> None:
        focus = self.focusWidget().accessibleName() if self.form.isAncestorOf(self.focusWidget() or self) else ""
        while self.fields.rowCount():
            self.fields.removeRow(0)
        name = self.current
        self.remove.setEnabled(bool(name))
        drawn: tuple[Zone | CountLine, ...] = (*self.zones.zones, *self.zones.lines)
        shape: Zone | CountLine | Ground | None = self.zones.ground if name == GROUND else None
        shape = shape or next((one for one in drawn if one.name == name), None)
        self.form.setVisible(shape is not None)
        if isinstance(shape, Ground):
            self._number("Width", "m", shape.width_m, lambda v: self._set(GROUND, width_m=v), 0.1)
            self._number("Length", "m", shape.length_m, lambda v: self._set(GROUND, length_m=v), 0.1)
        elif shape is not None:
            self._text("Name", shape.name, lambda text: self._set(name, name=text))
            self._text(
                "Classes", ", ".join(shape.labels), lambda text: self._set(name, labels=_names(text)), "all classes"
            )
        if isinstance(shape, Zone):
            self._number(
                "Longer than",
                "s",
                shape.dwell_s or 0.0,
                lambda v: self._set(name, dwell_s=v or None),
                0.0,
                "Staying longer than this is an event; 0 for never",
            )
        if isinstance(shape, CountLine):
            self._text("To its right", shape.forward, lambda text: self._set(name, forward=text))
            self._text("To its left", shape.backward, lambda text: self._set(name, backward=text))
            swap = QPushButton("Turn round")
            swap.setToolTip("Exchange the two ends of the line, and with them its directions")
            swap.setAccessibleName("Turn the line round")
            swap.clicked.connect(partial(self._set, name, start=shape.end, end=shape.start))
            self.fields.addRow("", swap)
        for child in self.form.findChildren(QWidget):
            if focus and child.accessibleName() == focus:
                child.setFocus()

    def _text(self, title: str, value: str, set_to: Callable[[str], None], empty: str = "") -> None:
        line = QLineEdit(value)
        line.setPlaceholderText(empty)
        line.setAccessibleName(title)
        line.editingFinished.connect(lambda: set_to(line.text().strip()) if line.text().strip() != value else None)
        self.fields.addRow(title, line)

    def _number(
        self, title: str, unit: str, value: float, set_to: Callable[[float], None], least: float, tip: str = ""
    ) -> None:
        box = QDoubleSpinBox()
        box.setRange(least, MOST_DWELL_S if unit == "s" else 10_000)
        box.setDecimals(1)
        box.setSuffix(f" {unit}")
        box.setValue(value)
        box.setKeyboardTracking(False)
        box.setAccessibleName(title)
        box.setToolTip(tip or title)
        box.valueChanged.connect(set_to)
        self.fields.addRow(title, box)


def with_drawn(zones: ZoneSet, what: str, points: Sequence[tuple[float, float]]) -> tuple[ZoneSet, str]:
    """A "zone", "line" or "ground" that was just drawn added, and its name.

    Raises:
        ValidationError: it cannot be one; a ground without four corners, too many shapes.
    """
    rounded = [[round(x, 5), round(y, 5)] for x, y in points]
    values = zones.model_dump()
    if what == "ground":
        width_m, length_m = (zones.ground.width_m, zones.ground.length_m) if zones.ground else NEW_GROUND_M
        values["ground"] = {"points": rounded, "width_m": width_m, "length_m": length_m}
        return ZoneSet.model_validate(values), GROUND
    name = free_name(zones, what.capitalize())
    if what == "line":
        values["lines"] = [*values["lines"], {"name": name, "start": rounded[0], "end": rounded[-1]}]
    else:
        values["zones"] = [*values["zones"], {"name": name, "points": rounded}]
    return ZoneSet.model_validate(values), name


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
