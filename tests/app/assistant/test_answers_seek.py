"""From a film through the real pipeline into a real log, to an answer, and back: its evidence is the very picture."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.rules import RulesProvider
from scenescope.models import EventKind, Tracks
from scenescope.models.language import Evidence
from scenescope.pipelines import Frame, PipelineSpec, Stage
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import EngineEvent, FrameReady, IndexProgress
from scenescope.pipelines.fakes import fake_registry
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.sinks.event_log import LogSink
from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.video_fakes import KINDS
from scenescope.pipelines.stages.track.zones import Zones
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

pytestmark = pytest.mark.slow

PICTURES = 120
SHAPES = ZoneSet(
    zones=(Zone(name="Yard", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1))),),
    lines=(CountLine(name="door", start=(0.5, 1), end=(0.5, 0)),),
)
# Number, class, first picture, last picture, x there, pixels a picture. The line is at x = 160.
WALKERS = ((1, "person", 5, 70, 40.0, 4.0), (2, "car", 30, 110, 280.0, -3.0), (3, "person", 60, 115, 45.0, 4.5))


def x_of(walker: tuple, index: int) -> float:
    return walker[4] + walker[5] * (index - walker[2])


class Walkers(Stage, title="Walkers", group="Test"):
    """Scripted boxes."""

    def process(self, frame: Frame) -> Frame:
        here = [walker for walker in WALKERS if walker[2] <= frame.index <= walker[3]]
        x = np.array([x_of(walker, frame.index) for walker in here], np.float32).reshape(-1, 1)
        y = np.array([[60 + 30 * walker[0]] for walker in here], np.float32).reshape(-1, 1)
        tracks = Tracks(
            xyxy=np.hstack([x - 8, y - 20, x + 8, y]).reshape(-1, 4),
            confidence=np.full(len(here), 0.9),
            class_id=np.array([["person", "car"].index(walker[1]) for walker in here], int),
            class_names=("person", "car"),
            track_id=np.array([walker[0] for walker in here], int),
        )
        return frame.with_result(self.context.stage_id, tracks)


class Watch:
    """Waits for what an engine tells."""

    def __init__(self, engine: Engine) -> None:
        self.events: list[EngineEvent] = []
        self._new = threading.Condition()
        engine.subscribe(self._add)

    def _add(self, event: EngineEvent) -> None:
        with self._new:
            self.events.append(event)
            self._new.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._new:
            assert self._new.wait_for(condition, 20)


@pytest.fixture(params=["long_gop.mp4", "edited.mp4", "open_gop.mkv"])
def film(request: pytest.FixtureRequest, tmp_path: Path):
    """A film whose pictures have their numbers burnt in."""
    return KINDS[request.param].make(tmp_path / request.param, PICTURES)


def pipeline(log: EventLog) -> tuple[Engine, SceneObserver, LogSink]:
    """Scripted boxes, real zones, and all that listens."""
    registry = fake_registry()
    registry.add("walkers", Walkers)
    registry.add("zones", Zones)
    observer, sink = SceneObserver(), LogSink(log)
    spec = PipelineSpec().added("walkers", {}).added("zones", {"shapes": SHAPES.model_dump(mode="json")})
    return Engine(spec, sinks=[observer, sink], registry=registry), observer, sink


def test_every_evidence_leads_to_its_picture(film, tmp_path):
    log = EventLog(tmp_path / "events.db")
    engine, observer, sink = pipeline(log)
    try:
        engine.start(VideoFile(film.path))
        assert engine.wait(60)
        session_id = sink.latest_session_id
        knowledge = Knowledge(
            lambda: observer.state, log, lambda: session_id, zones=lambda: SHAPES, caught_up=sink.wait_for
        )
        found = check_answers(RulesProvider(knowledge=knowledge), observer.state, len(film.codes))
        rules = RulesProvider(knowledge=knowledge)
        assert rules.answer("how many people are in the yard", observer.state).text == "1 person is in 'Yard' now (#3)."
        past = Knowledge(SceneState, log, lambda: session_id)
        again = check_answers(RulesProvider(knowledge=past), SceneState(), len(film.codes))
        assert [one.event_id for one in found] == [one.event_id for one in again]
        check_pictures(engine, film, found)
    finally:
        assert engine.stop()
        log.close()


def check_answers(rules: RulesProvider, scene: SceneState, pictures: int) -> list[Evidence]:
    """Ask who did what; all the evidence."""
    answer = rules.answer("how many people crossed the line door so far", scene)
    assert answer.text == "2 people crossed 'door' so far: 2 in."
    crossed = {one.track_id: one for one in answer.evidence}
    answer = rules.answer("how many cars went out", scene)
    assert answer.text == "1 car crossed 'door' going 'out'."
    crossed |= {one.track_id: one for one in answer.evidence}
    for walker in WALKERS:
        at = crossed[walker[0]].frame_index
        before, after = (x_of(walker, index) - 160 for index in (at - 1, at))
        assert before * after <= 0, "the first picture in which it is on the other side"
    answer = rules.answer("who entered the yard last", scene)
    assert answer.text.startswith("Person #3 entered 'Yard' last, at 0:0")
    entered = answer.evidence
    answer = rules.answer("when did the car appear", scene)
    assert [(one.frame_index, one.track_id) for one in answer.evidence] == [(30, 2)]
    appeared = answer.evidence
    gone = rules.answer("when did you last see #1", scene).evidence
    assert [(one.frame_index, one.track_id) for one in gone] == [(70, 1)]
    happened = rules.answer("what just happened", scene).evidence
    assert len(happened) == 4
    assert rules.answer("how many different people have you seen", scene).text.startswith("I saw 2 different people")
    return [*crossed.values(), *entered, *appeared, *gone, *happened]


def check_pictures(engine: Engine, film, found: list[Evidence]) -> None:
    """Go to every one, by its number and by its time; the picture says itself which it is."""
    watch = Watch(engine)
    engine.start(VideoFile(film.path), paced=True)
    engine.pause()
    watch.wait_for(lambda: IndexProgress(1.0) in watch.events)
    for evidence in found:
        for go in (partial(engine.seek_frame, evidence.frame_index), partial(engine.seek, evidence.pts_s)):
            engine.seek_frame(0)
            watch.wait_for(lambda: engine.latest is not None and engine.latest.index == 0)
            del watch.events[:]
            go()
            watch.wait_for(lambda: any(isinstance(event, FrameReady) and event.index for event in watch.events))
            shown = engine.latest
            assert shown.index == evidence.frame_index
            assert shown.pts_s == evidence.pts_s
            assert code_marker.read(shown.image) == film.codes[evidence.frame_index]


def test_the_events_are_those_of_the_log(tmp_path):
    """The numbers of answers and of the log are the same thing: nothing in between rounds or drops."""
    log = EventLog(tmp_path / "events.db")
    engine, observer, sink = pipeline(log)
    made = KINDS["constant.mp4"].make(tmp_path / "constant.mp4", PICTURES)
    try:
        engine.start(VideoFile(made.path))
        assert engine.wait(60)
    finally:
        assert engine.stop()
    knowledge = Knowledge(lambda: observer.state, log, lambda: sink.latest_session_id, zones=lambda: SHAPES)
    assert knowledge.flush()
    events = knowledge.events(knowledge.span(), [EventKind.LINE_CROSS])
    assert [(event.track_id, event.direction) for event in events] == [(1, "in"), (2, "out"), (3, "in")]
    one = events[1]
    exactly = knowledge.span(start_s=one.t_s, end_s=events[2].t_s)
    assert knowledge.count([EventKind.LINE_CROSS], exactly).events == 1
    assert knowledge.count([EventKind.LINE_CROSS], knowledge.span(last_s=knowledge.now_s - one.t_s)).events == 2
    log.close()
