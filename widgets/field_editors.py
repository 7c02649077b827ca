"""One editor for each kind of parameter. Each shows a JSON value and tells when the user makes another one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)
from typing_extensions import override

from scenescope.widgets.field_editor import DrawnEditor, FieldEditor
from scenescope.widgets.param_fields import FieldKind, ParamField
from scenescope.widgets.text_editors import FileEditor, NamesEditor, TextEditor, YamlEditor
from scenescope.widgets.zones_editor import ZonesEditor

__all__ = ["FieldEditor", "make_editor"]

SAME_GESTURE_S = 0.8
"""Changes by wheel or arrow key that follow each other faster than this are undone together."""

MOST_SLIDER_STEPS = 10_000
_gesture_numbers = itertools.count(1)


class _PatientSlider(QSlider):
    """A slider that leaves the wheel to the form around it, unless it has the focus."""

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _NumberBox(QDoubleSpinBox):
    """A spin box, also for whole numbers, so that bounds beyond 32 bits fit; leaves the wheel alone without focus."""

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class NumberEditor(FieldEditor):
    """A spin box, and a slider when both bounds are known."""

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self._whole = field.kind is FieldKind.INTEGER
        self._gesture = 0
        self._last_change_s = 0.0
        self.slider: QSlider | None = None
        low = -1e9 if field.minimum is None else field.minimum
        high = 1e9 if field.maximum is None else field.maximum
        if field.minimum is not None and field.maximum is not None:
            steps = round((high - low) / field.step)
            self.slider = _PatientSlider(Qt.Orientation.Horizontal)
            self.slider.setRange(0, max(min(steps, MOST_SLIDER_STEPS), 1))
            self.slider.setPageStep(max(self.slider.maximum() // 10, 1))
            self.slider.sliderPressed.connect(self._begin_gesture)
            self.slider.valueChanged.connect(self._slid)
            self._dress(self.slider, 1)
        self.box = _NumberBox()
        self.box.setDecimals(field.decimals)
        self.box.setRange(low, high)
        self.box.setSingleStep(field.step)
        self.box.setSuffix(f" {field.unit}" if field.unit and field.unit != "°" else field.unit)
        self.box.setKeyboardTracking(False)
        self.box.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.box.setFixedWidth(78)
        self.box.valueChanged.connect(self._typed)
        self._dress(self.box)
        if self.slider is None:
            self.row.addStretch(1)
        self.setFocusProxy(self.slider or self.box)

    @override
    def show_value(self, value: Any) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return
        for widget in (self.box, self.slider):
            if widget is not None:
                widget.blockSignals(True)
        if self.box.value() != value:
            self.box.setValue(value)
        if self.slider is not None and not self.slider.isSliderDown():
            self.slider.setValue(self._position_of(value))
        for widget in (self.box, self.slider):
            if widget is not None:
                widget.blockSignals(False)

    def _position_of(self, value: float) -> int:
        assert self.slider is not None
        low, high = self.box.minimum(), self.box.maximum()
        return round((value - low) / (high - low) * self.slider.maximum()) if high > low else 0

    def _json(self) -> int | float:
        return round(self.box.value()) if self._whole else round(self.box.value(), self.field.decimals)

    @Slot()
    def _begin_gesture(self) -> None:
        self._gesture = next(_gesture_numbers)

    @Slot(int)
    def _slid(self, position: int) -> None:
        assert self.slider is not None
        low, high = self.box.minimum(), self.box.maximum()
        self.box.blockSignals(True)
        self.box.setValue(low + position / self.slider.maximum() * (high - low))
        self.box.blockSignals(False)
        self._tell(dragging=self.slider.isSliderDown())

    @Slot(float)
    def _typed(self, value: float) -> None:
        if self.slider is not None:
            self.slider.blockSignals(True)
            self.slider.setValue(self._position_of(value))
            self.slider.blockSignals(False)
        self._tell(dragging=False)

    def _tell(self, dragging: bool) -> None:
        now = time.monotonic()
        if not self._gesture or (not dragging and now - self._last_change_s > SAME_GESTURE_S):
            self._begin_gesture()
        self._last_change_s = now
        self.edited.emit(self._json(), self._gesture)


class SwitchEditor(FieldEditor):
    """A check box."""

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self.box = QCheckBox(field.title)
        self.box.clicked.connect(self._clicked)
        self._dress(self.box, 1)

    @override
    def show_value(self, value: Any) -> None:
        self.box.setChecked(bool(value))

    @Slot(bool)
    def _clicked(self, on: bool) -> None:
        self.edited.emit(on, None)


class _PatientCombo(QComboBox):
    """A combo box that leaves the wheel to the form around it."""

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class ChoiceEditor(FieldEditor):
    """A combo box."""

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self.combo = _PatientCombo()
        # A long name must not make the whole dock wide.
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumContentsLength(8)
        for value, title in field.choices:
            self.combo.addItem(title, value)
        self.combo.activated.connect(self._chosen)
        self._dress(self.combo, 1)

    @override
    def show_value(self, value: Any) -> None:
        if self.combo.findData(value) < 0 and value is not None:
            # A model or device that this computer does not have, or none chosen yet.
            self.combo.addItem(f"{value} (not here)" if value else "Choose...", value)
        self.combo.setCurrentIndex(self.combo.findData(value))

    @Slot(int)
    def _chosen(self, index: int) -> None:
        self.edited.emit(self.combo.itemData(index), None)


class ShapeEditor(DrawnEditor):
    """A region or a line: drawn on the picture, shown here as a sentence."""

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self._points: list[tuple[float, float]] = []
        self.state = QLabel()
        self.state.setObjectName("muted")
        self.draw = QPushButton("Draw...")
        self.draw.setCheckable(True)
        self.draw.clicked.connect(self._draw)
        self.clear = QPushButton("Clear")
        self.clear.clicked.connect(self._clear)
        self._dress(self.state, 1)
        self._dress(self.draw)
        self._dress(self.clear)
        self.draw.setAccessibleName(f"Draw {field.title} on the picture")
        self.clear.setAccessibleName(f"Clear {field.title}")
        self.setFocusProxy(self.draw)

    @property
    def is_line(self) -> bool:
        """True for a line of two points, False for a polygon."""
        return self.field.kind is FieldKind.LINE

    @override
    def show_value(self, value: Any) -> None:
        value = value or {}
        if self.is_line:
            self._points = [tuple(value[end]) for end in ("start", "end") if end in value]
            names = [f"({x:.0%}, {y:.0%})" for x, y in self._points]
            self.state.setText(" to ".join(names) or "none")
        else:
            self._points = [tuple(point) for point in value.get("points", ())]
            self.state.setText(f"{len(self._points)} corners" if self._points else "whole picture")
        self.clear.setEnabled(bool(self._points))

    @override
    def take_drawing(self, points: Sequence[tuple[float, float]] | None) -> None:
        self.draw.setChecked(False)
        if points is None:
            return
        rounded = [[round(x, 4), round(y, 4)] for x, y in points]
        if self.is_line:
            self.edited.emit({"start": rounded[0], "end": rounded[1]}, None)
        else:
            self.edited.emit({"points": rounded}, None)

    @Slot()
    def _draw(self) -> None:
        self.draw.setChecked(True)
        self.draw_requested.emit(self.is_line, self._points)

    @Slot()
    def _clear(self) -> None:
        self.edited.emit(self.field.default if self.is_line else {"points": []}, None)


class OptionalEditor(FieldEditor):
    """Another editor behind a check box; None while the box is not checked."""

    def __init__(self, field: ParamField, inner: FieldEditor, parent: QWidget | None = None) -> None:
        super().__init__(field, parent)
        self.inner = inner
        self._fallback = _starting_value(field)
        self.box = QCheckBox()
        self.box.clicked.connect(self._switched)
        self._dress(self.box)
        self.box.setAccessibleName(f"Use {field.title}")
        self.row.addWidget(inner, 1)
        inner.edited.connect(self.edited)

    @override
    def show_value(self, value: Any) -> None:
        self.box.setChecked(value is not None)
        self.inner.setEnabled(value is not None)
        if value is not None:
            self._fallback = value
        self.inner.show_value(self._fallback)

    @Slot(bool)
    def _switched(self, on: bool) -> None:
        self.edited.emit(self._fallback if on else None, None)


def _starting_value(field: ParamField) -> Any:
    """What an optional parameter becomes when it is switched on for the first time."""
    if field.default is not None:
        return field.default
    if field.kind in (FieldKind.INTEGER, FieldKind.NUMBER):
        low = 0.0 if field.minimum is None else field.minimum
        value = low if field.maximum is None else (low + field.maximum) / 2
        return round(value) if field.kind is FieldKind.INTEGER else round(value, field.decimals)
    return {
        FieldKind.SWITCH: True,
        FieldKind.CHOICE: field.choices[0][0] if field.choices else None,
        FieldKind.NAMES: [],
        FieldKind.TEXT: "",
        FieldKind.FILE: "",
        FieldKind.REGION: {"points": []},
        FieldKind.LINE: {"start": [0.0, 0.5], "end": [1.0, 0.5]},
    }.get(field.kind)


_EDITORS: dict[FieldKind, type[FieldEditor]] = {
    FieldKind.INTEGER: NumberEditor,
    FieldKind.NUMBER: NumberEditor,
    FieldKind.SWITCH: SwitchEditor,
    FieldKind.CHOICE: ChoiceEditor,
    FieldKind.NAMES: NamesEditor,
    FieldKind.TEXT: TextEditor,
    FieldKind.REGION: ShapeEditor,
    FieldKind.LINE: ShapeEditor,
    FieldKind.FILE: FileEditor,
    FieldKind.YAML: YamlEditor,
    FieldKind.ZONES: ZonesEditor,
}


def make_editor(field: ParamField, parent: QWidget | None = None) -> FieldEditor:
    """The editor for a parameter."""
    editor = _EDITORS[field.kind](field, parent)
    return OptionalEditor(field, editor, parent) if field.optional else editor
