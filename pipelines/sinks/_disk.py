"""Files that are written for a long time: names that overwrite nothing, room on the disk, and what is said about it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path

import av

from scenescope.models import SinkError

__all__ = [
    "STOP_BELOW_BYTES",
    "WARN_BELOW_S",
    "DiskWatch",
    "GuardedFile",
    "amount",
    "check_folder",
    "create_new",
    "file_name_of",
    "free_bytes",
    "reported",
    "trim_fragments",
]

STOP_BELOW_BYTES = 200_000_000
"""Recording stops when less than this is free: other programs, and the end of the file, need some."""
WARN_BELOW_S = 300.0
LOOK_EVERY_S = 1.0
SHORTEST_S = 1e-3
MOST_LETTERS = 80

HINTS = {
    errno.ENOSPC: "Make room on the disk, or choose a folder on another one.",
    errno.EDQUOT: "Make room in your quota, or choose a folder on another disk.",
    errno.EFBIG: "Files on that disk cannot be larger: choose a folder on another one.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "That disk is read-only: choose a folder on another one.",
}


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn what FFmpeg and the system say about writing ``path`` into a sentence."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise SinkError(
            f"Cannot write {path}: {error.strerror or error}.",
            hint=HINTS.get(error.errno or 0, "Choose another folder, or make room on the disk."),
        ) from error


def amount(n_bytes: float) -> str:
    """A number of bytes for people: "3 KB", "12.3 MB", "4.0 GB"."""
    if n_bytes >= 1e9:
        return f"{n_bytes / 1e9:.1f} GB"
    if n_bytes >= 1e6:
        return f"{n_bytes / 1e6:.1f} MB" if n_bytes < 1e8 else f"{n_bytes / 1e6:.0f} MB"
    return f"{n_bytes / 1e3:.0f} KB"


def file_name_of(text: str) -> str:
    """``text`` as part of a file's name, on every system: "Garage: door/2" becomes "Garage door 2"."""
    kept = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\s]+', " ", text)
    while len(kept.encode()) > MOST_LETTERS:
        kept = kept[:-1]
    return kept.strip(" .")


def create_new(folder: Path, stem: str, suffix: str) -> GuardedFile:
    """Make a file that was not there: ``stem suffix``, else ``stem (2) suffix``, and so on.

    Raises:
        SinkError: it cannot be written there.
    """
    number = 1
    while True:
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem} ({number}){suffix}")
        with reported(path):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                return GuardedFile(path, "xb")
            except FileExistsError:
                number += 1


def free_bytes(folder: Path) -> int | None:
    """Room on the disk of a folder, which need not be there yet; None when the system does not say."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def check_folder(folder: Path) -> None:
    """Make the folder and a file in it, which is removed again.

    Raises:
        SinkError: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SinkError(
            f"The folder {folder} cannot be written to: {error.strerror or error}.",
            hint=HINTS.get(error.errno or 0, "Choose another folder."),
        ) from error


class GuardedFile(BufferedIOBase):
    """A file under a container's writer, which may fail at any moment and stays readable up to there.

    After a failure nothing is written any more, and it counts as closed: the writer then leaves the table of contents
    alone, and what was written as fragments can be played.

    Attributes:
        path: of the file.
        written: bytes that it has.
        failed: True once something could not be written.
    """

    def __init__(self, path: Path, mode: str = "wb") -> None:
        self.path = path
        self.written = 0
        self.failed = False
        self._at = 0
        self._descriptor = path.open(mode, buffering=0)

    @property
    def name(self) -> str:
        """For messages of the writer."""
        return str(self.path)

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True where the system says so: not for pipes and devices."""
        return self._descriptor.seekable()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write all of ``data``.

        Raises:
            OSError: the disk is full or gone.
        """
        view = memoryview(data)
        try:
            while view:
                view = view[self._descriptor.write(view) :]
        except OSError:
            self.failed = True
            self.close()
            raise
        self._at += len(data)
        self.written = max(self.written, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place."""
        self._at = self._descriptor.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def close(self) -> None:
        """End the file."""
        if not self.closed:
            try:
                self._descriptor.close()
            finally:
                super().close()


def trim_fragments(path: Path) -> None:
    """Cut off what a failure has left of the last fragment of an MP4 file (boxes as in ISO/IEC 14496-12, 4.2)."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        whole = at = 0
        while at + 8 <= size:
            file.seek(at)
            length, kind = int.from_bytes(file.read(4)), file.read(4)
            if length == 1:
                length = int.from_bytes(file.read(8))
            if length < 8 or at + length > size:
                break
            at += length
            # A fragment is a box that describes it and one that holds it.
            whole = whole if kind == b"moof" else at
        file.truncate(whole)


class DiskWatch:
    """Looks at the room on a disk once a second, for all files of a recording, from their threads.

    Args:
        folder: where they are written.
        stop_below_bytes: less than this must stay free.
        free: how much there is; None when nobody knows.
    """

    def __init__(
        self,
        folder: Path,
        stop_below_bytes: int = STOP_BELOW_BYTES,
        free: Callable[[Path], int | None] = free_bytes,
    ) -> None:
        self._folder = folder
        self._stop_below = stop_below_bytes
        self._free = free
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._first: tuple[float, int] | None = None
        self.free_bytes: int | None = None
        self.left_s: float | None = None
        self.full = False

    @property
    def warning(self) -> str:
        """What to tell while recording; empty when there is room enough."""
        if self.free_bytes is None or self.left_s is None or self.left_s > WARN_BELOW_S:
            return ""
        return f"Only {amount(self.free_bytes)} free: the disk is full in about {max(self.left_s, 0) / 60:.0f} min."

    def look(self, written_bytes: int) -> None:
        """Look again if it is time.

        Args:
            written_bytes: by all files of the recording so far.

        Raises:
            SinkError: there is not enough room to go on.
        """
        with self._lock:
            now = time.monotonic()
            if now < self._next_s:
                return
            self._next_s = now + LOOK_EVERY_S
        self.free_bytes = self._free(self._folder)
        if self.free_bytes is None:
            return
        self._first = self._first or (now, written_bytes)
        rate = (written_bytes - self._first[1]) / max(now - self._first[0], SHORTEST_S)
        self.left_s = (self.free_bytes - self._stop_below) / rate if rate > 0 else None
        if self.free_bytes < self._stop_below:
            self.full = True
            raise SinkError(
                f"Recording has stopped: only {amount(self.free_bytes)} are left on the disk of {self._folder}. "
                "What was recorded is complete.",
                hint="Make room, or choose a folder on another disk.",
            )

    def check_before(self, bytes_s: float, least_s: float = 60.0) -> None:
        """Look before a recording begins.

        Args:
            bytes_s: about how much it writes in a second.
            least_s: for how long there must be room.

        Raises:
            SinkError: there is not.
        """
        self.free_bytes = self._free(self._folder)
        if self.free_bytes is None:
            return
        left_s = (self.free_bytes - self._stop_below) / max(bytes_s, 1.0)
        if left_s < least_s:
            raise SinkError(
                f"There is not enough room on the disk of {self._folder}: {amount(self.free_bytes)} are free, of which "
                f"{amount(self._stop_below)} must stay so, and a minute takes about {amount(60 * bytes_s)}.",
                hint="Make room, or choose a folder on another disk.",
            )
