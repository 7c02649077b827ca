"""Comparing two analyses of one film, frame by frame: how far they agree, and where they do not."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import Detections, SpecError, Tracks
from scenescope.models.wire import read
from scenescope.pipelines.log.records import FrameRecord

if TYPE_CHECKING:
    from scenescope.pipelines.log.store import EventLog

__all__ = [
    "ClassAgreement",
    "Comparison",
    "Difference",
    "DifferentRange",
    "FrameObjects",
    "compare",
    "compare_sessions",
    "objects_of",
]

SAME_IOU = 0.5
MOST_LISTED = 1000
TELL_EVERY = 100


@dataclass(frozen=True, eq=False)
class FrameObjects:
    """What one analysis found in a frame: ``xyxy`` float32 (N, 4) in pixels of the source, ``labels`` one for each."""

    frame: int
    pts_s: float
    xyxy: NDArray[np.float32]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A frame in which the two differ.

    Attributes:
        missing: labels of objects that only the first one found, sorted.
        added: labels of those that only the second one found, sorted.
        renamed: (first, second) labels of objects that both found, but called differently, sorted.
    """

    frame: int
    pts_s: float
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def count(self) -> int:
        """In how many objects they differ."""
        return len(self.missing) + len(self.added) + len(self.renamed)


@dataclass(frozen=True)
class DifferentRange:
    """Frames in a row that all differ, first and last included, and the objects in which they do."""

    first_frame: int
    last_frame: int
    start_s: float
    end_s: float
    count: int


@dataclass(frozen=True)
class ClassAgreement:
    """One class: how many objects each analysis found of it, one for each frame, and how many they agree on."""

    label: str
    first: int
    second: int
    agreed: int

    @property
    def agreement(self) -> float:
        """Share of the objects of either that both found."""
        return _share(self.agreed, self.first + self.second - self.agreed)


