"""In and out marks of films, each change of which can be undone."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack
from typing_extensions import override

__all__ = ["Marks", "Span"]


@dataclass(frozen=True)
class Span:
    """The times of the first and the last picture of a part of a film; None where it is not limited."""

    in_s: float | None = None
    out_s: float | None = None

    def __bool__(self) -> bool:
        return self.in_s is not None or self.out_s is not None


class Marks(QObject):
    """The marks of every film that was shown, and those of the one that is.

    Args:
        stack: where changes are remembered. One that is taken back after another film was opened changes the film that
            it was made for.
    """

    changed = Signal()
    """``span`` is another one."""

    def __init__(self, stack: QUndoStack, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stack = stack
        self._spans: dict[str, Span] = {}
        self._film = ""

    @property
    def span(self) -> Span:
        """The marks of the film that is shown."""
        return self._spans.get(self._film, Span())

    def show(self, film: str) -> None:
        """Another film is shown, or the same one again."""
        self._film = film
        self.changed.emit()

    def set_in(self, pts_s: float) -> None:
        """The span begins with the picture at this time; an end that lies before it is taken away."""
        out_s = self.span.out_s
        self._change(Span(pts_s, out_s if out_s is None or out_s >= pts_s else None), "Set in mark")

    def set_out(self, pts_s: float) -> None:
        """The span ends with the picture at this time; a beginning that lies behind it is taken away."""
        in_s = self.span.in_s
        self._change(Span(in_s if in_s is None or in_s <= pts_s else None, pts_s), "Set out mark")

    def clear(self) -> None:
        """No marks."""
        self._change(Span(), "Clear marks")

    def _change(self, after: Span, text: str) -> None:
        if after != self.span:
            self._stack.push(_Change(self, text, self._film, self.span, after))

    def put(self, film: str, span: Span) -> None:
        """Make these the marks of a film. For the undo stack."""
        self._spans[film] = span
        if film == self._film:
            self.changed.emit()


class _Change(QUndoCommand):
    def __init__(self, marks: Marks, text: str, film: str, before: Span, after: Span) -> None:
        super().__init__(text)
        self._marks = marks
        self._film = film
        self._before = before
        self._after = after

    @override
    def redo(self) -> None:
        self._marks.put(self._film, self._after)

    @override
    def undo(self) -> None:
        self._marks.put(self._film, self._before)
