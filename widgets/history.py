"""Every edit of the pipeline goes through here, so that it can be undone."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QUndoCommand, QUndoStack
from typing_extensions import override

from scenescope.models import ScenescopeError
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.engine import Engine

__all__ = ["PipelineEditor"]

MOST_STEPS = 500
_EDIT_ID = 1


class _Edit(QUndoCommand):
    """The pipeline before and after. Edits of one gesture (a slider drag) become one."""

    def __init__(self, editor: PipelineEditor, text: str, before: PipelineSpec, after: PipelineSpec, gesture: Any):
        super().__init__(text)
        self._editor = editor
        self.before = before
        self.after = after
        self.gesture = gesture

    @override
    def id(self) -> int:
        return _EDIT_ID

    @override
    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, _Edit) or self.gesture is None or other.gesture != self.gesture:
            return False
        self.after = other.after
        if self.before == self.after:
            self.setObsolete(True)
        return True

    @override
    def redo(self) -> None:
        self._editor.restore(self.after)

    @override
    def undo(self) -> None:
        self._editor.restore(self.before)


class PipelineEditor(QObject):
    """Makes new specs out of the engine's and applies them.

    Nothing here redraws anything: panels do that when the engine says what has changed.
    """

    refused = Signal(str, str)
    """An edit was not valid and nothing has changed: message and hint."""
    edited = Signal(str)
    """An edit was made: its description, "Remove Track objects"."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._known = engine.spec
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(MOST_STEPS)

    @property
    def spec(self) -> PipelineSpec:
        """The wish as it is."""
        return self._engine.spec

    # Edits -------------------------------------------------------------------------------------------------------

    def add(self, kind: str, at: int | None = None) -> str | None:
        """Add a stage; its id, None when it was refused."""
        before = self.spec
        if not self.replace(before.added(kind, at=at), f"Add {kind}"):
            return None
        old = {stage.id for stage in before.stages}
        return next(stage.id for stage in self.spec.stages if stage.id not in old)

    def remove(self, stage_id: str) -> None:
        """Remove a stage."""
        self.replace(self.spec.removed(stage_id), f"Remove {stage_id}")

    def duplicate(self, stage_id: str) -> None:
        """Put a copy of a stage behind it."""
        self.replace(self.spec.duplicated(stage_id), f"Duplicate {stage_id}")

    def move(self, stage_id: str, to: int) -> None:
        """Put a stage at position ``to`` of the new order."""
        self.replace(self.spec.moved(stage_id, to), f"Move {stage_id}")

    def enable(self, stage_id: str, on: bool) -> None:
        """Switch a stage on or off."""
        self.replace(self.spec.enabled(stage_id, on), f"{'Enable' if on else 'Disable'} {stage_id}")

    def set_param(self, stage_id: str, name: str, value: Any, gesture: Any = None) -> bool:
        """Set one parameter; edits that come with the same ``gesture`` are undone together."""
        key = None if gesture is None else (stage_id, name, gesture)
        return self.replace(self.spec.with_params(stage_id, **{name: value}), f"Change {name} of {stage_id}", key)

    def replace(self, spec: PipelineSpec, text: str, gesture: Any = None) -> bool:
        """Make the whole pipeline another one; False when it was refused."""
        before = self.spec
        if spec == before:
            return True
        try:
            self._engine.apply(spec)
        except ScenescopeError as error:
            self.refused.emit(error.user_message, error.hint)
            return False
        self._known = spec
        # Pushing applies it once more, which changes nothing.
        self.stack.push(_Edit(self, text, before, spec, gesture))
        self.edited.emit(text)
        return True

    def restore(self, spec: PipelineSpec) -> None:
        """Apply a pipeline that was valid before. For the undo stack."""
        if spec == self.spec:
            return
        try:
            self._engine.apply(spec)
            self._known = spec
        except ScenescopeError as error:
            self.refused.emit(error.user_message, error.hint)

    @Slot()
    def adopt_foreign_edits(self) -> None:
        """Take into the history what was applied past this editor. Called when the engine tells of a change."""
        now = self.spec
        if now != self._known:
            before, self._known = self._known, now
            self.stack.push(_Edit(self, "Change from outside", before, now, None))
