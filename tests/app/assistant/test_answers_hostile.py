"""Questions that look like others: each is answered exactly, or not taken for a question that it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.rules import RulesProvider
from scenescope.app.assistant.script_fakes import SHAPES
from scenescope.app.assistant.time_words import JUST_NOW_S
from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.log.records import NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene_state import LabelMemory, SceneState, SceneTrack

K = EventKind


def event(kind: EventKind, t_s: float, label: str, track_id: int, **more) -> LogEvent:
    return LogEvent(kind, t_s, round(t_s * 10), label, track_id, **more)


EVENTS = (
    event(K.APPEAR, 0.0, "person", 1),
    event(K.LINE_CROSS, 12.4, "person", 1, line="door", direction="in"),
    event(K.ZONE_ENTER, 12.6, "person", 1, zone="A"),
    event(K.ZONE_LEAVE, 19.0, "person", 1, zone="A", value=6.4),
    event(K.LINE_CROSS, 20.0, "person", 1, line="door", direction="out"),
    event(K.VANISH, 25.0, "person", 1),
    event(K.APPEAR, 30.0, "car", 2),
    event(K.LINE_CROSS, 31.0, "car", 2, line="door", direction="in"),
    event(K.ZONE_ENTER, 32.0, "car", 2, zone="A"),
    event(K.APPEAR, 50.0, "person", 3),
    event(K.LINE_CROSS, 61.0, "person", 3, line="door", direction="in"),
    event(K.ZONE_ENTER, 72.0, "person", 3, zone="A"),
    event(K.APPEAR, 75.0, "person", 4),
)
SPANS = {1: ("person", 0.0, 25.0), 2: ("car", 30.0, 80.0), 3: ("person", 50.0, 80.0), 4: ("person", 75.0, 80.0)}
THERE = ((2, "left", "red", ("A",)), (3, "left", "blue", ("A",)), (4, "right", "", ()))


def track(number: int, zone: str, colour: str, inside: tuple[str, ...]) -> SceneTrack:
    label, first_s, last_s = SPANS[number]
    first, last = (round(t_s * 10) for t_s in (first_s, last_s))
    box = (0.0, 0.0, 1.0, 1.0)
    return SceneTrack(
        number, label, 0.9, zone, last_s - first_s, "still", colour, first_s, first, last_s, last, box, inside
    )


NOW = SceneState(
    source="clip.mp4",
    session=1,
    pts_s=80.0,
    frame_index=800,
    watching=True,
    known_labels=("person", "car", "dog"),
    tracks=tuple(track(*one) for one in THERE),
    counts={"person": 2, "car": 1},
    memory={"person": LabelMemory(0.0, 0, 1, 80.0, 800, 3), "car": LabelMemory(30.0, 300, 2, 80.0, 800, 2)},
)
LATELY = f"in the last {JUST_NOW_S:.0f} seconds"
# fmt: off
EXACT = [
    # One object by its number
    ("where is #3", "Person #3 is on the left, not moving."),
    ("where is person 3", "Person #3 is on the left, not moving."),
    ("where is the person number 3", "Person #3 is on the left, not moving."),
    ("where is track 2", "Car #2 is on the left, not moving."),
    ("where is the car with the id 2", "Car #2 is on the left, not moving."),
    ("is #9 there", "No: the detector sees no #9 now."),
    ("is car 3 there", "No: the detector sees no car #3 now."),
    ("where is car 3", "Car #3 is not in the picture now."),
    ("when did car 3 appear", "I remember no car #3. I began to watch at 0:00.0."),
    ("when was person 1 last seen", "Person #1 was last seen at 0:25.0."),
    ("when was car 1 last seen", "I remember no car #1. I began to watch at 0:00.0."),
    ("how often did car 1 cross the door", "No car #1 crossed 'door'."),
    ("is there #4 in zone A", "No #4 is in 'A' now."),
    ("was there #1 in zone A", "1 object was in 'A' (#1)."),
    # Just now
    ("did anyone cross the door just now", f"No people crossed 'door' {LATELY}."),
    ("how many people crossed the door just now", f"No people crossed 'door' {LATELY}."),
    ("who entered zone A just now", f"Person #3 entered 'A' {LATELY}, at 1:12.0."),
    ("was there a dog just now", f"No: I saw no dogs {LATELY}."),
    ("who was there just now", f"Yes, I saw 2 people {LATELY} (#4, #3)."),
    ("where is the car just now", "Car #2 is on the left, not moving."),
    ("is there a car right now", "Yes: 1 car (#2)."),
    # All
    ("where are all people", "Person #3 is on the left, not moving. Person #4 is on the right, not moving."),
    ("count all people", "The detector sees 2 people now (#3, #4)."),
    ("how many of the people are in zone A", "1 person is in 'A' now (#3)."),
    ("is everything moving", "Car #2 is not moving. Person #3 is not moving. Person #4 is not moving."),
    # In zones, now and before
    ("how many people are in zone A", "1 person is in 'A' now (#3)."),
    ("how many people were in zone A", "2 people were in 'A' (#3, #1)."),
    ("how many people have been in zone A", "2 people were in 'A' (#3, #1)."),
    ("how many people stayed in zone A", "2 people were in 'A' (#3, #1)."),
    ("was there a person in zone A", "2 people were in 'A' (#3, #1)."),
    ("was there a dog in zone A", "No dogs were in 'A'."),
    ("who is in zone A", "1 person is in 'A' now (#3)."),
    ("what is in zone A", "2 objects are in 'A' now (#2, #3)."),
    ("who was in zone A", "2 people were in 'A' (#3, #1)."),
    ("what was in zone A", "3 objects were in 'A' (#3, #2, #1)."),
    ("who was in zone A before 0:20", "1 person was in 'A' before 0:20.0 (#1)."),
    # Who means people
    ("who is there", "Yes: 2 people (#3, #4)."),
    ("who was there", "Yes, I saw 3 people (#4, #3, #1)."),
    ("who was there between 0:30 and 0:40", "No: I saw no people between 0:30.0 and 0:40.0."),
    ("who is moving", "Person #3 is not moving. Person #4 is not moving."),
    # Two at once
    ("did a car and a dog cross the door", "A car crossed 'door' at 0:31.0 (#2). No dogs crossed 'door'."),
    ("did #1 or #9 cross the door",
     "#1 crossed 'door' at 0:12.4 (#1) and at 0:20.0 (#1). #9 never crossed 'door'."),
    ("which dogs or cars entered zone A last", "Car #2 entered 'A' last, at 0:32.0."),
    ("is there a car and a dog", "Yes: 1 car (#2). No: the detector sees no dogs now."),
    # Came, or was there
    ("how many people appeared in the last minute", "2 people appeared in the last minute (#4, #3)."),
    ("how many people were there in the last minute", "I saw 3 different people in the last minute (#4, #3, #1)."),
    ("did a car appear in the last 10 seconds", "No: no cars appeared in the last 10 seconds."),
    ("did a person show up in the last 10 seconds", "Yes: 1 person appeared in the last 10 seconds (#4)."),
    ("when did a car appear after 0:40", "No cars appeared since 0:40.0."),
    ("when was the car first seen after 0:40", "A car was already there at 0:40.0 (#2)."),
    ("when was the car last seen before 0:50", "A car was still there at 0:50.0 (#2)."),
    ("when was #2 last seen before 0:50", "#2 was still there at 0:50.0."),
    ("when was #2 first seen after 0:40", "#2 was already there at 0:40.0."),
    ("when was a person first seen after 0:30", "A person first appeared since 0:30.0 at 0:50.0 (#3)."),
    ("when was a person last seen before 0:30", "A person was last seen before 0:30.0 at 0:25.0 (#1)."),
    # The rest
    ("is the car still visible", "Yes: 1 car (#2)."),
    ("do you detect a dog", "No: the detector sees no dogs now."),
    ("can you detect dogs", "Yes: the detector knows dog."),
    ("how many people crossed the door since 20 seconds", "1 person crossed 'door' in the last 20 seconds: 1 in."),
    ("how many people were there at second 10", "I saw 1 person at 0:10.0 (#1)."),
    ("list all events in the first 12.5 seconds", "At 0:00.0 a person appeared (#1). At 0:12.4 person #1 crossed "
                                                  "'door' (in)."),
    ("who was the last to leave zone A", "Person #1 left 'A' last, at 0:19.0."),
    ("did a person cross the door after 0:30", "A person crossed 'door' since 0:30.0 at 1:01.0 (#3)."),
    ("how many people crossed the door until 0:15", "1 person crossed 'door' before 0:15.0: 1 in."),
    ("how many people crossed the door in the last half minute",
     "1 person crossed 'door' in the last 30 seconds: 1 in."),
    ("how many people crossed the door in the last twenty-five seconds",
     "1 person crossed 'door' in the last 25 seconds: 1 in."),
    ("how many people crossed the door since midnight",
     "A film has no time of day. Say a time of the film, such as 0:30."),
]
# fmt: on
NOT_UNDERSTOOD = """
how many people other than #3 crossed the door | did anyone but #3 cross the door | is there anyone but #3
when did someone other than #3 enter zone A | how many people crossed the door in minute 1
how many people are in car 2 | is there a dog near person 3 | how many people were there in the last 2
number of people minus 1 | count to 3 | how many people like #3 | how many people crossed the door after #1
how many people crossed the door and the gate 1 | where is the person next to car 2 | is there no person 3
what colour is the shirt of person 3 | are there 3 | is there 2 | are there any 3 | how many people 3 | where are 3
how many objects except people are there | how many things apart from people are there | who else crossed the door
is there anything besides people | who besides #3 crossed the door | who crossed the door except #3
is there another car | how many other people are there | which other people crossed the door
did anyone cross the door right now | was there a dog now | how many people were in zone A now
how many people crossed the door currently | what did you see at the moment
are all people on the left | is everything on the left | are all people there | is everyone there | is everything there
are all people in zone A | is everyone in zone A | did all people cross the door | did everything cross the door
did all of the people enter zone A | when did all people leave zone A | have all people left zone A
have you seen all people | was everything there | how long were all people in zone A | do you see everything
how many people entered all zones | how many people crossed all lines | how many people crossed both lines
who entered every zone | do you know all animals | are both people there | are most people on the left
half of the people | is neither a car nor a dog there | is there only one person | is there exactly one car
are there two people | are there at least 3 people | is there more than one person | is there a second car
is nobody there | is there no dog | are there no people | is there not a dog | isn't there a dog
how many people are not in zone A | who is not in zone A | how many people did not cross the door
how many people never crossed the door | did no one enter zone A | was there never a dog | what is not moving
is there a car but no dog | how many people went in but not out | do you see a car and no person
are there more people than cars | did more people than cars cross the door | how many more people are there
are there fewer cars than people | how many times more people than cars | how many people per car
how many people crossed the door twice | who crossed the door more than once | did anyone cross the door again
who was the second to cross the door | when did the second person cross the door | which two people crossed the door
when did the 2nd person enter zone A | what was the second busiest minute | what was the quietest minute
who entered zone A before #3 | did #1 cross the door before #3 | how many people crossed the door after the car
how many people crossed the door per minute | how many people crossed the door on average
how many people cross the door every minute | what is the maximum number of people
how many people were there at the same time | how many people were in zone A at once
how many people stayed in zone A longer than 5 seconds | who was in zone A the longest
how many people were in zone A for 5 seconds | how many people were in zone A for the last minute
was there a person for the last minute | was there a person throughout the whole video | was there a person all day
was there always a person | how long were people in zone A on average | how long was zone A empty
how many people crossed the door in the next minute | how many people will cross the door
how many people crossed the door yesterday | how many people crossed the door not in the last minute
did a person cross the door not before 0:30 | how many people crossed the door in the second minute
how many people crossed the door a minute ago | how many people crossed the door in the last couple of minutes
how many people crossed the door at 12 | how many people crossed the door in the last 1:10
is the car still | is the car still in front of the camera | do you recognise that person
do you recognise anyone | how many dozen people
is #3 a car | is car 2 red | where was the car | how many people are outside zone A | how many new people are there
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RulesProvider]:
    log = EventLog(tmp_path_factory.mktemp("log") / "events.db")
    session_id = log.begin(NewSession(SessionKind.WATCHED, "clip.mp4", (120, 90), 10))
    tracks = [
        TrackRecord(number, label, first_s, round(first_s * 10), last_s, round(last_s * 10))
        for number, (label, first_s, last_s) in SPANS.items()
    ]
    log.add(session_id, EVENTS, tracks)
    log.progress(session_id, 800, 80.0)
    yield RulesProvider(knowledge=Knowledge(lambda: NOW, log, lambda: session_id, zones=lambda: SHAPES))
    log.close()


def test_what_is_understood_is_answered_exactly(rules):
    wrong = {
        question: answer.text
        for question, expected in EXACT
        if (answer := rules.answer(question, NOW)).text != expected or not rules.understands(question)
    }
    assert not wrong


def test_what_is_not_understood_whole_has_no_answer(rules):
    questions = [question.strip() for line in NOT_UNDERSTOOD.strip().splitlines() for question in line.split("|")]
    assert len(questions) > 130
    assert not {question: rules.answer(question, NOW).text for question in questions if rules.understands(question)}


def test_who_means_people_also_to_a_detector_without_them(rules):
    scene = SceneState(frame_index=1, watching=True, known_labels=("car",), tracks=(track(*THERE[0]),))
    assert RulesProvider().answer("who is there", scene).text.startswith("The detector does not know 'someone'")
