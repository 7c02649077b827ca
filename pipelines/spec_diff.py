"""Before and after of a pipeline as a few lines for people."""

from __future__ import annotations

import json
import reprlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from scenescope.models.language import DiffLine
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.spec import PipelineSpec, StageSpec
from scenescope.pipelines.stage import Stage

__all__ = ["moved_ids", "spec_diff", "stage_title"]

MAX_VALUE_CHARS = 40
MAX_NAME_CHARS = 60
MOST_PARAM_LINES = 12
MOST_DEPTH = 4
_MISSING = object()
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 8 * MAX_VALUE_CHARS


def stage_title(kind: str, registry: Registry[Stage] = STAGES) -> str:
    """What people call stages of this kind; the kind itself where its plugin is missing."""
    try:
        return _line(registry.get(kind).info.title, MAX_NAME_CHARS)
    except Exception:
        # Whatever is wrong with a plugin is told on its row.
        return _line(kind, MAX_NAME_CHARS)


def spec_diff(before: PipelineSpec, after: PipelineSpec, registry: Registry[Stage] = STAGES) -> tuple[DiffLine, ...]:
    """One line for every stage that stays as it is ("=") or comes ("+"), goes ("-") or changes ("~").

    Stages stand in the order of ``after``, and those that go where they were. A stage that changes has a line for each
    parameter, ``detect.confidence: 0.3 -> 0.5``. Of stages whose order changed the fewest are called moved.
    """
    titles = _Titles((*before.stages, *after.stages), registry)
    old = {stage.id: stage for stage in before.stages}
    moved = moved_ids(before, after)
    lines = [*_words("Name", before.name, after.name), *_words("Description", before.description, after.description)]
    kept = {stage.id for stage in after.stages if _same(old.get(stage.id), stage)}
    left = list(before.stages)
    for at, stage in enumerate(after.stages):
        former = old.get(stage.id)
        if stage.id not in kept or former is None:
            lines.append(DiffLine("+", titles.of(stage)))
            continue
        # What went from before this stage is told before it.
        if stage.id not in moved:
            here = next(i for i, other in enumerate(left) if other.id == stage.id)
            lines += [DiffLine("-", titles.of(gone)) for gone in left[:here] if gone.id not in kept]
            left = left[here + 1 :]
        else:
            place = f"after {titles.of(after.stages[at - 1])}" if at else "to the front"
            lines.append(DiffLine("~", f"{titles.of(stage)}: moved {place}"))
        changes = list(_changes(former, stage, registry))
        if not changes and stage.id not in moved:
            lines.append(DiffLine("=", titles.of(stage)))
        lines += changes
    lines += [DiffLine("-", titles.of(gone)) for gone in left if gone.id not in kept]
    return tuple(lines)


def moved_ids(before: PipelineSpec, after: PipelineSpec) -> frozenset[str]:
    """The fewest stages of both that have to be moved to come from one order to the other.

    All but a longest increasing subsequence of the old positions (Fredman 1975).
    """
    old = {stage.id: (position, stage) for position, stage in enumerate(before.stages)}
    common = [stage.id for stage in after.stages if stage.id in old and _same(old[stage.id][1], stage)]
    positions = [old[stage_id][0] for stage_id in common]
    ends: list[int] = []
    rows: list[int] = []
    came_from: list[int] = []
    for row, position in enumerate(positions):
        length = bisect_left(ends, position)
        ends[length : length + 1] = [position]
        rows[length : length + 1] = [row]
        came_from.append(rows[length - 1] if length else -1)
    row = rows[-1] if rows else -1
    stay = set()
    while row >= 0:
        stay.add(common[row])
        row = came_from[row]
    return frozenset(common) - stay