@dataclass(frozen=True)
class Comparison:
    """How two analyses of one film differ.

    Attributes:
        frames: that both have.
        only_first, only_second: frames that only one has; they are not compared.
        agreed, objects: objects that both found and named alike, of all that either found.
        classes: by label.
        differing: number of frames that differ.
        differences: those that differ most, the worst first; at most as many as were asked for.
        ranges: where they differ, from the beginning to the end.
    """

    frames: int
    only_first: int
    only_second: int
    agreed: int
    objects: int
    classes: tuple[ClassAgreement, ...]
    differing: int
    differences: tuple[Difference, ...]
    ranges: tuple[DifferentRange, ...]

    @property
    def agreement(self) -> float:
        """Share of the objects of either that both found and named alike; 1 when there are none."""
        return _share(self.agreed, self.objects)

    @property
    def frame_agreement(self) -> float:
        """Share of the frames in which they agree on everything; 1 when there are none."""
        return _share(self.frames - self.differing, self.frames)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def compare(
    first: Iterable[FrameObjects],
    second: Iterable[FrameObjects],
    *,
    same_iou: float = SAME_IOU,
    most: int = MOST_LISTED,
    on_frame: Callable[[int], None] = lambda frames: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Compare what was found, frame by frame; both are read once, in step, and nothing of them is kept.

    Two boxes are one object when they overlap by ``same_iou`` or more; of all ways to pair them, the one with the most
    objects of one name, and then the greatest overlap, is taken (Kuhn 1955, by ``scipy.optimize``).

    Args:
        first: frames by ascending numbers.
        second: those of the other.
        same_iou: least overlap of one object with itself.
        most: how many differing frames are listed.
        on_frame: told how many frames are compared, now and then.
        cancelled: asked now and then; what was compared until then is the answer.
    """
    total: Counter[str] = Counter()
    labels_first: Counter[str] = Counter()
    labels_second: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    worst: list[tuple[int, int, Difference]] = []
    ranges: list[DifferentRange] = []
    before: int | None = None
    for one, other in _in_step(first, second):
        if one is None or other is None:
            total["only_second" if one is None else "only_first"] += 1
            continue
        total["frames"] += 1
        alike, difference = _compared(one, other, same_iou)
        labels_first.update(one.labels)
        labels_second.update(other.labels)
        agreed.update(alike)
        total["renamed"] += len(difference.renamed)
        if difference.count:
            total["differing"] += 1
            entry = (difference.count, -difference.frame, difference)
            (heapq.heappush if len(worst) < most else heapq.heappushpop)(worst, entry)
            _extend(ranges, difference, before)
        before = one.frame
        if total["frames"] % TELL_EVERY == 0:
            on_frame(total["frames"])
            if cancelled():
                break
    on_frame(total["frames"])
    names = sorted(labels_first.keys() | labels_second.keys())
    found = labels_first.total() + labels_second.total()
    return Comparison(
        frames=total["frames"],
        only_first=total["only_first"],
        only_second=total["only_second"],
        agreed=agreed.total(),
        objects=found - agreed.total() - total["renamed"],
        classes=tuple(ClassAgreement(name, labels_first[name], labels_second[name], agreed[name]) for name in names),
        differing=total["differing"],
        differences=tuple(entry[2] for entry in sorted(worst, key=lambda entry: (-entry[0], -entry[1]))),
        ranges=tuple(ranges),
    )


def _in_step(
    first: Iterable[FrameObjects], second: Iterable[FrameObjects]
) -> Iterator[tuple[FrameObjects | None, FrameObjects | None]]:
    """Frames of both by number; None where one has no such frame."""
    ones, others = iter(first), iter(second)
    one, other = next(ones, None), next(others, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.frame < other.frame):
            yield one, None
            one = next(ones, None)
        elif one is None or other.frame < one.frame:
            yield None, other
            other = next(others, None)
        else:
            yield one, other
            one, other = next(ones, None), next(others, None)


def _compared(one: FrameObjects, other: FrameObjects, same_iou: float) -> tuple[list[str], Difference]:
    """Labels of the objects that both have, and what differs."""
    if one.labels == other.labels and np.array_equal(one.xyxy, other.xyxy):
        return list(one.labels), Difference(one.frame, one.pts_s)
    pairs = _pairs(one, other, same_iou)
    alike = [one.labels[i] for i, j in pairs if one.labels[i] == other.labels[j]]
    renamed = [(one.labels[i], other.labels[j]) for i, j in pairs if one.labels[i] != other.labels[j]]
    left = [label for i, label in enumerate(one.labels) if i not in {i for i, _ in pairs}]
    right = [label for j, label in enumerate(other.labels) if j not in {j for _, j in pairs}]
    difference = Difference(one.frame, one.pts_s, tuple(sorted(left)), tuple(sorted(right)), tuple(sorted(renamed)))
    return alike, difference


def _pairs(one: FrameObjects, other: FrameObjects, same_iou: float) -> list[tuple[int, int]]:
    if not (len(one.labels) and len(other.labels)):
        return []
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped,unused-ignore]
    from supervision import box_iou_batch

    overlap = np.asarray(box_iou_batch(one.xyxy, other.xyxy), np.float64)
    fits = overlap >= same_iou
    same_name = np.array(one.labels)[:, None] == np.array(other.labels)[None, :]
    # One object of the same name weighs more than any overlap of others.
    weight = np.where(fits, overlap + 1.0 + same_name * (1.0 + min(overlap.shape)) * 2.0, 0.0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if fits[i, j]]


def _extend(ranges: list[DifferentRange], difference: Difference, before: int | None) -> None:
    """Add a differing frame to the range that ends with the frame compared before it, or begin one."""
    frame, pts_s, count = difference.frame, difference.pts_s, difference.count
    if ranges and ranges[-1].last_frame == before:
        last = ranges.pop()
        ranges.append(DifferentRange(last.first_frame, frame, last.start_s, pts_s, last.count + count))
    else:
        ranges.append(DifferentRange(frame, frame, pts_s, pts_s, count))


# From the log -----------------------------------------------------------------------------------------------------


def objects_of(record: FrameRecord) -> FrameObjects:
    """Objects with boxes in a stored frame; where a tracker has followed a detector, its rows stand for both.

    Raises:
        ScenescopeError: the record is damaged.
    """
    found = {
        name: one.value
        for name, one in read(record.results).in_source_pixels().items()
        if one.stamp_index == record.frame and isinstance(one.value, Detections)
    }
    followed = {value.follows for value in found.values() if isinstance(value, Tracks)}
    boxes: list[Any] = [np.empty((0, 4), np.float32)]
    labels: list[str] = []
    for name, value in found.items():
        if name not in followed:
            boxes.append(value.xyxy)
            labels += value.labels
    return FrameObjects(record.frame, record.pts_s, np.concatenate(boxes), tuple(labels))


def compare_sessions(
    log: EventLog,
    first: int,
    second: int,
    *,
    same_iou: float = SAME_IOU,
    most: int = MOST_LISTED,
    on_frame: Callable[[int], None] = lambda frames: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Comparison:
    """:func:`compare` for two analyses in the log.

    Raises:
        SpecError: they are of different files, or one is gone.
        ScenescopeError: what is stored is damaged, or the log cannot be read.
    """
    one, other = log.session(first), log.session(second)
    if one is None or other is None:
        raise SpecError("One of the two analyses is not in the log any more.", hint="Choose two others.")
    if one.fingerprint != other.fingerprint:
        raise SpecError("The two analyses are of different files.", hint="Choose two of the same file.")
    return compare(
        map(objects_of, log.frames(first)),
        map(objects_of, log.frames(second)),
        same_iou=same_iou,
        most=most,
        on_frame=on_frame,
        cancelled=cancelled,
    )
