"""What networks find in a picture: frozen parallel arrays, one row per object.

Every type can be indexed with a mask, an index array, a slice or one index (``found[found.confidence > 0.5]``) and
gives the same type back. Coordinates are pixels of the picture that the stage was given, x to the right and y down,
with pixel centres at whole numbers plus one half. ``warped(matrix)`` maps them to another picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import supervision

__all__ = ["Detections", "Keypoints", "Labels", "Masks", "ResultBatch", "Texts", "Tracks"]

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]
Index = int | slice | Sequence[int] | NDArray[Any]

_PER_OBJECT = {"per_object": True}


def _rows(values: Any, dtype: Any, *trailing: int) -> Any:
    """A read-only array of ``dtype`` with shape (N, *trailing); an empty input becomes (0, *trailing)."""
    array = np.asarray(values, dtype=dtype)
    array = array.reshape((len(array), *trailing) if array.size else (0, *trailing))
    array = array.view()
    array.flags.writeable = False
    return array


def _warp_points(xy: Float, matrix: NDArray[np.float64]) -> Float:
    """Map points of shape (..., 2) by a 3x3 matrix."""
    homogeneous = xy @ matrix[:, :2].T + matrix[:, 2]
    mapped: Float = (homogeneous[..., :2] / homogeneous[..., 2:]).astype(np.float32)
    return mapped


@dataclass(frozen=True, eq=False)
class ResultBatch:
    """Base of the parallel-array types. Fields marked ``per_object`` have one row per object."""

    def _per_object_names(self) -> list[str]:
        return [f.name for f in fields(self) if f.metadata.get("per_object")]

    def __len__(self) -> int:
        return len(getattr(self, self._per_object_names()[0]))

    def __getitem__(self, index: Index) -> Self:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        changes: dict[str, Any] = {}
        for name in self._per_object_names():
            column = getattr(self, name)
            changes[name] = tuple(column[i] for i in chosen) if isinstance(column, tuple) else column[chosen]
        return replace(self, **changes)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def _check_lengths(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in self._per_object_names()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{type(self).__name__}: columns differ in length: {lengths}")

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The same objects in the coordinates of another picture.

        Args:
            matrix: float64 (3, 3), maps (x, y, 1) of this picture to the other one.
        """
        raise TypeError(f"{type(self).__name__} has no coordinates to map")


@dataclass(frozen=True, eq=False)
class _Classed(ResultBatch):
    """Objects with a class and a confidence.

    ``confidence`` is float32 (N,) in 0..1, ``class_id`` int64 (N,) an index into ``class_names``.
    """

    confidence: Float = field(default_factory=lambda: np.empty(0, np.float32), metadata=_PER_OBJECT)
    class_id: Int = field(default_factory=lambda: np.empty(0, np.int64), metadata=_PER_OBJECT)
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "confidence", _rows(self.confidence, np.float32))
        object.__setattr__(self, "class_id", _rows(self.class_id, np.int64))
        self._check_lengths()

    @property
    def labels(self) -> list[str]:
        """The class name of every object; a class without a name is called by its number."""
        names = self.class_names
        return [names[i] if 0 <= i < len(names) else str(i) for i in self.class_id.tolist()]


@dataclass(frozen=True, eq=False)
class Detections(_Classed):
    """Boxes: ``xyxy`` float32 (N, 4), left, top, right, bottom in pixels, with class and confidence."""

    xyxy: Float = field(default_factory=lambda: np.empty((0, 4), np.float32), metadata=_PER_OBJECT)

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyxy", _rows(self.xyxy, np.float32, 4))
        super().__post_init__()

    @property
    def size_wh(self) -> Float:
        """Width and height of every box, float32 (N, 2)."""
        return self.xyxy[:, 2:] - self.xyxy[:, :2]

    @property
    def center_xy(self) -> Float:
        """Centre of every box, float32 (N, 2)."""
        return (self.xyxy[:, 2:] + self.xyxy[:, :2]) / 2

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """Boxes around the mapped corners; exact for scaling and shifting, the hull for a rotation."""
        corners = _warp_points(self.xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2), matrix)
        return replace(self, xyxy=np.hstack([corners.min(axis=1), corners.max(axis=1)]))

    def to_supervision(self) -> supervision.Detections:
        """The same boxes as ``supervision.Detections``, for its annotators, zones and exporters."""
        import supervision

        return supervision.Detections(
            xyxy=self.xyxy.copy(),
            confidence=self.confidence.copy(),
            class_id=self.class_id.astype(int),
            data={"class_name": np.array(self.labels, dtype=str)},
        )


@dataclass(frozen=True, eq=False)
class Tracks(Detections):
    """Detections with an identity over time.

    ``track_id`` int64 (N,): 1, 2, 3, ... in order of confirmation; -1 while a track is unconfirmed.
    ``trail`` holds for every object its latest centres, float32 (n, 2), oldest first.
    ``follows`` names the result that was tracked, so that an overlay does not draw both.
    """

    track_id: Int = field(default_factory=lambda: np.empty(0, np.int64), metadata=_PER_OBJECT)
    trail: tuple[Float, ...] = field(default=(), metadata=_PER_OBJECT)
    follows: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "track_id", _rows(self.track_id, np.int64))
        if not self.trail:
            object.__setattr__(self, "trail", tuple(np.empty((0, 2), np.float32) for _ in self.track_id))
        super().__post_init__()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """Boxes and trails in the coordinates of another picture."""
        return replace(super().warped(matrix), trail=tuple(_warp_points(line, matrix) for line in self.trail))

    def to_supervision(self) -> supervision.Detections:
        """As :meth:`Detections.to_supervision`, with ``tracker_id``."""
        found = super().to_supervision()
        found.tracker_id = self.track_id.astype(int)
        return found


