"""What all editors of parameters have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from scenescope.widgets.param_fields import ParamField

__all__ = ["DrawnEditor", "FieldEditor"]


class FieldEditor(QWidget):
    """Base of all editors.

    ``edited(value, gesture)`` is told of what the user does, never of ``show_value``; a ``gesture`` that is not None
    names the drag that the change is a part of.
    """

    edited = Signal(object, object)

    def __init__(self, field: ParamField, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(8)

    def show_value(self, value: Any) -> None:
        """Show a value that comes from elsewhere."""
        raise NotImplementedError

    def _dress(self, widget: QWidget, stretch: int = 0) -> None:
        widget.setToolTip(self.field.description)
        widget.setAccessibleName(self.field.title)
        widget.setAccessibleDescription(self.field.description)
        self.row.addWidget(widget, stretch)
        if self.focusProxy() is None:
            self.setFocusProxy(widget)


class DrawnEditor(FieldEditor):
    """Base of editors whose value is drawn on the picture.

    ``draw_requested(is_line, points)`` asks for a line or a polygon, beginning with these points (fractions of width
    and height); the answer comes to :meth:`take_drawing`.
    """

    draw_requested = Signal(bool, object)

    def take_drawing(self, points: Sequence[tuple[float, float]] | None) -> None:
        """The drawing is finished; None when it was given up."""
        raise NotImplementedError
