"""Stage: one step of a pipeline. Write one by subclassing; see ``docs/your-first-stage.md``."""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from pydantic import ValidationError

from scenescope.models import SpecError
from scenescope.models.budget import ThreadBudget
from scenescope.models.vision.placement import Placement
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.params import StageParams

__all__ = ["Lane", "Stage", "StageContext", "StageInfo", "params_problem"]

Lane = Literal["main", "side"]


@dataclass(frozen=True)
class StageInfo:
    """What a stage declares about itself; enough to list it and to draw its form without opening it.

    Attributes:
        kind: its name in files and on the command line, as the entry point spells it.
        title, group, summary: for people.
        stateful: True when a frame's result depends on frames before it; such a stage sees them one by one, in order.
        lane: "side" for a slow stage of a live pipeline: own thread, newest result shown with its age.
        privacy: True when showing the picture without it would expose someone; such a stage fails closed.
        patience_s: how long one ``process`` may take before the picture goes on without it.
    """

    kind: str
    title: str
    group: str
    summary: str
    stateful: bool
    lane: Lane
    privacy: bool
    patience_s: float


@dataclass(frozen=True)
class StageContext:
    """What a stage is told when it opens.

    Attributes:
        stage_id: its id in the pipeline, the name of its results.
        rate_hz: frames a second of the source; 30 when the source does not know.
        size_wh: size of the source picture in pixels; (0, 0) when not known yet.
        live: True for a camera or a stream, False for a file.
        threads: how many threads this stage may use within one ``process``.
    """

    stage_id: str = ""
    rate_hz: float = 30.0
    size_wh: tuple[int, int] = (0, 0)
    live: bool = False
    threads: ThreadBudget = field(default_factory=ThreadBudget)


class Stage:
    """One step: a frame in, a frame out.

    ::

        class Canny(Stage, title="Canny edges", group="Edges and shapes"):
            "Trace edges with Canny's hysteresis thresholding."

            class Params(StageParams):
                low: int = Field(50, ge=0, le=255, description="Weaker edges are dropped.")

            def process(self, frame: Frame) -> Frame:
                return frame.with_image(cv2.Canny(frame.image, self.params.low, 150))

    Class keywords: ``title`` (required for a stage that can be added), ``group``, ``stateful``, ``lane``, ``privacy``,
    ``patience_s``; see :class:`StageInfo`. A stage without ``stateful=True`` may be called from several threads at
    once and so must not change ``self`` in ``process``.
    """

    Params: ClassVar[type[StageParams]] = StageParams
    info: ClassVar[StageInfo] = StageInfo("", "", "Other", "", False, "main", False, 5.0)

    def __init_subclass__(
        cls,
        *,
        title: str = "",
        group: str | None = None,
        kind: str = "",
        stateful: bool | None = None,
        lane: Lane | None = None,
        privacy: bool | None = None,
        patience_s: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        inherited = cls.info
        cls.info = StageInfo(
            kind=kind or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower(),
            title=title or inherited.title or cls.__name__,
            group=group or inherited.group,
            summary=(cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "),
            stateful=inherited.stateful if stateful is None else stateful,
            lane=lane or inherited.lane,
            privacy=inherited.privacy if privacy is None else privacy,
            patience_s=patience_s or inherited.patience_s,
        )

    def __init__(self, params: StageParams | None = None) -> None:
        self.params: Any = params if params is not None else self.Params()
        self.context = StageContext()

    @classmethod
    def validated(cls, values: dict[str, Any]) -> StageParams:
        """``values`` as this stage's parameters.

        Raises:
            SpecError: a name is unknown or a value is out of range; the message names both.
        """
        try:
            return cls.Params.model_validate(values)
        except ValidationError as error:
            raise SpecError(f"{cls.info.title}: {params_problem(error)}.") from error

    def needs_reopen(self, params: StageParams) -> bool:
        """True when the step from ``self.params`` to ``params`` changes what :meth:`open` loaded."""
        return False

    def with_params(self, params: StageParams) -> Self:
        """Take new parameters between two frames; called only when :meth:`needs_reopen` is False."""
        self.params = params
        return self

    def open(self, context: StageContext) -> None:
        """Load what is heavy. Called off the pipeline thread; the picture goes on meanwhile."""

    def process(self, frame: Frame) -> Frame:
        """The frame with a new picture or more results.

        Use ``frame.with_image(...)`` and ``frame.with_result(self.context.stage_id, ...)``.
        """
        return frame

    def close(self) -> None:
        """Release what :meth:`open` took."""

    def placement(self) -> Placement | None:
        """Where its network runs, read back from the runtime after :meth:`open`; None for plain code."""
        return None


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 80, 80


def params_problem(error: ValidationError) -> str:
    """The first complaint of pydantic as one clause: "low: must be at most 255, not 300"."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "value"
    message = first["msg"].removeprefix("Value error, ").replace("Input should ", "must ")
    # Shortened while it is made: in YAML a few aliases stand for a value of any size.
    shown = "" if first["type"] == "missing" else f", not {_SHORT.repr(first['input'])}"
    return f"{where}: {message}{shown}" if first["type"] != "extra_forbidden" else f"there is no parameter '{where}'"
