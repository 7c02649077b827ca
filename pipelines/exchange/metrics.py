"""How good results are: judged against a ground truth with the metrics of supervision and trackers.

Detection: COCO's mean average precision; precision, recall and F1 from a confusion matrix at one overlap. Tracking:
MOTA (CLEAR MOT, Bernardin and Stiefelhagen 2008), IDF1 (arXiv:1609.01775) and HOTA (arXiv:2009.07736). An object
matches only one of its own class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import SpecError
from scenescope.pipelines.exchange.files import chosen
from scenescope.pipelines.exchange.table import BoxTable

__all__ = ["ClassScore", "Judgement", "TrackScore", "judge"]

MOST_TRACK_PAIRS = 4_000_000
COCO_MOST_DETECTIONS = 100
TELL_EVERY_FRAMES = 500

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassScore:
    """Objects of one class, or of all.

    ``correct`` were found, ``wrong`` are not there or of another class, ``missed`` were not found; ``ap50`` and
    ``ap50_95`` are 0..1, None where the ground truth has no such object.
    """

    label: str
    correct: int
    wrong: int
    missed: int
    ap50: float | None = None
    ap50_95: float | None = None

    @property
    def precision(self) -> float | None:
        """Share of what was found that is right; None when nothing was found."""
        found = self.correct + self.wrong
        return self.correct / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of what is there that was found; None when nothing is there."""
        there = self.correct + self.missed
        return self.correct / there if there else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None when there is nothing at all."""
        total = 2 * self.correct + self.wrong + self.missed
        return 2 * self.correct / total if total else None


@dataclass(frozen=True)
class TrackScore:
    """How well objects were followed; shares are 0..1, ``mota`` may be below 0; None when there are too many tracks."""

    mota: float
    idf1: float | None
    hota: float | None
    id_switches: int
    fragments: int
    truth_tracks: int
    found_tracks: int


@dataclass(frozen=True, eq=False)
class Judgement:
    """A judgement.

    Attributes:
        overall: all classes together; its average precisions are the means over the classes.
        classes: each class of the ground truth.
        tracks: None when it could not be judged; ``remarks`` say why.
        confusion: int64 (C + 1, C + 1), row: what it is, column: what it was found as; the last: nothing.
        labels: of the rows of ``confusion`` but the last.
        frames: that both have.
        matched_by: "number" or "time".
        iou, min_confidence: what was asked for.
        remarks: sentences about what was left out or could not be computed.
    """

    overall: ClassScore
    classes: tuple[ClassScore, ...]
    tracks: TrackScore | None
    confusion: NDArray[np.int64]
    labels: tuple[str, ...]
    frames: int
    matched_by: str
    iou: float
    min_confidence: float
    remarks: tuple[str, ...]


def judge(
    found: BoxTable,
    truth: BoxTable,
    *,
    iou: float = 0.5,
    min_confidence: float = 0.0,
    names: Mapping[str, str] | None = None,
    match: str = "auto",
    told: Callable[[float], None] = lambda _: None,
) -> Judgement:
    """Judge results against a ground truth.

    Args:
        found: the results.
        truth: the ground truth.
        iou: the overlap from which two boxes are the same object, for all but mAP.
        min_confidence: results below it do not count, for all but mAP.
        names: what the ground truth calls a class of the results, where that differs in more than letters' case.
        match: frames that belong together have the same "number", or nearly the same "time"; "auto" takes the numbers
            when any are the same.
        told: told now and then how far it is, 0 to 1; what it raises ends the work.

    Raises:
        SpecError: they have no frame in common, or the ground truth has no objects and no classes.
    """
    remarks = [*truth.notes]
    found, truth, matched_by = _common_frames(found, truth, match, remarks)
    found, truth = _common_classes(found, truth, names or {}, remarks)
    counted = chosen(found, found.confidence >= min_confidence)
    confusion = _confusion(counted, truth, iou, lambda done: told(done * 0.3))
    ap = _average_precision(found, truth, remarks, lambda done: told(0.3 + done * 0.2))
    told(0.6)
    labels = truth.class_names
    classes = tuple(
        ClassScore(
            label,
            int(confusion[i, i]),
            int(confusion[:, i].sum() - confusion[i, i]),
            int(confusion[i].sum() - confusion[i, i]),
            *ap.get(i, (None, None)),
        )
        for i, label in enumerate(labels)
    )
    scored = list(ap.values())
    overall = ClassScore(
        "all classes",
        sum(one.correct for one in classes),
        sum(one.wrong for one in classes),
        sum(one.missed for one in classes),
        float(np.mean([score[0] for score in scored])) if scored else None,
        float(np.mean([score[1] for score in scored])) if scored else None,
    )
    if not len(truth):
        remarks.append("The ground truth has no objects in these frames: recall and mAP say nothing.")
    tracks = _tracks(counted, truth, iou, remarks, lambda done: told(0.6 + done * 0.4))
    frames = len(truth.frame_index)
    return Judgement(
        overall, classes, tracks, confusion, labels, frames, matched_by, iou, min_confidence, tuple(remarks)
    )


# Frames and classes in common ------------------------------------------------------------------------------------


def _common_frames(found: BoxTable, truth: BoxTable, match: str, remarks: list[str]) -> tuple[BoxTable, BoxTable, str]:
    _, of_found, of_truth = np.intersect1d(found.frame_index, truth.frame_index, return_indices=True)
    by = match
    if match == "auto":
        by = "number" if len(of_found) else "time"
    if by == "time":
        of_found, of_truth = _same_times(found, truth)
    if not len(of_found):
        raise SpecError(
            f"The results and the ground truth have no frame in common by {by}.",
            hint="Check that both are of the same video; try to match by the time instead of the number, or the other "
            "way round.",
        )
    if alone := len(truth.frame_index) - len(of_truth):
        remarks.append(f"{alone:,} frames of the ground truth were not analysed and are left out.")
    if alone := len(found.frame_index) - len(of_found):
        remarks.append(f"{alone:,} analysed frames are not in the ground truth and are left out.")
    return _frames_of(found, of_found), _frames_of(truth, of_truth), by


def _same_times(found: BoxTable, truth: BoxTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of frames that are nearer to each other than to any other, and less than half a frame apart."""
    times, wanted = found.frame_pts_s, truth.frame_pts_s
    nothing = np.empty(0, np.int64)
    if len(times) < 2 or not len(wanted) or (np.diff(times) <= 0).any() or (np.diff(wanted) <= 0).any():
        return nothing, nothing
    near = _nearest(times, wanted)
    back = _nearest(wanted, times)
    half_s = float(np.median(np.diff(times))) / 2
    good = (np.abs(times[near] - wanted) < half_s) & (back[near] == np.arange(len(wanted)))
    return near[good], np.flatnonzero(good)


