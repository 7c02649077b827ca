"""An analysis keeps the same bytes however it came to its end, and says what keeps it from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenescope.models import PluginError, SinkError, SourceError, SpecError, wire
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.analysis.fakes import Finder, Heat, analysis_registry, write_film
from scenescope.pipelines.analysis.run import AnalysisRun, AnalysisState
from scenescope.pipelines.fakes import Broken
from scenescope.pipelines.log.records import EventQuery, SessionKind
from scenescope.pipelines.log.store import EventLog

pytestmark = pytest.mark.slow  # many films

SPEC = PipelineSpec(name="Squares").added("finder").added("follow").added("heat").added("depth_picture").added("dim")
SPEC = SPEC.added("finder", {"label": "dimmed", "least": 30}).added("follow")
BUDGET = ThreadBudget(workers=3, per_call=1)


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


def begin(log: EventLog, film: Path, spec: PipelineSpec = SPEC, *args: Any, **more: Any) -> AnalysisRun:
    run = AnalysisRun.begin(log, film, spec, *args, registry=analysis_registry(), budget=BUDGET, **more)
    run.start()
    return run


def resumed(log: EventLog, session_id: int, **more: Any) -> AnalysisRun:
    run = AnalysisRun.resume(log, session_id, registry=analysis_registry(), budget=BUDGET, **more)
    run.start()
    assert run.wait(60), run.progress
    return run


def content(log: EventLog, session_id: int) -> tuple:
    """All that a session holds, as it is in the log, without its own number."""
    frames = [(one.frame, one.pts_s, one.results) for one in log.frames(session_id)]
    events = [(e.kind, e.t_s, e.frame, e.label, e.track_id, e.xyxy) for e in log.events(EventQuery(session_id))]
    tracks = [(t.track_id, t.first_frame, t.last_frame, t.best_frame, t.label) for t in log.tracks(session_id)]
    jpegs = [log.track(session_id, t.track_id).picture_jpeg for t in log.tracks(session_id)]
    return frames, events, tracks, jpegs


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.fixture
def truth(log: EventLog, film: Path) -> tuple:
    """What an uninterrupted run keeps."""
    run = begin(log, film)
    assert run.wait(60)
    assert run.progress.state is AnalysisState.DONE, run.progress
    return content(log, run.session.id)


def test_every_frame_once(log: EventLog, film: Path, truth: tuple) -> None:
    frames, events, tracks, jpegs = truth
    assert events
    assert tracks
    assert all(jpegs)
    assert [one[0] for one in frames] == list(range(60))
    assert [one[1] for one in frames] == pytest.approx([i / 30 for i in range(60)], abs=1e-6)
    (session,) = log.sessions()
    assert session.kind is SessionKind.ANALYSIS
    assert session.complete
    assert session.frames == 60
    assert PipelineSpec.from_yaml(session.pipeline) == SPEC
    assert session.size_wh == (160, 120)
    last = wire.read(frames[-1][2])
    assert list(last.results) == ["finder", "follow", "heat", "finder-2", "follow-2"]
    assert len(last.results["heat"].value) == 1, "as it was found, not as a later stage left it"
    assert last.wrote == ("finder", "finder-2", "follow", "follow-2", "heat")
    assert last.rerun == ("depth_picture", "dim")


def test_the_same_again_is_the_same_bytes(log: EventLog, film: Path, truth: tuple) -> None:
    run = begin(log, film)
    assert run.wait(60)
    assert content(log, run.session.id) == truth


def test_paused_is_the_same_bytes(log: EventLog, film: Path, truth: tuple) -> None:
    run = begin(log, film, SPEC.with_params("finder", delay_s=0.01))
    wait_until(lambda: run.progress.frames > 5)
    run.pause()
    wait_until(lambda: run.progress.state is AnalysisState.PAUSED)
    held = run.progress.frames
    assert held < 60
    run.go_on()
    assert run.wait(60)
    assert run.progress.state is AnalysisState.DONE
    assert content(log, run.session.id) == truth


def test_cancelled_and_resumed_is_the_same_bytes(log: EventLog, film: Path, truth: tuple) -> None:
    run = begin(log, film, SPEC.with_params("finder", delay_s=0.01))
    wait_until(lambda: run.progress.frames > 15)
    run.cancel()
    assert run.wait(60)
    assert run.progress.state is AnalysisState.STOPPED
    log.flush()
    kept = len(log.frame_numbers(run.session.id))
    session = log.session(run.session.id)
    assert 15 < kept < 60
    assert session is not None
    assert not session.complete
    again = resumed(log, run.session.id)
    assert again.progress.state is AnalysisState.DONE
    assert again.progress.frames == 60
    assert content(log, run.session.id) == truth
    assert sorted(Finder.seen) == sorted([*range(kept, 60)] * 2), "what was found before was not looked for again"
    assert sorted(Heat.seen) == list(range(kept, 60))


def test_one_that_is_resumed_goes_on_and_is_not_pruned(log: EventLog, film: Path) -> None:
    run = begin(log, film)
    run.cancel()
    assert run.wait(60)
    assert log.flush()
    assert not log.session(run.session.id).active
    again = AnalysisRun.resume(log, run.session.id, registry=analysis_registry(), budget=BUDGET)
    assert log.session(run.session.id).active
    log.prune(max_age_days=0, max_bytes=0)
    again.start()
    assert again.wait(60)
    session = log.session(run.session.id)
    assert (session.complete, session.active) == (True, False)


CHILD = """
    import sys, threading
    from pathlib import Path
    from scenescope.models.budget import ThreadBudget
    from scenescope.pipelines import PipelineSpec
    from scenescope.pipelines.analysis.fakes import analysis_registry
    from scenescope.pipelines.analysis.run import AnalysisRun
    from scenescope.pipelines.log.store import EventLog

    spec = PipelineSpec.from_yaml(Path(sys.argv[3]).read_text())
    run = AnalysisRun.begin(EventLog(Path(sys.argv[1])), sys.argv[2], spec, registry=analysis_registry(),
                            budget=ThreadBudget(workers=2, per_call=1))
    run.start()
    run.wait()
