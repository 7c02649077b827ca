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

from scenescope.models.budget import ThreadBudget
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
        self._flow.budget.join_thread()
        next_job = self._flow.next_serial if self.serial else self._flow.next_parallel
        while (job := next_job()) is not None:
            try:
                if not isinstance(job, Flight):
                    self._flow.change(job)
                elif not self._fly(job):
                    return
            except Exception as error:
                # Steps guard what they call, so this is a bug of ours; the other frames go on.
                self._flow.on_fault(EngineFault("the pipeline", str(error), traceback.format_exc()))
                if isinstance(job, Flight):
                    self._busy = None
                    self._flow.drop(job)

    def _fly(self, flight: Flight) -> bool:
        """Run the steps that are this thread's; False when it was given up meanwhile."""
        on = True
        while on:
            step = self._flow.step(flight)
            self._busy = (flight, step, time.monotonic())
            value = step.run(flight)
            with self._lock:
                if self._given_up:
                    return False
                self._busy = None
            step.finish(flight, value)
            on = self._flow.advance(flight)
        return True

    def overdue(self, now: float) -> tuple[Flight, Step] | None:
        """What this thread has been in for too long; it is given up by asking."""
        with self._lock:
            if self._busy is None or now - self._busy[2] <= self._busy[1].patience_s:
                return None
            self._given_up = True
            return self._busy[0], self._busy[1]


