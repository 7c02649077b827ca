"""Lets the user add models: by a file dialog, or by what is dropped on the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QWidget

from scenescope.models.cards import ModelCard
from scenescope.pipelines.engine import Engine
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.model_commands import ModelCommands
from scenescope.widgets.source_commands import SourceCommands

if TYPE_CHECKING:
    from scenescope.widgets.add_model_dialog import AddModelDialog

__all__ = ["AddModels"]

FILTER = (
    "Models (*.onnx *.tflite *.keras *.h5 *.pt *.pth *.pt2 *.torchscript *.safetensors saved_model.pb config.json);;"
    "All files (*)"
)
_IN_FOLDERS = ("saved_model.pb", "config.json")


class AddModels(QObject):
    """One dialog a file, beside the window.

    Args:
        editor: makes the edit when a model is to be used at once.
        engine: gives the picture to try models on, as it comes from the source.
        sources: tells of models that are dropped on the window.
        models: gets its button to add a file, and is told of what was added.
        window: the dialogs' parent.
    """

    told = Signal(str, str)
    """A message and a hint."""

    def __init__(
        self, editor: PipelineEditor, engine: Engine, sources: SourceCommands, models: ModelCommands, window: QWidget
    ) -> None:
        super().__init__(window)
        self._editor = editor
        self._engine = engine
        self._models = models
        self._window = window
        self.dialogs: list[AddModelDialog] = []
        models.add_file = self.ask
        sources.model_dropped.connect(self.open_path)

    @Slot()
    def ask(self) -> None:
        """Let the user choose a file; one that belongs to a folder stands for it."""
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Add model", str(Path.home()), FILTER)
        if chosen:
            path = Path(chosen)
            self.open_path(path.parent if path.name in _IN_FOLDERS else path)

    @Slot(str)
    def open_path(self, path: Path | str) -> None:
        """Show what a file or folder is believed to be."""
        # Imported when it is opened: the window is there sooner without.
        from scenescope.widgets.add_model_dialog import AddModelDialog

        dialog = AddModelDialog(Path(path), self._picture, self._window)
        dialog.added.connect(self._added)
        dialog.use_wished.connect(self._use)
        dialog.finished.connect(lambda: self._forget(dialog))
        self.dialogs.append(dialog)
        dialog.show()

    def close(self) -> None:
        """Close what is open."""
        for dialog in list(self.dialogs):
            dialog.close()

    def _picture(self) -> NDArray[np.uint8] | None:
        frame = self._engine.latest_raw
        return None if frame is None else frame.image

    @Slot(object)
    def _added(self, card: ModelCard) -> None:
        self._models.refresh()
        self._models.changed.emit()
        self.told.emit(f"Added the model {card.name}.", "It can be chosen in the stages now.")

    @Slot(str, str)
    def _use(self, kind: str, name: str) -> None:
        # One edit, with the model in it: one step to undo.
        self._editor.replace(self._editor.spec.added(kind, {"model": name}), f"Add {kind} with {name}")

    def _forget(self, dialog: AddModelDialog) -> None:
        if dialog in self.dialogs:
            self.dialogs.remove(dialog)
            dialog.deleteLater()
