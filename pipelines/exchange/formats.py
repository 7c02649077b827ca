"""The formats that results are written in and ground truths are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scenescope.models import SinkError, SourceError
from scenescope.pipelines.exchange import archive, coco, cvat, mot, rows, voc, yolo
from scenescope.pipelines.exchange.files import Told, cannot_write, cleaned
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["FORMATS", "Format", "Written"]

Writer = Callable[[BoxTable, Path, Mapping[int, Path] | None, Told], None]
Reader = Callable[[Path, float], BoxTable]


def _nobody(_: float) -> None:
    pass


@dataclass(frozen=True)
class Written:
    """What was written: objects that the format cannot hold are counted, not passed over in silence.

    Attributes:
        dropped: objects left out, because they have no area or no finite place.
        clipped: objects cut to the picture, because the format demands it.
    """

    path: Path
    frames: int
    objects: int
    dropped: int = 0
    clipped: int = 0

    def __str__(self) -> str:
        words = f"{self.path.name}: {self.objects:,} objects in {self.frames:,} frames"
        if self.dropped:
            words += f", {self.dropped:,} without area left out"
        if self.clipped:
            words += f", {self.clipped:,} cut to the picture"
        return words


@dataclass(frozen=True)
class Format:
    """A format of other tools.

    Attributes:
        name: as in ``--format``.
        title: for people.
        keeps: what comes back when it is read again, as a sentence.
        folder: True when it is a folder of files.
        pictures: True when it can hold the pictures too.
    """

    name: str
    title: str
    keeps: str
    folder: bool
    pictures: bool
    _write: Writer
    _read: Reader
    _needs_area: bool = True
    _inside: bool = False

    def target(self, out: Path) -> Path:
        """The file or folder in the folder ``out``."""
        return out / f"results.{self.name}"

    def check(self, path: Path) -> None:
        """Say before a long run what would keep :meth:`write` from writing at its end.

        Raises:
            SinkError: something of another kind lies at ``path``, or a library is not installed.
        """
        if self.folder and path.is_file():
            raise SinkError(f"{path} is a file, and a folder is to be written there.", hint="Choose another folder.")
        if not self.folder and path.is_dir():
            raise SinkError(f"{path} is a folder, and a file is to be written there.", hint="Choose another folder.")
        if self.name == "parquet":
            rows.check_can_write_parquet()

    def write(
        self, table: BoxTable, path: Path, images: Mapping[int, Path] | None = None, told: Told = _nobody
    ) -> Written:
        """Write all of a table; what is at ``path`` is replaced once the new one is whole.

        Args:
            table: what to write.
            path: the file or folder, as :meth:`target` gives it.
            images: files of pictures, by position in ``table.frame_index``; only where ``pictures`` is True.
            told: told now and then how far it is, 0 to 1; what it raises ends the work.

        Raises:
            SinkError: it cannot be written there, or in this format.
        """
        self.check(path)
        clean = cleaned(table, area=self._needs_area, inside=self._inside)
        try:
            self._write(clean.table, path, images, told)
        except OSError as error:
            raise cannot_write(path, error) from error
        return Written(path, len(table.frame_index), len(clean.table), clean.dropped, clean.clipped)

    def read(self, path: Path, rate_hz: float = 0.0) -> BoxTable:
        """What a file, folder or ZIP archive in this format holds.

        Args:
            path: of it.
            rate_hz: frames a second, for times where the file has none.

        Raises:
            SourceError: it is not there, damaged, hostile, or in another format; the sentence names the place.
        """
        if not path.exists():
            raise SourceError(f"{path} does not exist.", hint="Check the spelling of the path.", permanent=True)
        with archive.unpacked(path) as place:
            return self._read(place, rate_hz)


_ALL = (
    Format(
        "jsonl", "JSON Lines", "Boxes, classes, confidences, tracks and times; every frame is a line.",
        False, False, rows.write_jsonl, rows.read_jsonl, False,
    ),
    Format(
        "csv", "CSV table", "Boxes, classes, confidences, tracks and times; a frame without objects is a row without.",
        False, False, rows.write_csv, rows.read_csv, False,
    ),
    Format(
        "parquet", "Parquet table", "As CSV, and the size and rate of the source.",
        False, False, rows.write_parquet, rows.read_parquet, False,
    ),
    Format(
        "coco", "COCO", "Boxes, classes, confidences, tracks and times; pictures.",
        True, True, coco.write_coco, coco.read_coco,
    ),
    Format(
        "yolo", "YOLO (Ultralytics)", "Boxes inside the picture, classes and times; pictures.",
        True, True, yolo.write_yolo, yolo.read_yolo, True, True,
    ),
    Format(
        "voc", "Pascal VOC", "Boxes inside the picture, classes and times; pictures.",
        True, True, voc.write_voc, voc.read_voc, True, True,
    ),
    Format(
        "mot", "MOT Challenge", "Boxes, classes, confidences, tracks and times; pictures.",
        True, True, mot.write_mot, mot.read_mot,
    ),
    Format(
        "cvat", "CVAT for video", "Boxes, classes, confidences, tracks and times; pictures.",
        True, True, cvat.write_cvat, cvat.read_cvat,
    ),
)  # fmt: skip

FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
