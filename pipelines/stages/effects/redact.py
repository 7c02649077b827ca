"""Redaction: what must not be seen is made unrecognisable, for good, before anything later in the pipeline sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Detections, StageError
from scenescope.models.vision.decoders.anchors import overlap
from scenescope.models.vision.faces import find_faces
from scenescope.pipelines import Frame, ModelOf, Region, StageContext, StageParams
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Redact"]

Image = NDArray[np.uint8]

# Boxes that overlap more, in two pictures, are the same thing.
SAME_IOU = 0.2
LEAST_CELL_PX = 4.0
# A live detector that is still loading, or slow, is waited for this long before it is said to be missing.
PATIENCE_S = 10.0


class Redact(NetworkStage, title="Hide", group="Effects and privacy", stateful=True, privacy=True):
    """Hide faces, objects of a class, or a region: blurred, in squares, in one colour, or behind a picture.

    Nothing is shown when in doubt. Without a result of the detector it relies on, or with too old a one, the whole
    picture is hidden; boxes grow with the age of the result that they come from. Blur and squares keep no more than
    ``cells`` coarse cells of each box, but what is moving can in principle be guessed from many pictures of it: only
    a colour or a picture leaves nothing at all. Put it before stages and sinks that must not see what is hidden.
    """

    class Params(NetworkParams):
        what: Literal["faces", "objects", "region"] = Field(
            "faces", description="Faces found by this stage, objects found by a stage before it, or a drawn region."
        )
        classes: tuple[str, ...] = Field(
            ("person",), description="Objects: the class names to hide; none hides all that was found."
        )
        of_stage: str = Field(
            "", description="Objects: the stage whose boxes are hidden; empty for the latest one before."
        )
        region: Region = Field(Region(), description="Region: what is hidden; none drawn hides the whole picture.")
        model: Annotated[str, ModelOf("face-detection")] = Field(
            "blazeface_short_range_128", description="Faces: the network that finds them."
        )
        confidence: float = Field(0.3, ge=0.05, le=1, description="Faces: less sure ones are not hidden.")
        tiles: int = Field(
            1, ge=1, le=6, description="Faces: also search in parts, this many along the shorter side, for small ones."
        )
        how: Literal["blur", "squares", "colour", "picture"] = Field("blur", description="What is shown instead.")
        cells: int = Field(5, ge=1, le=12, description="Blur and squares: cells that are left along a box's side.")
        colour: str = Field("#303030", pattern=r"^#[0-9a-fA-F]{6}$", description="Colour: #rrggbb, red, green, blue.")
        picture: Path | None = Field(None, description="Picture: the file; where it is transparent, the colour shows.")
        margin_percent: float = Field(15, ge=0, le=200, description="How much larger than a box, on each side.")
        hold_s: float = Field(0.5, ge=0, le=10, description="Seconds to go on hiding where something was just seen.")
        growth_percent_s: float = Field(
            100, ge=0, le=1000, description="How much boxes grow on each side with each second of a result's age."
        )
        oldest_s: float = Field(1.5, ge=0.1, le=30, description="With an older result, the whole picture is hidden.")
        invert: bool = Field(False, description="Hide everything else, and show only this.")

    def needs_reopen(self, params: StageParams) -> bool:
        assert isinstance(params, Redact.Params)
        if (params.what == "faces", _cover_of(params)) != (self.params.what == "faces", _cover_of(self.params)):
            return True
        return params.what == "faces" and super().needs_reopen(params)

    def open(self, context: StageContext) -> None:
        self.networks = {}
        if self.params.what == "faces":
            super().open(context)
        wanted, path = _cover_of(self.params)
        self._cover = _read(path) if wanted else None
        self._seen = _Seen()
        self._known_s: float | None = None

    def process(self, frame: Frame) -> Frame:
        p, (width, height) = self.params, frame.size_wh
        everything = np.array([[0.0, 0.0, width, height]])
        if p.what == "region":
            inside = _polygon(p.region, frame.size_wh)
            boxes = everything if p.invert or not inside.any() else np.array([[*_box_of(inside)]])
            return frame.with_image(self._hidden(frame.image, boxes, ~inside if p.invert else inside))
        found, age_s = self._found(frame)
        if found is None:
            return frame.with_image(self._hidden(frame.image, everything))
        if p.invert:
            # Neither age nor memory: what is shown must be there now.
            shown = _whole_pixels(_grown(found.xyxy, p.margin_percent / 100), frame.size_wh)
            image = self._hidden(frame.image, everything)
            for x1, y1, x2, y2 in shown:
                image[y1:y2, x1:x2] = frame.image[y1:y2, x1:x2]
            return frame.with_image(image)
        boxes, lost_s = self._seen.with_lost(found.xyxy, frame, p.hold_s)
        boxes = _grown(boxes, p.margin_percent / 100 + (age_s + lost_s) * p.growth_percent_s / 100)
        return frame.with_image(self._hidden(frame.image, boxes))

    def _found(self, frame: Frame) -> tuple[Detections | None, float]:
        """What is to be hidden and how old that knowledge is in seconds; None while a live detector is waited for.

        Raises:
            StageError: nothing is known, or it is too old, or a class is none of the detector's.
        """
        p = self.params
        if p.what == "faces":
            return find_faces(self.network, frame.image, p.confidence, p.tiles, clip=False), 0.0
        latest = frame.latest(Detections)
        name = p.of_stage or (latest[0] if latest else "")
        found = frame.result(name)
        age_s = max(frame.captured_s - frame.results[name].stamp.captured_s, 0.0) if found is not None else np.inf
        if isinstance(found, Detections) and age_s <= p.oldest_s:
            self._known_s = frame.captured_s
            return _of_classes(found, p.classes), age_s
        if self._known_s is None:
            self._known_s = frame.captured_s
        if self.context.live and frame.captured_s - self._known_s < PATIENCE_S:
            return None, age_s
        late = isinstance(found, Detections)
        reason = f"What '{name}' found is {age_s:.1f} s old" if late else "No stage before this one says what to hide"
        raise StageError(
            f"{reason}, so the whole picture is hidden.",
            hint="Put a detector before this stage and see that it runs, then press Retry.",
        )

    def _hidden(self, image: Image, boxes: NDArray[Any], where: NDArray[np.bool_] | None = None) -> Image:
        """A copy with boxes hidden; of a box only where ``where``, bool (H, W), says so."""
        out, p = image.copy(), self.params
        height, width = image.shape[:2]
        for (x1, y1, x2, y2), box in zip(_whole_pixels(boxes, (width, height)), boxes, strict=True):
            part = image[y1:y2, x1:x2]
            if not part.size:
                continue
            # Of the whole box, also where it lies outside the picture: half a face gets half the cells.
            cell_px = max(float((box[2:] - box[:2]).max()) / p.cells, LEAST_CELL_PX)
            instead = self._instead(part, cell_px)
            inside = where[y1:y2, x1:x2, None] if where is not None else True
            np.copyto(out[y1:y2, x1:x2], instead, where=inside)
        return out

    def _instead(self, part: Image, cell_px: float) -> Image:
        """What is shown instead of a part of the picture."""
        height, width = part.shape[:2]
        if self.params.how in ("blur", "squares"):
            cells = max(round(width / cell_px), 1), max(round(height / cell_px), 1)
            coarse = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
            up = cv2.INTER_LINEAR if self.params.how == "blur" else cv2.INTER_NEAREST
            return np.asarray(cv2.resize(coarse, (width, height), interpolation=up), np.uint8)
        red, green, blue = bytes.fromhex(self.params.colour[1:])
        plain = np.full(part.shape, (blue, green, red), np.uint8)
        if self._cover is None:
            return plain
        cover = cv2.resize(self._cover, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        opaque = cover[:, :, 3:] / 255
        return np.rint(cover[:, :, :3] * opaque + plain * (1 - opaque)).astype(np.uint8)


class _Seen:
    """Boxes of the pictures before, in pixels of the source, with when each was last seen."""

    def __init__(self) -> None:
        self._xyxy = np.empty((0, 4), np.float32)
        self._last_s = np.empty(0)

    def with_lost(self, xyxy: NDArray[Any], frame: Frame, hold_s: float) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The boxes found now and those lost lately, (N, 4) in pixels of the frame, with how long each is lost."""
        now = _warped(xyxy, frame.to_source)
        recent = (self._last_s <= frame.pts_s) & (self._last_s >= frame.pts_s - hold_s)
        before, last_s = self._xyxy[recent], self._last_s[recent]
        lost = np.ones(len(before), bool)
        for box in now:
            # Each box found takes over at most one of those before: two people, of whom one is lost, stay two.
            alike = np.where(lost, overlap(box, before), 0.0)
            if len(alike) and alike.max() > SAME_IOU:
                lost[alike.argmax()] = False
        self._xyxy = np.concatenate([now, before[lost]])
        self._last_s = np.concatenate([np.full(len(now), frame.pts_s), last_s[lost]])
        return _warped(self._xyxy, np.asarray(np.linalg.inv(frame.to_source), np.float64)), frame.pts_s - self._last_s


