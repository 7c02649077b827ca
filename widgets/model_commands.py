"""Opens the dialog of models, and knows which stages use which."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from scenescope.models.catalogue import current
from scenescope.models.catalogue.download import Downloader
from scenescope.models.catalogue.offers import Progress
from scenescope.pipelines import PipelineSpec
from scenescope.widgets.models_dialog import ModelsDialog

__all__ = ["ModelCommands"]


class ModelCommands(QObject):
    """One dialog at a time, beside the window.

    Args:
        downloader: fetches models; None for one of the catalogue in use.
        spec: gives the pipeline as it is.
        window: the dialog's parent.

    Attributes:
        add_file: lets the user add a file of theirs, called by the dialog's button; None where that cannot be done.
    """

    changed = Signal()
    """Models came or went, or are trusted now."""
    download_changed = Signal()
    """A download has begun, has come farther or is over: see :attr:`download`."""

    def __init__(self, downloader: Downloader | None, spec: Callable[[], PipelineSpec], window: QWidget) -> None:
        super().__init__(window)
        self._downloader = downloader
        self._spec = spec
        self._window = window
        self.add_file: Callable[[], object] | None = None
        self.dialog: ModelsDialog | None = None

    @property
    def download(self) -> tuple[str, Progress | None] | None:
        """The model that is being downloaded, by name, and how far that has come; None while none is."""
        return self.dialog.download if self.dialog is not None else None

    @Slot()
    def show(self, name: str = "") -> None:
        """Show what is here and what can be had; of that the model called ``name``, which may be half downloaded."""
        if self.dialog is None:
            downloader = self._downloader or Downloader(current())
            self.dialog = ModelsDialog(downloader, self.used_by, self.add_file, self._window)
            self.dialog.changed.connect(self.changed)
            self.dialog.download_changed.connect(self.download_changed)
            self.dialog.finished.connect(self._forget)
        if name:
            self.dialog.go_to(name)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    @Slot()
    def refresh(self) -> None:
        """Models were changed elsewhere."""
        if self.dialog is not None:
            self.dialog.refresh()

    def used_by(self, name: str) -> list[str]:
        """Ids of the stages that use a model."""
        return [stage.id for stage in self._spec().stages if name in stage.params.values()]

    def close(self) -> None:
        """End what the dialog does, and close it."""
        if self.dialog is not None:
            self.dialog.close()

    @Slot()
    def _forget(self) -> None:
        dialog, self.dialog = self.dialog, None
        if dialog is not None:
            dialog.deleteLater()
