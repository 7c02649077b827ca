"""Before and after of pipelines: what it says, that it says all, and that it says no more."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.spec_diff import moved_ids, spec_diff, stage_title

BASE = PipelineSpec().added("detect").added("track").added("zones")
DOOR = {"name": "door", "points": [[0, 0], [1, 0], [1, 1]]}


def words(before: PipelineSpec, after: PipelineSpec) -> list[str]:
    return [f"{line.sign} {line.text}" for line in spec_diff(before, after)]


def with_shapes(**shapes: Any) -> PipelineSpec:
    return BASE.with_params("zones", shapes=shapes)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (BASE, BASE, ["= Detect objects", "= Track objects", "= Zones and lines"]),
        (PipelineSpec(), PipelineSpec(), []),
        (
            BASE,
            BASE.added("canny", at=1),
            ["= Detect objects", "+ Canny edges", "= Track objects", "= Zones and lines"],
        ),
        (BASE, BASE.removed("track"), ["= Detect objects", "- Track objects", "= Zones and lines"]),
        (BASE, BASE.removed("zones"), ["= Detect objects", "= Track objects", "- Zones and lines"]),
        (
            BASE,
            BASE.with_params("detect", confidence=0.5),
            ["~ detect.confidence: 0.3 -> 0.5", "= Track objects", "= Zones and lines"],
        ),
        (
            BASE,
            BASE.with_params("detect", confidence=0.3),
            ["~ detect.confidence: 0.3, set", "= Track objects", "= Zones and lines"],
        ),
        (
            BASE.with_params("detect", only=["dog"]),
            BASE,
            ["~ detect.only: dog -> []", "= Track objects", "= Zones and lines"],
        ),
        (
            BASE,
            BASE.enabled("track", False),
            ["= Detect objects", "~ track: on -> off", "= Zones and lines"],
        ),
        (
            BASE,
            BASE.moved("zones", 0),
            ["~ Zones and lines: moved to the front", "= Detect objects", "= Track objects"],
        ),
        (
            BASE,
            BASE.moved("detect", 2),
            ["= Track objects", "= Zones and lines", "~ Detect objects: moved after Zones and lines"],
        ),
        (
            BASE,
            BASE.added("detect"),
            ["= Detect objects (detect)", "= Track objects", "= Zones and lines", "+ Detect objects (detect-2)"],
        ),
        (
            with_shapes(zones=[DOOR, {**DOOR, "name": "gate"}]),
            with_shapes(zones=[{**DOOR, "dwell_s": 3}]),
            ["= Detect objects", "= Track objects", "~ zones.shapes.zones.door.dwell_s: added",
             "~ zones.shapes.zones.gate: removed"],
        ),
        (
            with_shapes(zones=[DOOR, {**DOOR, "name": "gate"}]),
            with_shapes(zones=[{**DOOR, "name": "gate"}, DOOR]),
            ["= Detect objects", "= Track objects", "~ zones.shapes.zones: in another order"],
        ),
        (BASE, BASE.model_copy(update={"name": "Mine"}), ["~ Name: '' -> 'Mine'", "= Detect objects",
                                                          "= Track objects", "= Zones and lines"]),
    ],
)  # fmt: skip
def test_what_it_says(before: PipelineSpec, after: PipelineSpec, lines: list[str]):
    assert words(before, after) == lines


def test_a_stage_of_another_kind_is_another_stage():
    other = PipelineSpec(stages=(StageSpec(id="detect", kind="canny"), *BASE.stages[1:]))
    assert words(BASE, other) == ["+ Canny edges", "- Detect objects", "= Track objects", "= Zones and lines"]


def test_a_missing_plugin_is_called_by_its_kind():
    assert stage_title("no\nsuch\u202ething") == "no such thing"
    spec = PipelineSpec(stages=(StageSpec(id="x", kind="gone", params={"a": 1}),))
    assert words(spec, spec.with_params("x", a=2)) == ["~ x.a: 1 -> 2"]


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, list(range(10**5)), {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}, 0x10**9000, float("nan"), None,
     "\x1b[31mred\u202e\n", {1: 2}, [{"name": "a"}, {"name": "a"}], b"\x00", object],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_any_value_is_one_short_line(value: Any):
    before = PipelineSpec(stages=(StageSpec(id="x", kind="gone", params={"k" * 500: "before"}),))
    after = before.with_params("x", **{"k" * 500: value})
    (line,) = spec_diff(before, after)
    assert line.sign == "~"
    assert line.text.isprintable()
    assert len(line.text) < 250


def test_many_changes_of_one_stage_are_summed_up():
    before = PipelineSpec(stages=(StageSpec(id="x", kind="gone"),))
    lines = spec_diff(before, before.with_params("x", **{f"p{n}": n for n in range(40)}))
    assert len(lines) == 13
    assert lines[-1].text == "x: 28 more changes"


def random_spec(dice: random.Random) -> PipelineSpec:
    kinds = ["detect", "track", "canny", "redact", "gone"]
    ids = dice.sample([f"s{n}" for n in range(7)], dice.randrange(7))
    params = [{}, {"a": 1}, {"a": 2, "b": [1]}, {"b": {"c": True}}]
    stages = [
        StageSpec(id=i, kind=dice.choice(kinds), enabled=dice.random() < 0.7, params=dice.choice(params)) for i in ids
    ]
    return PipelineSpec(stages=tuple(stages), name=dice.choice(["", "n"]))


def test_every_difference_is_told_and_nothing_else():
    dice = random.Random(5)
    for _ in range(1500):
        before, after = random_spec(dice), random_spec(dice)
        lines = spec_diff(before, after)
        assert all(line.sign in "+-~=" and len(line.sign) == 1 and line.text for line in lines)
        assert any(line.sign != "=" for line in lines) == (before != after)
        old = {(stage.id, stage.kind) for stage in before.stages}
        new = {(stage.id, stage.kind) for stage in after.stages}
        assert sum(line.sign == "+" for line in lines) == len(new - old)
        assert sum(line.sign == "-" for line in lines) == len(old - new)
        same = sum(stage in before.stages and stage.id not in moved_ids(before, after) for stage in after.stages)
        assert sum(line.sign == "=" for line in lines) == same


def test_the_fewest_stages_are_called_moved():
    before = PipelineSpec()
    for _ in range(5):
        before = before.added("canny")

    def stay_in_order(order: tuple[StageSpec, ...]) -> int:
        """The longest part of ``order`` that was in this order before, by trying all."""
        positions = [before.stages.index(stage) for stage in order]
        parts = (part for size in range(6) for part in itertools.combinations(positions, size))
        return max(len(part) for part in parts if list(part) == sorted(part))

    for order in itertools.permutations(before.stages):
        after = before.model_copy(update={"stages": order})
        moved = moved_ids(before, after)
        assert len(moved) == 5 - stay_in_order(order)
        rest = [stage.id for stage in order if stage.id not in moved]
        assert rest == [stage.id for stage in before.stages if stage.id not in moved]
