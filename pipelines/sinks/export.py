"""ExportSink: gathers results while a run goes on, and writes them in the formats of other tools at its end."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import SinkError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks.jsonl import FoundObject, found_objects
from scenescope.pipelines.source import SourceInfo

if TYPE_CHECKING:
    from scenescope.pipelines.exchange.formats import Written
    from scenescope.pipelines.exchange.table import BoxTableBuilder

__all__ = ["ExportSink", "as_captured"]

JPEG_QUALITY = 95
PICTURES_FOLDER = "results.pictures.part"


@dataclass(frozen=True)
class _Found:
    """What is kept of a frame."""

    index: int
    pts_s: float
    name: str
    size_wh: tuple[int, int]
    objects: list[FoundObject]
    jpeg: bytes | None


def as_captured(frame: Frame) -> NDArray[np.uint8]:
    """The picture of a frame in the pixels of its source, which boxes are measured in; black where nothing is left."""
    if frame.size_wh == frame.source_size_wh and np.array_equal(frame.to_source, np.eye(3)):
        return frame.image
    # warpPerspective puts pixel centres at whole numbers; ours lie half a pixel further.
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    matrix = np.linalg.inv(half) @ frame.to_source @ half
    return np.asarray(cv2.warpPerspective(frame.image, matrix, frame.source_size_wh), np.uint8)


class ExportSink(Sink):
    """Writes ``results.<format>`` into a folder when the run ends, also when it was interrupted or has failed.

    Until then about 70 bytes an object are kept in memory, and pictures lie in a folder of their own in ``out``.
    Frames that come again (a film that was set back) are left out and counted in ``again``.

    Args:
        out: the folder.
        formats: names in ``FORMATS``.
        images: save every picture as JPEG for the formats that hold pictures; as the stages have left it, so that what
            was hidden stays hidden, and in the pixels of the source.

    Attributes:
        written: what was written, once the run has ended.
        again: frames that were left out because their number was there before.
    """

    def __init__(self, out: Path, formats: Sequence[str], images: bool = False) -> None:
        from scenescope.pipelines.exchange.formats import FORMATS

        unknown = [name for name in formats if name not in FORMATS]
        if unknown:
            raise SinkError(
                f"'{unknown[0]}' is not a format that results are written in.", hint=f"Choose of {', '.join(FORMATS)}."
            )
        self._formats = [FORMATS[name] for name in dict.fromkeys(formats)]
        self._out = out
        self._pictures = out / PICTURES_FOLDER if images and any(one.pictures for one in self._formats) else None
        self._files: dict[int, Path] = {}
        self._builder: BoxTableBuilder | None = None
        self._source_name = ""
        self._last_index = -1
        self.written: list[Written] = []
        self.again = 0

    def open(self, info: SourceInfo) -> None:
        """Begin to gather.

        Raises:
            SinkError: the folder cannot be written to, or one of the formats could not be at the end.
        """
        for one in self._formats:
            one.check(one.target(self._out))
        from scenescope.pipelines.exchange.table import BoxTableBuilder

        self._builder = BoxTableBuilder(info.name, info.size_wh, info.rate_hz)
        self._source_name, self._last_index, self._files = info.name, -1, {}
        self.written, self.again = [], 0
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            if self._pictures is not None:
                shutil.rmtree(self._pictures, ignore_errors=True)
                self._pictures.mkdir()
        except OSError as error:
            raise self._error(self._out, error) from error

    def prepare(self, frame: Frame) -> _Found:
        """The frame's objects, and its picture as JPEG."""
        jpeg = None
        if self._pictures is not None:
            good, data = cv2.imencode(".jpg", as_captured(frame), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            if not good:
                raise SinkError(f"The picture of frame {frame.index} cannot be written as JPEG: it is too large.")
            jpeg = data.tobytes()
        name = frame.source if frame.source != self._source_name else ""
        return _Found(frame.index, frame.pts_s, name, frame.source_size_wh, list(found_objects(frame)), jpeg)

    def write(self, prepared: Any) -> None:
        """Gather a frame.

        Raises:
            SinkError: its picture cannot be written.
        """
        assert self._builder is not None
        if prepared.index <= self._last_index:
            self.again += 1
            return
        if prepared.jpeg is not None and self._pictures is not None:
            position = len(self._files)
            path = self._pictures / f"{position:08d}.jpg"
            try:
                path.write_bytes(prepared.jpeg)
            except OSError as error:
                raise self._error(path, error) from error
            self._files[position] = path
        self._last_index = prepared.index
        self._builder.add_found(prepared.index, prepared.pts_s, prepared.objects, prepared.name, prepared.size_wh)

    def close(self) -> None:
        """Write all formats; one that fails does not keep the others from being written.

        Raises:
            SinkError: one of them cannot be written.
        """
        builder, self._builder = self._builder, None
        if builder is None:
            return
        table = builder.table()
        failure: Exception | None = None
        for one in self._formats:
            try:
                images = self._files if one.pictures else None
                self.written.append(one.write(table, one.target(self._out), images))
            except Exception as error:
                failure = failure or error
        if self._pictures is not None:
            shutil.rmtree(self._pictures, ignore_errors=True)
        if failure is not None:
            raise failure

    @staticmethod
    def _error(path: Path, error: OSError) -> SinkError:
        return SinkError(
            f"Cannot write {path}: {error.strerror or error}.",
            hint="Choose another folder, or make room on the disk.",
        )
