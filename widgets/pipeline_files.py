"""Pipelines from and to files, and presets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QWidget

from scenescope.models import SpecError
from scenescope.pipelines import PipelineSpec, presets
from scenescope.pipelines.presets import Preset
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.settings import Settings

__all__ = ["PIPELINE_SUFFIXES", "PipelineFiles"]

PIPELINE_SUFFIXES = (".yaml", ".yml")
FOLDER_KEY = "pipeline.folder"
FILTER = "Pipelines (*.yaml *.yml)"


class PipelineFiles(QObject):
    """Loading is an edit like any other, so it can be undone.

    Args:
        editor: makes the edits.
        settings: where the last folder is remembered.
        own_presets: gives the user's own presets, if there is a place for them.
        window: parent of the dialogs.
    """

    failed = Signal(str, str)
    saved = Signal(str)

    def __init__(
        self,
        editor: PipelineEditor,
        settings: Settings,
        own_presets: Callable[[], list[Preset]],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._editor = editor
        self._settings = settings
        self._own_presets = own_presets
        self._window = window
        self.path: Path | None = None

    def presets(self) -> list[Preset]:
        """The user's own, then those that come with Scenescope."""
        own = self._own_presets()
        taken = {preset.name for preset in own}
        return [*own, *(preset for preset in presets.bundled() if preset.name not in taken)]

    def load_preset(self, preset: Preset) -> None:
        """Replace the pipeline by a preset."""
        if self._editor.replace(preset.spec, f"Preset {preset.title}"):
            self.path = None

    @Slot()
    def new(self) -> None:
        """Begin with no stages."""
        self._editor.replace(PipelineSpec(), "New pipeline")
        self.path = None

    def open_path(self, path: Path) -> bool:
        """Replace the pipeline by a file's; False when that was refused."""
        try:
            spec = PipelineSpec.load(path)
        except SpecError as error:
            self.failed.emit(error.user_message, error.hint)
            return False
        self._settings.set(FOLDER_KEY, str(path.parent))
        if not self._editor.replace(spec, f"Open {path.name}"):
            return False
        self.path = path
        return True

    def save_path(self, path: Path) -> bool:
        """Write the pipeline to a file."""
        path = path if path.suffix.lower() in PIPELINE_SUFFIXES else path.with_name(path.name + PIPELINE_SUFFIXES[0])
        try:
            self._editor.spec.save(path)
        except SpecError as error:
            self.failed.emit(error.user_message, error.hint)
            return False
        self._settings.set(FOLDER_KEY, str(path.parent))
        self.path = path
        self._editor.stack.setClean()
        self.saved.emit(str(path))
        return True

    @Slot()
    def ask_open(self) -> None:
        """Let the user choose a file to load."""
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open pipeline", self._folder(), FILTER)
        if chosen:
            self.open_path(Path(chosen))

    @Slot()
    def save(self) -> None:
        """Write to the file that was opened or saved last, or ask for one."""
        if self.path is None:
            self.ask_save()
        else:
            self.save_path(self.path)

    @Slot()
    def ask_save(self) -> None:
        """Let the user choose a file to write."""
        name = self.path.name if self.path else f"{self._editor.spec.name or 'pipeline'}.yaml"
        chosen, _ = QFileDialog.getSaveFileName(self._window, "Save pipeline", str(Path(self._folder()) / name), FILTER)
        if chosen:
            self.save_path(Path(chosen))

    def _folder(self) -> str:
        return str(self.path.parent) if self.path else self._settings.get(FOLDER_KEY, str(Path.home()))
