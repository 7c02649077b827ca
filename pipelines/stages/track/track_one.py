"""Following one object that the user has drawn a box around."""

from __future__ import annotations

from collections import deque
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Tracks
from scenescope.pipelines import Frame, Region, Stage, StageContext, StageParams
from scenescope.pipelines.stages._continuity import Continuity, small_grey
from scenescope.pipelines.stages.track._follower import Appearance, Follower

__all__ = ["TrackOne"]


class TrackOne(Stage, title="Track one object", group="Track", stateful=True):
    """Follow whatever lies in the region that you draw: no network needs to know it.

    The region is taken from the first picture after it was drawn, its bounding box is followed by Median Flow (Kalal
    et al. 2010) or MIL (Babenko et al. 2009), and compared with what it looked like: the likeness is the confidence.
    An object that is hidden or leaves is lost and has no box, until it is found again anywhere in the picture. After a
    jump in time it is looked for, too. Draw the region anew to follow something else.
    """

    class Params(StageParams):
        region: Region = Field(Region(), description="What to follow; nothing is followed until it is drawn.")
        name: str = Field("object", min_length=1, description="What it is called.")
        method: Literal["flow", "mil"] = Field(
            "flow", description="Flow is quick and follows size; MIL is slow and bears with changing looks."
        )
        keep_likeness: float = Field(0.5, ge=0.1, le=0.99, description="Less like itself, the object is lost.")
        find_likeness: float = Field(0.75, ge=0.1, le=0.99, description="So much like itself, it is found again.")
        trail_s: float = Field(1.5, ge=0, le=30, description="Length of the drawn trail in seconds.")
        side_px: int = Field(640, ge=160, le=1920, description="Longer side of the picture that is looked at.")

    def open(self, context: StageContext) -> None:
        self._continuity = Continuity()
        self._follower: Follower | None = None
        self._shape: tuple[int, ...] = ()
        self._number = 0
        self._trail: deque[tuple[float, float, float]] = deque()

    def with_params(self, params: StageParams) -> Self:
        if params.region != self.params.region:  # type: ignore[attr-defined]
            self._follower = None
        return super().with_params(params)

    def process(self, frame: Frame) -> Frame:
        grey = small_grey(frame, self.params.side_px)
        broken = self._continuity.broken(frame)
        likeness = self._started(grey) if self._follower is None else self._stepped(grey, broken)
        found = Tracks(class_names=(self.params.name,))
        if self._follower is not None and likeness > 0:
            scale = np.array(frame.size_wh, np.float64) / grey.shape[::-1]
            found = self._row(self._follower.box * np.tile(scale, 2), likeness, frame.pts_s)
        return frame.with_result(self.context.stage_id, found)

    def _started(self, grey: NDArray[np.uint8]) -> float:
        """Take the object from the picture, if a region is drawn and shows something; 1 if so, else 0."""
        if not self.params.region.points:
            return 0.0
        corners = np.array(self.params.region.points) * grey.shape[::-1]
        box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        try:
            self._follower = Follower(Appearance(grey, box), box, self.params.method)
        except ValueError:
            # A black picture, perhaps: wait for one with something in it.
            return 0.0
        self._follower.seen(grey)
        self._shape = grey.shape
        self._number += 1
        self._trail.clear()
        return 1.0

    def _stepped(self, grey: NDArray[np.uint8], broken: bool) -> float:
        follower = self._follower
        assert follower is not None
        follower.method = self.params.method
        if grey.shape != self._shape:
            # The object is expected as large as before in relation to the picture.
            follower.box = follower.box * np.tile(np.array(grey.shape[::-1]) / self._shape[::-1], 2)
            self._shape = grey.shape
        if broken:
            follower.lost = True
            self._trail.clear()
        return follower.step(grey, self.params.keep_likeness, self.params.find_likeness)

    def _row(self, xyxy: NDArray[np.float64], likeness: float, pts_s: float) -> Tracks:
        middle = (xyxy[:2] + xyxy[2:]) / 2
        self._trail.append((pts_s, middle[0], middle[1]))
        while self._trail[0][0] < pts_s - self.params.trail_s and len(self._trail) > 1:
            self._trail.popleft()
        return Tracks(
            xyxy=xyxy[None],
            confidence=np.array([likeness]),
            class_id=np.zeros(1, np.int64),
            class_names=(self.params.name,),
            track_id=np.array([self._number]),
            trail=(np.array(self._trail, np.float64)[:, 1:].astype(np.float32),),
        )
