"""The pictures that were looked at: small ones in a row, decoded where they come into view, and one of them large."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QImageReader, QKeyEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from typing_extensions import override

from scenescope.models.language import Picture, media_time
from scenescope.widgets.assistant_parts import FlowLayout, plain_label, sign
from scenescope.widgets.theme import colours_of

__all__ = ["MomentDialog", "PictureDialog", "PictureLoader", "PictureStrip", "PictureView", "decoded"]

THUMB_WH = (72, 48)
LARGE_WH = (1024, 768)
MOST_PIXELS = 40_000_000
MOST_KEPT_BYTES = 24 << 20
MOST_WAITING = 64
Key = tuple[int, tuple[int, int]]


def decoded(jpeg: bytes, within_wh: tuple[int, int]) -> QImage | None:
    """A picture of at most ``within_wh`` pixels out of a JPEG; None when it is none. Any thread."""
    data = QByteArray(jpeg)
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer, QByteArray(b"jpeg"))
    size = reader.size()
    if not size.isValid() or size.width() * size.height() > MOST_PIXELS:
        return None
    if size.width() > within_wh[0] or size.height() > within_wh[1]:
        fitting = size.scaled(QSize(*within_wh), Qt.AspectRatioMode.KeepAspectRatio)
        reader.setScaledSize(fitting.expandedTo(QSize(1, 1)))
    image = reader.read()
    return None if image.isNull() else image


class PictureLoader(QObject):
    """Decodes pictures on a thread that ends when there is nothing to do, and keeps the latest few.

    What was asked for long ago and has scrolled away since is dropped: those who still want it ask again when they are
    painted.
    """

    arrived = Signal()
    """At least one more is there."""
    _woken = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Picture, tuple[int, int]]] = deque(maxlen=MOST_WAITING)
        self._kept: OrderedDict[Key, tuple[Picture, QImage | None]] = OrderedDict()
        self._kept_bytes = 0
        self._current: Key | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._woken.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    def get(self, picture: Picture, within_wh: tuple[int, int]) -> tuple[bool, QImage | None]:
        """Whether it has been decoded, and the picture, None for one that is broken. Asks for it if it has not."""
        key = (id(picture.jpeg), within_wh)
        with self._lock:
            # The picture is kept beside the image, so that no other can get its id.
            if key in self._kept:
                self._kept.move_to_end(key)
                return True, self._kept[key][1]
            waits = any((id(other.jpeg), wh) == key for other, wh in self._waiting)
            if self._closed or waits or key == self._current:
                return False, None
            self._waiting.append((picture, within_wh))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="assistant pictures", daemon=True)
                self._thread.start()
        return False, None

    def close(self) -> None:
        """Decode no more, and forget all."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            self._kept.clear()
            thread = self._thread
        if thread is not None:
            thread.join(2.0)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                # The newest first: it is the one in view.
                picture, within_wh = self._waiting.pop()
                self._current = (id(picture.jpeg), within_wh)
            image = decoded(picture.jpeg, within_wh)
            with self._lock:
                self._current = None
                if self._closed:
                    self._thread = None
                    return
                self._kept[(id(picture.jpeg), within_wh)] = (picture, image)
                self._kept_bytes += image.sizeInBytes() if image is not None else 0
                while self._kept_bytes > MOST_KEPT_BYTES and len(self._kept) > 1:
                    _, (_, gone) = self._kept.popitem(last=False)
                    self._kept_bytes -= gone.sizeInBytes() if gone is not None else 0
                # Inside, so that close() cannot finish between the check and the emission.
                self._woken.emit()

    @Slot()
    def _tell(self) -> None:
        self.arrived.emit()


