"""Reading text."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.models.vision.text import TextReader
from scenescope.pipelines import Device, Frame, Stage, StageContext, StageParams
from scenescope.pipelines.params import LAST

__all__ = ["ReadText"]


class ReadText(Stage, title="Read text", group="Detect and recognise", lane="side", patience_s=60.0):
    """Find lines of text and read them: Latin scripts of some 40 languages, Chinese and Japanese.

    RapidOCR with the PP-OCRv6 networks that its package carries; nothing is downloaded. Lines may be turned, slanted
    or upside down.
    """

    class Params(StageParams):
        confidence: float = Field(0.6, ge=0, le=1, description="Less surely read lines are left out.")
        min_height_px: float = Field(8.0, ge=0, le=1000, description="Lower lines are left out.")
        upside_down: bool = Field(True, description="Read lines that are upside down, too.")
        side_px: int = Field(
            1280, ge=320, le=4096, description="Longer side of the picture that is looked at; small print needs more."
        )
        device: Device = Field("auto", description="Where the networks run.", json_schema_extra=LAST)
        strict_device: bool = Field(
            False, description="Refuse to run elsewhere than on the chosen device.", json_schema_extra=LAST
        )

    _reader: TextReader | None = None

    def needs_reopen(self, params: StageParams) -> bool:
        names = ("upside_down", "side_px", "device", "strict_device")
        return any(getattr(params, name) != getattr(self.params, name) for name in names)

    def open(self, context: StageContext) -> None:
        options = LoadOptions(device=self.params.device, strict=self.params.strict_device, threads=context.threads)
        self._reader = TextReader(options, self.params.side_px, self.params.upside_down)

    def process(self, frame: Frame) -> Frame:
        assert self._reader is not None
        texts = self._reader.read(frame.image)
        # The left and the right side of a line are as long as it is high.
        sides = np.linalg.norm(texts.quad_xy - np.roll(texts.quad_xy, 1, axis=1), axis=2)
        high = (sides[:, 0] + sides[:, 2]) / 2
        kept = (texts.confidence >= self.params.confidence) & (high >= self.params.min_height_px)
        return frame.with_result(self.context.stage_id, texts[kept])

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def placement(self) -> Placement | None:
        return None if self._reader is None else self._reader.placement()
