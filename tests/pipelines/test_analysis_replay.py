"""A replay shows what an analysis found, runs none of it again, and hides what was hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenescope.models import Detections, SourceError
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import Frame, PipelineSpec
from scenescope.pipelines.analysis.fakes import Finder, Heat, analysis_registry, write_film
from scenescope.pipelines.analysis.run import AnalysisRun, AnalysisState
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import CollectingSink
from scenescope.pipelines.host import hidden
from scenescope.pipelines.log.records import FrameRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.source import Source
from scenescope.pipelines.sources.replay import Recorded, Replay, replay_spec
from scenescope.pipelines.sources.video import VideoFile

pytestmark = pytest.mark.slow  # films

SPEC = (
    PipelineSpec()
    .added("finder")
    .added("follow")
    .added("redact", {"what": "objects", "classes": ["square"], "how": "colour"})
    .added("heat")
    .added("depth_picture")
    .added("finder", {"label": "later"})
    .added("sharpen")
)
BUDGET = ThreadBudget(workers=2, per_call=1)


@pytest.fixture(autouse=True)
def own_index_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "squares.mp4")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.db")
    yield log
    log.close()


def analysed(log: EventLog, film: Path, spec: PipelineSpec, *times: float) -> int:
    run = AnalysisRun.begin(log, film, spec, *times, registry=analysis_registry(), budget=BUDGET)
    run.start()
    assert run.wait(60)
    assert run.progress.state is AnalysisState.DONE, run.progress
    return run.session.id


def frames_of(source: Source, spec: PipelineSpec) -> list[Frame]:
    sink = CollectingSink(keep_frames=True)
    engine = Engine(spec, sinks=[sink], registry=analysis_registry(), budget=BUDGET, headless=True)
    engine.start(source)
    try:
        assert engine.wait(60)
    finally:
        engine.stop(10)
    return sink.frames


def replay_of(log: EventLog, session_id: int, **more: Any) -> Replay:
    session = log.session(session_id)
    assert session is not None
    return Replay(log, session, **more)


def boxes(frame: Frame) -> dict[str, Any]:
    return {
        name: (entry.value.xyxy.tolist(), entry.value.labels)
        for name, entry in frame.in_source_pixels()
        if isinstance(entry.value, Detections)
    }


def test_the_same_picture_and_the_same_boxes_without_running_a_stage(log: EventLog, film: Path) -> None:
    session_id = analysed(log, film, SPEC)
    recorded = Recorded.of(log, session_id)
    assert recorded.stage_ids == {"finder", "follow", "heat", "finder-2"}
    assert recorded.boxes == {"finder", "follow", "finder-2"}
    spec = replay_spec(SPEC, recorded)
    assert [stage.id for stage in spec.stages] == ["redact", "depth_picture", "sharpen"]
    assert spec.stage("redact").params["of_stage"] == "follow", "not the later finder"
    wanted = frames_of(VideoFile(film), SPEC)
    found = frames_of(replay_of(log, session_id), spec)
    assert Finder.seen == []
    assert Heat.seen == []
    assert len(found) == len(wanted) == 60
    for one, other in zip(found, wanted, strict=True):
        assert boxes(one) == boxes(other)
        assert one.pts_s == other.pts_s
        assert np.array_equal(one.image, other.image), "what was hidden is hidden in the same way"


def test_pictures_at_random(log: EventLog, film: Path) -> None:
    session_id = analysed(log, film, PipelineSpec().added("finder").added("follow"), 0.5, 1.5)
    truth = {frame.index: boxes(frame) for frame in frames_of(replay_of(log, session_id), PipelineSpec())}
    assert [index for index, found in truth.items() if found] == list(range(15, 45))
    replay = replay_of(log, session_id)
    replay.open()
    try:
        assert replay.seekable
        assert replay.frame_index is not None
        assert len(replay.frame_index) == 60
        for index in np.random.default_rng(0).integers(0, 60, 40).tolist():
            frame = replay.read_at(index)
            assert frame is not None
            assert frame.index == index
            assert boxes(frame) == truth[index]
            replay.seek(index / 30)
            frame = replay.read()
            assert frame is not None
            assert frame.index == index
            assert boxes(frame) == truth[index]
        assert replay.read_at(60) is None
    finally:
        replay.close()


def test_results_do_not_get_old_while_the_picture_is_held(log: EventLog, film: Path) -> None:
    from dataclasses import replace

    from scenescope.pipelines.stages.effects.redact import Redact

    session_id = analysed(log, film, PipelineSpec().added("finder"))
    replay = replay_of(log, session_id)
    replay.open()
    frame = replay.read()
    replay.close()
    assert frame is not None
    stage = Redact(Redact.validated({"what": "objects", "classes": ("square",), "of_stage": "finder"}))
    stage.open(stage.context)
    fresh, held = stage.process(frame), stage.process(replace(frame, captured_s=frame.captured_s + 3600))
    assert np.array_equal(fresh.image, held.image)
    assert not np.array_equal(fresh.image, frame.image)


@pytest.mark.parametrize(
    ("spec", "recorded", "left"),
    [
        (PipelineSpec(), Recorded(), []),
        (PipelineSpec().added("finder"), Recorded(), ["finder"]),
        (PipelineSpec().added("finder").added("dim"), Recorded(frozenset({"finder"})), ["dim"]),
        # What was off when it was analysed has no results; it stays as it was.
        (PipelineSpec().added("finder").enabled("finder", False), Recorded(frozenset({"finder"})), ["finder"]),
        (PipelineSpec().added("no_such_stage"), Recorded(), ["no_such_stage"]),
    ],
)
def test_what_still_runs(spec: PipelineSpec, recorded: Recorded, left: list[str]) -> None:
    assert [stage.id for stage in replay_spec(spec, recorded).stages] == left


def test_a_named_stage_stays_named() -> None:
    spec = PipelineSpec().added("finder").added("track").added("redact", {"what": "objects", "of_stage": "finder"})
    recorded = Recorded(frozenset({"finder", "track"}), frozenset({"finder", "track"}))
    assert replay_spec(spec, recorded).stage("redact").params["of_stage"] == "finder"


def test_another_file_is_refused(log: EventLog, film: Path, tmp_path: Path) -> None:
    session_id = analysed(log, film, PipelineSpec().added("finder"))
    other = write_film(tmp_path / "other.mp4", seed=5)
    replay = replay_of(log, session_id, path=other)
    with pytest.raises(SourceError, match="not the file any more"):
        replay.open()
    replay.close()
    film.unlink()
    with pytest.raises(SourceError, match="does not exist"):
        replay_of(log, session_id).open()


def test_a_damaged_record_is_said_and_hides_everything(log: EventLog, film: Path) -> None:
    spec = PipelineSpec().added("finder").added("redact", {"what": "objects", "classes": ["square"]})
    session_id = analysed(log, film, spec)
    log.add(session_id, frames=[FrameRecord(3, 0.1, b"rubbish")])
    log.flush()
    replay = replay_of(log, session_id)
    frames = frames_of(replay, replay_spec(spec, Recorded.of(log, session_id)))
    assert len(frames) == 60
    assert "damaged" in replay.problem
    assert boxes(frames[3]) == {}
    assert boxes(frames[4])
    plain = frames_of(VideoFile(film), PipelineSpec())
    assert np.array_equal(frames[3].image, hidden(plain[3].image)), "nothing can be made out"


def test_nothing_is_recorded_in_an_empty_session(log: EventLog) -> None:
    assert Recorded.of(log, 5) == Recorded()
