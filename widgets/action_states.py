"""Which actions can be used now, and what those that change are called."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QColor

from scenescope.pipelines.events import SourcePhase
from scenescope.widgets.actions import ActionSet
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.icons import icon
from scenescope.widgets.playback import Playback
from scenescope.widgets.stage_panel import StagePanel
from scenescope.widgets.theme import Theme

__all__ = ["ActionStates"]

HELD = (SourcePhase.PAUSED, SourcePhase.ENDED, SourcePhase.STOPPED, SourcePhase.FAILED)


class ActionStates(QObject):
    """Switches actions on and off as the pipeline, the chosen stage and the source allow.

    Args:
        actions: of the window.
        editor: tells what can be undone.
        stages: tells which stage is chosen.
        playback: tells what is shown.
        theme: gives the colour of the sign that changes.
        window: the parent.
    """

    def __init__(
        self,
        actions: ActionSet,
        editor: PipelineEditor,
        stages: StagePanel,
        playback: Playback,
        theme: Theme,
        window: QObject,
    ) -> None:
        super().__init__(window)
        self._actions = actions
        self._editor = editor
        self._stages = stages
        self._playback = playback
        self._theme = theme
        self._closed = False

    def close(self) -> None:
        """Change nothing more: the window is going."""
        self._closed = True

    @Slot()
    def update(self) -> None:
        """Look at everything again."""
        if self._closed:
            return
        actions, stack = self._actions, self._editor.stack
        row = self._stages.model.row_of(self._stages.current_id)
        rows = self._stages.model.rows
        playback = self._playback
        film = playback.film
        for action_id, on in {
            "edit.undo": stack.canUndo(),
            "edit.redo": stack.canRedo(),
            "stage.remove": row >= 0,
            "stage.duplicate": row >= 0,
            "stage.toggle": row >= 0,
            "stage.up": row > 0,
            "stage.down": 0 <= row < len(rows) - 1,
            "stage.retry": row >= 0 and rows[row].can_retry,
            "play.stop": playback.active,
            "play.step": playback.active,
            "play.restart": playback.source is not None,
            "play.back": film,
            "play.forward": film,
        }.items():
            actions[action_id].setEnabled(on)
        actions["edit.undo"].setText(f"&Undo {_lower(stack.undoText())}".strip())
        actions["edit.redo"].setText(f"&Redo {_lower(stack.redoText())}".strip())
        colours = self._theme.colours
        sign = icon("play" if playback.phase in HELD else "pause", QColor(colours.text), QColor(colours.faint))
        actions["play.pause"].setIcon(sign)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
