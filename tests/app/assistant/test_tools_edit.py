"""Tools that edit the pipeline: what they make of it, which of them must be confirmed, and how they are undone."""

from __future__ import annotations

import inspect
import random
from typing import Any

import pytest

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.tools.fakes import FakeHost
from scenescope.app.assistant.tools.privacy_risk import LOOKING
from scenescope.app.assistant.tools.registry import Toolbox, toolbox
from scenescope.models import AssistantError, ScenescopeError
from scenescope.models.language import Risk
from scenescope.pipelines import STAGES, PipelineSpec
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.spec import StageSpec

AUTO, MUST = Risk.AUTOMATIC_WITH_UNDO, Risk.MUST_CONFIRM
PLAIN = PipelineSpec().added("detect").added("track")
HIDDEN = PLAIN.added("redact", {"what": "faces"})
OBJECTS = PLAIN.added("redact", {"what": "objects"})
ZONED = PLAIN.added("zones", {"shapes": {"zones": [{"name": "door", "points": [[0, 0], [1, 0], [1, 1]]}], "lines": []}})
GONE = StageSpec(id="gone", kind="no_such_plugin", params={"a": 1})


def tools_of(host: FakeHost) -> Toolbox:
    return toolbox(host, Knowledge(SceneState, None, lambda: None))


def plan_of(host: FakeHost, call: str, /, **args: Any):
    tool = tools_of(host)[call]
    return tool.plan(tool.args.model_validate(args))


def ids(spec: PipelineSpec) -> list[str]:
    return [stage.id if stage.enabled else f"({stage.id})" for stage in spec.stages]


@pytest.mark.parametrize(
    ("spec", "call", "args", "title", "after"),
    [
        (PLAIN, "set_stage_enabled", {"stage_id": "track", "enabled": False}, "Switch off 'Track objects'",
         ["detect", "(track)"]),
        (PLAIN, "set_stage_enabled", {"stage_id": "Track Objects", "enabled": False}, "Switch off 'Track objects'",
         ["detect", "(track)"]),
        (PLAIN, "add_stage", {"kind": "canny", "after": "detect"}, "Add 'Canny edges' after 'Detect objects'",
         ["detect", "canny", "track"]),
        (PLAIN, "add_stage", {"kind": "Gaussian blur", "before": "detect"},
         "Add 'Gaussian blur' before 'Detect objects'", ["blur", "detect", "track"]),
        (PLAIN, "add_stage", {"kind": "canny"}, "Add 'Canny edges'", ["detect", "track", "canny"]),
        (PLAIN, "add_stage", {"kind": "detect"}, "Add 'Detect objects'", ["detect", "track", "detect-2"]),
        (PLAIN, "remove_stage", {"stage_id": "track"}, "Remove 'Track objects'", ["detect"]),
        (PLAIN.added("detect"), "remove_stage", {"stage_id": "detect-2"}, "Remove 'Detect objects' (detect-2)",
         ["detect", "track"]),
        (ZONED, "move_stage", {"stage_id": "zones", "to": "first"}, "Move 'Zones and lines' to the front",
         ["zones", "detect", "track"]),
        (ZONED, "move_stage", {"stage_id": "zones", "to": "up"}, "Move 'Zones and lines' up",
         ["detect", "zones", "track"]),
        (ZONED, "move_stage", {"stage_id": "detect", "to": "last"}, "Move 'Detect objects' to the end",
         ["track", "zones", "detect"]),
        (ZONED, "move_stage", {"stage_id": "detect", "to": "down"}, "Move 'Detect objects' down",
         ["track", "detect", "zones"]),
        (ZONED, "move_stage", {"stage_id": "detect", "after": "track"},
         "Move 'Detect objects' after 'Track objects'", ["track", "detect", "zones"]),
        (ZONED, "move_stage", {"stage_id": "zones", "before": "track"},
         "Move 'Zones and lines' before 'Track objects'", ["detect", "zones", "track"]),
        (PLAIN, "set_stage_param", {"stage_id": "detect", "name": "confidence", "value": "0.5"},
         "Set confidence of 'Detect objects' to 0.5", ["detect", "track"]),
        (PLAIN, "blur_faces", {"on": True}, "Blur faces", ["detect", "track", "redact"]),
        (PLAIN.added("canny"), "blur_faces", {"on": True}, "Blur faces", ["detect", "track", "redact", "canny"]),
        (HIDDEN.enabled("redact", False), "blur_faces", {"on": True}, "Blur faces", ["detect", "track", "redact"]),
        (OBJECTS, "blur_faces", {"on": True}, "Blur faces", ["detect", "track", "redact", "redact-2"]),
        (HIDDEN, "blur_faces", {"on": False}, "Stop blurring faces", ["detect", "track", "(redact)"]),
        (PipelineSpec(), "track_class", {"labels": ["dogs"]}, "Follow: dogs", ["detect", "track"]),
        (PipelineSpec().added("canny"), "track_class", {"labels": ["dog"]}, "Follow: dog",
         ["detect", "track", "canny"]),
        (PLAIN.enabled("track", False).enabled("detect", False), "track_class", {"labels": ["dog", "cat"]},
         "Follow: dog and cat", ["detect", "track"]),
        (PipelineSpec().added("track").added("detect"), "track_class", {"labels": ["dog"]}, "Follow: dog",
         ["detect", "track"]),
        (ZONED, "clear_zone", {"name": "Door"}, "Clear the zone 'door'", ["detect", "track", "zones"]),
    ],
)  # fmt: skip
def test_an_edit_and_its_exact_undo(spec: PipelineSpec, call: str, args: dict, title: str, after: list[str]):
    host = FakeHost(spec)
    plan = plan_of(host, call, **args)
    assert plan.title == title
    assert any(line.sign != "=" for line in plan.lines)
    assert host.spec == spec
    assert plan.do().value == {"done": True}
    assert ids(host.spec) == after
    assert host.spec != spec
    plan.undo()
    assert host.spec == spec
    assert host.deeds == [f"apply {title}", f"apply Undo: {title}"]


