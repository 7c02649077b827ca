"""Taking one edit of the pipeline back, also when others were made after it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from scenescope.models import AssistantError
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.spec_diff import moved_ids

__all__ = ["edit_of", "taken_back"]

_MISSING = object()


def edit_of(before: PipelineSpec, after: PipelineSpec) -> Hashable:
    """What an edit does to which stages: equal for two edits that do the same to the same, whatever else there is."""
    old, new = _by_id(before), _by_id(after)
    ids = [stage.id for stage in after.stages]
    moved = moved_ids(before, after)
    parts: list[Hashable] = []
    for stage_id in dict.fromkeys((*old, *new)):
        was, now = old.get(stage_id), new.get(stage_id)
        if was != now or stage_id in moved:
            placed = now is not None and (was is None or stage_id in moved)
            at = ids.index(stage_id) if placed else 0
            previous = repr(after.stages[at - 1].kind) + ids[at - 1] if placed and at else ""
            parts.append((stage_id, repr(was), repr(now), previous))
    return tuple(parts)


def taken_back(now: PipelineSpec, before: PipelineSpec, after: PipelineSpec) -> PipelineSpec:
    """``now`` without the edit that led from ``before`` to ``after``.

    What was edited elsewhere since then stays: what the edit had added goes, what it had removed comes back to its
    place, and what it had changed is as it was.

    Raises:
        AssistantError: what was edited is gone, or was edited once more.
    """
    if now == after:
        return before
    old, new = _by_id(before), _by_id(after)
    order = [stage.id for stage in before.stages]
    spec = now
    for stage_id in new.keys() - old.keys():
        if (there := _by_id(spec).get(stage_id)) is not None:
            if there.kind != new[stage_id].kind:
                raise _edited_since(f"Another stage is called '{stage_id}' now")
            spec = spec.removed(stage_id)
    for stage_id in old.keys() & new.keys():
        if old[stage_id] != new[stage_id]:
            spec = _restored(spec, old[stage_id], new[stage_id])
    for stage_id in order:
        if stage_id not in new and (there := _by_id(spec).get(stage_id)) != old[stage_id]:
            if there is not None:
                raise _edited_since(f"Another stage is called '{stage_id}' now")
            spec = _placed(spec, old[stage_id], order)
    moved = moved_ids(before, after)
    for stage_id in order:
        if stage_id in moved and (there := _by_id(spec).get(stage_id)) is not None:
            spec = _placed(spec.removed(stage_id), there, order)
    if spec == now:
        raise AssistantError("There is nothing left of that change that could be undone.")
    return spec


def _by_id(spec: PipelineSpec) -> dict[str, StageSpec]:
    return {stage.id: stage for stage in spec.stages}


def _restored(spec: PipelineSpec, old: StageSpec, new: StageSpec) -> PipelineSpec:
    """With what differs between ``new`` and ``old`` as it was in ``old``."""
    there = _by_id(spec).get(old.id)
    if there is None or there.kind != new.kind:
        raise _edited_since(f"The stage '{old.id}' is gone")
    params = dict(there.params)
    for key in old.params.keys() | new.params.keys():
        was, made, value = (stage.params.get(key, _MISSING) for stage in (old, new, there))
        if was == made or value == was:
            continue
        if value != made:
            raise _edited_since(f"'{key}' of the stage '{old.id}' has another value now")
        _set(params, key, was)
    enabled = old.enabled if old.enabled != new.enabled else there.enabled
    restored = there.model_copy(update={"params": params, "enabled": enabled})
    stages = tuple(restored if stage.id == old.id else stage for stage in spec.stages)
    return spec.model_copy(update={"stages": stages})


def _set(params: dict[str, Any], key: str, value: Any) -> None:
    if value is _MISSING:
        params.pop(key, None)
    else:
        params[key] = value


def _placed(spec: PipelineSpec, stage: StageSpec, order: list[str]) -> PipelineSpec:
    """With the stage behind what stood before it in ``order``, or before what stood behind it."""
    ids = [other.id for other in spec.stages]
    at = order.index(stage.id)
    previous = next((ids.index(one) + 1 for one in reversed(order[:at]) if one in ids), None)
    if previous is None:
        previous = next((ids.index(one) for one in order[at + 1 :] if one in ids), len(ids))
    stages = list(spec.stages)
    stages.insert(previous, stage)
    return spec.model_copy(update={"stages": tuple(stages)})


def _edited_since(why: str) -> AssistantError:
    return AssistantError(
        f"This cannot be undone by itself: {why}.",
        hint="Ctrl+Z takes back the changes of the pipeline one after the other.",
    )
