"""All rules together: what a network's outputs may mean, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from scenescope.models.catalogue import guess_boxes as boxes
from scenescope.models.catalogue import guess_maps as maps
from scenescope.models.catalogue.guess_reading import Reading, Seen

__all__ = ["readings"]

Rule = Callable[[Seen], Iterator[Reading]]
_UNMISTAKABLE = ("movenet", "movenet-multi", "blazeface", "palm", "landmarks", "nanodet")
_RULES: tuple[Rule, ...] = (
    maps.known_shapes,
    boxes.nanodet,
    boxes.yolo,
    boxes.boxes_and_scores,
    boxes.centernet,
    maps.bar_codes,
    maps.maps,
    maps.coordinates,
    maps.classification,
)


def readings(seen: Seen) -> list[Reading]:
    """All ways to read the outputs that fit their shapes, the likeliest first."""
    found: list[Reading] = []
    for rule in _RULES:
        found.extend(rule(seen))
    if found and found[0].architecture in _UNMISTAKABLE:
        # Shapes that nobody else has: whatever else they might be is unlikely.
        found = [found[0], *(replace(r, confidence=0.3 * r.confidence) for r in found[1:])]
    if seen.task:
        said = [replace(r, confidence=0.98, why=f"{r.why}; the file says that its task is {seen.task}") for r in found]
        found = [s if s.task == seen.task else replace(s, confidence=0.05) for s in said]
    return sorted(found, key=lambda reading: -reading.confidence)
