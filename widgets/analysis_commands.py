"""What can be done with analyses from the window: start, hold, resume, show, compare and delete them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QMessageBox, QWidget

from scenescope.models import ScenescopeError, SinkError, SourceError
from scenescope.pipelines import STAGES, PipelineSpec, Stage
from scenescope.pipelines.analysis.budget import BehindOthers
from scenescope.pipelines.analysis.compare import Comparison, compare_sessions
from scenescope.pipelines.analysis.run import AnalysisProgress, AnalysisRun, AnalysisState
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.log.records import Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.tracks import Embed
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.sources.replay import Recorded, Replay, replay_spec
from scenescope.pipelines.sources.video import VideoFile
from scenescope.widgets.analysis_panel import AnalysisPanel, Times
from scenescope.widgets.analysis_rows import RunRow, row_of
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.history import PipelineEditor
from scenescope.widgets.playback import Playback
from scenescope.widgets.settings import Settings
from scenescope.widgets.transport_time import FilmExtent

__all__ = ["AnalysisCommands"]

LOOK_EVERY_MS = 250
END_WITHIN_S = 5.0
RANGE_KEY = "analysis.range"


class AnalysisCommands(QObject):
    """Everything behind the dock of analyses. One analysis runs at a time, behind the player, which goes on.

    The window's thread never waits for the disk: files and the log are read in threads of their own.

    Args:
        engine: of the player.
        bridge: to the window's thread.
        log: where analyses are kept.
        playback: which film is shown.
        editor: takes the pipeline that a replay needs, as a step that can be undone.
        settings: remembers which part was chosen.
        window: parent of questions.
        registry: where stages are found.
        embed: gives pictures of tracks their embeddings, so that similar ones can be found; None for none.

    Attributes:
        panel: the content of the dock.
        run: the analysis that goes on, or was the last; None before the first.
    """

    told = Signal(str, str)
    """Something went well: message and hint."""
    failed = Signal(str, str)
    """Something did not: message and hint."""
    begun = Signal(int)
    """The analysis of this session goes on from now on."""
    ended = Signal(int)
    """It is over: done, stopped, or failed."""

    def __init__(
        self,
        engine: Engine,
        bridge: EngineBridge,
        log: EventLog,
        playback: Playback,
        editor: PipelineEditor,
        settings: Settings,
        window: QWidget,
        *,
        registry: Registry[Stage] = STAGES,
        embed: Embed | None = None,
    ) -> None:
        super().__init__(window)
        self._engine = engine
        self._bridge = bridge
        self._log = log
        self._playback = playback
        self._editor = editor
        self._settings = settings
        self._window = window
        self._registry = registry
        self._embed = embed
        self.run: AnalysisRun | None = None
        self.question: QMessageBox | None = None
        self._beginning = False
        self._closed = False
        self._ticket = 0
        self._compared: tuple[int, int] | None = None
        self._replayed: tuple[PipelineSpec, PipelineSpec] | None = None
        self._no_more = threading.Event()
        self._threads: list[threading.Thread] = []
        self._progress: dict[int, AnalysisProgress] = {}
        self._known: dict[int, str] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self._show_progress)
        self.panel = panel = AnalysisPanel(self._extent)
        panel.choice.setCurrentIndex(max(panel.choice.findText(str(settings.get(RANGE_KEY, ""))), 0))
        panel.choice.currentTextChanged.connect(partial(settings.set, RANGE_KEY))
        panel.start_wished.connect(self._start)
        panel.pause_wished.connect(self._pause)
        panel.resume_wished.connect(self._resume)
        panel.cancel_wished.connect(self._cancel)
        panel.show_wished.connect(self._show_replay)
        panel.compare_wished.connect(self._compare)
        panel.compare_ended.connect(self._end_comparison)
        panel.delete_wished.connect(self._ask_delete)
        panel.jump_wished.connect(self._jump)
        playback.source_changed.connect(self._film_changed)
        bridge.pipeline_changed.connect(self._show_film)
        self._film_changed()

    # Actions -----------------------------------------------------------------------------------------------------

    @Slot()
    def start(self) -> None:
        """Analyse the chosen part of the film with the pipeline that is shown."""
        if self.film is None:
            self.failed.emit("There is no film to analyse.", "Open a video file first.")
        elif self.busy:
            self.failed.emit("An analysis is under way.", "Wait until it is done, or cancel it.")
        elif not self.panel.start_button.isEnabled():
            problem = self.panel.problem.text() or "The pipeline has no stage that is switched on."
            self.failed.emit(problem, "Choose another part, or add a stage.")
        else:
            self.panel.start()

    @Slot()
    def compare(self) -> None:
        """Compare the two analyses that are chosen."""
        if len(self.panel.chosen) != 2:
            self.failed.emit("Two analyses are compared.", "Choose two of one film in the list, with Ctrl.")
        else:
            self.panel.compare_chosen()

    @Slot()
    def show_replay(self) -> None:
        """Play the film with what the chosen analysis found, or the newest one of it."""
        rows = self.panel.chosen or [row for row in self.panel.rows.rows if row.here]
        if rows:
            self._show_replay(rows[0].session.id)
        else:
            self.failed.emit("This film has not been analysed.", "Start an analysis first.")

    @property
    def film(self) -> Path | None:
        """The video file that is shown."""
        source = self._playback.source
        return source.path if isinstance(source, VideoFile) else None

    @property
    def pipeline(self) -> PipelineSpec:
        """What an analysis would run: the pipeline that is shown; of a replay as it is, the whole one that it shows."""
        shown, replayed = self._engine.spec, self._replayed
        is_replay = isinstance(self._playback.source, Replay) and replayed is not None and replayed[0] == shown
        return replayed[1] if is_replay and replayed is not None else shown

    @property
    def busy(self) -> bool:
        """An analysis is under way."""
        return self._beginning or (self.run is not None and not self.run.progress.state.over)

    def close(self) -> None:
        """End what is under way; an analysis can be resumed the next time."""
        self._closed = True
        self._timer.stop()
        self._no_more.set()
        if self.run is not None:
            self.run.cancel()
            self.run.wait(END_WITHIN_S)
        for thread in self._threads:
            thread.join(END_WITHIN_S)

    # Film and list -----------------------------------------------------------------------------------------------

    @Slot()
    def _film_changed(self) -> None:
        self._show_film()
        self.refresh()

    @Slot()
    def _show_film(self) -> None:
        stages = [stage.id for stage in self.pipeline.stages if stage.enabled]
        self.panel.show_film(self.film.name if self.film is not None else "", ", ".join(stages))

    def _extent(self) -> FilmExtent:
        info = self._engine.source_state.info
        index = self._engine.frame_index
        if info is None:
            return FilmExtent(index=index)
        return FilmExtent(info.duration_s, info.frame_count, info.rate_hz, index)

    @Slot()
    def refresh(self) -> None:
        """Read anew which analyses there are."""
        self._ticket += 1
        self._do(partial(self._rows, self.film), partial(self._show_rows, self._ticket))

    def _rows(self, film: Path | None) -> list[RunRow]:
        """In a thread."""
        sessions = [one for one in self._log.sessions() if one.kind is SessionKind.ANALYSIS]
        try:
            here = content_fingerprint(film) if film is not None and sessions else ""
        except SourceError:
            here = ""
        rows = []
        for session in sessions:
            if session.id not in self._known:
                self._known[session.id] = row_of(session).stages
            rows.append(RunRow(session, self._known[session.id], here=bool(here) and session.fingerprint == here))
        return rows

    def _show_rows(self, ticket: int, rows: list[RunRow]) -> None:
        if ticket == self._ticket:
            self.panel.show_rows([replace(row, progress=self._progress.get(row.session.id)) for row in rows])

    # One analysis ------------------------------------------------------------------------------------------------

    @Slot(object)
    def _start(self, times: Times) -> None:
        film, spec = self.film, self.pipeline
        if film is not None and not self.busy:
            self._begin(lambda: AnalysisRun.begin(self._log, film, spec, *times, **self._options()))

    @Slot(int)
    def _resume(self, session_id: int) -> None:
        run = self.run
        if run is not None and run.session.id == session_id and not run.progress.state.over:
            run.go_on()
        elif not self.busy:
            same = next((row.here for row in self.panel.rows.rows if row.session.id == session_id), False)
            path = self.film if same else None
            self._begin(lambda: AnalysisRun.resume(self._log, session_id, path, **self._options()))

    def _options(self) -> dict[str, Any]:
        return {
            "registry": self._registry,
            "budget": BehindOthers(BehindOthers.for_throughput().workers, 1),
            "embed": self._embed,
            "on_change": self._run_changed,
        }

    def _begin(self, make: Callable[[], AnalysisRun]) -> None:
        self._beginning = True
        self.panel.show_busy(True)
        self._do(make, self._begun, self._not_begun)

    def _begun(self, run: AnalysisRun) -> None:
        self._beginning = False
        self.run = run
        self._progress.pop(run.session.id, None)
        run.start()
        self.begun.emit(run.session.id)
        self._timer.start()
        self._show_progress()
        self.refresh()

    def _not_begun(self) -> None:
        self._beginning = False
        self.panel.show_busy(self.busy)

    @Slot(int)
    def _pause(self, session_id: int) -> None:
        if self.run is not None and self.run.session.id == session_id:
            self.run.pause()

    @Slot(int)
    def _cancel(self, session_id: int) -> None:
        if self.run is not None and self.run.session.id == session_id:
            self.run.cancel()

    def _run_changed(self) -> None:
        """On a thread of the run."""
        self._bridge.post(self._show_run)

    def _show_run(self) -> None:
        self._show_progress()
        run = self.run
        if run is None or self._closed or not run.progress.state.over or not self._timer.isActive():
            return
        self._timer.stop()
        now = run.progress
        self.panel.show_busy(False)
        if now.state is AnalysisState.FAILED:
            self.failed.emit(now.message, now.hint)
        elif now.state is AnalysisState.DONE:
            self.told.emit(f"{run.path.name} is analysed: {now.frames:,} pictures.", "Show it, or compare it.")
        self.ended.emit(run.session.id)
        self.refresh()

    @Slot()
    def _show_progress(self) -> None:
        if self.run is not None:
            now = self._progress[self.run.session.id] = self.run.progress
            self.panel.show_progress(self.run.session.id, now)

    # Showing, comparing, deleting --------------------------------------------------------------------------------

    @Slot(int)
    def _show_replay(self, session_id: int, at_s: float | None = None) -> None:
        path = self.film if self._is_here(session_id) else None
        self._do(partial(self._replay, session_id, path), partial(self._play, at_s))

    def _is_here(self, session_id: int) -> bool:
        return any(row.here for row in self.panel.rows.rows if row.session.id == session_id)

    def _replay(self, session_id: int, path: Path | None) -> tuple[Session, PipelineSpec, Replay]:
        """In a thread."""
        session = self._log.session(session_id)
        if session is None:
            raise SinkError("That analysis is not in the log any more.", hint="Choose another one.")
        if path is None and not Path(session.source).exists():
            raise SourceError(
                f"{Path(session.source).name} is not where it was.", hint="Open the film where it is now, then show it."
            )
        spec = replay_spec(PipelineSpec.from_yaml(session.pipeline), Recorded.of(self._log, session_id))
        return session, spec, Replay(self._log, session, path)

    def _play(self, at_s: float | None, made: tuple[Session, PipelineSpec, Replay]) -> None:
        session, spec, replay = made
        self._replayed = spec, PipelineSpec.from_yaml(session.pipeline)
        if self._editor.replace(spec, f"Show {session.title or 'the analysis'}"):
            self._playback.show(replay, str(replay.path))
            if at_s is not None:
                self._engine.pause()
                self._engine.seek(at_s)

    @Slot(int, int)
    def _compare(self, first: int, second: int) -> None:
        self._end_comparison()
        rows = {row.session.id: row for row in self.panel.rows.rows}
        no_more = self._no_more = threading.Event()
        self._compared = first, second
        total = max(min(rows[first].session.frames, rows[second].session.frames), 1)
        names = [f"{rows[one].title}, {rows[one].about}" for one in (first, second)]
        self.panel.show_comparing(0, total)

        def told(frames: int) -> None:
            self._bridge.post(partial(self._comparing, no_more, frames, total))

        self._do(
            lambda: compare_sessions(self._log, first, second, on_frame=told, cancelled=no_more.is_set),
            partial(self._show_comparison, no_more, names),
            lambda: self.panel.show_comparing(0, 0),
        )

    def _comparing(self, no_more: threading.Event, frames: int, total: int) -> None:
        if not no_more.is_set():
            self.panel.show_comparing(min(frames, total), total)

    def _show_comparison(self, no_more: threading.Event, names: list[str], found: Comparison) -> None:
        if not no_more.is_set():
            no_more.set()
            self.panel.show_comparing(0, 0)
            self.panel.show_comparison(found, *names)

    @Slot()
    def _end_comparison(self) -> None:
        self._no_more.set()
        self.panel.show_comparing(0, 0)

    @Slot(int, float)
    def _jump(self, frame: int, pts_s: float) -> None:
        if self._compared is not None and not self._is_here(self._compared[0]):
            self._show_replay(self._compared[0], pts_s)
            return
        self._engine.pause()
        if self._engine.frame_index is not None:
            self._engine.seek_frame(frame)
        else:
            self._engine.seek(pts_s)

    @Slot(list)
    def _ask_delete(self, session_ids: list[int]) -> None:
        rows = [row for row in self.panel.rows.rows if row.session.id in session_ids]
        what = f"'{rows[0].title}'" if len(rows) == 1 else f"{len(rows)} analyses"
        self.question = box = QMessageBox(
            QMessageBox.Icon.Question,
            "Delete analyses",
            f"Delete {what} with all that was found? This cannot be undone.",
            QMessageBox.StandardButton.Cancel,
            self._window,
        )
        delete = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        delete.clicked.connect(partial(self._delete, session_ids))
        box.finished.connect(self._answered)
        box.open()

    @Slot()
    def _answered(self) -> None:
        box, self.question = self.question, None
        if box is not None:
            box.deleteLater()

    def _delete(self, session_ids: list[int], _checked: bool = False) -> None:
        def delete() -> None:
            for session_id in session_ids:
                self._log.delete_session(session_id)
            self._log.flush()

        for session_id in session_ids:
            self._progress.pop(session_id, None)
        self._do(delete, lambda _: self.refresh())

    # Threads -----------------------------------------------------------------------------------------------------

    def _do(
        self, work: Callable[[], Any], then: Callable[[Any], None], otherwise: Callable[[], None] = lambda: None
    ) -> None:
        """Run ``work`` in a thread, and ``then`` with its answer, or ``otherwise`` after a failure, in this one."""

        def run() -> None:
            try:
                answer = work()
            except ScenescopeError as error:
                self._bridge.post(partial(self._refused, otherwise, error.user_message, error.hint))
            except Exception as error:
                message = f"Unexpected failure: {type(error).__name__}: {error}"
                self._bridge.post(partial(self._refused, otherwise, message, "This is a bug: please report it."))
            else:
                self._bridge.post(partial(self._take, then, answer))

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=run, name="analysis-work", daemon=True))
        self._threads[-1].start()

    def _take(self, then: Callable[[Any], None], answer: Any) -> None:
        if not self._closed:
            then(answer)

    def _refused(self, otherwise: Callable[[], None], message: str, hint: str) -> None:
        if not self._closed:
            otherwise()
            self.failed.emit(message, hint)