class _Thumbnail(QAbstractButton):
    def __init__(self, picture: Picture, loader: PictureLoader) -> None:
        super().__init__()
        self.picture = picture
        self._loader = loader
        self.setFixedSize(*THUMB_WH)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        at = media_time(picture.pts_s)
        self.setAccessibleName(f"Picture at {at}")
        self.setToolTip(f"Looked at: {at}. Enlarge it and jump there")
        loader.arrived.connect(self.update)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter, colours = QPainter(self), colours_of(self)
        painter.fillRect(self.rect(), QColor(colours.stage))
        ratio = self.devicePixelRatioF()
        there, image = self._loader.get(self.picture, (round(THUMB_WH[0] * ratio), round(THUMB_WH[1] * ratio)))
        if image is not None:
            size = image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            at = QRect(0, 0, size.width(), size.height())
            at.moveCenter(self.rect().center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(at, image)
        elif there:
            broken = sign("error", colours.muted, self, 16)
            painter.drawPixmap(self.rect().center().x() - 8, self.rect().center().y() - 8, broken)
        marked = self.hasFocus() or self.underMouse()
        painter.setPen(QPen(QColor(colours.accent if marked else colours.line), 2 if marked else 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))


class PictureStrip(QWidget):
    """Small pictures side by side, oldest first.

    Signals:
        chosen: the number of the picture in the row.
    """

    chosen = Signal(int)

    def __init__(self, pictures: Sequence[Picture], loader: PictureLoader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pictures = tuple(pictures)
        self.setAccessibleName(f"{len(pictures)} picture{'s' * (len(pictures) != 1)} looked at")
        self.buttons: list[QAbstractButton] = []
        flow = FlowLayout(self)
        for number, picture in enumerate(pictures):
            button = _Thumbnail(picture, loader)
            button.clicked.connect(lambda _=False, number=number: self.chosen.emit(number))
            flow.addWidget(button)
            self.buttons.append(button)


class PictureView(QLabel):
    """One picture as large as there is room for.

    Args:
        loader: decodes it; by default one of its own, which :meth:`close_loader` ends.
    """

    def __init__(self, parent: QWidget | None = None, loader: PictureLoader | None = None) -> None:
        super().__init__(parent)
        self._own = PictureLoader() if loader is None else None
        self._loader = loader or self._own
        self._picture: Picture | None = None
        self._image: QImage | None = None
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumSize(240, 135)
        assert self._loader is not None
        self._loader.arrived.connect(self._show)

    def show_picture(self, picture: Picture) -> None:
        """Show another one."""
        self._picture = picture
        self._show()

    def close_loader(self) -> None:
        """Decode no more."""
        if self._own is not None:
            self._own.close()

    @Slot()
    def _show(self) -> None:
        if self._picture is None or self._loader is None:
            return
        there, self._image = self._loader.get(self._picture, LARGE_WH)
        if self._image is None:
            self.setText("This picture cannot be read." if there else "Opening...")
        self._fit()

    def _fit(self) -> None:
        if self._image is None:
            return
        ratio = self.devicePixelRatioF()
        mode, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        shown = QPixmap.fromImage(self._image.scaled(self.size() * ratio, mode, smooth))
        shown.setDevicePixelRatio(ratio)
        self.setPixmap(shown)

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    @override
    def sizeHint(self) -> QSize:
        # Not that of the pixmap, which would let the window grow with every resize.
        return QSize(320, 180)


class PictureDialog(QDialog):
    """One of the pictures, large; Left and Right go to its neighbours, Enter jumps to its time if it ``can_jump``.

    Signals:
        jump_wanted: the :class:`~scenescope.models.language.Picture` to go to.
    """

    jump_wanted = Signal(object)

    def __init__(
        self,
        pictures: Sequence[Picture],
        number: int,
        loader: PictureLoader,
        parent: QWidget | None = None,
        *,
        can_jump: bool = True,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Picture that was looked at")
        self._pictures, self.number = tuple(pictures), number
        self.view = PictureView(self, loader)
        self.words = QLabel()
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.back, self.on = QPushButton("&Earlier"), QPushButton("&Later")
        self.jump, close = QPushButton("&Jump there"), QPushButton("&Close")
        row = QHBoxLayout()
        row.addWidget(self.words, 1)
        for button, act, tip in (
            (self.back, lambda: self.go(-1), "The picture before (Left)"),
            (self.on, lambda: self.go(1), "The next picture (Right)"),
            (self.jump, lambda: self.jump_wanted.emit(self.picture), "Show this moment of the source (Enter)"),
            (close, self.close, "Close this window (Esc)"),
        ):
            button.setAutoDefault(False)
            button.setToolTip(tip)
            button.clicked.connect(act)
            row.addWidget(button)
        self.jump.setVisible(can_jump)
        column = QVBoxLayout(self)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        self.resize(660, 460)
        self._show()

    @property
    def picture(self) -> Picture:
        """The one that is shown."""
        return self._pictures[self.number]

    def go(self, step: int) -> None:
        """Show another one."""
        self.number = min(max(self.number + step, 0), len(self._pictures) - 1)
        self._show()

    def _show(self) -> None:
        picture = self.picture
        self.view.show_picture(picture)
        width, height = picture.size_wh
        of = f"{self.number + 1} of {len(self._pictures)}"
        self.words.setText(f"{media_time(picture.pts_s)}  ·  {width} x {height}  ·  {of}")
        self.setAccessibleDescription(self.words.text())
        self.back.setEnabled(self.number > 0)
        self.on.setEnabled(self.number < len(self._pictures) - 1)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.go(1 if key == Qt.Key.Key_Right else -1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not self.jump.isHidden():
            self.jump_wanted.emit(self.picture)
        else:
            super().keyPressEvent(event)


class MomentDialog(QDialog):
    """What is kept of a moment that cannot be gone back to: a picture and what it is, or that there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Kept picture")
        self.view = PictureView(self)
        self.words = plain_label()
        close = QPushButton("&Close")
        close.setToolTip("Close this window (Esc)")
        close.clicked.connect(self.close)
        row = QHBoxLayout()
        row.addWidget(self.words, 1)
        row.addWidget(close)
        column = QVBoxLayout(self)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        self.resize(560, 400)

    def show_moment(self, picture: Picture | None, words: str) -> None:
        """Show another moment; ``words`` say what the picture is, or why there is none."""
        self.view.setVisible(picture is not None)
        if picture is not None:
            self.view.show_picture(picture)
        else:
            self.resize(self.width(), self.minimumSizeHint().height())
        self.words.setText(words)
        self.setAccessibleDescription(words)
        self.show()
        self.raise_()

    @override
    def done(self, result: int) -> None:
        self.view.close_loader()
        super().done(result)
