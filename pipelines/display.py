"""Display: composes what the window shows, at its size, on a thread of its own.

Two honest modes. *In step*: the picture shown is the analysed one and its boxes are its own. *Newest*: the raw picture
at the source's rate, under the overlay of the latest analysed frame, whose age is known, dimmed when it is older than
250 ms and left out when it is older than a second.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import Detections, ResultBatch, Tracks
from scenescope.pipelines.events import EngineFault
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.meters import Durations
from scenescope.pipelines.overlay import OverlayPainter, OverlayStyle
from scenescope.pipelines.slots import Closed, Mailbox

__all__ = ["DIM_AFTER_S", "DROP_AFTER_S", "ComposedPicture", "Display", "DisplayMode", "ObjectRef", "ViewOptions"]

DIM_AFTER_S = 0.25
DROP_AFTER_S = 1.0


class DisplayMode(StrEnum):
    """How picture and overlay go together; ``AUTO`` is newest for live sources, in step for all else."""

    AUTO = "auto"
    IN_STEP = "in step"
    NEWEST = "newest"


@dataclass(frozen=True)
class ViewOptions:
    """What the window wants to see.

    Attributes:
        size_wh: of the view, in device pixels.
        mode: wished; a picture that a stage edits for privacy is never bypassed, whatever is wished.
        zoom_xywh: the part of the picture to show, as fractions of its size.
        style: which parts of the overlay are drawn; its ``scale`` is set from the view.
        emphasised: name of a result and the row in it that is drawn stronger.
        track_id: a track that is drawn stronger, in whichever row it is.
        text_scale: for screens with more than 96 dots an inch.
    """

    size_wh: tuple[int, int] = (960, 540)
    mode: DisplayMode = DisplayMode.AUTO
    zoom_xywh: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    style: OverlayStyle = field(default_factory=OverlayStyle)
    emphasised: tuple[str, int] | None = None
    track_id: int | None = None
    text_scale: float = 1.0


@dataclass(frozen=True)
class ObjectRef:
    """One object as drawn, for hovering and clicking: ``xyxy`` in pixels of the composed picture."""

    result: str
    row: int
    label: str
    confidence: float
    track_id: int | None
    xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class ComposedPicture:
    """A picture ready to be blitted.

    Attributes:
        image: uint8 (h, w, 4), BGRX, contiguous; fits into the view, with the shape of what is shown.
        frame_index, pts_s, captured_s: of the picture.
        composed_s: when it was made, on the monotonic clock.
        mode: how it was made; never ``AUTO``.
        overlay_index: frame that the overlay was found in; None without one.
        overlay_age_s: how much earlier that frame was captured than this picture; None without one.
        overlay_state: "fresh", "dimmed", "dropped" (too old to draw) or "none".
        objects: what can be hovered, the topmost last.
        to_view: float64 (3, 3), maps pixels of the source picture to pixels of ``image``.
    """

    image: NDArray[np.uint8]
    frame_index: int
    pts_s: float
    captured_s: float
    composed_s: float
    mode: DisplayMode
    overlay_index: int | None
    overlay_age_s: float | None
    overlay_state: str
    objects: tuple[ObjectRef, ...]
    to_view: NDArray[np.float64]
    source_size_wh: tuple[int, int]


@dataclass(frozen=True)
class _Job:
    picture: Frame
    overlay: Frame | None
    mode: DisplayMode


class Display:
    """Composes the newest picture whenever there is one, never more than the window can take.

    ``offer_raw`` and ``offer_analysed`` are called by the engine; ``set_view`` and ``take`` by the window;
    ``on_picture`` is called on the display thread whenever a new picture can be taken. Nothing is composed while it is
    None: without a window nobody looks.
    """

    def __init__(self, on_fault: Callable[[EngineFault], None] = lambda fault: None) -> None:
        self.on_picture: Callable[[], None] | None = None
        self.composed = 0
        self.age = Durations()
        self._on_fault = on_fault
        self._options = ViewOptions()
        self._jobs: Mailbox[_Job] = Mailbox()
        self._pictures: Mailbox[ComposedPicture] = Mailbox()
        self._lock = threading.Lock()
        self._last: _Job | None = None
        self._analysed: Frame | None = None
        self._ticket = 0
        self._live = False
        self._guarded = False
        self._painter: OverlayPainter | None = None
        self._thread: threading.Thread | None = None

    # Engine ------------------------------------------------------------------------------------------------------

    def begin(self, live: bool, guarded: bool) -> int:
        """A new source: ``live`` or not; ``guarded`` when a privacy stage is wished.

        Returns:
            The ticket that its frames must carry. Late frames of the source before, and their overlays, are ignored.
        """
        with self._lock:
            self._live, self._guarded = live, guarded
            self._analysed, self._last = None, None
            self._ticket += 1
            return self._ticket

    def set_guarded(self, guarded: bool) -> None:
        """A privacy stage is wished, or no longer."""
        with self._lock:
            self._guarded = guarded

    def offer_raw(self, frame: Frame, ticket: int) -> None:
        """A captured picture: shown at once in newest mode, not at all in step."""
        if self.on_picture is None:
            return
        with self._lock:
            if ticket != self._ticket or self._mode(self._analysed) is DisplayMode.IN_STEP:
                return
            self._submit(_Job(frame, self._analysed, DisplayMode.NEWEST))

    def offer_analysed(self, frame: Frame, ticket: int) -> None:
        """A frame that passed all stages."""
        if self.on_picture is None:
            return
        with self._lock:
            if ticket != self._ticket:
                return
            self._analysed = frame
            if self._mode(frame) is not DisplayMode.NEWEST:
                self._submit(_Job(frame, frame, DisplayMode.IN_STEP))

    @property
    def overlay_age_s(self) -> float | None:
        """Age of the overlay in the last composed job; None without one."""
        job = self._last
        if job is None or job.overlay is None:
            return None
        return job.picture.captured_s - job.overlay.captured_s

    def _mode(self, analysed: Frame | None) -> DisplayMode:
        if self._guarded:
            return DisplayMode.IN_STEP
        wished = self._options.mode
        if wished is not DisplayMode.AUTO:
            return wished
        # A stage that paints a new picture (edges, a crop) is wanted for that picture.
        edited = analysed is not None and analysed.edited
        return DisplayMode.NEWEST if self._live and not edited else DisplayMode.IN_STEP

    # Window ------------------------------------------------------------------------------------------------------

    def set_view(self, options: ViewOptions) -> None:
        """Compose for this view from now on; the picture shown last is composed again."""
        with self._lock:
            if options == self._options:
                return
            self._options = options
            last = self._last
        if last is not None:
            self._submit(last)

    @property
    def options(self) -> ViewOptions:
        """The view as last set."""
        return self._options

    def take(self) -> ComposedPicture | None:
        """The newest composed picture, once; None when there is no new one."""
        return self._pictures.take()

    # Thread ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start composing."""
        self._jobs = Mailbox()
        self._thread = threading.Thread(target=self._run, args=(self._jobs,), name="display", daemon=True)
        self._thread.start()

    def stop(self, deadline_s: float) -> bool:
        """End the thread; True when it has ended by ``deadline_s`` on the monotonic clock."""
        self._jobs.close()
        if self._thread is None:
            return True
        self._thread.join(max(deadline_s - time.monotonic(), 0.01))
        return not self._thread.is_alive()

    def _submit(self, job: _Job) -> None:
        self._last = job
        self._jobs.put(job)

    def _run(self, jobs: Mailbox[_Job]) -> None:
        while True:
            try:
                job = jobs.wait()
                if job is None:
                    continue
                picture = self.compose(job.picture, job.overlay, job.mode, self._options)
            except Closed:
                return
            except Exception as error:
                self._on_fault(EngineFault("composing the picture", str(error), traceback.format_exc()))
                continue
            self.composed += 1
            self.age.add(picture.composed_s - picture.captured_s)
            self._pictures.put(picture)
            if (tell := self.on_picture) is not None:
                tell()

    def compose(self, frame: Frame, overlay: Frame | None, mode: DisplayMode, options: ViewOptions) -> ComposedPicture:
        """Scale, paint and convert one picture. Used by one thread at a time."""
        to_view, size_wh = _fit(frame.size_wh, options)
        image = _scaled(frame.image, to_view, size_wh)
        age_s = None if overlay is None else max(frame.captured_s - overlay.captured_s, 0.0)
        state = _overlay_state(age_s)
        objects: list[ObjectRef] = []
        # The analysed picture may have been cropped or scaled; the raw one is the source's own.
        source_to_view = to_view @ np.linalg.inv(frame.to_source)
        if overlay is not None and state != "dropped":
            dim, shown = self._visible(overlay, frame, source_to_view, state)
            objects = [ref for name, value in shown + dim for ref in _refs(name, value)]
            self._paint(image, shown, dim, objects, options)
        return ComposedPicture(
            image=np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2BGRA), np.uint8),
            frame_index=frame.index,
            pts_s=frame.pts_s,
            captured_s=frame.captured_s,
            composed_s=time.monotonic(),
            mode=mode,
            overlay_index=None if overlay is None else overlay.index,
            overlay_age_s=age_s,
            overlay_state=state,
            objects=tuple(objects),
            to_view=source_to_view,
            source_size_wh=frame.source_size_wh,
        )

    @staticmethod
    def _visible(
        overlay: Frame, frame: Frame, source_to_view: NDArray[np.float64], state: str
    ) -> tuple[list[tuple[str, ResultBatch]], list[tuple[str, ResultBatch]]]:
        """Results in view pixels: the dim ones and the fresh ones. A side lane's are judged by their own age."""
        dim: list[tuple[str, ResultBatch]] = []
        fresh: list[tuple[str, ResultBatch]] = []
        for name, entry in overlay.in_source_pixels():
            own = (
                "fresh"
                if entry.stamp.index == overlay.index
                else _overlay_state(frame.captured_s - entry.stamp.captured_s)
            )
            if own == "dropped":
                continue
            value = entry.value.warped(source_to_view)
            (dim if "dimmed" in (own, state) else fresh).append((name, value))
        return dim, fresh

    def _paint(
        self,
        image: NDArray[np.uint8],
        shown: list[tuple[str, ResultBatch]],
        dim: list[tuple[str, ResultBatch]],
        objects: list[ObjectRef],
        options: ViewOptions,
    ) -> None:
        if self._painter is None:
            self._painter = OverlayPainter()
        self._painter.style = replace(options.style, scale=options.text_scale)
        emphasised = options.emphasised
        if options.track_id is not None:
            emphasised = next(((o.result, o.row) for o in objects if o.track_id == options.track_id), emphasised)
        if dim:
            layer = image.copy()
            self._painter.paint(layer, dim, emphasised)
            cv2.addWeighted(layer, 0.4, image, 0.6, 0, dst=image)
        self._painter.paint(image, shown, emphasised)