@dataclass(frozen=True, eq=False)
class Masks(_Classed):
    """Areas, each cut to its own box so that ten of them stay cheap.

    ``alpha`` holds one uint8 (h, w) array per object, 0 outside to 255 inside; ``top_left_xy`` int64 (N, 2) says where
    its corner lies in the picture of ``size_wh`` pixels.
    """

    alpha: tuple[NDArray[np.uint8], ...] = field(default=(), metadata=_PER_OBJECT)
    top_left_xy: Int = field(default_factory=lambda: np.empty((0, 2), np.int64), metadata=_PER_OBJECT)
    size_wh: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "top_left_xy", _rows(self.top_left_xy, np.int64, 2))
        super().__post_init__()

    @classmethod
    def from_full(cls, alpha: NDArray[np.uint8], **columns: Any) -> Self:
        """Cut full-size areas, uint8 (N, H, W), to the boxes of what is set in them."""
        crops, corners = [], []
        for area in alpha:
            ys, xs = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
            y1, y2 = (ys[0], ys[-1] + 1) if len(ys) else (0, 0)
            x1, x2 = (xs[0], xs[-1] + 1) if len(xs) else (0, 0)
            crops.append(area[y1:y2, x1:x2].copy())
            corners.append((x1, y1))
        return cls(
            alpha=tuple(crops), top_left_xy=np.array(corners), size_wh=(alpha.shape[2], alpha.shape[1]), **columns
        )

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """Areas resampled for another picture (linear), cut to their new boxes."""
        import cv2

        crops, corners = [], []
        for alpha, (x, y) in zip(self.alpha, self.top_left_xy.tolist(), strict=True):
            h, w = alpha.shape
            hull = _warp_points(np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32), matrix)
            x1, y1 = np.floor(hull.min(axis=0)).astype(int)
            x2, y2 = np.ceil(hull.max(axis=0)).astype(int)
            # warpAffine puts pixel centres at whole numbers; ours lie half a pixel further.
            into = _shift(-x1 - 0.5, -y1 - 0.5) @ matrix @ _shift(x + 0.5, y + 0.5)
            size = (max(int(x2 - x1), 1), max(int(y2 - y1), 1))
            crops.append(np.asarray(cv2.warpPerspective(alpha, into, size), np.uint8) if alpha.size else alpha)
            corners.append((x1, y1))
        size_wh = np.rint(_warp_points(np.array([self.size_wh], np.float32), matrix)[0]).astype(int)
        return replace(
            self, alpha=tuple(crops), top_left_xy=np.array(corners), size_wh=(int(size_wh[0]), int(size_wh[1]))
        )


def _shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Keypoints(ResultBatch):
    """Named points of each object: ``xy`` float32 (N, K, 2) in pixels and ``confidence`` float32 (N, K) in 0..1.

    ``skeleton`` lists the pairs of points that a line joins; ``names`` has K names, or none.
    """

    xy: Float = field(default_factory=lambda: np.empty((0, 0, 2), np.float32), metadata=_PER_OBJECT)
    confidence: Float = field(default_factory=lambda: np.empty((0, 0), np.float32), metadata=_PER_OBJECT)
    names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        points = self.xy.shape[1] if np.ndim(self.xy) == 3 else 0
        object.__setattr__(self, "xy", _rows(self.xy, np.float32, points, 2))
        object.__setattr__(self, "confidence", _rows(self.confidence, np.float32, points))
        self._check_lengths()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The points in the coordinates of another picture."""
        return replace(self, xy=_warp_points(self.xy, matrix))


@dataclass(frozen=True, eq=False)
class Labels(_Classed):
    """What the whole picture shows: classes with confidence, the likeliest first."""

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """A label of the whole picture has no place, so it stays as it is."""
        return self


@dataclass(frozen=True, eq=False)
class Texts(ResultBatch):
    """Text read in the picture: ``quad_xy`` float32 (N, 4, 2) clockwise from the top left, ``text``, ``confidence``.

    ``coded`` is True for what QR and bar codes hold, False for writing.
    """

    quad_xy: Float = field(default_factory=lambda: np.empty((0, 4, 2), np.float32), metadata=_PER_OBJECT)
    text: tuple[str, ...] = field(default=(), metadata=_PER_OBJECT)
    confidence: Float = field(default_factory=lambda: np.empty(0, np.float32), metadata=_PER_OBJECT)
    coded: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "quad_xy", _rows(self.quad_xy, np.float32, 4, 2))
        object.__setattr__(self, "confidence", _rows(self.confidence, np.float32))
        self._check_lengths()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The quadrilaterals in the coordinates of another picture."""
        return replace(self, quad_xy=_warp_points(self.quad_xy, matrix))