class _Titles:
    """Titles of stages, with the id where two stages have the same."""

    def __init__(self, stages: Sequence[StageSpec], registry: Registry[Stage]) -> None:
        self._of_kind = {kind: stage_title(kind, registry) for kind in {stage.kind for stage in stages}}
        ids = {(stage.id, stage.kind) for stage in stages}
        self._times = Counter(self._of_kind[kind] for _, kind in ids)

    def of(self, stage: StageSpec) -> str:
        title = self._of_kind[stage.kind]
        return f"{title} ({_line(stage.id, MAX_NAME_CHARS)})" if self._times[title] > 1 else title


def _same(one: StageSpec | None, other: StageSpec) -> bool:
    """A stage of another kind is another stage, whatever its id."""
    return one is not None and one.kind == other.kind


def _words(what: str, before: str, after: str) -> Iterator[DiffLine]:
    if before != after:
        yield from (DiffLine("~", line) for line in _differences(what, before, after))


def _changes(before: StageSpec, after: StageSpec, registry: Registry[Stage]) -> Iterator[DiffLine]:
    name = _line(after.id, MAX_NAME_CHARS)
    if before.enabled != after.enabled:
        yield DiffLine("~", f"{name}: {'off -> on' if after.enabled else 'on -> off'}")
    defaults = _defaults(after.kind, registry)
    lines = []
    for key in dict.fromkeys((*before.params, *after.params)):
        default = defaults.get(key, _MISSING)
        old, new = before.params.get(key, default), after.params.get(key, default)
        path = f"{name}.{_line(key, MAX_NAME_CHARS)}"
        if (key in before.params) != (key in after.params) and old == new:
            lines.append(f"{path}: {_shown(new)}, {'set' if key in after.params else 'left to the default'}")
        elif old != new:
            lines += list(_differences(path, old, new))
    yield from (DiffLine("~", line) for line in lines[:MOST_PARAM_LINES])
    if len(lines) > MOST_PARAM_LINES:
        yield DiffLine("~", f"{name}: {len(lines) - MOST_PARAM_LINES} more changes")


def _differences(path: str, old: Any, new: Any, depth: int = 0) -> Iterator[str]:
    """What differs in a value; of mappings and of lists of named things, what differs in each."""
    olds, news = _parts(old), _parts(new)
    if olds is None or news is None or depth == MOST_DEPTH:
        words = _shown(old), _shown(new)
        yield f"{path}: {words[0]} -> {words[1]}" if words[0] != words[1] else f"{path}: {words[0]}, changed"
        return
    found = False
    for key in dict.fromkeys((*olds, *news)):
        inner = f"{path}.{_line(key, MAX_NAME_CHARS)}"
        if key not in news:
            yield f"{inner}: removed"
        elif key not in olds:
            yield f"{inner}: added"
        elif olds[key] != news[key]:
            yield from _differences(inner, olds[key], news[key], depth + 1)
        else:
            continue
        found = True
    if not found:
        yield f"{path}: in another order"


def _parts(value: Any) -> dict[str, Any] | None:
    """A value by the names of its parts; None when it has no such."""
    if isinstance(value, dict):
        return value if all(isinstance(key, str) for key in value) else None
    if isinstance(value, list | tuple) and all(isinstance(part, dict) for part in value):
        names = [part.get("name") for part in value]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return dict(zip(names, value, strict=True))
    return None


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "none"
    try:
        if value is None or isinstance(value, float | int):
            text = json.dumps(value)
        elif isinstance(value, list | tuple) and value and all(isinstance(part, str) for part in value):
            text = ", ".join(value)
        else:
            text = _SHORT.repr(value)
    except ValueError:
        # Python does not write integers of thousands of digits.
        text = "a huge number"
    return _line(text, MAX_VALUE_CHARS)


def _line(text: str, max_chars: int) -> str:
    """One printable line; what turns the writing direction or controls a terminal goes."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * max_chars]).split())
    return (line if len(line) <= max_chars else line[: max_chars - 1] + "…") or "?"


def _defaults(kind: str, registry: Registry[Stage]) -> dict[str, Any]:
    try:
        return registry.get(kind).Params().model_dump(mode="json")
    except Exception:
        return {}
