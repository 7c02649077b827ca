"""Object detection with a bundled network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scenescope.models import Detections
from scenescope.models.cards import load_card
from scenescope.models.vision.base import VisionModel, open_model
from scenescope.pipelines import Frame, Stage, StageContext, StageParams

__all__ = ["Detect"]


class Detect(Stage, title="Detect objects", group="Detect"):
    """Find objects of 80 everyday classes with a neural network."""

    class Params(StageParams):
        model: Literal["nanodet_g_416_coco"] = Field("nanodet_g_416_coco", description="The network.")
        confidence: float = Field(0.3, ge=0.05, le=1, description="Less sure objects are left out.")
        iou: float = Field(0.6, ge=0.1, le=0.95, description="Of two boxes that overlap more, the surer one is kept.")
        only: tuple[str, ...] = Field((), description="Class names to keep; none keeps all.")
        device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the network runs.")

    _network: VisionModel | None = None

    def needs_reopen(self, params: StageParams) -> bool:
        assert isinstance(params, Detect.Params)
        return (params.model, params.device) != (self.params.model, self.params.device)

    def open(self, context: StageContext) -> None:
        network = open_model(load_card(self.params.model))
        network.load(self.params.device, context.threads)
        self._network = network

    def process(self, frame: Frame) -> Frame:
        assert self._network is not None
        (found,) = self._network.infer([frame.image], confidence=self.params.confidence, iou=self.params.iou)
        assert isinstance(found, Detections)
        if self.params.only:
            found = found[[label in self.params.only for label in found.labels]]
        return frame.with_result(self.context.stage_id, found)

    def close(self) -> None:
        if self._network is not None:
            self._network.close()
        self._network = None

    def device(self) -> str:
        return self._network.device() if self._network else ""
