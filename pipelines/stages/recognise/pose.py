"""Poses of people."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenescope.models import Keypoints
from scenescope.models.vision.pose_tracking import PersonFollower
from scenescope.models.vision.smoothing import KeypointSmoother
from scenescope.models.vision.tensor_model import TensorModel
from scenescope.pipelines import Frame, ModelOf, StageContext
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Pose"]

# Of one person only: these networks see more when a crop follows the person.
SINGLE = ("movenet",)
GAP_S = 1.0


class Pose(NetworkStage, title="Pose", group="Detect and recognise", stateful=True):
    """Find shoulders, elbows, hips, knees and more of people and join them to a skeleton.

    MoveNet single follows the one person that it finds; MoveNet multi finds up to six.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("pose")] = Field("movenet_singlepose_lightning_192", description="The network.")
        confidence: float = Field(0.25, ge=0.05, le=1, description="Less sure people are left out.")
        follow: bool = Field(
            True, description="With a network for one person: look closely at where the person was last."
        )
        smooth: bool = Field(True, description="Take the tremble out of the points of people who hardly move.")

    def open(self, context: StageContext) -> None:
        super().open(context)
        network = self.network
        single = network.card.architecture in SINGLE and isinstance(network, TensorModel)
        self._follower = PersonFollower(network) if single and isinstance(network, TensorModel) else None
        self._smoother = KeypointSmoother()
        self._last_s = 0.0

    def process(self, frame: Frame) -> Frame:
        if self._follower is not None and self.params.follow:
            if not 0 <= frame.pts_s - self._last_s <= GAP_S:
                self._follower.forget()
            found = self._follower.find(frame.image, self.params.confidence)
        else:
            found = self.find(frame, Keypoints, confidence=self.params.confidence)
        self._last_s = frame.pts_s
        if self.params.smooth:
            found = self._smoother.smoothed(found, frame.pts_s)
        return frame.with_result(self.context.stage_id, found)