def _warped(xyxy: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    none = np.zeros(len(xyxy), np.int64)
    boxes = Detections(xyxy=xyxy, confidence=none.astype(np.float32), class_id=none)
    return np.asarray(boxes.warped(matrix).xyxy, np.float32)


def _of_classes(found: Detections, classes: tuple[str, ...]) -> Detections:
    """Those of some classes; a class that the detector does not know would never be hidden, so it is refused."""
    unknown = sorted(set(classes) - set(found.class_names)) if found.class_names else []
    if unknown:
        some = ", ".join(found.class_names[:8]) + (", ..." if len(found.class_names) > 8 else "")
        raise StageError(
            f"The detector knows no class '{unknown[0]}', so the whole picture is hidden.",
            hint=f"It knows {some}. Choose the stage, if it is not this one that is meant, and press Retry.",
        )
    return found[[label in classes for label in found.labels]] if classes else found


def _grown(xyxy: NDArray[Any], by: Any) -> NDArray[np.float64]:
    """Boxes (N, 4) larger on each side by a part of their longer side; ``by`` is one part or (N,)."""
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    more = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) * by
    return np.asarray(boxes + more[:, None] * np.array([-1, -1, 1, 1]), np.float64)


def _whole_pixels(boxes: NDArray[Any], size_wh: tuple[int, int]) -> list[list[int]]:
    """Every pixel that the boxes touch, as left, top, right, bottom."""
    width, height = size_wh
    outer = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
    whole: list[list[int]] = np.clip(outer, 0, [width, height, width, height]).astype(int).tolist()
    return whole


