"""Depth from one picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenescope.models import DenseMap
from scenescope.pipelines import Frame, ModelOf
from scenescope.pipelines.network_stage import NetworkParams, NetworkStage

__all__ = ["Depth"]


class Depth(NetworkStage, title="Depth", group="Detect and recognise", lane="side", patience_s=30):
    """Guess how far away everything is, from one camera, and lay it over the picture.

    Networks for metric depth give metres; of the others larger values are nearer, and only the order counts. No such
    network comes with Scenescope; Depth Anything and others can be downloaded. 'Depth as picture' after this stage
    shows the depth alone.
    """

    class Params(NetworkParams):
        model: Annotated[str, ModelOf("depth")] = Field("", description="The network.")

    def process(self, frame: Frame) -> Frame:
        return frame.with_result(self.context.stage_id, self.find(frame, DenseMap))
