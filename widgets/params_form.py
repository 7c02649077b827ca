"""The form of a stage's parameters, made from their declaration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import yaml
from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QToolButton, QVBoxLayout, QWidget

from scenescope.pipelines import StageParams
from scenescope.widgets.field_editor import DrawnEditor, FieldEditor
from scenescope.widgets.field_editors import OptionalEditor, make_editor
from scenescope.widgets.icons import icon
from scenescope.widgets.param_fields import FieldKind, ParamField, checked, describe, json_values
from scenescope.widgets.text_editors import NamesEditor

__all__ = ["ParamsForm", "UnknownForm"]


class FieldRow(QWidget):
    """Title, editor, "reset to default", and what is wrong with the input, if anything."""

    edited = Signal(str, object, object)

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self._value: Any = None
        self.editor: FieldEditor = make_editor(field, self)
        self.editor.edited.connect(self._edited)
        alone = field.kind is FieldKind.SWITCH and not field.optional
        self.title = QLabel("" if alone else field.title, self)
        self.title.setVisible(not alone)
        self.title.setToolTip(field.description)
        self.title.setBuddy(self.editor)
        self.reset = QToolButton()
        self.reset.setIcon(icon("reset", self.palette().windowText().color()))
        self.reset.setToolTip(f"Reset {field.title} to {_shown(field)}")
        self.reset.setAccessibleName(f"Reset {field.title}")
        self.reset.clicked.connect(self._reset)
        self.reset.setIconSize(QSize(12, 12))
        self.reset.setObjectName("small")
        # It keeps its place while hidden, so that nothing jumps when a slider leaves its default.
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.reset.setSizePolicy(policy)
        self.problem = QLabel()
        self.problem.setObjectName("problem")
        self.problem.setWordWrap(True)
        self.problem.hide()

        first = QHBoxLayout()
        first.setSpacing(4)
        first.addWidget(self.editor if alone else self.title, 1)
        first.addWidget(self.reset)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addLayout(first)
        if not alone:
            column.addWidget(self.editor)
        column.addWidget(self.problem)

    @property
    def inner(self) -> FieldEditor:
        """The editor itself, out of its optional wrapping."""
        return self.editor.inner if isinstance(self.editor, OptionalEditor) else self.editor

    def show_value(self, value: Any) -> None:
        """Show a value that comes from elsewhere."""
        if value != self._value:
            self.show_problem("")
        self._value = value
        self.editor.show_value(value)
        self.reset.setVisible(value != self.field.default)

    def show_problem(self, sentence: str) -> None:
        """Say what is wrong with the input, which has not been applied; empty when it is right."""
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))

    @Slot(object, object)
    def _edited(self, value: Any, gesture: Any) -> None:
        self.edited.emit(self.field.name, value, gesture)

    @Slot()
    def _reset(self) -> None:
        self.edited.emit(self.field.name, self.field.default, None)


class ParamsForm(QWidget):
    """All parameters of one stage.

    ``edited(name, value, gesture)`` tells of valid input only. ``draw_requested(name, is_line, points)`` asks for a
    shape to be drawn on the picture; its answer goes to :meth:`take_drawing`.
    """

    edited = Signal(str, object, object)
    draw_requested = Signal(str, bool, object)

    def __init__(self, params: type[StageParams], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.params = params
        self._given: dict[str, Any] = {}
        self.rows: dict[str, FieldRow] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 12, 12)
        column.setSpacing(7)
        for field in describe(params):
            row = FieldRow(field, self)
            row.edited.connect(self._edited)
            if isinstance(row.inner, DrawnEditor):
                row.inner.draw_requested.connect(partial(self.draw_requested.emit, field.name))
            self.rows[field.name] = row
            column.addWidget(row)
        if not self.rows:
            nothing = QLabel("This stage has no parameters.")
            nothing.setObjectName("muted")
            column.addWidget(nothing)
        column.addStretch(1)

    def show_values(self, given: dict[str, Any]) -> None:
        """Show what the pipeline says."""
        self._given = dict(given)
        for name, value in json_values(self.params, given).items():
            self.rows[name].show_value(value)

    def suggest_names(self, names: Sequence[str]) -> None:
        """Complete names from these."""
        for row in self.rows.values():
            if isinstance(row.inner, NamesEditor):
                row.inner.suggest_from(names)

    def take_drawing(self, name: str, points: Sequence[tuple[float, float]] | None) -> None:
        """A drawing that was asked for is finished, or given up (None)."""
        inner = self.rows[name].inner
        if isinstance(inner, DrawnEditor):
            inner.take_drawing(points)

    def refresh_icons(self) -> None:
        """Take the colours of the theme."""
        for row in self.rows.values():
            row.reset.setIcon(icon("reset", row.palette().windowText().color()))

    @Slot(str, object, object)
    def _edited(self, name: str, value: Any, gesture: Any) -> None:
        stored, problem = checked(self.params, self._given, name, value)
        row = self.rows[name]
        row.show_problem(problem)
        if problem:
            return
        self._given[name] = stored
        row.reset.setVisible(stored != row.field.default)
        self.edited.emit(name, stored, gesture)


class UnknownForm(QWidget):
    """In place of a form when the stage's plugin is not installed: what the file says, kept as it is."""

    def __init__(self, message: str, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 12, 12)
        problem = QLabel(f"{message} {hint}".strip())
        problem.setObjectName("problem")
        problem.setWordWrap(True)
        kept = QLabel("Its parameters are kept as they are:")
        kept.setObjectName("muted")
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Parameters as written in the file")
        column.addWidget(problem)
        column.addWidget(kept)
        column.addWidget(self.text, 1)

    def show_values(self, given: dict[str, Any]) -> None:
        """Show what the pipeline says."""
        text = yaml.safe_dump(given, sort_keys=False, allow_unicode=True) if given else "none"
        if self.text.toPlainText() != text:
            self.text.setPlainText(text)


def _shown(field: ParamField) -> str:
    if field.default in (None, "", [], ()):
        return "nothing"
    unit = f" {field.unit}" if field.unit else ""
    return "its default" if isinstance(field.default, dict) else f"{field.default}{unit}"