"""


def test_killed_and_resumed_is_the_same_bytes(tmp_path: Path, film: Path, truth: tuple) -> None:
    spec = tmp_path / "spec.yaml"
    SPEC.with_params("finder", delay_s=0.03).save(spec)
    path = tmp_path / "killed.db"
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(CHILD), str(path), str(film), str(spec)])
    log = None
    try:
        wait_until(path.exists)
        log = EventLog(path)
        wait_until(lambda: log.sessions() and len(log.frame_numbers(1)) > 10)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        kept = len(log.frame_numbers(1))
        assert 10 < kept < 60
        session = log.session(1)
        assert session is not None
        assert not session.complete
        # Interrupted twice: the second run ends early too.
        run = AnalysisRun.resume(log, 1, registry=analysis_registry(), budget=BUDGET)
        run.start()
        wait_until(lambda: run.progress.frames > kept + 3)
        run.cancel()
        assert run.wait(60)
        if run.progress.state is not AnalysisState.DONE:
            resumed(log, 1)
        log.flush()
        assert content(log, 1) == truth
    finally:
        child.kill()
        child.wait(10)
        if log is not None:
            log.close()


def test_a_range(log: EventLog, film: Path, truth: tuple) -> None:
    run = begin(log, film, SPEC, 0.5, 1.0)
    assert run.wait(60)
    assert run.progress.state is AnalysisState.DONE
    assert log.frame_numbers(run.session.id).tolist() == list(range(15, 30))
    assert run.progress.total == 15
    stateless = wire.read(log.frame(run.session.id, 20).results).results["finder"]
    whole = wire.read(truth[0][20][2]).results["finder"]
    assert np.array_equal(stateless.value.xyxy, whole.value.xyxy)


def test_progress_tells_how_long_it_will_take(log: EventLog, film: Path) -> None:
    changes: list[AnalysisState] = []
    run = AnalysisRun.begin(
        log, film, PipelineSpec().added("finder", {"hold_at": 30}), registry=analysis_registry(), budget=BUDGET,
        on_change=lambda: changes.append(run.progress.state),
    )  # fmt: skip
    assert run.progress.state is AnalysisState.WAITING
    assert run.progress.total == 60
    run.start()
    wait_until(lambda: run.progress.frames == 30)
    now = run.progress
    assert (now.total, now.position_s) == (60, pytest.approx(29 / 30, abs=1e-3))
    assert now.fps > 0
    assert now.left_s == pytest.approx(30 / now.fps)
    Finder.gate.set()
    assert run.wait(60)
    done = run.progress
    assert (done.state, done.frames, done.total, done.left_s) == (AnalysisState.DONE, 60, 60, None)
    assert changes[0] is AnalysisState.LOADING
    assert changes[-1] is AnalysisState.DONE


# What can go wrong -------------------------------------------------------------------------------------------------


def test_a_stage_that_fails_for_good(log: EventLog, film: Path) -> None:
    run = begin(log, film, PipelineSpec().added("finder", {"fail_from": 20}).added("follow").added("heat"))
    assert run.wait(60)
    now = run.progress
    assert now.state is AnalysisState.FAILED
    assert "cannot do frame" in now.message
    assert now.hint
    log.flush()
    numbers = log.frame_numbers(run.session.id).tolist()
    assert numbers == list(range(len(numbers))), "no frame without it"
    assert 10 < len(numbers) <= 20


def test_a_frame_that_fails_alone_is_kept(log: EventLog, film: Path) -> None:
    run = begin(log, film, PipelineSpec().added("finder", {"fail_from": 20, "fail_times": 1}).added("heat"))
    assert run.wait(60)
    assert run.progress.state is AnalysisState.DONE
    assert len(log.frame_numbers(run.session.id)) == 60
    assert list(wire.unpack(log.frame(run.session.id, 20).results)) == ["heat"]


def test_the_last_frames_that_fail_are_kept(log: EventLog, film: Path) -> None:
    run = begin(log, film, PipelineSpec().added("finder", {"fail_from": 58}).added("heat"))
    assert run.wait(60)
    assert run.progress.state is AnalysisState.DONE
    assert len(log.frame_numbers(run.session.id)) == 60


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        (PipelineSpec(), SpecError, "no stage"),
        (PipelineSpec().added("finder").enabled("finder", False), SpecError, "no stage"),
        (PipelineSpec().added("no_such_stage"), PluginError, "no_such_stage"),
        (PipelineSpec().added("finder", {"least": 999}), SpecError, "least"),
    ],
)
def test_pipelines_that_cannot_run(log: EventLog, film: Path, spec: PipelineSpec, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        AnalysisRun.begin(log, film, spec, registry=analysis_registry())
    assert log.sessions() == []


def test_a_stage_that_cannot_open(log: EventLog, film: Path) -> None:
    registry = analysis_registry()
    registry.add("broken", Broken)
    spec = PipelineSpec().added("finder").added("broken", {"in_open": True})
    run = AnalysisRun.begin(log, film, spec, registry=registry, budget=BUDGET)
    run.start()
    assert run.wait(60)
    assert run.progress.state is AnalysisState.FAILED
    assert "no such device" in run.progress.message
    log.flush()
    assert len(log.frame_numbers(run.session.id)) == 0


@pytest.mark.parametrize(
    ("start_s", "end_s", "says"), [(1.0, 1.0, "ends before"), (1.5, 0.5, "ends before"), (9.0, None, "2.00 s long")]
)
def test_ranges_with_nothing_in_them(log: EventLog, film: Path, start_s, end_s, says) -> None:
    with pytest.raises(SourceError, match=says):
        AnalysisRun.begin(log, film, SPEC, start_s, end_s, registry=analysis_registry())


@pytest.mark.parametrize("content", [None, b"", b"this is no video" * 100])
def test_files_that_are_none(log: EventLog, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "none.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"none\.mp4"):
        AnalysisRun.begin(log, path, SPEC, registry=analysis_registry())


def test_a_file_that_was_changed_or_moved(log: EventLog, film: Path, tmp_path: Path) -> None:
    run = begin(log, film, SPEC.with_params("finder", delay_s=0.02))
    wait_until(lambda: run.progress.frames > 5)
    run.cancel()
    assert run.wait(60)
    moved = film.rename(tmp_path / "moved.mp4")
    with pytest.raises(SourceError, match="does not exist"):
        AnalysisRun.resume(log, run.session.id, registry=analysis_registry())
    write_film(film, seed=1)
    with pytest.raises(SourceError, match="not the file any more"):
        AnalysisRun.resume(log, run.session.id, registry=analysis_registry())
    again = resumed(log, run.session.id, path=moved)
    assert again.progress.state is AnalysisState.DONE
    with pytest.raises(SinkError, match="complete"):
        AnalysisRun.resume(log, run.session.id, registry=analysis_registry())
    with pytest.raises(SinkError, match="not in the log"):
        AnalysisRun.resume(log, 99, registry=analysis_registry())


def test_a_film_that_breaks_off_keeps_what_there_is(log: EventLog, tmp_path: Path) -> None:
    film = write_film(tmp_path / "cut.mkv")
    film.write_bytes(film.read_bytes()[: int(film.stat().st_size * 0.6)])
    run = begin(log, film, PipelineSpec().added("finder"))
    assert run.wait(60)
    assert run.progress.state is AnalysisState.FAILED
    assert "breaks off at" in run.progress.message
    log.flush()
    numbers = log.frame_numbers(run.session.id)
    assert numbers.tolist() == list(range(len(numbers)))
    assert 20 < len(numbers) < 60


class FullDisk(EventLog):
    """A log that cannot be written from a moment on, and counts how often that was asked."""

    full: SinkError | None = None
    asked = 0

    @property
    def problem(self) -> SinkError | None:
        self.asked += self.full is not None
        return self.full


@pytest.fixture
def full(tmp_path: Path, film: Path) -> Iterator[tuple[FullDisk, AnalysisRun]]:
    """A run whose disk is full in the middle."""
    log = FullDisk(tmp_path / "full.db")
    run = begin(log, film, SPEC.with_params("finder", delay_s=0.02))
    wait_until(lambda: run.progress.frames > 5)
    log.full = SinkError("The disk is full.", hint="Make room.")
    yield log, run
    run.cancel()
    assert run.wait(60)
    log.close()


def test_a_full_disk_is_waited_for(full: tuple[FullDisk, AnalysisRun]) -> None:
    log, run = full
    wait_until(lambda: log.asked > 5)
    log.full = None
    assert run.wait(60)
    assert run.progress.state is AnalysisState.DONE
    assert len(log.frame_numbers(run.session.id)) == 60


def test_a_disk_that_stays_full_is_said(full: tuple[FullDisk, AnalysisRun], monkeypatch: pytest.MonkeyPatch) -> None:
    log, run = full
    monkeypatch.setattr("scenescope.pipelines.analysis.run.LOG_PATIENCE_S", 0.0)
    log.full, log.asked = None, 0
    wait_until(lambda: run.progress.frames > 8)
    log.full = SinkError("The disk is full.", hint="Make room.")
    assert run.wait(60)
    now = run.progress
    assert (now.state, now.message, now.hint) == (AnalysisState.FAILED, "The disk is full.", "Make room.")
    log.full = None
    assert resumed(log, run.session.id).progress.state is AnalysisState.DONE
    assert len(log.frame_numbers(run.session.id)) == 60


def test_cancelled_before_it_began(log: EventLog, film: Path) -> None:
    run = AnalysisRun.begin(log, film, SPEC, registry=analysis_registry(), budget=BUDGET)
    run.cancel()
    assert run.wait(5)
    assert run.progress.state is AnalysisState.STOPPED
    assert resumed(log, run.session.id).progress.state is AnalysisState.DONE