def _nearest(times: Floats, wanted: Floats) -> NDArray[np.int64]:
    right = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    right = np.minimum(right, len(times) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(times[left] - wanted) <= np.abs(times[right] - wanted), left, right)


def _frames_of(table: BoxTable, positions: NDArray[np.int64]) -> BoxTable:
    """The table with some of its frames, numbered anew in the order of ``positions``, which ascend."""
    new = np.full(len(table.frame_index) + 1, -1, np.int64)
    new[positions] = np.arange(len(positions))
    kept = chosen(table, new[table.row_frame] >= 0)
    return replace(
        kept,
        row_frame=new[kept.row_frame],
        frame_index=table.frame_index[positions],
        frame_pts_s=table.frame_pts_s[positions],
        frame_name=(),
        frame_size_wh=None,
    )


def _common_classes(
    found: BoxTable, truth: BoxTable, names: Mapping[str, str], remarks: list[str]
) -> tuple[BoxTable, BoxTable]:
    """Both with the class names of the ground truth; classes that it does not have are left out of the results."""
    kept: dict[str, str] = {}
    for name in truth.class_names:
        kept.setdefault(_plain(name), name)
    number = {plain: i for i, plain in enumerate(kept)}
    if not number:
        raise SpecError("The ground truth has no classes.", hint="Choose another file.")
    of_truth = np.array([number[_plain(name)] for name in truth.class_names], np.int64)
    mapping = {_plain(theirs): _plain(ours) for theirs, ours in names.items()}
    of_found = np.array(
        [number.get(mapping.get(_plain(name), _plain(name)), -1) for name in found.class_names] or [-1], np.int64
    )
    class_id = of_found[found.class_id]
    unknown = class_id < 0
    if unknown.any():
        others = sorted({found.class_names[i] for i in np.unique(found.class_id[unknown]).tolist()})
        listed = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        remarks.append(
            f"{int(unknown.sum()):,} results of classes that the ground truth does not have are left out: {listed}."
        )
    found = chosen(replace(found, class_id=class_id, class_names=tuple(kept.values())), ~unknown)
    return found, replace(truth, class_id=of_truth[truth.class_id], class_names=tuple(kept.values()))


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


# Detection -------------------------------------------------------------------------------------------------------


def _confusion(found: BoxTable, truth: BoxTable, iou: float, told: Callable[[float], None]) -> NDArray[np.int64]:
    from supervision import ConfusionMatrix

    classes = len(truth.class_names)
    total = np.zeros((classes + 1, classes + 1), np.int64)
    rows = np.column_stack([found.xyxy, found.class_id, found.confidence])
    targets = np.column_stack([truth.xyxy, truth.class_id])
    starts, ends = found.bounds.tolist(), truth.bounds.tolist()
    for at in range(len(truth.frame_index)):
        if at % TELL_EVERY_FRAMES == 0:
            told(at / len(truth.frame_index))
        here, there = rows[starts[at] : starts[at + 1]], targets[ends[at] : ends[at + 1]]
        if len(here) or len(there):
            total += ConfusionMatrix.evaluate_detection_batch(here, there, classes, -1.0, iou)
    return total


