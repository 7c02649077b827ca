"""The cameras that Qt sees: names, stable ids, formats, and a signal when one comes or goes."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtMultimedia import QCameraDevice, QMediaDevices

from scenescope.pipelines.source import DeviceFormat, DeviceInfo
from scenescope.pipelines.sources.webcam import stable_id_of_node

__all__ = ["CameraWatcher", "list_cameras"]


def list_cameras() -> list[DeviceInfo]:
    """The cameras that are connected now, in Qt's order, which ``opencv_handle`` relies on. GUI thread only.

    Needs a QCoreApplication.
    """
    return [_describe(camera) for camera in QMediaDevices.videoInputs()]


class CameraWatcher(QObject):
    """Keeps the list of cameras.

    ``snapshot`` may be called from any thread, so it is the lister to give to a ``Webcam``, which looks its camera up
    again on the capture thread.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cameras: tuple[DeviceInfo, ...] = tuple(list_cameras())
        self._devices = QMediaDevices(self)
        self._devices.videoInputsChanged.connect(self.refresh)

    def snapshot(self) -> tuple[DeviceInfo, ...]:
        """The cameras as of the latest change. Any thread."""
        return self._cameras

    def refresh(self) -> None:
        """List the cameras again, and tell when the list has changed."""
        cameras = tuple(list_cameras())
        if cameras != self._cameras:
            self._cameras = cameras
            self.changed.emit()


def _describe(camera: QCameraDevice) -> DeviceInfo:
    identity = bytes(camera.id().data()).decode("utf-8", "replace")
    if identity.startswith("/dev/"):
        # Qt's id on Linux is the node, whose number changes; the name that udev gives stays.
        identity = stable_id_of_node(Path(identity))
    formats = {
        DeviceFormat((entry.resolution().width(), entry.resolution().height()), round(entry.maxFrameRate(), 2))
        for entry in camera.videoFormats()
    }
    ordered = sorted(formats, key=lambda entry: (entry.size_wh[0] * entry.size_wh[1], entry.rate_hz), reverse=True)
    return DeviceInfo(identity, camera.description(), tuple(ordered), camera.isDefault())
