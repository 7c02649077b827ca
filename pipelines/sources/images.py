"""Image files: one, a folder of them, or those that match a pattern."""

from __future__ import annotations

import glob
import math
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.source import Source, SourceInfo

__all__ = ["IMAGE_SUFFIXES", "ImageFiles", "read_image"]

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".dib", ".jpg", ".jpeg", ".jpe", ".jp2", ".png", ".webp", ".avif", ".pbm", ".pgm", ".ppm", ".pnm", ".tif"}
    | {".tiff", ".hdr", ".pic", ".exr", ".sr", ".ras"}
)
"""Endings, in lower case, that OpenCV reads."""

SEE_THROUGH_SUFFIXES = frozenset({".png", ".webp", ".avif", ".tif", ".tiff"})

CONVERT_HINT = "Open it in an image viewer to check it, or save it as PNG or JPEG."


class ImageFiles(Source):
    """Images as a film, in natural order of their names ("2.png" before "10.png").

    Turned as their EXIF data ask; grey, 16-bit and transparent ones become 8-bit BGR (over white). The pictures may
    differ in size. Files of a folder or pattern that cannot be read are passed over.

    Args:
        path_or_folder: an image, a folder, or a pattern with ``*``, ``?`` or ``[``.
        rate_hz: images a second.

    Attributes:
        skipped: files that could not be read, each with the reason.
    """

    def __init__(self, path_or_folder: str | os.PathLike[str], rate_hz: float = 1.0) -> None:
        self.path = Path(path_or_folder)
        self.rate_hz = float(rate_hz)
        self.skipped: list[tuple[Path, str]] = []
        self._interrupted = threading.Event()
        self._files: list[Path] = []
        self._position = 0
        self._next_index = 0
        self._ready: NDArray[np.uint8] | None = None

    def open(self) -> SourceInfo:
        """Find the images, and read the first.

        Raises:
            SourceError: nothing there, or nothing of it is a readable image.
        """
        self._interrupted.clear()
        self._files = self._find()
        self.skipped = []
        self._position = self._next_index = 0
        self._ready = self._read_next()
        if self._ready is None:
            if len(self._files) == 1:
                path, reason = self.skipped[0]
                raise self._error(f"{path.name} {reason}", CONVERT_HINT)
            raise self._error(f"None of the {len(self._files)} images in {self.path.name} can be read", CONVERT_HINT)
        height, width = self._ready.shape[:2]
        return SourceInfo(
            name=self.path.name or str(self.path),
            size_wh=(width, height),
            rate_hz=self.rate_hz,
            live=False,
            frame_count=len(self._files),
            duration_s=len(self._files) / self.rate_hz,
            detail="1 image" if len(self._files) == 1 else f"{len(self._files)} images",
        )

    def read(self) -> Frame | None:
        """The next image that can be read."""
        image, self._ready = self._ready, None
        if image is None:
            image = self._read_next()
        if image is None or self._interrupted.is_set():
            return None
        index, name = self._next_index, self._files[self._position - 1].name
        self._next_index += 1
        return Frame(image, index, index / self.rate_hz, time.monotonic(), name)

    def seek(self, pts_s: float) -> None:
        """Go on with the image at or after ``pts_s``; files that cannot be read before it have no number."""
        wanted = max(math.ceil(pts_s * self.rate_hz - 1e-6), 0)
        bad = {path for path, _ in self.skipped}
        self._ready = None
        self._position = self._next_index = 0
        while self._next_index < wanted and self._position < len(self._files):
            self._next_index += self._files[self._position] not in bad
            self._position += 1

    def interrupt(self) -> None:
        """Make a ``read`` that passes over unreadable files end soon."""
        self._interrupted.set()

    def close(self) -> None:
        """Forget the image that was read ahead."""
        self._ready = None

    def _find(self) -> list[Path]:
        path = self.path
        if path.is_dir():
            found = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
            if not found:
                raise self._error(f"The folder {path.name or path} holds no images", "Choose a folder with images.")
        elif path.exists():
            found = [path]
        elif glob.has_magic(str(path)):
            found = [Path(name) for name in glob.glob(str(path)) if Path(name).is_file()]  # noqa: PTH207 - may be absolute
            if not found:
                raise self._error(f"No file matches {path}", "Check the pattern; quote it on a command line.")
        else:
            raise self._error(f"{path.name} does not exist", "Check the spelling of the path.")
        return sorted(found, key=_natural)

    def _read_next(self) -> NDArray[np.uint8] | None:
        known = {path for path, _ in self.skipped}
        while self._position < len(self._files) and not self._interrupted.is_set():
            path = self._files[self._position]
            self._position += 1
            try:
                return read_image(path)
            except SourceError as error:
                if path not in known:
                    self.skipped.append((path, error.user_message.removeprefix(f"{path.name} ").rstrip(".")))
        return None

    def _error(self, message: str, hint: str) -> SourceError:
        return SourceError(f"{message}.", hint=hint, permanent=True)


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image file as uint8 (H, W, 3) BGR, upright. Its path may hold any characters.

    Raises:
        SourceError: it cannot be read or is not an image; one sentence that begins with its name.
    """
    try:
        # Read by Python: OpenCV on Windows cannot open names outside the system's code page.
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise SourceError(f"{path.name} cannot be read: {error.strerror}.", permanent=True) from error
    if not data.size:
        raise SourceError(f"{path.name} is empty (0 bytes).", hint="Copy or download it again.", permanent=True)
    try:
        # COLOR alone reduces 16 bits to 8 and grey to colour, and applies EXIF; it leaves out transparency, though.
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        see_through = image is not None and path.suffix.lower() in SEE_THROUGH_SUFFIXES
        layers = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if see_through else None
    except cv2.error:
        image = layers = None
    if image is None:
        raise SourceError(f"{path.name} is not an image, or is damaged.", hint=CONVERT_HINT, permanent=True)
    if layers is not None and layers.ndim == 3 and layers.shape[2] == 4 and layers.shape[:2] == image.shape[:2]:
        return _over_white(np.asarray(image, np.uint8), layers[:, :, 3])
    return np.asarray(image, np.uint8)


def _over_white(image: NDArray[np.uint8], alpha: NDArray[Any]) -> NDArray[np.uint8]:
    """Lay a picture over white by its coverage, uint8 or uint16 (H, W)."""
    if int(alpha.min()) == np.iinfo(alpha.dtype).max:
        return image
    part = (alpha.astype(np.float32) / np.iinfo(alpha.dtype).max)[:, :, None]
    return np.rint(image * part + 255 * (1 - part)).astype(np.uint8)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which numbers count as numbers and case does not matter."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
