"""Flow: takes frames through the steps of a pipeline, several at once where order does not matter.

One pipeline thread runs every stateful step, in the order of the frames, and is the only one to touch them. Steps
without state are run by a pool, several frames at once; frames are put back in order before the next stateful step.
A change of the pipeline waits until no frame is under way, so every frame sees one pipeline, and none is lost.
A step that does not come back in time loses its thread: a new one takes over and the frame goes on.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from scenescope.pipelines.events import EngineFault
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.slots import DropKind, DropPolicy, Intake

__all__ = ["Flight", "Flow", "Step"]


@dataclass(slots=True, eq=False)
class Flight:
    """A frame under way: its number in line, the step that it is at, and what was prepared for the sinks.

    A ``preview`` is a picture shown again after an edit while paused: it goes to the view, not to the sinks.
    """

    seq: int
    frame: Frame
    preview: bool = False
    position: int = 0
    prepared: dict[Any, Any] = field(default_factory=dict)


class Step(Protocol):
    """One position of the pipeline."""

    @property
    def serial(self) -> bool:
        """True when it must see the frames one by one, in order."""

    @property
    def patience_s(self) -> float:
        """How long ``run`` may take."""

    def run(self, flight: Flight) -> Any:
        """Do the work; must not change the flight, since it may have been given up meanwhile."""

    def finish(self, flight: Flight, value: Any) -> None:
        """Put what ``run`` returned into the flight."""

    def give_up(self, flight: Flight) -> None:
        """``run`` did not come back in time: leave the flight fit to go on."""


class _Worker(threading.Thread):
    """A thread that runs steps until it is told to stop, or given up by the watchdog."""

    def __init__(self, flow: Flow, serial: bool) -> None:
        super().__init__(name="pipeline" if serial else "pipeline-pool", daemon=True)
        self.serial = serial
        self._flow = flow
        self._lock = threading.Lock()
        self._busy: tuple[Flight, Step, float] | None = None
        self._given_up = False

    def run(self) -> None:
        next_job = self._flow.next_serial if self.serial else self._flow.next_parallel
        while (job := next_job()) is not None:
            if not isinstance(job, Flight):
                self._guarded("a change between frames", job)
            elif not self._fly(job):
                return

    def _fly(self, flight: Flight) -> bool:
        step = self._flow.step(flight)
        with self._lock:
            self._busy = (flight, step, time.monotonic())
        value = self._guarded("a pipeline step", step.run, flight)
        with self._lock:
            if self._given_up:
                return False
            self._busy = None
        self._guarded("a pipeline step", step.finish, flight, value)
        self._flow.advance(flight)
        return True

    def overdue(self, now: float) -> tuple[Flight, Step] | None:
        """What this thread has been in for too long; it is given up by asking."""
        with self._lock:
            if self._busy is None or now - self._busy[2] <= self._busy[1].patience_s:
                return None
            self._given_up = True
            return self._busy[0], self._busy[1]

    def _guarded(self, where: str, work: Callable[..., Any], *args: Any) -> Any:
        try:
            return work(*args)
        except Exception as error:
            self._flow.on_fault(EngineFault(where, str(error), traceback.format_exc()))
            return None


class Flow:
    """See the module's description.

    Args:
        policy: what gives way when frames come too fast.
        workers: frames that the pool processes at once; 1 means no pool: the pipeline thread does everything.
        on_fault: told of exceptions that no step should let through.
        on_drained: called on the pipeline thread once the intake is closed and the last frame has left.
    """

    def __init__(
        self,
        policy: DropPolicy,
        workers: int,
        on_fault: Callable[[EngineFault], None],
        on_drained: Callable[[], None],
    ) -> None:
        self.on_fault = on_fault
        self._on_drained = on_drained
        self._lock = threading.RLock()
        self._serial_work = threading.Condition(self._lock)
        self._parallel_work = threading.Condition(self._lock)
        self.intake = Intake(policy, self._lock, self._serial_work.notify)
        # Where the newest counts, a second frame under way would only make both of them later.
        self._pooled = workers > 1 and policy.kind is not DropKind.NEWEST
        self._limit = 2 * workers if self._pooled else 1
        self._steps: Sequence[Step] = ()
        self._waiting: list[dict[int, Flight]] = []
        self._turn: list[int] = []
        self._pool_queue: deque[Flight] = deque()
        self._changes: deque[Callable[[], None]] = deque()
        self._previews: deque[Frame] = deque(maxlen=1)
        self._launched = 0
        self._in_flight = 0
        self._drained = False
        self._stopping = False
        self._workers = [_Worker(self, serial=True)]
        if self._pooled:
            self._workers += [_Worker(self, serial=False) for _ in range(workers)]

    # Outside -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads."""
        for worker in self._workers:
            worker.start()

    def between_frames(self, change: Callable[[], None]) -> None:
        """Run ``change`` on the pipeline thread when no frame is under way; dropped when the flow has stopped."""
        with self._lock:
            self._changes.append(change)
            self._serial_work.notify()

    def set_steps(self, steps: Sequence[Step]) -> None:
        """Replace the steps. Call it only from a change between frames, or before ``start``."""
        with self._lock:
            self._steps = steps
            self._waiting = [{} for _ in steps]
            self._turn = [self._launched] * len(steps)

    def preview(self, frame: Frame) -> None:
        """Take a frame through the steps again, for the view only."""
        with self._lock:
            self._previews.append(frame)
            self._serial_work.notify()

    @property
    def in_flight(self) -> int:
        """Frames under way."""
        return self._in_flight

    def stop(self) -> None:
        """Wake every thread and let it end; frames under way are dropped."""
        with self._lock:
            self._stopping = True
            self._serial_work.notify_all()
            self._parallel_work.notify_all()
        self.intake.close()

    def join(self, deadline_s: float) -> bool:
        """Wait for the threads until ``deadline_s`` on the monotonic clock; True when all have ended."""
        for worker in self._workers:
            worker.join(max(deadline_s - time.monotonic(), 0.01))
        return not any(worker.is_alive() for worker in self._workers)

    def check_overdue(self) -> None:
        """Give up calls that take too long. Called regularly by a thread that runs no steps."""
        now = time.monotonic()
        for worker in list(self._workers):
            stuck = worker.overdue(now)
            if stuck is None:
                continue
            flight, step = stuck
            step.give_up(flight)
            replacement = _Worker(self, worker.serial)
            with self._lock:
                if self._stopping:
                    return
                self._workers.remove(worker)
                self._workers.append(replacement)
                self.advance(flight)
                replacement.start()

    # Workers -----------------------------------------------------------------------------------------------------

    def step(self, flight: Flight) -> Step:
        """The step that a flight is at."""
        return self._steps[flight.position]

    def advance(self, flight: Flight) -> None:
        """Send a flight to its next step, or home."""
        with self._lock:
            flight.position += 1
            if flight.position == len(self._steps):
                self._in_flight -= 1
                self._serial_work.notify()
            else:
                self._route(flight)

    def _route(self, flight: Flight) -> None:
        if self._pooled and not self._steps[flight.position].serial:
            self._pool_queue.append(flight)
            self._parallel_work.notify()
        else:
            self._waiting[flight.position][flight.seq] = flight
            self._serial_work.notify()

    def next_parallel(self) -> Flight | None:
        """What a pool thread does next; waits for it; None to end."""
        with self._lock:
            self._parallel_work.wait_for(lambda: self._stopping or self._pool_queue)
            return None if self._stopping else self._pool_queue.popleft()

    def next_serial(self) -> Flight | Callable[[], None] | None:
        """What the pipeline thread does next: the frame furthest along whose turn it is, a change, or a new frame."""
        with self._lock:
            while not self._stopping:
                flight = self._due()
                if flight is not None:
                    return flight
                if self._changes and not self._in_flight:
                    return self._changes.popleft()
                if not self._changes and self._launch():
                    continue
                if self.intake.exhausted and not (self._in_flight or self._changes or self._drained):
                    self._drained = True
                    return self._on_drained
                self._serial_work.wait()
            return None

    def _due(self) -> Flight | None:
        for position in range(len(self._steps) - 1, -1, -1):
            flight = self._waiting[position].pop(self._turn[position], None)
            if flight is not None:
                self._turn[position] += 1
                return flight
        return None

    def _launch(self) -> bool:
        if self._in_flight >= self._limit or not self._steps:
            return False
        preview = bool(self._previews)
        frame = self._previews.popleft() if preview else self.intake.take()
        if frame is None:
            return False
        flight = Flight(self._launched, frame, preview)
        self._launched += 1
        self._in_flight += 1
        self._route(flight)
        return True