class Flow:
    """See the module's description.

    Args:
        policy: what gives way when frames come too fast.
        budget: its ``workers`` are the frames that the pool processes at once; 1 means no pool: the pipeline thread
            does everything.
        on_fault: told of exceptions that no step should let through.
        on_drained: called on the pipeline thread once the intake is closed and the last frame has left.
    """

    def __init__(
        self,
        policy: DropPolicy,
        budget: ThreadBudget,
        on_fault: Callable[[EngineFault], None],
        on_drained: Callable[[], None],
    ) -> None:
        self.budget = budget
        self.on_fault = on_fault
        self._on_drained = on_drained
        self._lock = threading.RLock()
        self._serial_work = threading.Condition(self._lock)
        self._parallel_work = threading.Condition(self._lock)
        self.intake = Intake(policy, self._lock, self._wake)
        # Where the newest counts, a second frame under way would only make both of them later.
        self._pooled = budget.workers > 1 and policy.kind is not DropKind.NEWEST
        self._limit = 2 * budget.workers if self._pooled else 1
        self._steps: Sequence[Step] = ()
        self._by_pool: list[bool] = []
        self._serial_starts: list[int] = []
        self._waiting: dict[int, dict[int, Flight]] = {}
        self._turn: dict[int, int] = {}
        self._skipped: dict[int, set[int]] = {}
        self._pool_queue: deque[Flight] = deque()
        self._resumed: dict[bool, deque[Flight]] = {False: deque(), True: deque()}
        self._changes: deque[Callable[[], None]] = deque()
        self._previews: deque[Frame] = deque(maxlen=1)
        self._launched = 0
        self._in_flight = 0
        self._changing = False
        self._drained = False
        self._stopping = False
        self._workers = [_Worker(self, serial=True)]
        if self._pooled:
            self._workers += [_Worker(self, serial=False) for _ in range(budget.workers)]

    # Outside -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads."""
        for worker in self._workers:
            worker.start()

    def between_frames(self, change: Callable[[], None]) -> None:
        """Run ``change`` on the pipeline thread when no frame is under way; dropped when the flow has stopped."""
        with self._lock:
            self._changes.append(change)
            self._wake()

    def set_steps(self, steps: Sequence[Step]) -> None:
        """Replace the steps. Call it only from a change between frames, or before ``start``."""
        with self._lock:
            self._steps = steps
            self._by_pool = [self._pooled and not step.serial for step in steps]
            # A run of serial steps is one place to wait at: what has begun it goes through it before the next one does.
            starts = [at for at, pool in enumerate(self._by_pool) if not pool and (at == 0 or self._by_pool[at - 1])]
            self._serial_starts = starts[::-1]
            self._waiting = {at: {} for at in starts}
            self._turn = dict.fromkeys(starts, self._launched)
            self._skipped = {at: set() for at in starts}
            self._wake()

    def preview(self, frame: Frame) -> None:
        """Take a frame through the steps again, for the view only."""
        with self._lock:
            self._previews.append(frame)
            self._wake()

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
                self._resume(flight)
                replacement.start()

    # Workers -----------------------------------------------------------------------------------------------------

    def step(self, flight: Flight) -> Step:
        """The step that a flight is at."""
        return self._steps[flight.position]

    def advance(self, flight: Flight) -> bool:
        """Take a flight to its next step; True when the same thread may go on with it, else it is sent on its way."""
        before = self._by_pool[flight.position]
        flight.position += 1
        if flight.position < len(self._steps) and self._by_pool[flight.position] is before:
            return True
        with self._lock:
            if flight.position == len(self._steps):
                self._in_flight -= 1
                self._wake()
            else:
                self._route(flight)
        return False

    def change(self, change: Callable[[], None]) -> None:
        """Run a change; no frame sets out before it is done."""
        try:
            change()
        finally:
            with self._lock:
                self._changing = False
                self._wake()

    def drop(self, flight: Flight) -> None:
        """Take a flight out after a fault; those behind it must not wait for it."""
        with self._lock:
            for position in self._serial_starts:
                if position > flight.position:
                    self._skipped[position].add(flight.seq)
            self._in_flight -= 1
            self._wake()

    def _resume(self, flight: Flight) -> None:
        """Send on a flight whose thread was given up, wherever in a run of steps that was."""
        if self.advance(flight):
            self._resumed[self._by_pool[flight.position]].append(flight)
            self._wake()

    def _route(self, flight: Flight) -> None:
        if self._by_pool[flight.position]:
            self._pool_queue.append(flight)
            self._parallel_work.notify()
        else:
            self._waiting[flight.position][flight.seq] = flight
            self._serial_work.notify()

    def _wake(self) -> None:
        """There may be something to do: a frame has come or gone, or a change is wished."""
        self._serial_work.notify()
        if self._pooled:
            self._parallel_work.notify()

    def next_parallel(self) -> Flight | None:
        """What a pool thread does next; waits for it; None to end."""
        with self._lock:
            while not self._stopping:
                if self._resumed[True]:
                    return self._resumed[True].popleft()
                if self._pool_queue:
                    return self._pool_queue.popleft()
                # A pipeline that begins with the pool needs no detour through the pipeline thread.
                if self._by_pool and self._by_pool[0] and self._launch():
                    continue
                self._parallel_work.wait()
            return None

    def next_serial(self) -> Flight | Callable[[], None] | None:
        """What the pipeline thread does next: the frame furthest along whose turn it is, a change, or a new frame."""
        with self._lock:
            while not self._stopping:
                flight = self._due()
                if flight is not None:
                    return flight
                if self._changes and not self._in_flight:
                    self._changing = True
                    return self._changes.popleft()
                if not (self._by_pool and self._by_pool[0]) and self._launch():
                    continue
                if self.intake.exhausted and not (self._in_flight or self._changes or self._drained):
                    self._drained = True
                    return self._on_drained
                self._serial_work.wait()
            return None

    def _due(self) -> Flight | None:
        if self._resumed[False]:
            return self._resumed[False].popleft()
        for position in self._serial_starts:
            while self._turn[position] in self._skipped[position]:
                self._skipped[position].discard(self._turn[position])
                self._turn[position] += 1
            flight = self._waiting[position].pop(self._turn[position], None)
            if flight is not None:
                self._turn[position] += 1
                return flight
        return None

    def _launch(self) -> bool:
        if self._changes or self._changing or self._in_flight >= self._limit or not self._steps:
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
