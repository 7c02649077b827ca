"""Whether an edit of the pipeline could show what is hidden now. In doubt, it could."""

from __future__ import annotations

from collections.abc import Iterator

from scenescope.pipelines import PipelineSpec, Stage
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.spec_diff import stage_title

__all__ = ["LOOKING", "weakened", "with_own_eyes"]

# fmt: off
LOOKING = frozenset({
    "camera_motion", "classify", "codes", "contours", "corners", "depth", "detect", "face_mesh", "faces", "find",
    "hands", "hough_circles", "hough_lines", "matte", "motion", "pose", "read_text", "recognise", "scene_cuts",
    "segment", "track", "track_one", "zones",
})
# fmt: on
"""Our own stages that never change the picture, so that those after them see the same with and without them."""

_OURS = "scenescope.pipelines.stages."


def weakened(before: PipelineSpec, after: PipelineSpec, registry: Registry[Stage]) -> str:
    """Why the step from ``before`` to ``after`` could show what is hidden; empty when it cannot.

    A stage that hides must stay as it is, with the same parameters; one that is off may be switched on. What stands
    before one that is on must not change the picture in another way, since faces in another picture may not be found,
    and no stage may come before it that stood after it: it would see what is hidden from it now. What hides by another
    stage's results bears no change at all before it. Stages after it are free.
    """
    for stage in before.stages:
        if not _hides(stage, registry):
            continue
        title = stage_title(stage.kind, registry)
        if stage not in after.stages and stage.model_copy(update={"enabled": True}) not in after.stages:
            return f"It changes '{title}', which hides something."
        if not stage.enabled:
            continue
        was, now = list(_before(stage, before)), list(_before(stage, after))
        if {one.id for one in now} - {one.id for one in was}:
            return f"A stage would come before '{title}' and see what that hides."
        if not with_own_eyes(stage, registry):
            if now != was:
                return f"It changes what '{title}' relies on to hide something."
        elif _seen(now, registry) != _seen(was, registry):
            return f"It changes the picture in which '{title}' finds what it hides."
    return ""


def with_own_eyes(stage: StageSpec, registry: Registry[Stage]) -> bool:
    """True for a stage of ours that finds by itself what it hides."""
    if not _is_ours(stage.kind, registry):
        return False
    return stage.kind == "backdrop" or (stage.kind == "redact" and stage.params.get("what", "faces") != "objects")


def _hides(stage: StageSpec, registry: Registry[Stage]) -> bool:
    try:
        return registry.get(stage.kind).info.privacy
    except Exception:
        # A stage whose plugin is missing cannot be asked.
        return True


def _before(stage: StageSpec, spec: PipelineSpec) -> Iterator[StageSpec]:
    for other in spec.stages:
        if other.id == stage.id:
            return
        if other.enabled:
            yield other


def _seen(stages: list[StageSpec], registry: Registry[Stage]) -> list[StageSpec]:
    """Those of the stages that may change the picture."""
    return [one for one in stages if one.kind not in LOOKING or not _is_ours(one.kind, registry)]


def _is_ours(kind: str, registry: Registry[Stage]) -> bool:
    try:
        return registry.get(kind).__module__.startswith(_OURS)
    except Exception:
        return False
