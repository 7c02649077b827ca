"""StageHost: keeps one stage of the pipeline alive: loads it, guards every call, trips it when it fails for good."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from types import CodeType
from typing import Any

import cv2

from scenescope.models import PluginError, ScenescopeError, SpecError, StageContractError, StageError
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines.events import StageFailed, StagePhase, StageState, StageStats
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.meters import Durations
from scenescope.pipelines.params import StageParams
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.stage import Stage, StageContext, StageInfo

__all__ = ["FAILURES_TO_TRIP", "StageHost"]

FAILURES_TO_TRIP = 3

_UNKNOWN = StageInfo("", "", "Missing plugins", "", False, "main", False, 5.0)


class StageHost:
    """One stage of a running pipeline, from loading to closing.

    ``load`` and ``close`` run on threads of their own; ``run`` on the pipeline's; ``adopt`` between two frames.

    Args:
        spec: the wish for this stage.
        registry: where its class is found.
        context: what the stage is told when it opens.
        on_change: called when the phase changes.
        on_failure: called with every failure.
    """

    def __init__(
        self,
        spec: StageSpec,
        registry: Registry[Stage],
        context: StageContext,
        on_change: Callable[[], None],
        on_failure: Callable[[StageFailed], None],
    ) -> None:
        self.spec = spec
        self.info = _UNKNOWN
        self.failures = 0
        self.durations = Durations()
        self._registry = registry
        self._context = context
        self._on_change = on_change
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._stage: Stage | None = None
        self._in_a_row = 0
        self._load_ticket = 0
        self._least_patience_s = 0.0
        self._closed = False
        self._code_problem = ""
        self.state = StageState(spec.id, StagePhase.LOADING if spec.enabled else StagePhase.DISABLED)
        try:
            self.info = registry.get(spec.kind).info
        except PluginError as error:
            self._set(StagePhase.UNAVAILABLE, error)

    def wait_at_least(self, seconds: float) -> None:
        """Give the stage more patience than it asks for itself."""
        self._least_patience_s = seconds
        if self.info is not _UNKNOWN:
            self.info = replace(self.info, patience_s=max(self.info.patience_s, seconds))

    @property
    def budget(self) -> ThreadBudget:
        """Threads that the stage may use."""
        return self._context.threads

    # Loading -----------------------------------------------------------------------------------------------------

    def wants_loading(self) -> bool:
        """True when it is enabled and not open yet."""
        return self.state.phase is StagePhase.LOADING

    def load(self, between_frames: Callable[[Callable[[], None]], None]) -> threading.Thread:
        """Open the stage as ``spec`` wishes, on a thread of its own; an older instance serves on until it is ready."""
        with self._lock:
            self._load_ticket += 1
            ticket = self._load_ticket
        spec = self.spec
        thread = threading.Thread(
            target=self._load, args=(spec, ticket, between_frames), name=f"load-{spec.id}", daemon=True
        )
        thread.start()
        return thread

    def _load(self, spec: StageSpec, ticket: int, between_frames: Callable[[Callable[[], None]], None]) -> None:
        self._context.threads.join_thread()
        try:
            cls = self._registry.get(spec.kind)
            stage = cls(cls.validated(spec.params))
            stage.context = self._context
            stage.open(self._context)
        except Exception as error:
            if self._is_current(ticket):
                self._set(StagePhase.UNAVAILABLE, error)
                self._report(error, None, tripped=True)
            return
        if self._is_current(ticket):
            between_frames(lambda: self._adopt(stage, ticket))
        else:
            _close_quietly(stage)

    def _is_current(self, ticket: int) -> bool:
        with self._lock:
            return ticket == self._load_ticket and not self._closed

    def _adopt(self, stage: Stage, ticket: int) -> None:
        """Put a freshly opened stage to work. Runs between two frames."""
        if not self._is_current(ticket):
            _close_later(stage)
            return
        old, wished = self._stage, type(stage).validated(self.spec.params)
        if old is not None and stage.params != wished and stage.needs_reopen(wished):
            # While it was loading the wish went back to what the old one does.
            _close_later(stage)
        else:
            self._stage, self._in_a_row = stage.with_params(wished), 0
            if old is not None:
                _close_later(old)
        self._set(StagePhase.READY if self.spec.enabled else StagePhase.DISABLED)

    def change(self, spec: StageSpec) -> bool:
        """Take a new wish between two frames; True when the stage must be loaded (again)."""
        old, self.spec = self.spec, spec
        if self.info is _UNKNOWN:
            return False
        if not spec.enabled:
            self._set(StagePhase.DISABLED)
            return False
        stage = self._stage
        if spec.params != old.params or stage is None:
            params = self._registry.get(spec.kind).validated(spec.params)
            # What tripped it may be what was just changed: it gets a fresh start.
            tripped = self.state.phase is StagePhase.TRIPPED
            if stage is None or tripped or stage.needs_reopen(params):
                self._set(StagePhase.LOADING)
                return True
            self._stage = stage.with_params(params)
        if not old.enabled and self.state.phase is StagePhase.DISABLED:
            self._set(StagePhase.READY)
        return False

    def renew(self, problem: str = "") -> bool:
        """Take up the code that the registry has now, between two frames, keeping what is loaded.

        Args:
            problem: why there is no new code, in a sentence; the old goes on then, and the sentence is shown.

        Returns:
            True when the stage must be loaded again, because its ``open`` has changed.
        """
        self._code_problem = problem
        stage, reload = self._stage, False
        if not problem:
            try:
                cls = self._registry.get(self.spec.kind)
                params = cls.validated(self.spec.params)
            except ScenescopeError as error:
                self._code_problem = error.user_message
            else:
                self.info = replace(cls.info, patience_s=max(cls.info.patience_s, self._least_patience_s))
                kept = carried_over(stage, cls, params) if stage is not None else None
                if kept is not None:
                    self._stage, self._in_a_row = kept, 0
                reload = kept is None and self.spec.enabled
        if reload:
            self._set(StagePhase.LOADING)
        elif self.state.phase is StagePhase.TRIPPED and not self._code_problem:
            # What tripped it may be what was just mended.
            self._set(StagePhase.READY)
        else:
            self.state = replace(self.state, code_problem=self._code_problem)
            self._on_change()
        return reload

    # Running -----------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """True when frames go through the stage."""
        return self._stage is not None and self.state.phase in (StagePhase.READY, StagePhase.LOADING)

    def run(self, frame: Frame) -> Frame:
        """The frame as the stage leaves it; unchanged when the stage is not ready or fails. Never raises."""
        stage = self._stage
        if stage is None or not self.active:
            return self.bypass(frame)
        started = time.perf_counter()
        try:
            out = stage.process(frame)
            _check(out, frame)
        except Exception as error:
            self._failed(error, frame.index)
            return self.bypass(frame)
        self.durations.add(time.perf_counter() - started)
        self._in_a_row = 0
        # While it loads, an older instance still does what was wished before.
        if self.info.privacy and self.state.phase is StagePhase.READY:
            return replace(out, hidden_by=(*frame.hidden_by, self.spec))
        return out

    def bypass(self, frame: Frame) -> Frame:
        """The frame without this stage; a privacy stage that is wanted but cannot run hides the whole picture."""
        if self.info.privacy and self.spec.enabled:
            return frame.with_image(hidden(frame.image))
        return frame

    def gave_up(self, frame: Frame) -> Frame:
        """``process`` has not come back in time: the stage is out until it is retried; the frame goes on without it."""
        seconds = self.info.patience_s
        error = StageError(
            f"{self.info.title} has not answered for {seconds:g} s.",
            hint="It was set aside so that the picture goes on. Press Retry to load it again.",
        )
        # The thread inside it may come back at any time, so this instance is never used again.
        self._stage = None
        self._set(StagePhase.NOT_RESPONDING, error)
        self._report(error, frame.index, tripped=True)
        return self.bypass(frame)

    def _failed(self, error: Exception, index: int) -> None:
        with self._lock:
            self.failures += 1
            self._in_a_row += 1
            tripped = self._in_a_row >= FAILURES_TO_TRIP or bool(getattr(error, "permanent", False))
            tripped = tripped and self.state.phase is not StagePhase.TRIPPED
        if tripped:
            self._set(StagePhase.TRIPPED, error)
        self._report(error, index, tripped)

    # Telling -----------------------------------------------------------------------------------------------------

    def stats(self) -> StageStats:
        """How long its latest calls took."""
        p50_ms, p95_ms = self.durations.percentiles()
        return StageStats(self.spec.id, p50_ms, p95_ms, self.durations.count, self.failures)

    def _set(self, phase: StagePhase, error: Exception | None = None) -> None:
        message, hint = self._sentence(error) if error else ("", "")
        placement = self._stage.placement() if self._stage and phase is StagePhase.READY else None
        device = placement.device if placement else ""
        device_problem = placement.problem if placement else ""
        self.state = StageState(self.spec.id, phase, device, message, hint, device_problem, self._code_problem)
        self._on_change()

    def _report(self, error: Exception, index: int | None, tripped: bool) -> None:
        message, hint = self._sentence(error)
        details = "".join(traceback.format_exception(error))
        self._on_failure(StageFailed(self.spec.id, message, hint, tripped, index, details))

    def _sentence(self, error: Exception) -> tuple[str, str]:
        title = self.info.title or self.spec.kind
        if isinstance(error, StageContractError):
            return f"{title} returned {error.user_message}: bug in the stage.", error.hint
        if isinstance(error, ScenescopeError):
            return error.user_message, error.hint
        text = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
        hint = "A frame's picture is read-only: copy it before changing it." if "read-only" in text else ""
        return f"{title} failed: {type(error).__name__}: {text}", hint

    def close(self) -> threading.Thread | None:
        """Release the stage on a thread of its own, which is returned; None when nothing was open."""
        with self._lock:
            self._closed = True
            stage, self._stage = self._stage, None
        return _close_later(stage) if stage is not None else None


def carried_over(old: Stage, cls: type[Stage], params: StageParams) -> Stage | None:
    """An instance of new code that takes over what the old one has opened; None when ``open`` itself has changed."""
    if not _same_code(type(old).open, cls.open) or not _same_code(type(old).__init__, cls.__init__):
        return None
    new = object.__new__(cls)
    new.__dict__.update(old.__dict__)
    if new.needs_reopen(params):
        return None
    return new.with_params(params)


def _same_code(one: Any, other: Any) -> bool:
    """True when two functions do the same, wherever in their files they stand."""
    codes = [getattr(function, "__code__", None) for function in (one, other)]
    return one is other or (None not in codes and _placeless(codes[0]) == _placeless(codes[1]))


def _placeless(code: Any) -> Any:
    """A code object without lines and file names, which are part of its equality."""
    consts = tuple(_placeless(const) if isinstance(const, CodeType) else const for const in code.co_consts)
    return code.replace(co_firstlineno=1, co_linetable=b"", co_filename="", co_consts=consts)


def validated(spec: StageSpec, registry: Registry[Stage]) -> StageParams | None:
    """Check a wish before it is taken; None when the stage's plugin is missing, which is not an error here.

    Raises:
        SpecError: a parameter is unknown or out of range.
    """
    try:
        cls = registry.get(spec.kind)
    except PluginError:
        return None
    try:
        return cls.validated(spec.params)
    except SpecError as error:
        raise SpecError(f"Stage '{spec.id}': {error.user_message}", hint=error.hint) from error


def hidden(image: Any) -> Any:
    """A picture in which nobody can be recognised: 16 coarse, blurred cells across."""
    height, width = image.shape[:2]
    coarse = cv2.resize(image, (16, max(round(16 * height / width), 1)), interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def _check(out: Any, frame: Frame) -> None:
    if not isinstance(out, Frame):
        raise StageContractError(f"{type(out).__name__} instead of a Frame")
    if out.index != frame.index or out.captured_s != frame.captured_s:
        raise StageContractError(f"frame {out.index} for frame {frame.index}")


def _close_later(stage: Stage) -> threading.Thread:
    thread = threading.Thread(target=_close_quietly, args=(stage,), name="close-stage", daemon=True)
    thread.start()
    return thread


def _close_quietly(stage: Stage) -> None:
    try:
        stage.close()
    except Exception:
        # The stage is gone either way; what matters is in its log, not in front of the user.
        traceback.print_exc()