def test_parameters_are_kept_as_the_stage_understands_them():
    host = FakeHost(PLAIN)
    plan_of(host, "set_stage_param", stage_id="detect", name="Confidence", value="0.5").do()
    assert host.spec.stage("detect").params == {"confidence": 0.5}
    plan_of(host, "track_class", labels=["people", "car"]).do()
    assert host.spec.stage("detect").params == {"confidence": 0.5, "only": ["person", "car"]}
    plan_of(host, "track_class", labels=["everything"]).do()
    assert host.spec.stage("detect").params["only"] == []
    plan_of(host, "add_stage", kind="blur", params={"sigma_px": 3}).do()
    assert host.spec.stage("blur").params == {"sigma_px": 3.0}


@pytest.mark.parametrize(
    ("spec", "call", "args"),
    [
        (PLAIN, "set_stage_enabled", {"stage_id": "detect", "enabled": True}),
        (PLAIN, "set_stage_param", {"stage_id": "detect", "name": "confidence", "value": 0.3}),
        (PLAIN, "blur_faces", {"on": False}),
        (HIDDEN, "blur_faces", {"on": True}),
        (PLAIN.with_params("detect", only=["dog"]), "track_class", {"labels": ["dog"]}),
        (PLAIN, "move_stage", {"stage_id": "detect", "to": "first"}),
        (PLAIN, "move_stage", {"stage_id": "detect", "before": "track"}),
        (PLAIN, "move_stage", {"stage_id": "detect", "after": "detect"}),
    ],
)
def test_what_is_so_already_changes_nothing(spec: PipelineSpec, call: str, args: dict):
    host = FakeHost(spec)
    plan = plan_of(host, call, **args)
    assert plan.idle
    tool = tools_of(host)[call]
    assert tool.inverse(tool.args.model_validate(args)) is None
    assert "already" in plan.do().text
    assert not host.deeds


