"""LocalModel: a network on this computer that describes pictures, in a process that gives way to the video."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from scenescope.models.budget import usable_cores
from scenescope.models.errors import AssistantError, ModelMissing, RuntimeMissing, ScenescopeError
from scenescope.models.language.base import (
    Description,
    Done,
    Evidence,
    Failed,
    ModelState,
    Phase,
    Picture,
    Reach,
    Request,
    Role,
    StreamEvent,
    TextDelta,
    Usage,
)
from scenescope.models.language.local.folders import ModelFolder, model_folder, require_memory
from scenescope.models.language.local.limits import Limits, Timer
from scenescope.models.language.local.process import COMMAND, ModelProcess, Question
from scenescope.models.language.local.prompts import prompt_of
from scenescope.models.vision.devices import cuda_devices
from scenescope.models.vision.runtimes import RUNTIMES

__all__ = ["LocalModel"]

MOST_PICTURES = 4
MOST_SUMMARY_CHARS = 240
_CURE_MISSING = "Download one in Models..., or choose a folder of your own."
_CURE_SMALLER = "Choose a smaller model, or switch stages of the pipeline off."


class _Unwanted(Exception):
    """The request was cancelled."""


@dataclass(eq=False)
class _Turn:
    """One request of the app."""

    unwanted: threading.Event = field(default_factory=threading.Event)
    running: bool = False


class LocalModel:
    """Describes pictures, and answers questions by looking; it has no tools and no network.

    It does not answer questions about the log: a network this small gets numbers wrong that the app knows exactly.
    It is loaded when it is first asked or by :meth:`load`. Every method may be called from any thread.

    Args:
        folder: of the model; None while there is none.
        missing: what is called for while there is none.
        device: "auto", "cpu", "cuda:1", ...
        threads: to compute with; 0 for all cores but one, which is left to the video, at least one.
        limits: see there.
        free_bytes: memory that may be taken.
        clock: seconds, for the pauses between starts.
        timer: makes the timer that gives the memory back.
        command: that starts the process.

    Attributes:
        last_seconds: how long the last description took from question to last word, without loading; 0.0 before it.
    """

    roles = frozenset({Role.DESCRIBE, Role.LOOK})
    reach = Reach.THIS_COMPUTER

    def __init__(
        self,
        folder: ModelFolder | None = None,
        *,
        missing: str = "",
        device: str = "auto",
        threads: int = 0,
        limits: Limits | None = None,
        free_bytes: Callable[[], int] = lambda: int(psutil.virtual_memory().available),
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[[float, Callable[[], None]], Timer] = threading.Timer,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.last_seconds = 0.0
        self._folder, self._device, self._missing = folder, device, missing
        self._threads = threads or max(usable_cores() - 1, 1)
        self._limits = limits or Limits()
        self._free_bytes, self._clock, self._make_timer = free_bytes, clock, timer
        self._command = command
        self._lock = threading.RLock()
        self._starting = threading.Lock()
        self._process: ModelProcess | None = None
        self._turn: _Turn | None = None
        self._idle: Timer | None = None
        self._downloading: str | None = None
        self._problem: ScenescopeError | None = None
        self._blamed: ModelProcess | None = None
        self._stopped = ""
        self._deaths = 0
        self._not_before_s = float("-inf")
        self._closed = False

    # How it is ---------------------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """Which model, and where."""
        title = self._folder.title if self._folder is not None else self._missing
        return f"{title}, on this computer" if title else "A model on this computer"

    @property
    def state(self) -> ModelState:
        """How it is, why, and what to do about it."""
        with self._lock:
            process, problem = self._process, self._problem
            if self._closed:
                return ModelState(Phase.OFF)
            if self._downloading is not None:
                return ModelState(Phase.DOWNLOADING, self._downloading)
            if self._folder is None:
                return ModelState(Phase.NEEDS_MODEL, self._why_none, _CURE_MISSING)
            if process is not None and not process.over and not process.told_to_end:
                if not process.ready:
                    return ModelState(Phase.LOADING, process.words)
                if self._turn is not None and self._turn.running:
                    return ModelState(Phase.LOOKING, f"Runs on {process.device}")
                if problem is None:
                    return ModelState(Phase.READY, f"Runs on {process.device}")
            if problem is not None:
                return self._troubled(problem)
            if self._stopped:
                return ModelState(Phase.STOPPED, self._stopped, "It is loaded again when it is next asked.")
            return ModelState(Phase.READY, "It is loaded when it is first asked.")

    @property
    def _why_none(self) -> str:
        return f"{self._missing} is not downloaded." if self._missing else "No model is chosen."

    def _troubled(self, problem: ScenescopeError) -> ModelState:
        if isinstance(problem, ModelMissing):
            return ModelState(Phase.NEEDS_MODEL, problem.user_message, problem.hint or _CURE_MISSING)
        resting = self._deaths >= self._limits.failures and self._clock() < self._not_before_s
        phase = Phase.UNAVAILABLE if problem.permanent or resting else Phase.DEGRADED
        return ModelState(phase, problem.user_message, problem.hint)

    @property
    def process_id(self) -> int | None:
        """Of the process that holds the network; None while there is none."""
        with self._lock:
            return self._process.pid if self._process is not None and not self._process.over else None

    def set_downloading(self, progress: str | None) -> None:
        """Told by whoever downloads: how far it has come, in words; None when that is over."""
        self._downloading = progress

    def use_folder(self, folder: ModelFolder | None) -> None:
        """Go on with another model; the one before is unloaded."""
        self.unload("")
        with self._lock:
            self._folder = folder
        self._forgive()

    # Loading -----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Begin to load, now and whatever went wrong before; :attr:`state` tells how far it has come.

        Raises:
            ScenescopeError: it cannot even begin.
        """
        self._forgive()
        self._started()

    def unload(self, why: str = "It was stopped, and its memory given back.") -> None:
        """Give the memory back. A request that is going on is cancelled."""
        self.cancel()
        with self._lock:
            idle, self._idle = self._idle, None
        if idle is not None:
            idle.cancel()
            caller: object = threading.current_thread()
            if caller is not idle:
                idle.join()
        with self._starting, self._lock:
            process, self._process = self._process, None
            self._stopped = why if process is not None else self._stopped
        if process is not None:
            process.close()

    def _unload_idle(self) -> None:
        with self._lock:
            if self._turn is not None and self._turn.running:
                return
        self.unload("Nobody has asked for a while, so its memory was given back.")

    def _forgive(self) -> None:
        with self._lock:
            self._problem, self._stopped = None, ""
            self._deaths, self._not_before_s = 0, float("-inf")

    def _started(self) -> ModelProcess:
        """The process, started if it must be.

        Raises:
            ScenescopeError: it cannot be.
        """
        with self._starting:
            process, folder = self._process, self._folder
            if self._closed:
                raise AssistantError("The local model was switched off.", hint="Choose it again in the settings.")
            if process is not None and not process.over and not process.told_to_end:
                return process
            if process is not None:
                process.close()
            try:
                started = self._start(folder)
            except ScenescopeError as error:
                self._problem = error
                raise
            with self._lock:
                self._process, self._problem, self._stopped = started, None, ""
            return started

    def _start(self, folder: ModelFolder | None) -> ModelProcess:
        if folder is None:
            raise ModelMissing(self._why_none, hint=_CURE_MISSING)
        info = RUNTIMES["transformers"]
        if info.missing:
            raise RuntimeMissing(
                f"{folder.title} needs {' and '.join(info.missing)}, not installed here.",
                hint=f"Install it: pip install 'scenescope[{info.extra}]'.",
            )
        # It may have changed since it was chosen.
        folder = replace(model_folder(folder.path, folder.card), title=folder.title)
        on_cpu = self._device == "cpu" or (self._device == "auto" and not cuda_devices())
        require_memory(folder, self._free_bytes(), on_cpu)
        process = ModelProcess(self._command, self._limits.cancel_s, self._note_death)
        process.load(str(folder.path), folder.sha256, self._device, self._threads)
        return process

    def _note_death(self, process: ModelProcess) -> None:
        with self._lock:
            if process is not self._blamed:
                self._count_failure(process.refusal or process.epitaph())

    def _count_failure(self, problem: ScenescopeError) -> None:
        self._deaths += 1
        self._problem = problem
        limits = self._limits
        pause_s = limits.back_off_s * 2 ** (self._deaths - 1) if self._deaths < limits.failures else limits.rest_s
        self._not_before_s = self._clock() + pause_s

    # Answering ---------------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Iterator[StreamEvent]:
        """Look at the newest pictures, and say what is to be seen.

        Raises:
            AssistantError: it is asked for something else, shown nothing, or busy.
        """
        if request.role not in self.roles:
            raise AssistantError(f"{self.label} describes pictures; it answers nothing else.")
        if not request.pictures:
            raise AssistantError("There is no picture to look at yet.", hint="Start a source first.")
        with self._lock:
            if self._turn is not None and self._turn.running:
                raise AssistantError(f"{self.label} is looking already.", hint="Wait until it has answered.")
            turn = self._turn = _Turn()
        return self._answer(turn, request)

    def _answer(self, turn: _Turn, request: Request) -> Iterator[StreamEvent]:
        try:
            with self._taking(turn):
                process = self._loaded(turn)
                yield from self._look(process, turn, request)
        except _Unwanted:
            yield Failed("Stopped.", cancelled=True)
        except ScenescopeError as error:
            yield Failed(error.user_message, error.hint)

    @contextmanager
    def _taking(self, turn: _Turn) -> Iterator[None]:
        with self._lock:
            if self._turn is not turn:
                raise _Unwanted
            if turn.unwanted.is_set():
                raise _Unwanted
            turn.running = True
            idle, self._idle = self._idle, None
        if idle is not None:
            idle.cancel()
            idle.join()
        try:
            yield
        finally:
            with self._lock:
                turn.running = False
                if self._limits.idle_s and self._process is not None:
                    self._idle = self._make_timer(self._limits.idle_s, self._unload_idle)
                    self._idle.start()

    def _loaded(self, turn: _Turn) -> ModelProcess:
        """The process, ready for a question."""
        self._wait_for_its_time(turn)
        process, limits = self._started(), self._limits
        was_ready = process.ready

        def settled() -> bool:
            return process.over or (process.ready and not process.busy)

        # A question that was cancelled a moment ago is given up in time, or its process is killed.
        deadline_s = time.monotonic() + limits.cancel_s + 1 if was_ready else process.started_s + limits.load_s
        if not self._wait(process, turn, settled, deadline_s):
            process.kill()
            raise self._too_slow(process, f"{self.label} was not ready in {limits.load_s:.0f} s.")
        if not process.over:
            return process
        if was_ready:
            return self._loaded(turn)
        raise process.refusal or process.epitaph()

    def _wait_for_its_time(self, turn: _Turn) -> None:
        """After a death, not at once; after several, not for a while."""
        with self._lock:
            problem = self._problem
            if problem is not None and problem.permanent and not isinstance(problem, ModelMissing | RuntimeMissing):
                raise problem
            resting = self._deaths >= self._limits.failures
        while (left := self._not_before_s - self._clock()) > 0:
            if resting and problem is not None:
                raise AssistantError(
                    f"{problem.user_message} That was {self._deaths} times in a row.",
                    hint=f"It is tried again in {left:.0f} s. A smaller model may do.",
                )
            if turn.unwanted.wait(min(left, 0.1)):
                raise _Unwanted

    def _look(self, process: ModelProcess, turn: _Turn, request: Request) -> Iterator[StreamEvent]:
        describing = request.role is Role.DESCRIBE
        pictures = request.pictures[-1:] if describing else request.pictures[-MOST_PICTURES:]
        limits, began_s = self._limits, time.monotonic()
        most_tokens = limits.description_tokens if describing else limits.answer_tokens
        question = process.look([picture.jpeg for picture in pictures], prompt_of(request), most_tokens)
        said = ""
        try:
            for text in self._texts(process, turn, question, began_s):
                text = text if said else text.lstrip()
                said += text
                if text:
                    yield TextDelta(text)
        finally:
            process.cancel()  # what is over already is not touched
        answer = question.answer or {}
        if answer.get("cut"):
            said += " …"
            yield TextDelta(" …")
        if not said.strip():
            raise AssistantError(f"{self.label} found no words.", hint="Ask again, or choose a larger model.")
        with self._lock:
            self._deaths, self._problem = 0, None
            if describing:
                self.last_seconds = time.monotonic() - began_s
        yield _done(answer, pictures, said if describing else "")

    def _texts(self, process: ModelProcess, turn: _Turn, question: Question, began_s: float) -> Iterator[str]:
        """The words as they come, until the answer is whole."""
        limits, until_s = self._limits, began_s + self._limits.first_s
        while True:
            came = self._wait(
                process, turn, lambda: bool(question.texts or question.answer or process.over),
                min(until_s, began_s + limits.total_s),
            )  # fmt: skip
            if not came:
                waited_s = time.monotonic() - began_s
                problem = self._too_slow(process, f"{self.label} was given up after {waited_s:.0f} s.")
                process.cancel()
                raise problem
            with process.changed:
                texts, answer = list(question.texts), question.answer
                question.texts.clear()
            yield from texts
            until_s = time.monotonic() + limits.between_s
            if answer is not None:
                if "error" in answer:
                    raise answer["error"]
                return
            if process.over and not texts:
                raise process.epitaph()

    def _wait(self, process: ModelProcess, turn: _Turn, condition: Callable[[], bool], deadline_s: float) -> bool:
        with process.changed:
            process.changed.wait_for(
                lambda: turn.unwanted.is_set() or condition(), max(deadline_s - time.monotonic(), 0)
            )
            if turn.unwanted.is_set():
                process.cancel()
                raise _Unwanted
            return condition()

    def _too_slow(self, process: ModelProcess, message: str) -> AssistantError:
        problem = AssistantError(message, hint=_CURE_SMALLER)
        with self._lock:
            self._blamed = process  # its end, if it comes to that, is not another failure
            self._count_failure(problem)
        return problem

    def cancel(self) -> None:
        """End the request that is going on, if there is one."""
        with self._lock:
            turn, process = self._turn, self._process
        if turn is not None:
            turn.unwanted.set()
        if process is not None:
            process.cancel()
            with process.changed:
                process.changed.notify_all()

    def close(self) -> None:
        """Cancel, and end the process."""
        with self._lock:
            self._closed = True
        self.unload("")


def _done(answer: dict[str, Any], pictures: Sequence[Picture], summary: str) -> Done:
    return Done(
        evidence=tuple(Evidence(picture.frame_index, picture.pts_s) for picture in pictures),
        usage=Usage(int(answer.get("input_tokens", 0)), int(answer.get("output_tokens", 0)), 1),
        description=Description(summary.strip()[:MOST_SUMMARY_CHARS]) if summary else None,
    )
