"""How the camera moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Shapes
from scenescope.pipelines import Frame, Stage, StageContext, StageParams
from scenescope.pipelines.stages._continuity import Continuity, small_grey
from scenescope.pipelines.stages.motion._estimate import Similarity, similarity_between

__all__ = ["CameraMotion"]

_MEASURES = ("pan_x_px", "pan_y_px", "roll_deg", "zoom_percent")


class CameraMotion(Stage, title="Camera motion", group="Motion", stateful=True):
    """Measure how the camera pans, rolls and zooms from frame to frame.

    Corners of the picture are followed by optical flow, and a shift, turn and zoom that most of them agree on is
    fitted by RANSAC. The numbers are those of the camera: it pans to the right when the picture moves to the left,
    and rolls clockwise when the picture turns counter-clockwise. The arrow points where the camera goes.
    """

    class Params(StageParams):
        side_px: int = Field(640, ge=64, le=1920, description="Longer side of the picture that is looked at.")
        still_px: float = Field(0.3, ge=0, le=20, description="Slower motion counts as none.")
        arrow_times: float = Field(10.0, ge=1, le=100, description="How much longer than the motion the arrow is.")

    def open(self, context: StageContext) -> None:
        self._continuity = Continuity()
        self._before: NDArray[np.uint8] | None = None

    def process(self, frame: Frame) -> Frame:
        grey = small_grey(frame, self.params.side_px)
        before, self._before = self._before, grey
        if self._continuity.broken(frame, grey) or before is None or before.shape != grey.shape:
            return frame.with_result(self.context.stage_id, Shapes(kind="camera", measure_names=_MEASURES))
        matrix = similarity_between(before, grey, frame.size_wh)
        return frame.with_result(self.context.stage_id, self._shown(matrix, frame.size_wh))

    def _shown(self, matrix: NDArray[np.float64] | None, size_wh: tuple[int, int]) -> Shapes:
        if matrix is None:
            return Shapes(kind="camera", measure_names=_MEASURES)
        centre = (size_wh[0] / 2, size_wh[1] / 2)
        # What the picture does, the camera does the other way round.
        camera = Similarity.of(np.asarray(np.linalg.inv(matrix), np.float64), centre)
        start = np.array(centre)
        end = start + self.params.arrow_times * np.array([camera.x_px, camera.y_px])
        # The picture grows when the camera zooms in.
        zoom_percent = 100 * (np.exp(-camera.log_zoom) - 1)
        roll_deg = float(np.degrees(camera.turn_rad))
        return Shapes(
            points=(np.array([start, end]),),
            caption=(_words(camera.x_px, camera.y_px, roll_deg, zoom_percent, size_wh, self.params.still_px),),
            measures=np.array([[camera.x_px, camera.y_px, roll_deg, zoom_percent]]),
            measure_names=_MEASURES,
            arrow=True,
            kind="camera",
        )


def _words(
    x_px: float, y_px: float, roll_deg: float, zoom_percent: float, size_wh: tuple[int, int], still: float
) -> str:
    """In words: "camera: 12.0 px right, roll +0.4 deg". Turn and zoom count by what they do at the rim."""
    reach = max(size_wh) / 2
    parts = []
    if abs(x_px) > still:
        parts.append(f"{abs(x_px):.1f} px {'right' if x_px > 0 else 'left'}")
    if abs(y_px) > still:
        parts.append(f"{abs(y_px):.1f} px {'down' if y_px > 0 else 'up'}")
    if abs(np.radians(roll_deg)) * reach > still:
        parts.append(f"roll {roll_deg:+.1f} deg")
    if abs(zoom_percent) / 100 * reach > still:
        parts.append(f"zoom {zoom_percent:+.1f} %")
    return "camera: " + (", ".join(parts) or "still")
