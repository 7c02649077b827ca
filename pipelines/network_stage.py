"""NetworkStage: what all stages that run a network of the catalogue share."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field

from scenescope.models import ModelMissing, ResultBatch
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import current
from scenescope.models.vision.base import VisionModel, open_model
from scenescope.models.vision.picture import Picture
from scenescope.models.vision.placement import LoadOptions, Placement
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.params import LAST, Device, ModelOf, StageParams
from scenescope.pipelines.stage import Stage, StageContext

__all__ = ["NetworkParams", "NetworkStage"]

R = TypeVar("R", bound=ResultBatch)


class NetworkParams(StageParams):
    """Where and how a network runs. A stage adds ``model: Annotated[str, ModelOf("task")]`` and its own parameters."""

    device: Device = Field("auto", description="Where the network runs.", json_schema_extra=LAST)
    strict_device: bool = Field(
        False, description="Refuse to run elsewhere than on the chosen device.", json_schema_extra=LAST
    )
    precision: Literal["full", "half"] = Field(
        "full", description="Half is faster on most GPUs, a little less exact.", json_schema_extra=LAST
    )
    compiled: bool = Field(
        False, description="Compile PyTorch networks: slow to start, faster to run.", json_schema_extra=LAST
    )

    def load_options(self, context: StageContext) -> LoadOptions:
        """As :meth:`VisionModel.load` takes them."""
        return LoadOptions(
            device=self.device,
            strict=self.strict_device,
            half=self.precision == "half",
            compiled=self.compiled,
            threads=context.threads,
        )


class NetworkStage(Stage):
    """A stage with one network, opened by its name in the catalogue.

    Subclasses declare ``class Params(NetworkParams)`` with a parameter ``model``, and call :meth:`find` in ``process``.
    A change of one of ``reload_on`` loads the network again; of the others it does not. A stage with several networks
    names the parameters of all of them in ``model_params``; :meth:`find` runs the first, ``self.networks`` holds all.
    """

    reload_on: ClassVar[tuple[str, ...]] = ("device", "strict_device", "precision", "compiled")
    model_params: ClassVar[tuple[str, ...]] = ("model",)

    networks: dict[str, VisionModel]

    def needs_reopen(self, params: StageParams) -> bool:
        names = (*self.model_params, *self.reload_on)
        return any(getattr(params, name) != getattr(self.params, name) for name in names)

    def open(self, context: StageContext) -> None:
        self.networks = {}
        for name in self.model_params:
            network = open_model(self._card(name))
            network.load(self.params.load_options(context))
            self.networks[name] = network

    def _card(self, name: str) -> ModelCard:
        """The card of the network that the parameter ``name`` names.

        Raises:
            ModelMissing: there is none such, or none is chosen; the hint says which can be had.
        """
        chosen: str = getattr(self.params, name)
        if chosen:
            return current().card(chosen)
        tasks = [
            task for mark in self.Params.model_fields[name].metadata if isinstance(mark, ModelOf) for task in mark.tasks
        ]
        offers = [card.name for task in tasks for card in current().available(task)]
        command = f", or run 'scenescope models get {offers[0]}'" if offers else ""
        raise ModelMissing(
            f"{self.info.title}: no network is chosen.",
            hint=f"None comes with Scenescope. Choose one under '{name}', get one in the window's Models...{command}.",
        )

    @property
    def network(self) -> VisionModel:
        """The first network."""
        return self.networks[self.model_params[0]]

    def find(self, frame: Frame, kind: type[R], **options: Any) -> R:
        """What the first network finds in the frame's picture, which must be a ``kind``."""
        picture = frame.derived(Picture, lambda: Picture(frame.image))
        found = self.network.look_at(picture, **options)
        assert isinstance(found, kind)
        return found

    def close(self) -> None:
        for network in getattr(self, "networks", {}).values():
            network.close()
        self.networks = {}

    def placement(self) -> Placement | None:
        placements = [network.placement() for network in getattr(self, "networks", {}).values()]
        # Of several, the one that does not run where it should is the one to tell of.
        return next((p for p in placements if p.problem), placements[0]) if placements else None
