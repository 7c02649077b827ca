"""Host: what tools act on. The window has one; where there is no window, everything can be read and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from scenescope.models import AssistantError
from scenescope.models.language import Evidence
from scenescope.pipelines import STAGES, PipelineSpec, Stage
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.watches import WatchBook
from scenescope.pipelines.zones.model import ZoneSet

__all__ = ["Host", "NoHost", "SourceView", "no_window", "zones_of"]

ZONES_KIND = "zones"


@dataclass(frozen=True)
class SourceView:
    """The source as it is.

    Attributes:
        active: there is a source, playing or held.
        playing: its picture moves on.
        film: it can be moved in; a camera or a stream cannot.
        pts_s, frame_index: of the picture that is shown; None before the first.
        duration_s: None when not known.
        key: the same as long as this source stays open.
    """

    active: bool = False
    playing: bool = False
    film: bool = False
    pts_s: float | None = None
    frame_index: int | None = None
    duration_s: float | None = None
    key: Any = None


class Host(Protocol):
    """What tools act on. Every method may be called on any thread, and what it says is done when it returns.

    Each raises a ScenescopeError when that cannot be done; then nothing was changed.

    Attributes:
        registry: where stage classes are found.
        watches: the user's watches; None where nothing can be watched for.
    """

    registry: Registry[Stage]
    watches: WatchBook | None

    @property
    def spec(self) -> PipelineSpec:
        """The pipeline as it is wished."""
        ...

    def apply(self, after: PipelineSpec, text: str, before: PipelineSpec) -> None:
        """Make the pipeline ``after``, as one step of undo called ``text``; not if it is no longer ``before``."""
        ...

    @property
    def source(self) -> SourceView:
        """The source."""
        ...

    def seek(self, pts_s: float) -> None:
        """Go to a time of the film."""
        ...

    def seek_frame(self, index: int) -> None:
        """Go to a picture of the film by its number."""
        ...

    def show_moment(self, evidence: Evidence) -> None:
        """Show what is kept of a moment of a source that cannot be moved in, beside it."""
        ...

    def set_playing(self, on: bool) -> None:
        """Play on, or hold the picture."""
        ...

    @property
    def selected_track(self) -> int | None:
        """The number of the chosen object."""
        ...

    def select_track(self, track_id: int | None) -> None:
        """Choose an object by its number, or none."""
        ...

    @property
    def highlighted(self) -> tuple[str, ...]:
        """Labels whose objects are drawn stronger."""
        ...

    def highlight(self, labels: tuple[str, ...]) -> None:
        """Draw the objects of these labels stronger; of none."""
        ...

    @property
    def panels(self) -> Mapping[str, str]:
        """Titles of the panels by their names."""
        ...

    def show_panel(self, name: str) -> None:
        """Show a panel."""
        ...

    @property
    def recording(self) -> bool:
        """True while what is shown is recorded."""
        ...

    def set_recording(self, on: bool) -> None:
        """Begin to record, as the user's own options say, or end it."""
        ...

    def ask_source(self) -> None:
        """Let the user choose a source in the app's own dialog."""
        ...

    def ask_export(self) -> None:
        """Let the user export in the app's own dialog."""
        ...


def zones_of(spec: PipelineSpec) -> ZoneSet:
    """What is drawn in the first stage "Zones and lines"; nothing when there is none, or when it is not valid."""
    stage = next((stage for stage in spec.stages if stage.kind == ZONES_KIND), None)
    try:
        return ZoneSet.model_validate(stage.params.get("shapes") or {}) if stage is not None else ZoneSet()
    except ValidationError:
        return ZoneSet()


class NoHost:
    """Where there is no window: what is wished can be read, and nothing is changed.

    Args:
        spec: gives the pipeline.
        source: gives the source.
        registry: where stage classes are found.
    """

    def __init__(
        self,
        spec: Callable[[], PipelineSpec] = PipelineSpec,
        source: Callable[[], SourceView] = SourceView,
        registry: Registry[Stage] = STAGES,
    ) -> None:
        self.registry = registry
        self.watches: WatchBook | None = None
        self._spec = spec
        self._source = source

    @property
    def spec(self) -> PipelineSpec:
        """The pipeline."""
        return self._spec()

    @property
    def source(self) -> SourceView:
        """The source."""
        return self._source()

    @property
    def panels(self) -> Mapping[str, str]:
        """None."""
        return {}

    selected_track: int | None = None
    highlighted: tuple[str, ...] = ()
    recording: bool = False

    def _refused(self, *_: object) -> None:
        raise no_window()

    def apply(self, after: PipelineSpec, text: str, before: PipelineSpec) -> None:
        """Not here."""
        raise no_window()

    seek = seek_frame = show_moment = set_playing = select_track = highlight = show_panel = set_recording = _refused
    ask_source = ask_export = _refused


def no_window() -> AssistantError:
    """What is raised where there is nothing to act on."""
    return AssistantError(
        "There is no window here that could do that, so nothing was changed.",
        hint="Ask in Scenescope's window; 'scenescope run' analyses and writes results without one.",
    )
