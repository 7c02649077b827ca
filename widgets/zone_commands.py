"""Zones, lines and the ground as commands: drawn, dragged, loaded and saved, each step undone with the pipeline's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QWidget

from scenescope.models import SpecError
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.stage import params_problem
from scenescope.pipelines.zones.model import ZoneSet
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.settings import Settings
from scenescope.widgets.shape_edit import GROUND, outline
from scenescope.widgets.viewport import Viewport
from scenescope.widgets.zone_layer import ZoneLayer
from scenescope.widgets.zones_editor import with_drawn

__all__ = ["ZoneCommands"]

KIND = "zones"
TRACKERS = frozenset({"track", "track_one"})
FOLDER_KEY = "zones.folder"
FILTER = "Zones (*.yaml *.yml *.json);;All files (*)"


class ZoneCommands(QObject):
    """Works on the first stage "Zones and lines" of the pipeline; adds one, and a tracker, where there is none.

    Args:
        editor: takes every edit.
        viewport: shows and draws.
        settings: remembers the folder of zone files.
        window: parent of dialogs.
    """

    told = Signal(str, str)
    failed = Signal(str, str)
    editing_changed = Signal(bool)
    """Zones can be dragged on the picture from now on, or no longer."""

    def __init__(self, editor: PipelineEditor, viewport: Viewport, settings: Settings, window: QWidget) -> None:
        super().__init__(window)
        self._editor = editor
        self._viewport = viewport
        self._settings = settings
        self._window = window
        self._drawn = ""
        self.layer = ZoneLayer(viewport)
        self.layer.edited.connect(self._edited)
        viewport.drawing_finished.connect(self._take_drawing)

    # The stage ---------------------------------------------------------------------------------------------------

    @property
    def stage(self) -> StageSpec | None:
        """The stage that is edited."""
        return next((stage for stage in self._editor.spec.stages if stage.kind == KIND), None)

    @property
    def zones(self) -> ZoneSet:
        """Its shapes; none when there is no stage, or when they are not valid."""
        stage = self.stage
        try:
            return ZoneSet.model_validate(stage.params.get("shapes") or {}) if stage is not None else ZoneSet()
        except ValidationError:
            return ZoneSet()

    @Slot()
    def show_pipeline(self) -> None:
        """The pipeline has changed: show its shapes, unless they are being dragged right now."""
        zones = self.zones
        if zones != self.layer.zones:
            self.layer.show_zones(zones)

    def _apply(self, zones: ZoneSet, text: str, gesture: Any = None) -> None:
        stage, spec = self.stage, self._editor.spec
        shapes = zones.model_dump(mode="json")
        if stage is not None:
            key = None if gesture is None else ("zones", gesture)
            self._editor.replace(spec.with_params(stage.id, shapes=shapes), text, key)
        else:
            self._editor.replace(_with_tracker(spec).added(KIND, {"shapes": shapes}), text)
        self.show_pipeline()

    @Slot(object, str, object)
    def _edited(self, zones: ZoneSet, text: str, gesture: Any) -> None:
        try:
            self._apply(ZoneSet.model_validate(zones.model_dump()), text, gesture)
        except ValidationError:
            # A corner on its way may make the ground a bow tie for a moment: what was valid stays.
            self.layer.show_zones(self.zones)

    # Commands ----------------------------------------------------------------------------------------------------

    def edit(self, on: bool) -> None:
        """Let zones be dragged on the picture, or no longer."""
        if on != self.layer.active:
            self.show_pipeline()
            self.layer.set_active(on)
            self.editing_changed.emit(on)
            if on and not self.zones.names:
                self.told.emit("There are no zones yet.", "Draw a zone or a line first.")

    @Slot()
    def draw_zone(self) -> None:
        """Draw a zone."""
        self._draw("zone")

    @Slot()
    def draw_line(self) -> None:
        """Draw a counting line."""
        self._draw("line")

    @Slot()
    def draw_ground(self) -> None:
        """Mark the rectangle on the ground, or its corners anew."""
        self._draw("ground")

    def _draw(self, what: str) -> None:
        points: Sequence[tuple[float, float]] = outline(self.zones, GROUND) if what == "ground" else ()
        if self._viewport.begin_drawing(what == "line", points):
            self._drawn = what
        else:
            self.failed.emit("There is no picture to draw on.", "Start a source first.")

    @Slot(object)
    def _take_drawing(self, points: Sequence[tuple[float, float]] | None) -> None:
        drawn, self._drawn = self._drawn, ""
        if not drawn or points is None:
            return
        try:
            zones, name = with_drawn(self.zones, drawn, points)
        except ValidationError as error:
            hint = "Click exactly four corners." if drawn == "ground" else ""
            self.failed.emit(f"This cannot be a {drawn}: {params_problem(error)}.", hint)
            return
        self._apply(zones, f"Add {drawn if drawn == 'ground' else name}")
        self.edit(True)
        self.layer.choose(name)

    @Slot()
    def load(self) -> None:
        """Take the zones of a file in place of those there are."""
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Load zones", self._folder(), FILTER)
        if chosen:
            self._settings.set(FOLDER_KEY, str(Path(chosen).parent))
            self.load_from(Path(chosen))

    def load_from(self, path: Path) -> bool:
        """Take the zones of a file; False, and a sentence, when it is none."""
        try:
            zones = ZoneSet.load(path)
        except SpecError as error:
            self.failed.emit(error.user_message, error.hint)
            return False
        self._apply(zones, f"Load zones from {path.name}")
        return True

    @Slot()
    def save(self) -> None:
        """Save the zones to a file, for other pipelines and for 'scenescope run --zones'."""
        chosen, _ = QFileDialog.getSaveFileName(self._window, "Save zones", f"{self._folder()}/zones.yaml", FILTER)
        if not chosen:
            return
        self._settings.set(FOLDER_KEY, str(Path(chosen).parent))
        try:
            self.zones.save(chosen)
        except SpecError as error:
            self.failed.emit(error.user_message, error.hint)
            return
        self.told.emit(f"Saved the zones as {Path(chosen).name}.", "")

    def _folder(self) -> str:
        return str(self._settings.get(FOLDER_KEY, str(Path.home())))


def _with_tracker(spec: PipelineSpec) -> PipelineSpec:
    """Zones count tracked objects."""
    if any(stage.kind in TRACKERS for stage in spec.stages):
        return spec
    return spec.added("track")
