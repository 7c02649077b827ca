"""Asking the user for a source, and taking what is dropped on the window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, Signal, Slot
from PySide6.QtWidgets import QDialog, QFileDialog, QWidget

from scenescope.models.catalogue.guess_files import is_model
from scenescope.pipelines import DeviceInfo
from scenescope.widgets.pipeline_files import PIPELINE_SUFFIXES, PipelineFiles
from scenescope.widgets.playback import Playback
from scenescope.widgets.settings import Settings
from scenescope.widgets.source_chooser import CameraDialog, CameraLister, UrlDialog, dropped_text

if TYPE_CHECKING:
    from scenescope.widgets.cameras import CameraWatcher

__all__ = ["Cameras", "SourceCommands"]

FOLDER_KEY = "source.folder"
FILTER = (
    "Videos and images (*.mp4 *.m4v *.mov *.mkv *.avi *.webm *.mpg *.mpeg *.ts *.wmv *.flv *.gif *.png *.jpg *.jpeg "
    "*.bmp *.webp *.tif *.tiff);;All files (*)"
)


class Cameras:
    """Lists the cameras. The first call must be in the GUI thread; later ones may be in any.

    QtMultimedia takes a tenth of a second to load, which only those pay who ask for cameras.
    """

    def __init__(self, parent: QObject) -> None:
        self._parent = parent
        self._watcher: CameraWatcher | None = None

    def __call__(self) -> Sequence[DeviceInfo]:
        """Those that are connected now."""
        if self._watcher is None:
            from scenescope.widgets.cameras import CameraWatcher

            self._watcher = CameraWatcher(self._parent)
        return self._watcher.snapshot()


class SourceCommands(QObject):
    """Dialogs for cameras, files, folders and addresses."""

    model_dropped = Signal(str)
    """A file or folder that holds a network was dropped: its path."""

    def __init__(
        self, playback: Playback, files: PipelineFiles, settings: Settings, lister: CameraLister, window: QWidget
    ) -> None:
        super().__init__(window)
        self._playback = playback
        self._files = files
        self._settings = settings
        self._lister = lister
        self._window = window

    @Slot()
    def choose_camera(self) -> None:
        """Let the user choose a camera and a format of it."""
        dialog = CameraDialog(self._lister, self._window)
        if dialog.exec() == QDialog.DialogCode.Accepted and (choice := dialog.choice()) is not None:
            text, options = choice
            self._playback.open_text(text, **options)
        dialog.deleteLater()

    @Slot()
    def choose_file(self) -> None:
        """Let the user choose a video or an image."""
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open file", self._folder(), FILTER)
        if chosen:
            self._settings.set(FOLDER_KEY, str(Path(chosen).parent))
            self._playback.open_text(chosen)

    @Slot()
    def choose_folder(self) -> None:
        """Let the user choose a folder of images."""
        chosen = QFileDialog.getExistingDirectory(self._window, "Open folder of images", self._folder())
        if chosen:
            self._settings.set(FOLDER_KEY, chosen)
            self._playback.open_text(chosen)

    @Slot()
    def choose_url(self) -> None:
        """Let the user type the address of a stream."""
        dialog = UrlDialog(self._window)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self._playback.open_text(dialog.text)
        dialog.deleteLater()

    @Slot(str)
    def open_listed(self, text: str) -> None:
        """Show a camera or recent source of the menu."""
        self.open_text(text)

    def open_text(self, text: str) -> bool:
        """Show what ``text`` means; False when it means nothing."""
        if text.partition(":")[0] != "webcam":
            return self._playback.open_text(text)
        # Asked here once, as its first call must be in this thread; the source asks again in its own.
        self._lister()
        return self._playback.open_text(text, lister=self._lister)

    @staticmethod
    def takes(data: QMimeData) -> bool:
        """True when something dropped may mean a source or a pipeline."""
        return data.hasUrls() or ("://" in data.text() and "\n" not in data.text().strip())

    def take(self, data: QMimeData) -> bool:
        """Show what was dropped: files, a folder, a pipeline, models, an address; False when it means nothing."""
        paths = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
        if len(paths) == 1 and Path(paths[0]).suffix.lower() in PIPELINE_SUFFIXES:
            return self._files.open_path(Path(paths[0]))
        models = [path for path in paths if is_model(Path(path))]
        for path in models:
            self.model_dropped.emit(path)
        if models:
            return True
        text = dropped_text(paths) or (data.urls()[0].toString() if data.urls() else data.text().strip())
        return bool(text) and self._playback.open_text(text)

    def _folder(self) -> str:
        return str(self._settings.get(FOLDER_KEY, str(Path.home())))
