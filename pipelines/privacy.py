"""Which stages of a pipeline hide something, so that pictures must not be kept as they were captured."""

from __future__ import annotations

from scenescope.pipelines.registry import Registry
from scenescope.pipelines.spec import PipelineSpec
from scenescope.pipelines.stage import Stage

__all__ = ["hiding_stages"]


def hiding_stages(spec: PipelineSpec, registry: Registry[Stage]) -> dict[str, str]:
    """Titles of the enabled stages that hide something, by the stages' ids."""
    found = {}
    for stage in spec.stages:
        try:
            info = registry.get(stage.kind).info
        except Exception:
            # A missing plugin is shown on its own row; it cannot be asked what it would have hidden.
            continue
        if stage.enabled and info.privacy:
            found[stage.id] = info.title
    return found
