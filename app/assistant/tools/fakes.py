"""A host without a window that does what it is told and remembers it: for tests of tools, of the gate and of models."""

from __future__ import annotations

from dataclasses import replace

from scenescope.app.assistant.tools.host import SourceView
from scenescope.models import AssistantError
from scenescope.models.language import Evidence
from scenescope.pipelines import STAGES, PipelineSpec, Stage
from scenescope.pipelines.host import validated
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.watches import WatchBook

__all__ = ["FakeHost"]


class FakeHost:
    """A :class:`~scenescope.app.assistant.tools.host.Host` of plain values.

    Args:
        spec: the pipeline to begin with.
        source: the source; by default a film of a minute, playing at 10 s.
        registry: where stage classes are found.

    Attributes:
        deeds: what was done, in order: "apply Add 'Canny edges'", "seek frame 300".
        broken: names of methods that fail.
    """

    def __init__(
        self,
        spec: PipelineSpec | None = None,
        source: SourceView | None = None,
        registry: Registry[Stage] = STAGES,
    ) -> None:
        self.registry = registry
        self.watches: WatchBook | None = WatchBook()
        self.spec = spec or PipelineSpec().added("detect").added("track")
        self.source = source or SourceView(True, True, True, 10.0, 300, 60.0, key=1)
        self.panels = {"stages": "Stages", "events": "Events"}
        self.selected_track: int | None = None
        self.highlighted: tuple[str, ...] = ()
        self.recording = False
        self.deeds: list[str] = []
        self.broken: set[str] = set()

    def _do(self, name: str, *what: object) -> None:
        if name in self.broken:
            raise AssistantError(f"The fake host cannot {name}.")
        self.deeds.append(" ".join([name.replace("_", " "), *map(str, what)]))

    def apply(self, after: PipelineSpec, text: str, before: PipelineSpec) -> None:
        """Take a pipeline, as the window does."""
        for stage in after.stages:
            validated(stage, self.registry)
        if self.spec != before:
            raise AssistantError("The pipeline was changed meanwhile.")
        self._do("apply", text)
        self.spec = after

    def seek(self, pts_s: float) -> None:
        """Go to a time."""
        self._do("seek", pts_s)

    def seek_frame(self, index: int) -> None:
        """Go to a picture."""
        self._do("seek_frame", index)

    def show_moment(self, evidence: Evidence) -> None:
        """Show what is kept."""
        self._do("show_moment", evidence)

    def set_playing(self, on: bool) -> None:
        """Play or hold."""
        self._do("set_playing", on)
        self.source = replace(self.source, playing=on)

    def select_track(self, track_id: int | None) -> None:
        """Choose."""
        self._do("select_track", track_id)
        self.selected_track = track_id

    def highlight(self, labels: tuple[str, ...]) -> None:
        """Draw stronger."""
        self._do("highlight", *labels)
        self.highlighted = labels

    def show_panel(self, name: str) -> None:
        """Show."""
        self._do("show_panel", name)

    def set_recording(self, on: bool) -> None:
        """Record or not."""
        self._do("set_recording", on)
        self.recording = on

    def ask_source(self) -> None:
        """Ask."""
        self._do("ask_source")

    def ask_export(self) -> None:
        """Ask."""
        self._do("ask_export")