def _average_precision(
    found: BoxTable, truth: BoxTable, remarks: list[str], told: Callable[[float], None]
) -> dict[int, tuple[float, float]]:
    """AP at 0.5 and at 0.5 to 0.95 for every class that the ground truth has objects of."""
    if not len(truth):
        return {}
    if not len(found):
        return {int(i): (0.0, 0.0) for i in np.unique(truth.class_id)}
    from supervision.metrics import MeanAveragePrecision

    _, counts = np.unique(np.column_stack([found.row_frame, found.class_id]), axis=0, return_counts=True)
    most = max(int(counts.max()), COCO_MOST_DETECTIONS)
    if most > COCO_MOST_DETECTIONS:
        remarks.append(
            f"A frame has {most} results of one class; COCO's own mAP would count the {COCO_MOST_DETECTIONS} best of "
            "them, here all count."
        )
    metric = MeanAveragePrecision(max_detection_thresholds=(1, 10, most))
    metric.update(list(_by_frame(found, told)), list(_by_frame(truth, told)))
    result = metric.compute()
    per_class = np.asarray(result.ap_per_class)
    scored = {}
    for row, number in enumerate(np.asarray(result.matched_classes).tolist()):
        if per_class[row, 0] >= 0:
            scored[int(number)] = float(per_class[row, 0]), float(per_class[row].mean())
    return scored


def _by_frame(table: BoxTable, told: Callable[[float], None]) -> Iterator[Any]:
    from supervision import Detections

    bounds = table.bounds.tolist()
    for at in range(len(table.frame_index)):
        if at % TELL_EVERY_FRAMES == 0:
            told(at / len(table.frame_index))
        rows = slice(bounds[at], bounds[at + 1])
        yield Detections(
            xyxy=table.xyxy[rows], confidence=table.confidence[rows], class_id=table.class_id[rows].astype(int)
        )


# Tracking --------------------------------------------------------------------------------------------------------


def _tracks(
    found: BoxTable, truth: BoxTable, iou: float, remarks: list[str], told: Callable[[float], None]
) -> TrackScore | None:
    truth, found = _followed(truth, "ground truth", remarks), _followed(found, "results", remarks)
    for table, missing, cure in (
        (truth, "the ground truth has no tracks", "MOT and CVAT files can have them."),
        (found, "the results have no tracks", "Add the stage 'Track' to the pipeline."),
    ):
        if not len(table):
            remarks.append(f"MOTA, IDF1 and HOTA were not computed: {missing}. {cure}")
            return None
    from trackers.eval import box_iou, compute_clear_metrics, compute_hota_metrics, compute_identity_metrics

    truth_ids, of_truth = np.unique(truth.track_id, return_inverse=True)
    found_ids, of_found = np.unique(found.track_id, return_inverse=True)
    gt, tracked, similarity = [], [], []
    starts, ends = truth.bounds.tolist(), found.bounds.tolist()
    for at in range(len(truth.frame_index)):
        if at % TELL_EVERY_FRAMES == 0:
            told(at / len(truth.frame_index) * 0.5)
        here, there = slice(starts[at], starts[at + 1]), slice(ends[at], ends[at + 1])
        gt.append(of_truth[here])
        tracked.append(of_found[there])
        overlap = np.asarray(box_iou(truth.xyxy[here], found.xyxy[there]))
        similarity.append(overlap * (truth.class_id[here, None] == found.class_id[None, there]))
    clear = compute_clear_metrics(gt, tracked, similarity, threshold=iou)
    told(0.7)
    pairs = len(truth_ids) * len(found_ids)
    identity = compute_identity_metrics(gt, tracked, similarity, threshold=iou) if pairs <= MOST_TRACK_PAIRS else None
    hota = compute_hota_metrics(gt, tracked, similarity) if pairs <= MOST_TRACK_PAIRS else None
    if identity is None or hota is None:
        remarks.append(
            f"IDF1 and HOTA were not computed: {len(truth_ids):,} tracks against {len(found_ids):,} take more memory "
            "than is reasonable."
        )
    return TrackScore(
        mota=float(clear["MOTA"]),
        idf1=float(identity["IDF1"]) if identity else None,
        hota=float(hota["HOTA"]) if hota else None,
        id_switches=int(clear["IDSW"]),
        fragments=int(clear["Frag"]),
        truth_tracks=len(truth_ids),
        found_tracks=len(found_ids),
    )


def _followed(table: BoxTable, who: str, remarks: list[str]) -> BoxTable:
    """The rows that have a track; a track that is twice in a frame counts once there."""
    tracked = chosen(table, table.track_id >= 0)
    if len(tracked) and (without := len(table) - len(tracked)):
        remarks.append(f"{without:,} objects of the {who} have no track and do not count for MOTA, IDF1 and HOTA.")
    order = np.lexsort((-tracked.confidence, tracked.track_id, tracked.row_frame))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(tracked.row_frame[order]) != 0) | (np.diff(tracked.track_id[order]) != 0)
    if twice := int((~first).sum()):
        remarks.append(f"{twice:,} objects of the {who} repeat a track number within their frame and do not count.")
        tracked = chosen(tracked, np.sort(order[first]))
    return tracked
