"""Choosing what to look at: a menu of sources, a dialog for cameras with their formats, one for addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from scenescope.pipelines import DeviceFormat, DeviceInfo
from scenescope.widgets.playback import Playback

__all__ = ["CameraDialog", "CameraLister", "SourceMenu", "UrlDialog", "camera_text", "dropped_text"]

CameraLister = Callable[[], Sequence[DeviceInfo]]
SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")


def camera_text(camera: DeviceInfo) -> str:
    """How a camera is written."""
    return f"webcam:{camera.stable_id}"


class SourceMenu(QMenu):
    """Demo camera, cameras, files and addresses; those used lately below. Filled anew whenever it opens."""

    chosen = Signal(str)

    def __init__(
        self, fixed: Sequence[QAction], playback: Playback, lister: CameraLister, parent: QWidget | None = None
    ) -> None:
        super().__init__("Source", parent)
        self._fixed = list(fixed)
        self._playback = playback
        self._lister = lister
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self.fill)
        self.triggered.connect(self._triggered)

    @Slot()
    def fill(self) -> None:
        """List what there is now."""
        for action in self.actions():
            self.removeAction(action)
            if action not in self._fixed:
                action.deleteLater()
        self.addActions(self._fixed[:1])
        for camera in self._lister():
            self._offer(camera.name, camera_text(camera), "Show this camera as it comes")
        self.addActions(self._fixed[1:])
        recent = self._playback.recent
        if recent:
            self.addSeparator()
        for text in recent:
            self._offer(Path(text).name or text, text, text)

    def _offer(self, title: str, text: str, tip: str) -> None:
        action = QAction(title.replace("&", "&&"), self)
        action.setData(text)
        action.setToolTip(tip)
        self.addAction(action)

    @Slot(QAction)
    def _triggered(self, action: QAction) -> None:
        if action not in self._fixed and action.data():
            self.chosen.emit(action.data())


class CameraDialog(QDialog):
    """Cameras, and the sizes and rates that each offers."""

    def __init__(self, lister: CameraLister, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Choose camera")
        self.setMinimumWidth(420)
        self._lister = lister
        self.cameras = QListWidget()
        self.cameras.setAccessibleName("Cameras")
        self.cameras.currentItemChanged.connect(self._show_formats)
        self.cameras.itemActivated.connect(self.accept)
        self.formats = QComboBox()
        self.formats.setAccessibleName("Resolution and rate")
        self.nothing = QLabel(
            "No camera was found. Plug one in and press Look again. If it is in use by another program, or the system "
            "does not let this one see it, close that program or allow the camera in the system's privacy settings."
        )
        self.nothing.setObjectName("muted")
        self.nothing.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.open_button = buttons.addButton("Show camera", QDialogButtonBox.ButtonRole.AcceptRole)
        again = buttons.addButton("Look again", QDialogButtonBox.ButtonRole.ActionRole)
        again.clicked.connect(self.look)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.addRow("Format", self.formats)
        column = QVBoxLayout(self)
        column.addWidget(self.cameras)
        column.addWidget(self.nothing)
        column.addLayout(form)
        column.addWidget(buttons)
        self.look()

    @Slot()
    def look(self) -> None:
        """List the cameras that are there now."""
        self.cameras.clear()
        for camera in self._lister():
            item = QListWidgetItem(camera.name + (" (default)" if camera.is_default else ""))
            item.setData(Qt.ItemDataRole.UserRole, camera)
            item.setToolTip(camera.stable_id)
            self.cameras.addItem(item)
        found = self.cameras.count() > 0
        self.cameras.setVisible(found)
        self.nothing.setVisible(not found)
        self.open_button.setEnabled(found)
        self.formats.setEnabled(found)
        if found:
            self.cameras.setCurrentRow(0)
        self._show_formats()

    @Slot()
    def _show_formats(self) -> None:
        self.formats.clear()
        self.formats.addItem("As the camera likes", None)
        camera = self._camera()
        for one in camera.formats if camera else ():
            self.formats.addItem(str(one), one)

    def _camera(self) -> DeviceInfo | None:
        item = self.cameras.currentItem()
        camera = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        return camera if isinstance(camera, DeviceInfo) else None

    def choice(self) -> tuple[str, dict[str, Any]] | None:
        """The chosen camera as text, and options for it."""
        camera = self._camera()
        if camera is None:
            return None
        wanted = self.formats.currentData()
        options = {"size_wh": wanted.size_wh, "rate_hz": wanted.rate_hz} if isinstance(wanted, DeviceFormat) else {}
        return camera_text(camera), {**options, "lister": self._lister}


class UrlDialog(QDialog):
    """One address."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open stream URL")
        self.setMinimumWidth(460)
        self.line = QLineEdit()
        self.line.setPlaceholderText("rtsp://camera.local:554/stream")
        self.line.setAccessibleName("Address of the stream")
        self.line.textChanged.connect(self._check)
        self.problem = QLabel(" ")
        self.problem.setObjectName("muted")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(QLabel("Address of an RTSP, RTMP or HTTP stream:"))
        column.addWidget(self.line)
        column.addWidget(self.problem)
        column.addWidget(self._buttons)
        self._check("")

    @property
    def text(self) -> str:
        """The address."""
        return self.line.text().strip()

    @Slot(str)
    def _check(self, _: str) -> None:
        scheme, separator, rest = self.text.partition("://")
        good = bool(separator and rest) and scheme.lower() in SCHEMES
        self._buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(good)
        self.problem.setText(" " if good or not self.text else f"Begin with one of: {', '.join(SCHEMES)} and ://")


def dropped_text(paths: Sequence[str]) -> str | None:
    """What files dropped on the window mean as one source: the file, or the folder that holds several of them."""
    if not paths:
        return None
    if len(paths) == 1:
        return paths[0]
    parents = {str(Path(path).parent) for path in paths}
    return parents.pop() if len(parents) == 1 else paths[0]