def _overlay_state(age_s: float | None) -> str:
    if age_s is None:
        return "none"
    if age_s > DROP_AFTER_S:
        return "dropped"
    return "dimmed" if age_s > DIM_AFTER_S else "fresh"


def _fit(size_wh: tuple[int, int], options: ViewOptions) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The map from picture to view that shows the zoomed part as large as fits, and the size of what is shown."""
    x, y, w, h = options.zoom_xywh
    part_w, part_h = max(w * size_wh[0], 1.0), max(h * size_wh[1], 1.0)
    scale = min(max(options.size_wh[0], 1) / part_w, max(options.size_wh[1], 1) / part_h)
    shown = (max(round(part_w * scale), 1), max(round(part_h * scale), 1))
    sx, sy = shown[0] / part_w, shown[1] / part_h
    return np.array([[sx, 0, -x * size_wh[0] * sx], [0, sy, -y * size_wh[1] * sy], [0, 0, 1]]), shown


def _scaled(image: NDArray[np.uint8], to_view: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """The part of the picture that ``to_view`` shows, always a fresh array."""
    sx, sy = to_view[0, 0], to_view[1, 1]
    left, top = round(-to_view[0, 2] / sx), round(-to_view[1, 2] / sy)
    right, bottom = left + max(round(size_wh[0] / sx), 1), top + max(round(size_wh[1] / sy), 1)
    part = image[max(top, 0) : bottom, max(left, 0) : right]
    if (part.shape[1], part.shape[0]) == size_wh:
        return part.copy()
    # Halving or less needs an average of all pixels, or fine lines flicker; above that linear is as good and faster.
    how = cv2.INTER_AREA if size_wh[0] * 2 <= part.shape[1] else cv2.INTER_LINEAR
    scaled: NDArray[np.uint8] = cv2.resize(part, size_wh, interpolation=how)  # type: ignore[assignment]
    return scaled


def _refs(name: str, value: ResultBatch) -> list[ObjectRef]:
    if not isinstance(value, Detections):
        return []
    ids = value.track_id.tolist() if isinstance(value, Tracks) else [-1] * len(value)
    rows = zip(value.labels, value.confidence.tolist(), ids, value.xyxy.tolist(), strict=True)
    return [
        ObjectRef(name, row, label, confidence, track_id if track_id >= 0 else None, (box[0], box[1], box[2], box[3]))
        for row, (label, confidence, track_id, box) in enumerate(rows)
    ]
