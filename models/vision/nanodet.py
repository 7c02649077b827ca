"""NanoDet: an anchor-free one-stage detector with generalised focal loss (RangiLyu/nanodet, Apache-2.0)."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.budget import ThreadBudget
from scenescope.models.cards import checked_file
from scenescope.models.errors import ModelIncompatible
from scenescope.models.results import Detections
from scenescope.models.vision.base import Image, VisionModel
from scenescope.models.vision.runtimes.onnx import OnnxSession

__all__ = ["Letterbox", "NanoDet"]

STRIDES = (8, 16, 32)
BINS = 8 + 3  # each side is a distribution over 11 distances
MEAN_BGR = np.array([103.53, 116.28, 123.675], np.float32)
STD_BGR = np.array([57.375, 57.12, 58.395], np.float32)
NMS_IOU = 0.6
MOST_CANDIDATES = 1000


class Letterbox(NamedTuple):
    """How a picture was fitted into the network's square: scaled by ``scale``, at the top left corner."""

    scale: float
    size_wh: tuple[int, int]


class NanoDet(VisionModel):
    """The bundled object detector.

    Input: float32 (1, 3, 416, 416), BGR, letterboxed to the top left corner with zeros, normalised with the ImageNet
    mean and deviation. Outputs for strides 8, 16, 32: class scores (n, 80) in 0..1 and box sides (n, 44), four
    distributions over 11 distances from the cell's centre (Li et al., Generalized Focal Loss, 2020).
    """

    def load(self, device: str = "auto", threads: ThreadBudget | None = None) -> None:
        self._session = OnnxSession(checked_file(self.card), device, threads)
        if len(self._session.input_names) != 1:
            raise ModelIncompatible(f"{self.card.file} has {len(self._session.input_names)} inputs; NanoDet has one.")
        self._input = self._session.input_names[0]
        self._side = int(self._session.input_shapes[self._input][2])
        self._centres = [_cell_centres(self._side, stride) for stride in STRIDES]
        # (x - mean) / std as one multiply-add per channel, into a plane that OpenCV fills.
        self._gain = 1.0 / STD_BGR
        self._bias = -MEAN_BGR / STD_BGR
        self._by_cells = self._outputs_by_cells()

    def device(self) -> str:
        return self._session.provider

    def preprocess(self, image: Image) -> tuple[dict[str, Any], Letterbox]:
        height, width = image.shape[:2]
        scale = min(self._side / width, self._side / height)
        w, h = max(round(width * scale), 1), max(round(height * scale), 1)
        small = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
        tensor = np.empty((1, 3, self._side, self._side), np.float32)
        # The padding is black before normalisation, as in training.
        tensor[0, :, h:, :] = self._bias[:, None, None]
        tensor[0, :, :h, w:] = self._bias[:, None, None]
        for channel, plane in enumerate(cv2.split(small)):
            np.multiply(plane, self._gain[channel], out=tensor[0, channel, :h, :w])
            tensor[0, channel, :h, :w] += self._bias[channel]
        return {self._input: tensor}, Letterbox(scale, (width, height))

    def forward(self, inputs: dict[str, Any]) -> dict[str, NDArray[Any]]:
        return self._session.run(inputs)

    def postprocess(
        self,
        outputs: dict[str, NDArray[Any]],
        geometry: Letterbox,
        *,
        confidence: float = 0.3,
        iou: float = NMS_IOU,
        **options: Any,
    ) -> Detections:
        """Boxes in pixels of the picture, the surest first.

        Args:
            outputs: the network's.
            geometry: from :meth:`preprocess`.
            confidence: less sure boxes are dropped.
            iou: of two boxes of a class that overlap more, the surer one is kept.
            options: none.
        """
        boxes, scores, classes = [], [], []
        for (score_name, box_name), stride, centres in zip(self._by_cells, STRIDES, self._centres, strict=True):
            score = outputs[score_name].reshape(-1, outputs[score_name].shape[-1])
            # Threshold first: of 3,549 cells a few dozen remain, and only their distributions are decoded.
            # One cell may report several classes, as in the published decoder: keeping only the likeliest class of
            # each cell found "car" in 37 % instead of 56 % of the frames of a top-down clip that show one.
            cell, cls = np.nonzero(score >= confidence)
            if not len(cell):
                continue
            sides = _expected_distance(outputs[box_name].reshape(-1, 4, BINS)[cell]) * stride
            centre = centres[cell]
            boxes.append(np.hstack([centre - sides[:, :2], centre + sides[:, 2:]]))
            scores.append(score[cell, cls])
            classes.append(cls)
        if not boxes:
            return Detections(class_names=self.card.labels)
        xyxy, sure, class_id = np.vstack(boxes), np.concatenate(scores), np.concatenate(classes)
        best = np.argsort(-sure, kind="stable")[:MOST_CANDIDATES]
        xyxy, sure, class_id = xyxy[best], sure[best], class_id[best]
        xywh = np.hstack([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]])
        indices = cv2.dnn.NMSBoxesBatched(xywh.tolist(), sure.tolist(), class_id.tolist(), confidence, iou)
        kept = np.asarray(indices, np.int64).reshape(-1)
        limits = np.array([*geometry.size_wh, *geometry.size_wh], np.float32)
        return Detections(
            xyxy=np.clip(xyxy[kept] / geometry.scale, 0, limits),
            confidence=sure[kept],
            class_id=class_id[kept],
            class_names=self.card.labels,
        )

    def _outputs_by_cells(self) -> list[tuple[str, str]]:
        """Names of the score and box outputs of each stride, told by their shapes, not by names of an exporter."""
        # The run on zeros is also the warm-up: the first picture need not wait for lazy set-up.
        outputs = self._session.run_on_zeros()
        shapes = {name: value.reshape(-1, value.shape[-1]).shape for name, value in outputs.items()}
        found = []
        for stride in STRIDES:
            cells = (self._side // stride) ** 2
            score = [n for n, shape in shapes.items() if shape == (cells, len(self.card.labels))]
            box = [n for n, shape in shapes.items() if shape == (cells, 4 * BINS)]
            if len(score) != 1 or len(box) != 1:
                raise ModelIncompatible(f"{self.card.file} has no NanoDet head of stride {stride}.")
            found.append((score[0], box[0]))
        return found


def _cell_centres(side: int, stride: int) -> NDArray[np.float32]:
    """Centres (x, y) of the cells of one stride, row by row, float32 (n, 2)."""
    n = side // stride
    y, x = np.mgrid[0:n, 0:n]
    centres: NDArray[np.float32] = ((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride).astype(np.float32)
    return centres


def _expected_distance(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax over the last axis, then the expected bin: (n, 4, bins) to (n, 4)."""
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    mean: NDArray[np.float32] = exp @ np.arange(exp.shape[-1], dtype=np.float32) / exp.sum(axis=-1)
    return mean