@pytest.mark.parametrize(
    ("spec", "call", "args", "says"),
    [
        (PLAIN, "remove_stage", {"stage_id": "canny"}, "no stage 'canny'"),
        (PLAIN.added("detect"), "remove_stage", {"stage_id": "Detect objects"}, "Several stages"),
        (PipelineSpec(), "remove_stage", {"stage_id": "x"}, "no stages yet"),
        (PLAIN, "add_stage", {"kind": "cany"}, "Did you mean canny"),
        (PLAIN, "add_stage", {"kind": "canny", "after": "nothing"}, "no stage 'nothing'"),
        (PLAIN, "add_stage", {"kind": "canny", "params": {"low": 999}}, "must be less than or equal to 255"),
        (PLAIN, "add_stage", {"kind": "backdrop", "params": {"picture": "/etc/passwd"}}, "chosen by you alone"),
        (HIDDEN, "set_stage_param", {"stage_id": "redact", "name": "picture", "value": "/etc/passwd"}, "you alone"),
        (PLAIN, "set_stage_param", {"stage_id": "detect", "name": "colour", "value": 1}, "no parameter 'colour'"),
        (PLAIN, "set_stage_param", {"stage_id": "detect", "name": "confidence", "value": 7}, "less than or equal"),
        (PLAIN, "set_stage_param", {"stage_id": "detect", "name": "confidence", "value": None}, "must be"),
        (PLAIN, "track_class", {"labels": ["unicorn"]}, "does not know 'unicorn'"),
        (PLAIN, "clear_zone", {"name": "door"}, "no zone or line"),
        (ZONED, "clear_zone", {"name": "window"}, "There are 'door'"),
        (PLAIN.model_copy(update={"stages": (GONE,)}), "set_stage_param",
         {"stage_id": "gone", "name": "a", "value": 2}, "no stage called 'no_such_plugin'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_and_nothing_happens(spec: PipelineSpec, call: str, args: dict, says: str):
    host = FakeHost(spec)
    with pytest.raises(ScenescopeError) as failure:
        plan_of(host, call, **args)
    assert says in str(failure.value)
    assert host.spec == spec
    tool = tools_of(host)[call]
    assert tool.title(tool.args.model_validate(args))


def test_an_edit_does_not_overrun_one_that_was_made_meanwhile():
    host = FakeHost(PLAIN)
    plan = plan_of(host, "remove_stage", stage_id="track")
    host.spec = PLAIN.added("canny")
    with pytest.raises(AssistantError, match="meanwhile"):
        plan.do()
    assert host.spec == PLAIN.added("canny")


# Privacy -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "call", "args", "risk"),
    [
        # What hides something.
        (HIDDEN, "set_stage_enabled", {"stage_id": "redact", "enabled": False}, MUST),
        (HIDDEN, "blur_faces", {"on": False}, MUST),
        (HIDDEN, "remove_stage", {"stage_id": "redact"}, MUST),
        (HIDDEN, "set_stage_param", {"stage_id": "redact", "name": "cells", "value": 12}, MUST),
        (HIDDEN, "set_stage_param", {"stage_id": "redact", "name": "invert", "value": True}, MUST),
        (HIDDEN.enabled("redact", False), "set_stage_param",
         {"stage_id": "redact", "name": "what", "value": "objects"}, MUST),
        (HIDDEN.enabled("redact", False), "remove_stage", {"stage_id": "redact"}, MUST),
        (HIDDEN.enabled("redact", False), "set_stage_enabled", {"stage_id": "redact", "enabled": True}, AUTO),
        (HIDDEN.enabled("redact", False), "blur_faces", {"on": True}, AUTO),
        # What stands before it.
        (HIDDEN, "move_stage", {"stage_id": "redact", "to": "first"}, AUTO),
        (HIDDEN.added("canny"), "move_stage", {"stage_id": "redact", "to": "last"}, MUST),
        (HIDDEN.added("recognise"), "move_stage", {"stage_id": "redact", "to": "last"}, MUST),
        (HIDDEN.added("recognise"), "move_stage", {"stage_id": "recognise", "to": "first"}, MUST),
        (HIDDEN, "add_stage", {"kind": "read_text", "before": "redact"}, MUST),
        (HIDDEN, "add_stage", {"kind": "canny", "before": "detect"}, MUST),
        (HIDDEN.added("rotate", at=0), "remove_stage", {"stage_id": "rotate"}, MUST),
        (HIDDEN.added("rotate", at=0), "set_stage_enabled", {"stage_id": "rotate", "enabled": False}, MUST),
        (HIDDEN.added("crop", at=0), "set_stage_param",
         {"stage_id": "crop", "name": "left_percent", "value": 30}, MUST),
        (HIDDEN.added("rotate", at=0).enabled("rotate", False), "set_stage_enabled",
         {"stage_id": "rotate", "enabled": True}, MUST),
        # What only looks, or stands behind.
        (HIDDEN, "track_class", {"labels": ["dog"]}, AUTO),
        (HIDDEN, "set_stage_param", {"stage_id": "detect", "name": "confidence", "value": 0.6}, AUTO),
        (HIDDEN, "remove_stage", {"stage_id": "detect"}, AUTO),
        (HIDDEN, "add_stage", {"kind": "canny"}, AUTO),
        (PipelineSpec().added("redact"), "track_class", {"labels": ["dog"]}, AUTO),
        # What relies on a detector.
        (OBJECTS, "track_class", {"labels": ["dog"]}, MUST),
        (OBJECTS, "set_stage_param", {"stage_id": "detect", "name": "confidence", "value": 0.6}, MUST),
        (OBJECTS, "remove_stage", {"stage_id": "track"}, MUST),
        (OBJECTS, "add_stage", {"kind": "canny"}, AUTO),
        (OBJECTS, "blur_faces", {"on": True}, AUTO),
        # What was drawn, and what nobody can ask.
        (ZONED, "remove_stage", {"stage_id": "zones"}, MUST),
        (ZONED, "set_stage_enabled", {"stage_id": "zones", "enabled": False}, AUTO),
        (ZONED, "clear_zone", {"name": "door"}, MUST),
        (PLAIN.model_copy(update={"stages": (GONE,)}), "remove_stage", {"stage_id": "gone"}, MUST),
        (PLAIN, "blur_faces", {"on": True}, AUTO),
        (PLAIN, "remove_stage", {"stage_id": "detect"}, AUTO),
    ],
)  # fmt: skip
def test_what_could_show_what_is_hidden_must_be_confirmed(spec: PipelineSpec, call: str, args: dict, risk: Risk):
    host = FakeHost(spec)
    tool = tools_of(host)[call]
    assert tool.risk_of(tool.args.model_validate(args)) is risk
    assert bool(plan_of(host, call, **args).why) == (risk is MUST)


def test_a_stage_of_the_user_that_took_a_name_is_not_trusted_to_only_look():
    from scenescope.pipelines.fakes import Tint, fake_registry

    registry = fake_registry()
    registry.add("detect", Tint)
    host = FakeHost(HIDDEN, registry=registry)
    assert plan_of(host, "set_stage_param", stage_id="detect", name="add", value=3).risk is MUST


def test_stages_that_are_said_only_to_look_never_change_the_picture():
    for kind in LOOKING:
        assert ".with_image(" not in inspect.getsource(inspect.getmodule(STAGES.get(kind))), kind


# Undo after other edits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "call", "args", "edit", "left"),
    [
        (PLAIN, "add_stage", {"kind": "canny", "after": "detect"}, lambda s: s.added("blur"), PLAIN.added("blur")),
        (PLAIN, "remove_stage", {"stage_id": "detect"}, lambda s: s.added("blur"), PLAIN.added("blur")),
        (PLAIN, "remove_stage", {"stage_id": "track"}, lambda s: s.added("blur", at=0), PLAIN.added("blur", at=0)),
        (PLAIN, "remove_stage", {"stage_id": "track"}, lambda s: s.removed("detect"), PLAIN.removed("detect")),
        (PLAIN, "set_stage_enabled", {"stage_id": "track", "enabled": False},
         lambda s: s.with_params("track", trail_s=3), PLAIN.with_params("track", trail_s=3)),
        (PLAIN, "set_stage_param", {"stage_id": "detect", "name": "confidence", "value": 0.5},
         lambda s: s.with_params("detect", iou=0.5), PLAIN.with_params("detect", iou=0.5)),
        (ZONED, "move_stage", {"stage_id": "detect", "to": "last"}, lambda s: s.removed("track"),
         ZONED.removed("track")),
        (PipelineSpec(), "track_class", {"labels": ["dog"]}, lambda s: s.added("blur"), PipelineSpec().added("blur")),
        (HIDDEN, "blur_faces", {"on": False}, lambda s: s.removed("track"), HIDDEN.removed("track")),
    ],
)  # fmt: skip
def test_undo_takes_back_its_own_edit_alone(spec: PipelineSpec, call: str, args: dict, edit: Any, left: PipelineSpec):
    host = FakeHost(spec)
    plan = plan_of(host, call, **args)
    plan.do()
    host.spec = edit(host.spec)
    plan.undo()
    assert host.spec == left


@pytest.mark.parametrize(
    ("call", "args", "edit"),
    [
        ("add_stage", {"kind": "canny"}, lambda s: s.removed("canny")),
        ("set_stage_enabled", {"stage_id": "track", "enabled": False}, lambda s: s.removed("track")),
        ("set_stage_enabled", {"stage_id": "track", "enabled": False}, lambda s: s.enabled("track", True)),
        ("set_stage_param", {"stage_id": "detect", "name": "confidence", "value": 0.5},
         lambda s: s.with_params("detect", confidence=0.9)),
        ("remove_stage", {"stage_id": "track"}, lambda s: s.model_copy(
            update={"stages": (*s.stages, StageSpec(id="track", kind="canny"))})),
        ("add_stage", {"kind": "canny"}, lambda s: s.removed("canny").model_copy(
            update={"stages": (*s.stages[:2], StageSpec(id="canny", kind="blur"))})),
    ],
)  # fmt: skip
def test_undo_says_so_when_it_is_impossible(call: str, args: dict, edit: Any):
    host = FakeHost(PLAIN)
    plan = plan_of(host, call, **args)
    plan.do()
    host.spec = now = edit(host.spec)
    with pytest.raises(AssistantError):
        plan.undo()
    assert host.spec == now


@pytest.mark.slow
def test_any_edit_is_undone_exactly_and_after_any_other_it_leaves_the_other():
    dice = random.Random(7)
    kinds = ["detect", "track", "canny", "blur", "redact", "zones"]

    def some_edit(spec: PipelineSpec) -> tuple[str, dict[str, Any]]:
        stage = dice.choice(spec.stages).id
        return dice.choice([
            ("add_stage", {"kind": dice.choice(kinds), "after": stage}),
            ("remove_stage", {"stage_id": stage}),
            ("move_stage", {"stage_id": stage, "to": dice.choice(["first", "last", "up", "down"])}),
            ("set_stage_enabled", {"stage_id": stage, "enabled": dice.random() < 0.5}),
            ("track_class", {"labels": [dice.choice(["dog", "cat"])]}),
            ("blur_faces", {"on": dice.random() < 0.5}),
        ])  # fmt: skip

    undone = 0
    host = FakeHost()
    tools = tools_of(host)
    for _ in range(250):
        spec = PipelineSpec()
        for _ in range(dice.randrange(1, 6)):
            spec = spec.added(dice.choice(kinds), at=0)
        host.spec = spec
        name, args = some_edit(spec)
        plan = tools[name].plan(tools[name].args.model_validate(args))
        if plan.idle:
            continue
        plan.do()
        after = host.spec
        plan.undo()
        assert host.spec == spec
        host.spec = after.added("sharpen", at=dice.randrange(len(after.stages) + 1))
        plan.undo()
        assert host.spec.removed("sharpen") == spec
        undone += 1
    assert undone > 150
