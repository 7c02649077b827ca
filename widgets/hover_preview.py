"""A small picture of the place in the film that the mouse is over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from scenescope.widgets.transport_time import clock

__all__ = ["HoverPreview", "ThumbnailMaker"]

SIZE_WH = (192, 108)
GAP = 6


class ThumbnailMaker(Protocol):
    """What makes small pictures of a file, on a thread of its own; the newest request wins."""

    def request(self, pts_s: float, on_ready: Callable[[NDArray[np.uint8] | None, float], None]) -> None:
        """Make the picture at a time, and hand it to ``on_ready`` on any thread: uint8 (h, w, 3) BGR, and its time."""

    def close(self, timeout_s: float) -> object:
        """Make no more, and wait so long for what is being made."""


class HoverPreview(QFrame):
    """Follows the mouse with the picture there and its time. Takes neither focus nor clicks, and nothing waits for it.

    Args:
        make: gives what makes pictures of a file that are no larger than (width, height); called when they are wanted.
        post: runs a call in the GUI thread soon.
        hides: True while pictures must not be shown as they were captured; then only the time is told.
        parent: the window.
    """

    def __init__(
        self,
        make: Callable[[Path, tuple[int, int]], ThumbnailMaker],
        post: Callable[[Callable[[], None]], None],
        hides: Callable[[], bool],
        parent: QWidget,
    ) -> None:
        super().__init__(parent, Qt.WindowType.ToolTip)
        self.setObjectName("card")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self._make = make
        self._post = post
        self._hides = hides
        self._path: Path | None = None
        self._maker: ThumbnailMaker | None = None
        self._wanted_s: float | None = None
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setFixedSize(*SIZE_WH)
        self.words = QLabel()
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 3)
        column.setSpacing(2)
        column.addWidget(self.picture)
        column.addWidget(self.words)

    def set_film(self, path: Path | None) -> None:
        """Another film is shown; None for what is no file, of which only the time is told."""
        self.leave()
        self._path = path
        self.picture.clear()
        if self._maker is not None:
            # The window does not wait: what is still being made is not wanted by anybody.
            self._maker.close(0.0)
            self._maker = None

    def hover(self, pts_s: float, frame: int | None, at: QPoint) -> None:
        """The mouse is over a time of the film.

        Args:
            pts_s: the time.
            frame: the picture's number, if it is known.
            at: where, in global pixels; the preview stands above it.
        """
        self.words.setText(clock(pts_s) if frame is None else f"{clock(pts_s)}   #{frame}")
        hides = self._hides()
        if hides:
            self.picture.clear()
        self.picture.setVisible(self._path is not None and not hides)
        self.adjustSize()
        self.move(self._place(at))
        self.show()
        if self._path is not None and not hides and pts_s != self._wanted_s:
            self._wanted_s = pts_s
            if self._maker is None:
                ratio = self.devicePixelRatioF()
                self._maker = self._make(self._path, (round(SIZE_WH[0] * ratio), round(SIZE_WH[1] * ratio)))
            path = self._path
            self._maker.request(pts_s, lambda image, made_s: self._post(lambda: self._ready(path, image)))

    def leave(self) -> None:
        """The mouse is elsewhere."""
        self._wanted_s = None
        self.hide()

    def _place(self, at: QPoint) -> QPoint:
        """Above the mouse, inside its screen."""
        corner = QPoint(at.x() - self.width() // 2, at.y() - self.height() - GAP)
        screen = self.screen().availableGeometry()
        right = max(screen.right() - self.width(), screen.left())
        return QPoint(min(max(corner.x(), screen.left()), right), max(corner.y(), screen.top()))

    def _ready(self, path: Path, image: Any) -> None:
        # A picture that comes late is that of a place nearby, and better than none; one of another film is not.
        if path != self._path or self._wanted_s is None or image is None or self._hides():
            return
        shown = np.ascontiguousarray(image)
        height, width = shown.shape[:2]
        made = QImage(shown.data, width, height, shown.strides[0], QImage.Format.Format_BGR888)
        # The pixmap is a copy: the array may go.
        pixmap = QPixmap.fromImage(made)
        pixmap.setDevicePixelRatio(self.devicePixelRatioF())
        self.picture.setPixmap(pixmap)
