"""What keeps a watch from ever telling anything, in plain sentences."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from scenescope.models import ScenescopeError
from scenescope.models.catalogue import Catalogue, current
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.spec import PipelineSpec, StageSpec
from scenescope.pipelines.stage import Stage
from scenescope.pipelines.watches.rule import WatchRule
from scenescope.pipelines.zones.model import ZoneSet

__all__ = ["labels_of", "problems"]

_DETECTORS = frozenset({"detect", "find", "faces", "hands", "recognise", "pose", "segment", "motion", "track_one"})
_NAMING = frozenset({"detect", "find", "segment"})
_TRACKERS = frozenset({"track", "track_one"})
_ZONES = "zones"
_OURS = "scenescope.pipelines.stages."
# These show another picture, in which colours are not those of the objects.
_EDITING_GROUPS = ("Adjust", "Edges and shapes", "Effects and privacy")
_FEW = 8


def problems(
    rule: WatchRule, spec: PipelineSpec, known_labels: Collection[str] = (), registry: Registry[Stage] = STAGES
) -> list[str]:
    """Why a rule cannot come true in a pipeline, each with what to do; empty when it can.

    Args:
        rule: what is waited for.
        spec: the pipeline.
        known_labels: what its detector can tell apart; empty when that is not known before it runs.
        registry: where stage classes are found.
    """
    on = [stage for stage in spec.stages if stage.enabled]
    tracked = any(_is_one_of(_TRACKERS, stage, registry) for stage in on)
    found = []
    if not any(_is_one_of(_DETECTORS, stage, registry) for stage in on):
        found.append("No stage finds objects: add 'Detect objects'.")
    elif rule.trigger in ("zone_enter", "zone_leave", "line_cross", "dwell") and not tracked:
        found.append("Nothing follows objects from picture to picture: add 'Track objects'.")
    elif rule.colour and not tracked:
        found.append("Colours are told of tracked objects only: add 'Track objects'.")
    if rule.colour and (title := _editing(on, registry)):
        found.append(f"Colours cannot be told while '{title}' changes the picture: switch it off.")
    found += _places(rule, on)
    known = {clean_text(label).casefold() for label in known_labels}
    for label in rule.labels:
        if not known:
            found.append(f"No running detector knows '{label}' yet.")
        elif label.casefold() not in known:
            some = ", ".join(sorted(known)[:_FEW]) + (", ..." if len(known) > _FEW else "")
            found.append(f"The detector does not know '{label}'. It knows {some}.")
    return found


def labels_of(spec: PipelineSpec, registry: Registry[Stage] = STAGES) -> tuple[str, ...]:
    """What the detectors of a pipeline can tell apart, as far as that is known without running them."""
    labels: list[str] = []
    for stage in spec.stages:
        if not stage.enabled or stage.kind not in _NAMING:
            continue
        try:
            params = registry.get(stage.kind).Params.model_validate(stage.params)
            labels += getattr(params, "what", ()) or _labels_of_model(current(), getattr(params, "model", ""))
        except (ScenescopeError, ValueError):
            # What is wrong with the stage is told where it is.
            continue
    return tuple(dict.fromkeys(clean_text(label) for label in labels))


@lru_cache(maxsize=64)
def _labels_of_model(catalogue: Catalogue, name: str) -> tuple[str, ...]:
    return catalogue.card(name).labels


def _is_one_of(kinds: frozenset[str], stage: StageSpec, registry: Registry[Stage]) -> bool:
    """Whether a stage is of these kinds; a plugin's may do anything, so it gets the benefit of the doubt."""
    try:
        ours = registry.get(stage.kind).__module__.startswith(_OURS)
    except ScenescopeError:
        return False
    return stage.kind in kinds or not ours


def _editing(stages: list[StageSpec], registry: Registry[Stage]) -> str:
    for stage in stages:
        try:
            info = registry.get(stage.kind).info
        except ScenescopeError:
            continue
        if info.group in _EDITING_GROUPS or info.privacy:
            return info.title
    return ""


def _places(rule: WatchRule, stages: list[StageSpec]) -> list[str]:
    if not (rule.zone or rule.line):
        return []
    sets = [_shapes(stage) for stage in stages if stage.kind == _ZONES]
    if not sets:
        return ["No stage looks at zones and lines: add 'Zones and lines' and draw them."]
    zones = [zone for shapes in sets for zone in shapes.zones]
    lines = [line for shapes in sets for line in shapes.lines]
    if rule.zone:
        zone = next((zone for zone in zones if zone.name == rule.zone), None)
        if zone is None:
            return [f"There is no zone called '{rule.zone}': {_draw([zone.name for zone in zones])}."]
        return _left_out(rule, zone.labels, f"zone '{zone.name}'")
    line = next((line for line in lines if line.name == rule.line), None)
    if line is None:
        return [f"There is no line called '{rule.line}': {_draw([line.name for line in lines])}."]
    if rule.direction not in ("", line.forward, line.backward):
        ways = f"'{line.forward}' and '{line.backward}'"
        return [f"The directions of the line '{line.name}' are {ways}, not '{rule.direction}'."]
    return _left_out(rule, line.labels, f"line '{line.name}'")


def _shapes(stage: StageSpec) -> ZoneSet:
    try:
        return ZoneSet.model_validate(stage.params.get("shapes") or {})
    except ValueError:
        return ZoneSet()


def _draw(names: list[str]) -> str:
    return "draw it, or use " + " or ".join(f"'{name}'" for name in names[:_FEW]) if names else "draw it first"


def _left_out(rule: WatchRule, counted: tuple[str, ...], where: str) -> list[str]:
    """A shape tells only of its own classes."""
    if not counted:
        return []
    missing = [label for label in rule.labels if label not in {clean_text(one) for one in counted}]
    return [f"The {where} counts only {', '.join(counted)}, not '{label}'." for label in missing]
