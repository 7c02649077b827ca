"""Snapshots: the analysed picture at its own size, with its overlay and without, as PNG files or on the clipboard."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtGui import QGuiApplication, QImage

from scenescope.models import SinkError
from scenescope.pipelines import Frame
from scenescope.pipelines.display import Display, DisplayMode, ViewOptions
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.settings import Settings

__all__ = ["Snapshots", "default_folder", "with_overlay", "write_pair"]

FOLDER_KEY = "snapshot.folder"
SCALE_ONE_LINES = 720


def default_folder() -> Path:
    """``Scenescope`` in the user's folder of pictures."""
    places = QStandardPaths.standardLocations(QStandardPaths.StandardLocation.PicturesLocation)
    return Path(places[0] if places else Path.home()) / "Scenescope"


def with_overlay(frame: Frame, style: OverlayStyle) -> NDArray[np.uint8]:
    """The picture of a frame, uint8 (H, W, 4) BGRX at its own size, with what was found in this very frame."""
    width, height = frame.size_wh
    options = ViewOptions(size_wh=(width, height), style=style, text_scale=max(height / SCALE_ONE_LINES, 0.6))
    return Display().compose(frame, frame, DisplayMode.IN_STEP, options).image


def write_pair(frame: Frame, style: OverlayStyle, folder: Path) -> tuple[Path, Path]:
    """Write two PNG files: with the overlay, and the picture alone.

    Raises:
        SinkError: the folder cannot be made or written to.
    """
    source = re.sub(r"[^\w.-]+", "-", Path(frame.source).stem).strip("-") or "picture"
    stem = f"{source}-{datetime.now():%Y%m%d-%H%M%S}-frame{frame.index}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while (paths := _pair(folder, stem, number))[0].exists() or paths[1].exists():
            number += 1
        for path, image in zip(paths, (with_overlay(frame, style)[:, :, :3], frame.image), strict=True):
            # Not imwrite: it cannot write to paths outside the code page on Windows.
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    except OSError as error:
        raise SinkError(
            f"The snapshot cannot be written to {folder}: {error.strerror}.", hint="Choose another folder."
        ) from error
    return paths


def _pair(folder: Path, stem: str, number: int) -> tuple[Path, Path]:
    more = f"-{number}" if number > 1 else ""
    return folder / f"{stem}{more}-overlay.png", folder / f"{stem}{more}-picture.png"


class Snapshots(QObject):
    """Takes snapshots on a helper thread, so that the picture does not stand still meanwhile."""

    saved = Signal(str, str)
    """The two files: with overlay, and without."""
    copied = Signal()
    failed = Signal(str, str)

    def __init__(self, bridge: EngineBridge, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._settings = settings
        self._threads: list[threading.Thread] = []
        self.style = OverlayStyle()

    @property
    def folder(self) -> Path:
        """Where they go."""
        chosen = self._settings.get(FOLDER_KEY, "")
        return Path(chosen) if chosen else default_folder()

    @folder.setter
    def folder(self, folder: Path) -> None:
        self._settings.set(FOLDER_KEY, str(folder))

    def save(self) -> None:
        """Write the picture that was analysed last."""
        if (frame := self._frame()) is not None:
            self._start(partial(self._write, frame, self.style, self.folder))

    def copy(self) -> None:
        """Put the picture that was analysed last on the clipboard, with its overlay."""
        if (frame := self._frame()) is not None:
            self._start(partial(self._compose, frame, self.style))

    def close(self, timeout_s: float = 5.0) -> None:
        """Wait for what is being written."""
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline_s - time.monotonic(), 0.01))

    def _frame(self) -> Frame | None:
        frame = self._bridge.engine.latest
        if frame is None:
            self.failed.emit("There is no picture to take a snapshot of.", "Start a source first.")
        return frame

    def _start(self, work: partial[None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, name="snapshot", daemon=True)
        self._threads.append(thread)
        thread.start()

    # Helper thread -----------------------------------------------------------------------------------------------

    def _write(self, frame: Frame, style: OverlayStyle, folder: Path) -> None:
        try:
            paths = write_pair(frame, replace(style), folder)
        except SinkError as error:
            self._bridge.post(partial(self.failed.emit, error.user_message, error.hint))
            return
        self._bridge.post(partial(self.saved.emit, str(paths[0]), str(paths[1])))

    def _compose(self, frame: Frame, style: OverlayStyle) -> None:
        self._bridge.post(partial(self._to_clipboard, with_overlay(frame, style)))

    # GUI thread --------------------------------------------------------------------------------------------------

    def _to_clipboard(self, image: NDArray[np.uint8]) -> None:
        height, width = image.shape[:2]
        # The clipboard outlives the array, so it gets a copy.
        picture = QImage(image.data, width, height, width * 4, QImage.Format.Format_RGB32).copy()
        QGuiApplication.clipboard().setImage(picture)
        self.copied.emit()