def _polygon(region: Region, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels inside the region, bool (H, W); all of them where none is drawn."""
    width, height = size_wh
    if not region.points:
        return np.ones((height, width), bool)
    inside = np.zeros((height, width), np.uint8)
    corners = np.rint(np.array(region.points) * (width, height)).astype(np.int32)
    return np.asarray(cv2.fillPoly(inside, [corners], 1), bool)


def _box_of(inside: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    ys, xs = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def _cover_of(params: Redact.Params) -> tuple[bool, Path | None]:
    """Whether a picture is wanted, and which."""
    return (True, params.picture) if params.how == "picture" else (False, None)


def _read(path: Path | None) -> Image:
    """The picture of a file as uint8 (H, W, 4), BGR and how opaque it is."""
    if path is None:
        raise StageError("No picture was chosen to hide things behind.", hint="Choose a file.", permanent=True)
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        image = None
    if image is None or image.dtype != np.uint8:
        raise StageError(f"The picture {path} cannot be read.", hint="Choose a PNG, JPEG or WebP file.", permanent=True)
    channels = 1 if image.ndim == 2 else image.shape[2]
    code = {1: cv2.COLOR_GRAY2BGRA, 3: cv2.COLOR_BGR2BGRA}.get(channels)
    return np.asarray(image if code is None else cv2.cvtColor(image, code), np.uint8)
