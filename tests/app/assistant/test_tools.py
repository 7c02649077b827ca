"""The registry of tools, and those that look up, move the view, watch, and touch data."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import numpy as np
import pytest

from scenescope.app.assistant.gate import TurnGate
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.ledger import Ledger
from scenescope.app.assistant.tools.fakes import FakeHost
from scenescope.app.assistant.tools.host import NoHost, SourceView
from scenescope.app.assistant.tools.read import WITHHELD
from scenescope.app.assistant.tools.registry import Toolbox, toolbox
from scenescope.models import Detections, EventKind, LogEvent, ScenescopeError
from scenescope.models.language import Evidence, Risk, ToolResult
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.log.records import NewSession, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.overlay import OverlayPainter, OverlayStyle
from scenescope.pipelines.scene_state import SceneState, SceneTrack
from scenescope.pipelines.watches import WatchRule

SHAPES = {
    "zones": [{"name": "Zone A", "points": [[0, 0], [1, 0], [1, 1]]}],
    "lines": [{"name": "gate_1", "start": [0, 0.5], "end": [1, 0.5]}],
}
ZONED = PipelineSpec().added("detect").added("track").added("zones", {"shapes": SHAPES})
EVENTS = [
    LogEvent(EventKind.APPEAR, 1.0, 30, "car", 1),
    LogEvent(EventKind.APPEAR, 5.0, 150, "dog", 2),
    LogEvent(EventKind.LINE_CROSS, 6.0, 180, "car", 1, line="gate_1", direction="in"),
    LogEvent(EventKind.APPEAR, 20.03, 601, "car", 3),
    LogEvent(EventKind.LINE_CROSS, 21.0, 630, "car", 3, line="gate_1", direction="out"),
    LogEvent(EventKind.LINE_CROSS, 22.0, 660, "car", 3, line="gate_1", direction="out"),
]
SCENE = SceneState(
    source="film",
    pts_s=10.0,
    frame_index=300,
    watching=True,
    known_labels=("person", "car", "dog"),
    tracks=(SceneTrack(2, "dog", 0.9, "left", 5.0, "still", "brown", 5.0, 150, 10.0, 300, (0, 0, 1, 1)),),
    counts=MappingProxyType({"dog": 1}),
)
RULE = {"name": "truck", "trigger": "zone_enter", "labels": ["truck"], "zone": "zone a"}


@pytest.fixture
def host() -> FakeHost:
    return FakeHost(ZONED)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "events.db")
    yield made
    made.close()


@pytest.fixture
def tools(host: FakeHost, log: EventLog) -> Toolbox:
    session = log.begin(NewSession(SessionKind.WATCHED, "film.mp4", rate_hz=30))
    log.add(session, EVENTS)
    assert log.flush()
    return toolbox(host, Knowledge(lambda: SCENE, log, lambda: session), lambda q, s: ToolResult({"saw": q}, f"{s}"))


Run = Callable[..., ToolResult]


@pytest.fixture
def run(tools: Toolbox) -> Run:
    return lambda call, /, **args: tools[call].run(tools[call].args.model_validate(args))


# The registry ------------------------------------------------------------------------------------------------------

RISKS = {
    Risk.READ: "scene_now count_events first_seen last_seen search_events list_zones list_stages list_watches look",
    Risk.REVERSIBLE: "seek play_pause select_track highlight show_panel",
    Risk.AUTOMATIC_WITH_UNDO: "set_stage_enabled set_stage_param add_stage remove_stage move_stage track_class "
    "blur_faces add_watch remove_watch set_watch",
    Risk.MUST_CONFIRM: "load_source start_recording stop_recording export clear_zone",
}


def test_the_tools_are_those_of_the_design_and_no_others(tools: Toolbox):
    assert {name: tool.risk for name, tool in tools.items()} == {
        name: risk for risk, names in RISKS.items() for name in names.split()
    }
    assert "look" not in toolbox(FakeHost(), Knowledge(SceneState, None, lambda: None))
    assert [spec.name for spec in tools.specs] == list(tools)


def fields_of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in schema.get("properties", {}).items():
        yield name, part
    for part in schema.get("$defs", {}).values():
        yield from fields_of(part)


def test_every_tool_has_a_valid_closed_and_described_schema(tools: Toolbox):
    for tool in tools.values():
        schema = tool.spec.args_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["additionalProperties"] is False
        assert tool.description.endswith(".")
        assert tool.phrases
        for name, part in fields_of({**schema, "$defs": {}}):
            assert part.get("description"), f"{tool.name}.{name}"


def bounded(part: dict[str, Any]) -> bool:
    if "anyOf" in part:
        return all(bounded(one) for one in part["anyOf"])
    limits = {"string": ("maxLength", "enum", "pattern"), "array": ("maxItems",),
              "number": ("maximum",), "integer": ("maximum",), "object": ("maxProperties", "$ref")}  # fmt: skip
    return "$ref" in part or any(limit in part for limit in limits.get(part.get("type", ""), part))


def test_every_argument_is_bounded(tools: Toolbox):
    # A parameter's value is bounded by its stage; a watch has its own bounds.
    for name in set(tools) - {"set_stage_param", "add_watch"}:
        for field, part in fields_of(tools[name].spec.args_schema):
            assert bounded(part), f"{name}.{field}: {part}"


def random_value(dice: random.Random, depth: int = 0) -> Any:
    plain = [None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "detect", "x" * 5000, "\u202e\x00", "car"]
    if depth > 2 or dice.random() < 0.6:
        return dice.choice(plain)
    if dice.random() < 0.5:
        return [random_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {str(random_value(dice, 9))[:9]: random_value(dice, depth + 1) for _ in range(dice.randrange(4))}


def test_no_arguments_break_a_tool(tools: Toolbox, host: FakeHost):
    dice = random.Random(3)
    for tool, _ in itertools.product(tools.values(), range(60)):
        names = [*tool.args.model_fields, "more"]
        args = {name: random_value(dice) for name in names if dice.random() < 0.7}
        try:
            values = tool.args.model_validate(args)
        except ValueError:
            continue
        with suppress(ScenescopeError):
            plan = tool.plan(values)
            assert plan.title
            plan.do()
            if plan.undo is not None and not plan.idle:
                plan.undo()
    assert host.spec == ZONED


# Looking up --------------------------------------------------------------------------------------------------------


def test_the_scene_and_the_pipeline(run: Run, host: FakeHost):
    scene = run("scene_now")
    assert scene.value["counts"] == {"dog": 1}
    assert scene.text == "At 0:10.0: 1 dog."
    assert [(e.frame_index, e.track_id) for e in scene.evidence] == [(300, 2)]
    assert [row["id"] for row in run("list_stages").value] == ["detect", "track", "zones"]
    assert run("list_stages").text == "The pipeline: Detect objects, Track objects and Zones and lines."
    assert run("list_zones").value["lines"][0]["directions"] == ["in", "out"]
    assert run("list_watches").value == []
    assert run("look", question="What is there?", seconds_back=5).value == {"saw": "What is there?"}
    host.spec = PipelineSpec()
    assert run("list_zones").text == "No zone or line is drawn."
    assert run("list_stages").text == "The pipeline has no stages."


def test_counting_and_finding(run: Run):
    counted = run("count_events", kinds=["line_cross"], labels=["cars"])
    assert (counted.value["events"], counted.value["objects"]) == (3, 2)
    assert counted.value["by_direction"] == {"in": 1, "out": 1}
    assert run("count_events", kinds=["line_cross"], start_s=6.0, end_s=21.0).value["events"] == 1
    assert run("first_seen", labels=["car"]).value["frame"] == 30
    assert run("first_seen", labels=["people"]).value == {"seen": False}
    assert run("last_seen", labels=["dog"]).value["t_s"] == 10.0
    assert [row["what"] for row in run("search_events", limit=2).value] == ["line_cross", "line_cross"]
    found = run("search_events", text="dog")
    assert [(e.frame_index, e.pts_s, e.track_id) for e in found.evidence] == [(150, 5.0, 2)]
    with pytest.raises(ScenescopeError, match="ends before"):
        run("count_events", kinds=["appear"], start_s=5, end_s=4)


SEEN = [
    LogEvent(EventKind.CAPTION, 2.0, 60, text="A secret car."),
    LogEvent(EventKind.TEXT, 3.0, 90, text="secret"),
    LogEvent(EventKind.GAP, 4.0, 120, text="secret no, a jump"),
]


def test_words_from_pictures_are_told_apart(run: Run, tools: Toolbox, log: EventLog):
    log.add(log.sessions()[0].id, SEEN)
    newest = run("search_events", limit=20)
    assert newest.seen == "secret\nA secret car."
    assert {row["what"]: row.get("text") for row in newest.without if "what" in row} == {
        "appear": None,
        "line_cross": None,
        "caption": None,
        "text": None,
        "gap": "secret no, a jump",
    }
    assert [row for row in newest.without if "what" not in row] == [WITHHELD]
    by_words = run("search_events", text="car", limit=20)
    assert "A secret car." in by_words.seen
    assert {row["label"] for row in by_words.without[:-1]} == {"car"}, "what was found by such words is not there"
    only = run("search_events", kinds=["line_cross"])
    assert (only.seen, only.without) == ("", None)


# Moving ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "deed", "title"),
    [
        ({"t_s": 12.5}, "seek 12.5", "Go to 0:12.5"),
        ({"relative_s": -3}, "seek 7.0", "Go to 0:07.0"),
        ({"relative_s": -30}, "seek 0.0", "Go to 0:00.0"),
        ({"frame": 17}, "seek frame 17", "Go to picture 17"),
        ({"event": {"labels": ["car"]}}, "seek frame 30", "Go to 0:01.0, car: appear"),
        ({"event": {"labels": ["car"], "which": "last"}}, "seek frame 601", "Go to 0:20.0, car: appear"),
        ({"event": {"labels": ["cars"], "which": "next"}}, "seek frame 601", "Go to 0:20.0, cars: appear"),
        ({"event": {"which": "previous"}}, "seek frame 150", "Go to 0:05.0, something: appear"),
        ({"event": {"kind": "line_cross", "line": "gate_1", "which": "next"}}, "seek frame 630",
         "Go to 0:21.0, something: line cross"),
    ],
)  # fmt: skip
def test_a_seek_lands_on_the_very_picture(tools: Toolbox, host: FakeHost, args: dict, deed: str, title: str):
    plan = tools["seek"].plan(tools["seek"].args.model_validate(args))
    assert plan.title == title
    assert plan.do().value == {"done": True}
    plan.undo()
    assert host.deeds == [deed, "seek frame 300"]


def test_a_proposed_jump_goes_where_it_said_whatever_has_happened_since(tools: Toolbox, host: FakeHost, log: EventLog):
    ledger = Ledger()
    turn = TurnGate(tools, ledger, clean_words=False)
    turn.call("seek", {"event": {"labels": ["car"], "which": "last"}})
    (proposal,) = turn.proposals
    assert proposal.title == "Go to 0:20.0, car: appear"
    log.add(1, [LogEvent(EventKind.APPEAR, 40.0, 1200, "car", 9)])
    assert log.flush()
    ledger.accept(proposal.proposal_id)
    assert host.deeds == ["seek frame 601"]


@pytest.mark.parametrize(
    ("source", "args", "says"),
    [
        (SourceView(), {"t_s": 1}, "No source is open"),
        (SourceView(active=True), {"frame": 1}, "A camera cannot be moved in"),
        (None, {"t_s": 61}, "The film ends at 1:00.0"),
        (None, {"event": {"labels": ["person"]}}, "Nothing such is in the log"),
        (None, {"event": {"colour": "red", "which": "next"}}, "By its colour"),
        (None, {"event": {"colour": "red"}}, "Nothing such is in the log"),
    ],
)
def test_where_nobody_can_go_is_said(run: Run, host: FakeHost, source: SourceView | None, args: dict, says: str):
    host.source = source or host.source
    with pytest.raises(ScenescopeError, match=says):
        run("seek", **args)
    assert not host.deeds


@pytest.mark.parametrize(
    ("args", "moment"),
    [
        ({"t_s": 3}, Evidence(-1, 3.0)),
        ({"relative_s": -4}, Evidence(-1, 6.0)),
        ({"event": {"labels": ["car"], "which": "last"}}, Evidence(601, 20.0, 3, 5)),
    ],
)
def test_of_a_camera_what_is_kept_is_shown(run: Run, host: FakeHost, args: dict, moment: Evidence):
    host.source = SourceView(active=True, pts_s=10.0, frame_index=300)
    assert "is shown in a window of its own" in run("seek", **args).text
    assert host.deeds == [f"show moment {moment}"]


def test_the_view(run: Run, tools: Toolbox, host: FakeHost):
    run("play_pause", playing=False)
    assert "already" in run("play_pause", playing=False).text
    run("select_track", track_id=7)
    run("highlight", labels=["people", "sled"])
    assert "Highlight" in run("highlight", labels=["person", "sled"]).text
    run("show_panel", panel="EVENTS")
    assert host.deeds == ["set playing False", "select track 7", "highlight person sled", "show panel events"]
    with pytest.raises(ScenescopeError, match="no panel 'shell'"):
        run("show_panel", panel="shell")


def test_highlighted_objects_are_drawn_stronger_and_named_alone():
    found = Detections(
        xyxy=np.array([[10, 60, 90, 140], [110, 60, 190, 140]], np.float32),
        confidence=np.ones(2, np.float32),
        class_id=np.array([0, 1]),
        class_names=("dog", "cat"),
    )

    def painted(*highlighted: str) -> list[int]:
        """Pixels that were painted round the dog, and round the cat."""
        image = np.zeros((160, 200, 3), np.uint8)
        OverlayPainter(OverlayStyle(highlighted=highlighted)).paint(image, [("detect", found)])
        return [int((half > 0).any(axis=2).sum()) for half in (image[:, :100], image[:, 100:])]

    dog, cat = painted()
    assert painted("dog")[0] > dog
    assert painted("dog")[1] < cat
    assert painted("sled")[0] < dog


# Watches -----------------------------------------------------------------------------------------------------------


def test_watches_are_added_switched_and_removed_and_each_step_undone(tools: Toolbox, host: FakeHost):
    def plan(call: str, /, **args: Any):
        return tools[call].plan(tools[call].args.model_validate(args))

    added = plan("add_watch", rule=RULE)
    assert added.title == "Watch 'truck': When a truck enters Zone A"
    added.do()
    assert host.watches.rules == (WatchRule(**{**RULE, "zone": "Zone A"}),)
    off = plan("set_watch", name="TRUCK", enabled=False)
    off.do()
    assert not host.watches.rules[0].enabled
    assert plan("set_watch", name="truck", enabled=False).idle
    other = WatchRule(name="dog", trigger="appear", labels=("dog",))
    host.watches.put(other)
    off.undo()
    assert [rule.enabled for rule in host.watches.rules] == [True, True]
    removed = plan("remove_watch", name="truck")
    removed.do()
    assert host.watches.rules == (other,)
    removed.undo()
    assert [rule.name for rule in host.watches.rules] == ["truck", "dog"]
    added.undo()
    assert host.watches.rules == (other,)
    with pytest.raises(ScenescopeError, match="changed since"):
        added.undo()
    assert host.watches.rules == (other,)


@pytest.mark.parametrize(
    ("call", "args", "says"),
    [
        ("add_watch", {"rule": {**RULE, "zone": "Zone B"}}, "There are 'Zone A'"),
        ("add_watch", {"rule": {"name": "x", "trigger": "line_cross", "line": "gate 2"}}, "no line called"),
        ("remove_watch", {"name": "x"}, "no watch"),
        ("set_watch", {"name": "x", "enabled": True}, "no watch"),
    ],
)
def test_a_watch_that_cannot_be_is_said(run: Run, host: FakeHost, call: str, args: dict, says: str):
    with pytest.raises(ScenescopeError, match=says):
        run(call, **args)
    assert host.watches.rules == ()


def test_what_keeps_a_watch_from_coming_true_is_said_as_it_is_made(run: Run, host: FakeHost):
    host.spec = PipelineSpec()
    made = run("add_watch", rule={"name": "unicorn", "trigger": "appear", "labels": ["unicorn"]})
    assert "done. No stage finds objects: add 'Detect objects'." in made.text
    assert [rule.name for rule in host.watches.rules] == ["unicorn"]


def test_a_second_watch_of_a_name_is_refused(run: Run):
    run("add_watch", rule=RULE)
    with pytest.raises(ScenescopeError, match="already a watch called 'truck'"):
        run("add_watch", rule={**RULE, "labels": ["car"]})


# Data --------------------------------------------------------------------------------------------------------------


def test_what_must_be_confirmed_opens_the_apps_own_dialogs(run: Run, host: FakeHost):
    run("load_source")
    run("export")
    run("start_recording")
    assert "already" in run("start_recording").text
    run("stop_recording")
    assert host.deeds == ["ask source", "ask export", "set recording True", "set recording False"]
    host.source = SourceView()
    with pytest.raises(ScenescopeError, match="No source is open"):
        run("start_recording")
    for name in ("load_source", "export", "start_recording", "stop_recording"):
        with pytest.raises(ValueError, match="path"):
            run(name, path="/tmp/x")


def test_without_a_window_everything_can_be_read_and_nothing_changed():
    spec = ZONED.added("redact")
    host = NoHost(lambda: spec, lambda: SourceView(True, True, True, 1.0, 30, key=1))
    tools = toolbox(host, Knowledge(lambda: SCENE, None, lambda: None))
    calls: list[tuple[str, dict[str, Any]]] = [
        ("seek", {"t_s": 1}), ("play_pause", {"playing": False}), ("select_track", {"track_id": 1}),
        ("highlight", {"labels": ["dog"]}), ("show_panel", {"panel": "events"}), ("load_source", {}), ("export", {}),
        ("set_stage_enabled", {"stage_id": "track", "enabled": False}), ("add_stage", {"kind": "canny"}),
        ("set_stage_param", {"stage_id": "detect", "name": "confidence", "value": 0.5}),
        ("remove_stage", {"stage_id": "track"}), ("move_stage", {"stage_id": "track", "to": "first"}),
        ("track_class", {"labels": ["dog"]}), ("blur_faces", {"on": False}), ("add_watch", {"rule": RULE}),
        ("remove_watch", {"name": "x"}), ("set_watch", {"name": "x", "enabled": True}), ("start_recording", {}),
        ("clear_zone", {"name": "zone a"}),
    ]  # fmt: skip
    assert {name for name, _ in calls} == {n for n, t in tools.items() if t.risk is not Risk.READ} - {"stop_recording"}
    for name, args in calls:
        with pytest.raises(ScenescopeError) as failure:
            tools[name].run(tools[name].args.model_validate(args))
        assert "no window" in failure.value.user_message or "no panel" in failure.value.user_message
    for name in ("scene_now", "list_zones", "list_stages", "list_watches"):
        assert tools[name].run(tools[name].args()).text
