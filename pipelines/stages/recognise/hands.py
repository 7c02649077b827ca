"""Hands: 21 points of each, and the gesture it makes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from scenescope.models import Detections
from scenescope.models.vision.gestures import GESTURES, SteadyGesture, gesture_scores
from scenescope.models.vision.hands import Hands as FoundHands
from scenescope.models.vision.hands import HandTracker, hand_boxes
from scenescope.models.vision.tensor_model import TensorModel
from scenescope.pipelines import Frame, ModelOf, StageContext
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage
from scenescope.pipelines.stages._continuity import Continuity

__all__ = ["Hands"]

CLASS_NAMES = (*GESTURES, "hand")
# After a longer gap in time, hands are searched for anew.
FORGET_AFTER_S = 1.0


class Hands(NetworkStage, title="Hands and gestures", group="Detect and recognise", stateful=True):
    """Find hands with 21 points each, and tell open palm, fist, point, victory, thumbs up, thumbs down and pinch.

    Boxes are named after the gesture, "hand" when it is none of them. The points, with depth, handedness and an
    identity, are a second result, "<stage>.points" (:class:`scenescope.models.vision.hands.Hands`).
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("hand-landmarks")] = Field(
            "hand_landmark_lite_224", description="The network that finds the points of a hand."
        )
        palms: Annotated[str, ModelOf("palm-detection")] = Field(
            "palm_detection_lite_192", description="The network that finds palms in the picture."
        )
        most_hands: int = Field(2, ge=1, le=8, description="How many hands are looked for at once.")
        confidence: float = Field(0.5, ge=0.1, le=1, description="Less sure palms are not looked at.")
        presence: float = Field(0.5, ge=0.1, le=1, description="A hand is followed while the network is surer of it.")
        steady_s: float = Field(
            0.15, ge=0, le=2, description="Seconds that another gesture must last until it is told."
        )
        mirrored: bool = Field(
            False, description="The picture shows people as a mirror does: left and right hands change names."
        )

    model_params = ("model", "palms")

    def open(self, context: StageContext) -> None:
        super().open(context)
        landmarks, palms = self.networks["model"], self.networks["palms"]
        assert isinstance(landmarks, TensorModel)
        assert isinstance(palms, TensorModel)
        self._tracker = HandTracker(palms, landmarks)
        self._gestures: dict[int, SteadyGesture] = {}
        self._watch = Continuity()

    def process(self, frame: Frame) -> Frame:
        if self._watch.broken(frame) or self._watch.step_s > FORGET_AFTER_S:
            # Another picture or another time: what was followed says nothing about it.
            self._tracker.reset()
        p = self.params
        hands = self._tracker.find(frame.image, p.most_hands, p.confidence, p.presence, p.mirrored)
        boxes = self._told(hands, frame)
        return frame.with_result(f"{self.context.stage_id}.points", hands).with_result(self.context.stage_id, boxes)

    def _told(self, hands: FoundHands, frame: Frame) -> Detections:
        """Boxes named after the gestures."""
        xyz = np.concatenate([hands.xy, hands.z[..., None]], axis=-1)
        known, self._gestures = self._gestures, {}
        class_id, confidence = [], []
        for hand_id, points, presence in zip(hands.hand_id.tolist(), xyz, hands.confidence[:, 0], strict=True):
            steady = self._gestures[hand_id] = known.get(hand_id) or SteadyGesture(self.params.steady_s)
            steady.steady_s = self.params.steady_s
            gesture, score = steady.update(gesture_scores(points), frame.pts_s)
            class_id.append(gesture if gesture >= 0 else len(GESTURES))
            confidence.append(score if gesture >= 0 else float(presence))
        return Detections(
            xyxy=hand_boxes(hands, frame.size_wh),
            confidence=np.array(confidence, np.float32),
            class_id=np.array(class_id, np.int64),
            class_names=CLASS_NAMES,
        )
