"""What users want of a pipeline, as edits of it: faces blurred, objects of some classes followed."""

from __future__ import annotations

from collections.abc import Sequence

from scenescope.app.assistant.words import vocabulary
from scenescope.models import AssistantError, ModelError
from scenescope.models.catalogue import current
from scenescope.pipelines import PipelineSpec, Stage
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.spec import StageSpec

__all__ = ["following", "with_faces_blurred", "with_faces_shown"]

HIDE, DETECT, TRACK = "redact", "detect", "track"
_SPOILING_GROUPS = ("Edges and shapes", "Effects and privacy")
_SPOILING_KINDS = ("depth_picture",)
_SHOWN_LABELS = 12


def with_faces_blurred(spec: PipelineSpec, registry: Registry[Stage]) -> PipelineSpec:
    """With faces hidden: a stage for it switched on again, or a new one where the picture still shows faces."""
    ours = [stage for stage in spec.stages if _hides_faces(stage)]
    if any(stage.enabled for stage in ours):
        return spec
    if ours:
        return spec.enabled(ours[0].id, True)
    return spec.added(HIDE, {"what": "faces"}, at=_natural_end(spec, registry))


def with_faces_shown(spec: PipelineSpec) -> PipelineSpec:
    """With every stage that hides faces switched off."""
    for stage in spec.stages:
        if _hides_faces(stage):
            spec = spec.enabled(stage.id, False)
    return spec


def following(
    spec: PipelineSpec, labels: Sequence[str], registry: Registry[Stage], known: tuple[str, ...] = ()
) -> PipelineSpec:
    """With objects of these classes, and no others, found and numbered from frame to frame.

    Args:
        spec: the pipeline.
        labels: classes in the user's words.
        registry: where stage classes are found.
        known: what the detector can tell apart, where its card does not say.

    Raises:
        AssistantError: a word is no class of the detector.
    """
    detectors = [stage for stage in spec.stages if stage.kind == DETECT]
    chosen = next((stage for stage in detectors if stage.enabled), detectors[0] if detectors else None)
    if chosen is None:
        spec = spec.added(DETECT, at=_natural_end(spec, registry))
        chosen = next(stage for stage in spec.stages if stage.kind == DETECT)
    only = _classes(labels, _classes_of(chosen, registry) or known)
    spec = spec.enabled(chosen.id, True)
    if set(chosen.params.get("only", ())) != set(only):
        spec = spec.with_params(chosen.id, only=only)
    after = spec.stages[spec.position(chosen.id) + 1 :]
    trackers = [stage for stage in after if stage.kind == TRACK]
    if any(stage.enabled for stage in trackers):
        return spec
    if trackers:
        return spec.enabled(trackers[0].id, True)
    behind = spec.position(chosen.id) + 1
    early = next((stage for stage in spec.stages if stage.kind == TRACK), None)
    if early is not None:
        return spec.enabled(early.id, True).moved(early.id, behind - 1)
    return spec.added(TRACK, at=behind)


def _hides_faces(stage: StageSpec) -> bool:
    """What hides all but faces, or objects, or a region, does not."""
    return stage.kind == HIDE and stage.params.get("what", "faces") == "faces" and not stage.params.get("invert")


def _natural_end(spec: PipelineSpec, registry: Registry[Stage]) -> int:
    """Up to where the picture still looks like what the camera saw, apart from what was hidden in it."""
    for at, stage in enumerate(spec.stages):
        try:
            info = registry.get(stage.kind).info
        except Exception:
            # What a plugin that is missing would do to the picture is not known.
            continue
        spoils = (info.group in _SPOILING_GROUPS and not info.privacy) or stage.kind in _SPOILING_KINDS
        if stage.enabled and spoils:
            return at
    return len(spec.stages)


def _classes_of(stage: StageSpec, registry: Registry[Stage]) -> tuple[str, ...]:
    """What the network of a detector can tell apart; empty where its card does not say."""
    try:
        params = registry.get(stage.kind).validated(stage.params)
        return current().card(getattr(params, "model", "")).labels
    except ModelError:
        return ()


def _classes(words: Sequence[str], known: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for word in words:
        target = vocabulary().resolve(word.casefold().strip(), known) if known else None
        if target is not None and not target.labels and target.track_id is None:
            return []  # Everything.
        if known and (target is None or not target.labels or target.track_id is not None):
            some = ", ".join(clean_text(label) for label in known[:_SHOWN_LABELS])
            more = ", ..." if len(known) > _SHOWN_LABELS else ""
            raise AssistantError(f"The detector does not know '{clean_text(word)}'.", hint=f"It knows {some}{more}")
        found += target.labels if target else [clean_text(word)]
    return list(dict.fromkeys(found))
