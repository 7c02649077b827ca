"""Dialogs that prepare what stages need: the calibration of a camera, and the people to be recognised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QDialog, QWidget

from scenescope.pipelines.engine import Engine

__all__ = ["Tools"]


class Tools(QObject):
    """One of each dialog at a time, beside the window.

    Args:
        engine: gives the picture as it comes from the source, before any stage.
        folder: where calibrations are kept; None for the folder the app was started in.
        window: the dialogs' parent.
    """

    told = Signal(str, str)

    def __init__(self, engine: Engine, folder: Path | None, window: QWidget) -> None:
        super().__init__(window)
        self._engine = engine
        self._folder = folder or Path()
        self._window = window
        self._open: dict[type[QDialog], QDialog] = {}

    @Slot()
    def calibrate(self) -> None:
        """Measure the lens of the camera with a printed board."""
        # Imported when it is opened: the window is there sooner without.
        from scenescope.widgets.calibration_dialog import CalibrationDialog

        dialog = self._open.get(CalibrationDialog)
        if dialog is None:
            dialog = CalibrationDialog(self._picture, self._folder / "calibrations", self._window)
            dialog.saved.connect(self._calibrated)
        self._show(dialog)

    @Slot()
    def people(self) -> None:
        """Enrol, rename and delete the people that 'Recognise faces' knows."""
        from scenescope.models.vision.face_gallery import current_gallery
        from scenescope.widgets.gallery_dialog import GalleryDialog

        self._show(self._open.get(GalleryDialog) or GalleryDialog(current_gallery(), self._picture, self._window))

    def close(self) -> None:
        """Close what is open."""
        for dialog in list(self._open.values()):
            dialog.close()

    def _picture(self) -> Any:
        frame = self._engine.latest_raw
        return None if frame is None else frame.image

    def _show(self, dialog: QDialog) -> None:
        if type(dialog) not in self._open:
            self._open[type(dialog)] = dialog
            dialog.finished.connect(lambda: self._forget(dialog))
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    def _forget(self, dialog: QDialog) -> None:
        self._open.pop(type(dialog), None)
        dialog.deleteLater()

    @Slot(str)
    def _calibrated(self, path: str) -> None:
        self.told.emit(f"Saved the calibration as {path}.", "Choose it in the stages Undistort and Markers.")
