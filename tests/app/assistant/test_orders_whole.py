"""Orders that were once carried out by half, or as something else: each is done as it was meant, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scenescope.app.assistant.orders import Order, OrderContext, Unclear, parse_order
from scenescope.app.assistant.orders_fakes import film_context
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.watches.rule import WatchRule
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

FILM = film_context()
CAMERA = replace(FILM, live=True, duration_s=None)
SQUARE = ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4))

# Each is not understood whole, so nothing is done; what stands behind "=>" is the first suggestion.
NOTHING = """
tell me when someone enters zone A between 8 and 9
tell me when someone enters zone A from 1 to 5
tell me when someone enters zone A between 9 and 10
tell me when someone enters zone A from 11 to 12
tell me when a dog appears from 8:00 to 5
tell me when someone enters zone A every night => Tell me when someone enters zone a between 10 pm and 6 am
tell me when a dog appears at night => Tell me when a dog appears between 10 pm and 6 am
tell me when a dog appears nightly => Tell me when a dog appears between 10 pm and 6 am
go to when a dog appeared every night
tell me when a dog appears between 0:10 and 0:20 => Tell me when a dog appears
tell me when a dog appears from 1:00 to 1:30 => Tell me when a dog appears
tell me when all dogs are in zone A for 10 seconds
tell me when all cars enter zone A
tell me when all people cross the door line
tell me when all dogs appear
tell me when all of the dogs are in zone A
tell me when both dogs are in zone A
tell me when everyone enters zone A
tell me when everything is in zone A
tell me when everything appears
let me know when you see all dogs
watch for all dogs
tell me when only a dog is in zone A
tell me when just a person is there
tell me when only dogs are in zone A
tell me when the dogs leave => Tell me when a dog leaves
tell me when the red cars disappear => Tell me when a red car leaves
tell me when the people leave zone A => Tell me when a person leaves zone a
tell me when this dog leaves
tell me when those cars leave zone A
tell me when that car crosses the door line
tell me when 3 people leave
tell me when the last person leaves
tell me when nothing appears
go to when all people left
go to when everyone was gone
tell me when a dog enters zone A quickly => Tell me when a dog enters zone A
tell me when a dog appears for a moment => Tell me when a dog appears
tell me when a dog appears briefly => Tell me when a dog appears
tell me when a truck enters zone A and call it X then pause => Tell me when a truck enters zone a
tell me when a truck enters zone A called X and remove the detector => Tell me when a truck enters zone a called x
tell me when a truck enters zone A and ask the model whether it is red and blur faces
add canny and remove canny
add canny and disable canny
add canny and move canny up
add canny and set canny low to 80
add canny and canny
add a blur before canny and add canny
remove canny and add canny
remove canny and enable canny
disable canny and remove canny
remove the detector and the detector
remove the detector and set the confidence to 0.5
remove the tracker and move edges after the tracker
move edges after the tracker and remove the tracker
remove the tracker and track dogs
track dogs and disable the tracker
remove zones and delete zone A
remove zones and tell me when a dog enters zone A
delete zone A and tell me when a dog enters zone A
stop blurring faces and add redaction
start recording and stop recording
stop recording and start recording
go to 0:10 and go to 0:20
remove the watch Nobody there and enable the watch Nobody there
remove the detector for a moment => Disable Detect objects
remove the detector for now => Disable Detect objects
please remove the detector temporarily => Disable Detect objects
remove the detector for a while, thanks => Disable Detect objects
remove the watch Nobody there for now => Disable the watch Nobody there
set the confidence to 0.5 for a moment => Set the confidence to 0.5
set the confidence to 0.5 for now => Set the confidence to 0.5
track dogs for now => Track dogs
stop blurring faces for a moment => Stop blurring faces
mirror the picture briefly => Mirror the picture
record for a moment => Record
delete zone A for now => Delete zone a
undo for now => Undo
enable canny for a moment => Enable canny
blur faces and remove the detector for a moment => Disable Detect objects
raise the confidence to 0.1 => Set the confidence of Detect objects to 0.1
turn up the confidence to 0.1 => Set the confidence of Detect objects to 0.1
turn the confidence up to 0.1 => Set the confidence of Detect objects to 0.1
lower the confidence to 0.9 => Set the confidence of Detect objects to 0.9
bring the confidence down to 0.9 => Set the confidence of Detect objects to 0.9
increase the trail to 1 second => Set the trail of Track objects to 1
raise the method to ocsort => Set the method of Track objects to ocsort
raise the confidence by -10% => Lower the confidence of Detect objects by 10 percent
lower the confidence by -0.1 => Raise the confidence of Detect objects by 0.1
raise the confidence by 0
raise canny low by 1%
raise canny low by 10.6
raise the confidence by 300%
remove objects => Remove Detect objects
remove the objects => Remove Detect objects
stop telling me when a dog appears => Remove the watch Trucks at A
stop telling me about dogs => Remove the watch Trucks at A
stop watching for dogs
stop blurring cars
start recording at 8:00
stop highlighting dogs => Clear the highlight
""".strip().splitlines()

# What there is done, as the tool and the arguments that matter.
DONE: list[tuple[str, str, dict[str, Any]]] = [
    ("tell me when a dog appears from 9 to 17", "add_watch", {"between": ["09:00", "17:00"]}),
    ("tell me when a dog appears from 22 to 6", "add_watch", {"between": ["22:00", "06:00"]}),
    ("tell me when a dog appears from 0 to 5", "add_watch", {"between": ["00:00", "05:00"]}),
    ("tell me when a dog appears between 8 am and 9 am", "add_watch", {"between": ["08:00", "09:00"]}),
    (
        "tell me when a dog appears between 22:00 and 6:00 every night",
        "add_watch",
        {"between": ["22:00", "06:00"]},
    ),
    ("tell me when a dog appears every day", "add_watch", {"trigger": "appear", "between": None}),
    ("tell me when all people leave", "add_watch", {"trigger": "count", "labels": ["person"], "at_most": 0}),
    ("tell me when people are gone", "add_watch", {"trigger": "count", "labels": ["person"], "at_most": 0}),
    (
        "tell me when the people are gone for 10 seconds",
        "add_watch",
        {"trigger": "count", "labels": ["person"], "at_most": 0, "for_s": 10.0},
    ),
    ("tell me when everyone leaves", "add_watch", {"trigger": "count", "labels": ["person"], "at_most": 0}),
    ("tell me when everything is gone", "add_watch", {"trigger": "count", "labels": [], "at_most": 0}),
    (
        "tell me when all red cars leave zone A",
        "add_watch",
        {"trigger": "count", "labels": ["car"], "colour": "red", "zone": "A", "at_most": 0},
    ),
    ("tell me when the dog is gone", "add_watch", {"trigger": "vanish", "labels": ["dog"]}),
    ("tell me when people leave", "add_watch", {"trigger": "vanish", "labels": ["person"]}),
    (
        "tell me when only one dog is in zone A",
        "add_watch",
        {"at_least": 1, "at_most": 1, "name": "Exactly 1 dog in A"},
    ),
    ("tell me when nothing is in zone A", "add_watch", {"trigger": "count", "labels": [], "zone": "A", "at_most": 0}),
    ("tell me when zone A is empty", "add_watch", {"labels": ["person"], "at_most": 0, "name": "No people in A"}),
    ("tell me when a truck enters zone A called cats and dogs", "add_watch", {"name": "Cats and dogs"}),
    ("increase the confidence by 10%", "set_stage_param", {"value": 0.33}),
    ("increase the confidence by 10 points", "set_stage_param", {"value": 0.4}),
    ("raise the confidence by 10 percentage points", "set_stage_param", {"value": 0.4}),
    ("increase the confidence by 0.1", "set_stage_param", {"value": 0.4}),
    ("lower the confidence by 10%", "set_stage_param", {"value": 0.27}),
    ("raise canny low by 10%", "set_stage_param", {"value": 55}),
    ("raise the confidence to 0.5", "set_stage_param", {"value": 0.5}),
    ("turn the confidence down to 0.2", "set_stage_param", {"value": 0.2}),
    ("pause for a moment", "play_pause", {"playing": False}),
    ("disable the watch Nobody there for now", "set_watch", {"enabled": False}),
    ("stop telling me about Nobody there", "remove_watch", {"name": "Nobody there"}),
    ("stop highlighting everything", "highlight", {"labels": []}),
]


def done(text: str, context: OrderContext = FILM) -> tuple[str, dict[str, Any]]:
    order = parse_order(text, context)
    assert isinstance(order, Order), (text, order)
    ((tool, args),) = order.calls
    return tool, args.get("rule", args)


@pytest.mark.parametrize("row", NOTHING)
def test_what_is_not_understood_whole_is_not_done(row: str) -> None:
    text, _, offered = row.partition(" => ")
    answer = parse_order(text, FILM)
    assert not isinstance(answer, Order)
    if offered:
        assert isinstance(answer, Unclear)
        assert answer.suggestions[0] == offered


@pytest.mark.parametrize(("text", "tool", "args"), DONE, ids=[text for text, *_ in DONE])
def test_what_is_done_is_what_was_said(text: str, tool: str, args: dict[str, Any]) -> None:
    assert (lambda called, given: (called, {name: given[name] for name in args}))(*done(text)) == (tool, args)


def test_the_words_that_are_shown_say_who_an_empty_zone_is_empty_of() -> None:
    _, rule = done("tell me when zone A is empty")
    assert WatchRule.of(rule).sentence == "When there is no person in zone A"


def test_a_time_of_day_is_meant_where_the_source_has_no_other() -> None:
    assert done("tell me when a dog appears between 0:10 and 0:20", CAMERA)[1]["between"] == ["00:10", "00:20"]


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("tell me when someone enters the room", "zone_enter"),
        ("tell me when someone comes into the room", "zone_enter"),
        ("tell me when someone leaves the room", "zone_leave"),
        ("tell me when someone is in the room for 10 seconds", "dwell"),
        ("tell me when more than 3 people are in the room", "count"),
        ("tell me when there are 3 people in the room", "count"),
        ("tell me when the room has 3 people", "count"),
        ("tell me when all people leave the room", "count"),
    ],
)
def test_a_zone_that_is_called_as_the_picture_is_the_zone(text: str, trigger: str) -> None:
    zones = ZoneSet(zones=(*FILM.zones.zones, Zone(name="Room", points=SQUARE)))
    rule = done(text, replace(FILM, zones=zones))[1]
    assert (rule["trigger"], rule["zone"]) == (trigger, "Room")
    assert done(text.replace("room", "zone A"), FILM)[1]["zone"] == "A"


def test_an_exact_name_wins_and_two_that_are_alike_are_asked_for() -> None:
    def drawn(zones: tuple[str, ...], line: str) -> OrderContext:
        shapes = tuple(Zone(name=name, points=SQUARE) for name in zones)
        lines = (CountLine(name=line, start=(0.0, 0.0), end=(1.0, 1.0)),)
        return replace(FILM, zones=ZoneSet(zones=shapes, lines=lines))

    exact = drawn(("A", "zone A"), "A line")
    for text, name in (("delete A", "A"), ("delete zone A", "zone A"), ("delete the line A", "A line")):
        assert done(text, exact) == ("clear_zone", {"name": name})
    assert done("tell me when a dog enters A", exact)[1]["zone"] == "A"
    answer = parse_order("delete B", drawn(("B zone",), "B line"))
    assert isinstance(answer, Unclear)
    assert answer.suggestions == ("Delete the line B line", "Delete B zone")


def test_a_watch_that_the_words_describe_is_the_one_to_stop() -> None:
    context = replace(FILM, watches=("A dog appears", "Nobody there"))
    assert done("stop telling me when dogs appear", context) == ("remove_watch", {"name": "A dog appears"})


def test_faces_are_not_hidden_and_shown_by_one_order() -> None:
    spec = FILM.spec.model_copy(update={"stages": (*FILM.spec.stages, StageSpec(id="hide", kind="redact"))})
    for text in ("blur faces and remove hide", "blur faces and disable hide"):
        assert not isinstance(parse_order(text, replace(FILM, spec=spec)), Order)


@pytest.mark.parametrize(
    "words",
    ["the last unicorn leaves", "several unicorns appear", "a unicorn quickly enters zone A", "everyone else leaves"],
)
def test_what_is_no_name_of_a_class_is_none_before_a_detector_runs_either(words: str) -> None:
    assert not isinstance(parse_order(f"tell me when {words}", replace(FILM, may_know_more=True)), Order)
