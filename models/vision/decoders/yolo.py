"""The YOLO family, from YOLOv5 to YOLO26: boxes, and what comes with them: areas, key points, angles.

Every head is a list of rows, one for each candidate. They differ in what a row holds:

======================  =================  ========================================================================
head                    rows, columns      a row
======================  =================  ========================================================================
"v5" (v5, v7)           (N, 5 + C + X)     cx, cy, w, h, objectness, C class scores, X more
"v8" (v8, v9, v11, 12)  (4 + C + X, N)     cx, cy, w, h, C class scores, X more
"grid" (YOLOX)          (N, 5 + C)         as v5, but offsets in cells and logarithms of sizes in strides
"end2end" (v10, 26)     (K, 6 + X)         x1, y1, x2, y2, score, class, X more; nothing is left to suppress
======================  =================  ========================================================================

Sources: Ultralytics' export formats; Ge et al., YOLOX (2021); Wang et al., YOLOv10 (2024); masks by Bolya et al.,
YOLACT (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Detections, Keypoints, Masks, ResultBatch
from scenescope.models.shapes import OrientedDetections
from scenescope.models.vision.decoders import Decoder
from scenescope.models.vision.decoders.areas import area_in_box
from scenescope.models.vision.decoders.boxes import MOST_CANDIDATES, cxcywh_to_xyxy, suppressed
from scenescope.models.vision.decoders.movenet import COCO_NAMES, COCO_SKELETON
from scenescope.models.vision.inputs import Geometry, InputSpec

__all__ = ["Yolo", "grid_cells"]

CONFIDENCE = 0.25
NMS_IOU = 0.6
MOST_END_TO_END = 1000
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32), (32,))

Array = NDArray[Any]


class _Rows(NamedTuple):
    """Candidates that are sure enough: boxes in pixels of the input, as they were given."""

    boxes: Array
    confidence: Array
    class_id: Array
    more: Array


def grid_cells(size_wh: tuple[int, int]) -> dict[int, tuple[int, ...]]:
    """How many cells the usual sets of strides have in an input of this size, and which strides these are."""
    width, height = size_wh
    return {
        sum(-(-width // stride) * -(-height // stride) for stride in strides): strides
        for strides in reversed(STRIDES)
        if max(strides) <= max(size_wh)
    }


class Yolo(Decoder):
    """One output of candidates, and for areas a second one of prototypes (1, M, h, w).

    What more a row holds follows from ``card.task``: nothing ("detection"), M coefficients ("instance-segmentation"),
    key points ("pose"), or an angle in radians ("oriented-detection"). Options of the card, all of them found from the
    shapes if they are not given: ``head`` (see above), ``classes`` (how many), ``boxes`` ("xywh" or "xyxy"),
    ``normalised`` (True when coordinates are fractions of the input), ``keypoint_shape`` ([points, 2 or 3]).
    """

    def __init__(self, card: ModelCard, spec: InputSpec, shown: Mapping[str, Array]) -> None:
        super().__init__(card, spec, shown)
        rows = [name for name, value in shown.items() if value.ndim == 3 and len(value) == 1]
        protos = [name for name, value in shown.items() if value.ndim == 4 and len(value) == 1]
        if not rows:
            raise ModelIncompatible(f"{card.file} has no output of rows of candidates, as YOLO networks have.")
        self._rows = max(rows, key=lambda name: shown[name].size)
        self._protos = protos[0] if protos and card.task == "instance-segmentation" else None
        self._keypoint_shape = tuple(card.options.get("keypoint_shape", (17, 3)))
        shape = shown[self._rows].shape[1:]
        head, self._turned = _head_of(shape, spec.size_wh)
        self.head: str = card.options.get("head") or head
        if self.head == "end2end":
            self._turned = False
        columns, count_of_rows = shape if self._turned else shape[::-1]
        more = self._columns_more(shown)
        before = {"end2end": 6, "v8": 4}.get(self.head, 5)
        self.classes = int(card.options.get("classes", 0)) or columns - before - more
        if self.head != "end2end" and (self.classes < 1 or before + self.classes + more != columns):
            raise ModelIncompatible(
                f"{card.file}: rows of {columns} values are not a YOLO head of {self.classes} classes ({card.task})."
            )
        if self.head == "end2end" and columns != 6 + more:
            raise ModelIncompatible(f"{card.file}: rows of {columns} values are not final YOLO rows ({card.task}).")
        self._xyxy = card.options.get("boxes", "xyxy" if self.head == "end2end" else "xywh") == "xyxy"
        if card.task == "oriented-detection":
            self._xyxy = False
        self._grid = _grid(spec.size_wh, count_of_rows) if self.head == "grid" else None

    def _columns_more(self, shown: Mapping[str, Array]) -> int:
        if self.card.task == "instance-segmentation":
            if self._protos is None:
                raise ModelIncompatible(f"{self.card.file} has no prototypes of areas beside its boxes.")
            shape = shown[self._protos].shape
            self._protos_last = shape[1] > shape[3]
            return int(shape[3] if self._protos_last else shape[1])
        if self.card.task == "pose":
            return int(np.prod(self._keypoint_shape))
        return int(self.card.task == "oriented-detection")

    def decode(
        self,
        outputs: dict[str, Array],
        geometry: Geometry,
        *,
        confidence: float = CONFIDENCE,
        iou: float = NMS_IOU,
        **options: Any,
    ) -> ResultBatch:
        """Detections, masks, key points or oriented detections, as the card's task is; the surest first.

        Args:
            outputs: the network's.
            geometry: how the picture went in.
            confidence: less sure candidates are dropped.
            iou: of two boxes of a class that overlap more, the surer one is kept; final rows are all kept.
            options: none.
        """
        rows = outputs[self._rows][0]
        found = self._sure(rows.T if self._turned else rows, confidence)
        width, height = self.spec.size_wh
        if self.card.options.get("normalised"):
            found.boxes[:, :4] *= (width, height, width, height)
        if self.card.task == "oriented-detection":
            return self._oriented(found, geometry, iou)
        xyxy = found.boxes if self._xyxy else cxcywh_to_xyxy(found.boxes)
        if self.head == "end2end":
            kept = np.argsort(-found.confidence, kind="stable")
        else:
            kept = suppressed(xyxy, found.confidence, found.class_id, iou)
        columns: dict[str, Any] = {
            "confidence": found.confidence[kept],
            "class_id": found.class_id[kept],
            "class_names": self.card.labels,
        }
        if self._protos is not None:
            protos = outputs[self._protos][0]
            protos = np.moveaxis(protos, -1, 0) if self._protos_last else protos
            return _masks(protos, found.more[kept], xyxy[kept], geometry, columns)
        if self.card.task == "pose":
            return self._keypoints(found.more[kept], found.confidence[kept], geometry)
        return Detections(xyxy=geometry.boxes(xyxy[kept]), **columns)

    def _sure(self, rows: Array, confidence: float) -> _Rows:
        """Rows that are sure enough and finite, one for each class that is; threshold first, decode the few."""
        if self.head == "end2end":
            score, class_id, more = rows[:, 4], rows[:, 5], rows[:, 6:]
            index = np.flatnonzero(score >= confidence)
            class_id = np.nan_to_num(class_id[index], nan=-1.0, posinf=-1.0, neginf=-1.0).astype(np.int64)
            sure = score[index]
        else:
            start = 4 if self.head == "v8" else 5
            scores, more = rows[:, start : start + self.classes], rows[:, start + self.classes :]
            if start == 5:
                scores = scores * rows[:, 4:5]
            if self.card.task == "detection":
                index, class_id = np.nonzero(scores >= confidence)
            else:
                # What hangs on the row is that of one object: its likeliest class.
                best = scores.argmax(axis=1)
                index = np.flatnonzero(scores[np.arange(len(scores)), best] >= confidence)
                class_id = best[index]
            sure = scores[index, class_id]
        boxes = rows[index, :4].astype(np.float32)
        if self._grid is not None:
            centre, stride = self._grid[0][index], self._grid[1][index]
            with np.errstate(over="ignore"):
                boxes = np.hstack([(boxes[:, :2] + centre) * stride, np.exp(boxes[:, 2:]) * stride])
        finite = np.isfinite(boxes).all(axis=1) & np.isfinite(sure) & np.isfinite(more[index]).all(axis=1)
        return _Rows(boxes[finite], np.clip(sure[finite], 0, 1), class_id[finite], more[index][finite])

    def _keypoints(self, values: Array, confidence: Array, geometry: Geometry) -> Keypoints:
        count, columns = self._keypoint_shape
        points = values.reshape(-1, count, columns)
        xy = points[..., :2] * (self.spec.size_wh if self.card.options.get("normalised") else (1, 1))
        given = points[..., 2] if columns == 3 else np.repeat(confidence[:, None], count, axis=1)
        seen = np.clip(given, 0, 1)
        coco = count == len(COCO_NAMES)
        return Keypoints(
            xy=geometry.points(xy),
            confidence=seen,
            names=COCO_NAMES if coco else (),
            skeleton=COCO_SKELETON if coco else (),
        )

    def _oriented(self, found: _Rows, geometry: Geometry, iou: float) -> OrientedDetections:
        boxes, angle = found.boxes, found.more[:, 0]
        kept = np.argsort(-found.confidence, kind="stable")[:MOST_CANDIDATES]
        if self.head != "end2end" and len(kept):
            # One call for all classes: those of different ones are moved apart.
            apart = found.class_id[kept, None] * (2.0 * float(np.abs(boxes[:, :4]).max()) + 1.0)
            rectangles = [
                ((float(cx), float(cy)), (float(w), float(h)), float(np.degrees(turn)))
                for (cx, cy), (w, h), turn in zip(boxes[kept, :2] + apart, boxes[kept, 2:4], angle[kept], strict=True)
            ]
            alive = cv2.dnn.NMSBoxesRotated(rectangles, found.confidence[kept].tolist(), 0.0, iou)
            kept = kept[np.asarray(alive, np.int64).reshape(-1)]
        cos, sin = np.cos(angle[kept])[:, None], np.sin(angle[kept])[:, None]
        along = np.hstack([cos, sin]) * boxes[kept, 2:3] / 2
        across = np.hstack([-sin, cos]) * boxes[kept, 3:4] / 2
        centre = boxes[kept, :2]
        quads = np.stack(
            [centre - along - across, centre + along - across, centre + along + across, centre - along + across], 1
        )
        return OrientedDetections(
            quad_xy=geometry.points(quads),
            confidence=found.confidence[kept],
            class_id=found.class_id[kept],
            class_names=self.card.labels,
        )


def _head_of(shape: tuple[int, int], size_wh: tuple[int, int]) -> tuple[str, bool]:
    """The head that an output (1, *shape) belongs to, and whether its rows lie along the last axis."""
    cells = grid_cells(size_wh)
    for turned, (columns, rows) in ((True, shape), (False, shape[::-1])):
        if rows in cells and columns != rows:
            return ("v8" if turned else "grid"), turned
        if rows in {3 * count for count in cells}:
            return "v5", turned
    if shape[0] <= MOST_END_TO_END and shape[1] >= 6:
        return "end2end", False
    # Another size than the one it was made for, or other strides: rows are what there are more of.
    return ("v8", True) if shape[0] < shape[1] else ("v5", False)


def _grid(size_wh: tuple[int, int], rows: int) -> tuple[Array, Array]:
    """Corners of the cells (N, 2) and their strides (N, 1), level by level."""
    strides = grid_cells(size_wh).get(rows)
    if strides is None:
        raise ModelIncompatible(f"A grid of {rows} cells does not belong to an input of {size_wh[0]} x {size_wh[1]}.")
    corners, sizes = [], []
    for stride in strides:
        y, x = np.mgrid[0 : -(-size_wh[1] // stride), 0 : -(-size_wh[0] // stride)]
        corners.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        sizes.append(np.full((x.size, 1), stride))
    return np.vstack(corners).astype(np.float32), np.vstack(sizes).astype(np.float32)


def _masks(protos: Array, coefficients: Array, xyxy: Array, geometry: Geometry, columns: dict[str, Any]) -> Masks:
    """Areas as sums of prototypes, cut to their boxes."""
    maps = (coefficients @ protos.reshape(len(protos), -1)).reshape(-1, *protos.shape[1:])
    boxes = geometry.boxes(xyxy)
    cut = [area_in_box(values, box, geometry) for values, box in zip(maps, boxes, strict=True)]
    return Masks(
        alpha=tuple(alpha for alpha, _ in cut),
        top_left_xy=np.array([corner for _, corner in cut]),
        size_wh=geometry.picture_wh,
        **columns,
    )
