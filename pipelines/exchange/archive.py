"""ZIP archives of data sets, unpacked with care: names that lead out of the folder, and bombs, are refused."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from scenescope.pipelines.exchange.files import broken

__all__ = ["unpacked"]

MOST_FILES = 500_000
MOST_BYTES = 4_000_000_000
MOST_RATIO = 200
RATIO_MATTERS_ABOVE_BYTES = 100_000_000
UNPACK_HINT = "Unpack it yourself and choose the folder."


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder that an archive holds, for as long as it is needed; any other path as it is.

    Raises:
        SourceError: the archive is damaged, hostile, or too large.
    """
    if not (path.is_file() and path.suffix.lower() == ".zip"):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="scenescope-") as name:
        folder = Path(name) / path.stem
        folder.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                _check(path, archive)
                _unpack(path, archive, folder)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise broken(path, f"it is no whole ZIP archive ({error})") from error
        except OSError as error:
            raise broken(path, error.strerror or str(error), "Make room on the disk.") from error
        inside = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        # One folder around everything is how many tools pack.
        yield inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _check(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if len(entries) > MOST_FILES:
        raise broken(path, f"it holds more than {MOST_FILES:,} files", UNPACK_HINT)
    if size > MOST_BYTES or (size > RATIO_MATTERS_ABOVE_BYTES and size > packed * MOST_RATIO):
        raise broken(path, f"it would take {size / 1e9:.1f} GB unpacked", UNPACK_HINT)
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
        outside = not parts or parts[0] == "/" or ":" in parts[0] or ".." in parts or "\0" in entry.filename
        if outside or stat.S_ISLNK(entry.external_attr >> 16):
            raise broken(path, f"a name in it leads out of the archive: {entry.filename[:80]!r}")


def _unpack(path: Path, archive: zipfile.ZipFile, folder: Path) -> None:
    left = MOST_BYTES
    for entry in archive.infolist():
        target = folder.joinpath(*PurePosixPath(entry.filename.replace("\\", "/")).parts)
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        left -= target.stat().st_size
        if left < 0:
            raise broken(path, "it is larger than it says", UNPACK_HINT)
