"""What importers put together: frames and objects in any order, checked, and made into a BoxTable."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenescope.models import SourceError
from scenescope.pipelines.exchange.files import broken
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["Gathered", "reading"]

MOST_ROWS = 50_000_000
MOST_COORDINATE_PX = 1e6
MOST_FRAME = 2**53
MOST_CLASSES = 100_000


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong with a foreign file into a sentence.

    Raises:
        SourceError: the file is damaged, or is not what it should be.
    """
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise broken(path, error.strerror or str(error), "Check that the file is there and may be read.") from error
    except UnicodeDecodeError as error:
        raise broken(path, "it is not UTF-8 text", "Save it as UTF-8.") from error
    except RecursionError as error:
        raise broken(path, "it is nested too deeply") from error
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError) as error:
        raise broken(path, f"it is damaged ({type(error).__name__}: {_short(error)})") from error


def _short(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if len(words) < 120 else words[:117] + "..."


class Gathered:
    """Gathers frames and objects of one file.

    Args:
        path: of the file, for messages.
        names: class names in their order, where the file has one; others are put behind, in alphabetical order.
    """

    def __init__(self, path: Path, names: Iterable[str] = ()) -> None:
        self.path = path
        self.notes: list[str] = []
        self._names = list(dict.fromkeys(names))
        self._number = {name: i for i, name in enumerate(self._names)}
        self._frames: dict[int, tuple[float | None, str, tuple[int, int]]] = {}
        self._frame, self._class_id, self._track_id = array("q"), array("q"), array("q")
        self._confidence, self._xyxy = array("d"), array("d")

    def frame(self, index: int, pts_s: float | None = None, name: str = "", size_wh: tuple[int, int] = (0, 0)) -> None:
        """A frame that was looked at; one that is told again keeps what was known of it."""
        if not 0 <= index < MOST_FRAME:
            raise broken(self.path, f"{index} is no frame number")
        if index not in self._frames:
            self._frames[index] = pts_s, name, size_wh

    def add(
        self, frame: int, label: str, box: Sequence[float], confidence: float = 1.0, track_id: int | None = None
    ) -> None:
        """An object; ``box`` is left, top, right, bottom in pixels."""
        if frame not in self._frames:
            self.frame(frame)
        number = self._number.get(label)
        if number is None:
            if len(self._names) >= MOST_CLASSES or len(label) > 10_000:
                raise broken(self.path, "it has too many classes, or too long names for them")
            number = self._number[label] = len(self._names)
            self._names.append(label)
        self._frame.append(frame)
        self._class_id.append(number)
        self._track_id.append(-1 if track_id is None or track_id < 0 else track_id)
        self._confidence.append(confidence)
        left, top, right, bottom = box
        self._xyxy.extend((left, top, right, bottom))
        if len(self._frame) > MOST_ROWS:
            raise broken(self.path, f"it has more than {MOST_ROWS:,} objects")

    def __len__(self) -> int:
        return len(self._frame)

    def table(
        self, source: str = "", size_wh: tuple[int, int] = (0, 0), rate_hz: float = 0.0, known_names: int = 0
    ) -> BoxTable:
        """What was gathered, in the order of the frames.

        Frames without a time get one from ``rate_hz``. ``known_names``: how many class names the file itself gave.

        Raises:
            SourceError: numbers that no box can have.
        """
        frames = sorted(self._frames)
        known = [self._frames[index] for index in frames]
        frame_index = np.array(frames, np.int64)
        pts_s, rate_hz = self._times(frame_index, [time for time, _, _ in known], rate_hz)
        row_frame = np.searchsorted(frame_index, np.array(self._frame, np.int64))
        keep = self._checked()
        order = np.argsort(row_frame[keep], kind="stable")
        rows = keep[order]
        names, renumbered = self._sorted_names(known_names)
        sizes = np.array([size for _, _, size in known], np.int64).reshape(-1, 2)
        if size_wh == (0, 0) and len(sizes):
            size_wh = int(sizes[0, 0]), int(sizes[0, 1])
        sizes = np.where(sizes > 0, sizes, size_wh)
        pictures = tuple(name for _, name, _ in known)
        return BoxTable(
            source=source or self.path.name,
            size_wh=size_wh,
            rate_hz=rate_hz,
            frame_index=frame_index,
            frame_pts_s=pts_s,
            row_frame=row_frame[rows],
            class_id=renumbered[np.array(self._class_id, np.int64)[rows]],
            class_names=names,
            confidence=np.clip(np.array(self._confidence, np.float64)[rows], 0.0, 1.0),
            xyxy=np.array(self._xyxy, np.float64).reshape(-1, 4)[rows],
            track_id=np.array(self._track_id, np.int64)[rows],
            frame_name=pictures if any(pictures) else (),
            frame_size_wh=None if (sizes == size_wh).all() else sizes,
            notes=tuple(self.notes),
        )

    def _sorted_names(self, known: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        names = [*self._names[:known], *sorted(self._names[known:])]
        number = {name: i for i, name in enumerate(names)}
        return tuple(names), np.array([number[name] for name in self._names], np.int64)

    def _times(
        self, frame_index: NDArray[np.int64], times: list[float | None], rate_hz: float
    ) -> tuple[NDArray[np.float64], float]:
        if not np.isfinite(rate_hz) or not 0 < rate_hz <= 100_000:
            rate_hz = 0.0
        if times and all(time is not None for time in times):
            pts_s = np.array(times, np.float64)
            if not np.isfinite(pts_s).all():
                raise broken(self.path, "a time in it is not a number")
            if not rate_hz and len(pts_s) > 1:
                # The step that most frames have; robust against frames that were passed over.
                step_s = float(np.median(np.diff(pts_s) / np.diff(frame_index)))
                rate_hz = round(1 / step_s, 6) if step_s > 1e-5 else 0.0
            return pts_s, rate_hz
        if rate_hz:
            return frame_index / rate_hz, rate_hz
        self.notes.append("It tells neither times nor a frame rate: objects are known by the number of their frame.")
        return np.zeros(len(frame_index)), 0.0

    def _checked(self) -> NDArray[np.int64]:
        """The rows with an area."""
        xyxy = np.array(self._xyxy, np.float64).reshape(-1, 4)
        confidence = np.array(self._confidence, np.float64)
        for wrong, what in (
            (~np.isfinite(xyxy).all(axis=1) | ~np.isfinite(confidence), "a value that is not a number"),
            ((np.abs(xyxy) > MOST_COORDINATE_PX).any(axis=1), "a corner further out than any picture is large"),
            ((xyxy[:, 2] < xyxy[:, 0]) | (xyxy[:, 3] < xyxy[:, 1]), "a negative width or height"),
        ):
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                raise broken(self.path, f"object {row + 1}, in frame {self._frame[row]}, has {what}")
        flat = (xyxy[:, 2] == xyxy[:, 0]) | (xyxy[:, 3] == xyxy[:, 1])
        if flat.any():
            self.notes.append(f"{int(flat.sum()):,} objects without area were left out.")
        return np.flatnonzero(~flat)
