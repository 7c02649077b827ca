"""LookBack: keeps the last seconds of a running engine ready to be saved, and never what a stage would hide."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from scenescope.models import SinkError
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import EngineEvent, PipelineChanged, StagePhase
from scenescope.pipelines.privacy import hiding_stages
from scenescope.pipelines.registry import STAGES, Registry
from scenescope.pipelines.sinks._disk import file_name_of
from scenescope.pipelines.sinks._movie import Container
from scenescope.pipelines.sinks.rolling import MOST_BYTES, RollingBuffer, Saved
from scenescope.pipelines.source import Source
from scenescope.pipelines.stage import Stage

__all__ = ["LookBack", "LookBackStatus"]


@dataclass(frozen=True)
class LookBackStatus:
    """What is held: seconds, bytes of memory, and whether pictures are kept as captured or as analysed."""

    on: bool
    seconds: float = 0.0
    bytes: int = 0
    raw: bool = True


class LookBack:
    """Keeps a :class:`~scenescope.pipelines.sinks.rolling.RollingBuffer` at an engine.

    While no stage hides anything, pictures are kept as they are captured. When one is switched on, they are forgotten
    at once, and from the first picture that has passed it analysed ones are kept; when it is switched off again, those
    are let go too.

    Args:
        engine: whose pictures are kept.
        source: gives the source that the engine shows, for its clock and its sound; None when unknown.
        registry: where stage classes are found.
    """

    def __init__(
        self,
        engine: Engine,
        source: Callable[[], Source | None] = lambda: None,
        *,
        registry: Registry[Stage] = STAGES,
    ) -> None:
        self._engine = engine
        self._source = source
        self._registry = registry
        self._lock = threading.RLock()
        self._buffer: RollingBuffer | None = None
        self._seconds = 0.0
        self._most_bytes = MOST_BYTES
        self._unsubscribe = engine.subscribe(self._listen)

    def keep(self, seconds: float, most_bytes: int = MOST_BYTES) -> None:
        """Keep that many seconds from now on; 0 keeps none and frees the memory."""
        with self._lock:
            if seconds == self._seconds and most_bytes == self._most_bytes:
                return
            self._seconds, self._most_bytes = seconds, most_bytes
            self._drop()
        self._adapt()

    def save(self, folder: Path, seconds: float | None = None, container: Container = Container.MP4) -> Saved:
        """Write what is held, on the caller's thread.

        Raises:
            SinkError: nothing is held, or it cannot be written.
        """
        buffer = self._buffer
        if buffer is None:
            raise SinkError("The last seconds are not kept.", hint="Switch them on in the recording options.")
        info = self._engine.source_state.info
        name = file_name_of(Path(info.name).stem) if info else ""
        stem = f"{datetime.now():%Y-%m-%d %H-%M-%S} {name} last seconds".replace("  ", " ")
        return buffer.save(folder, stem, seconds, container)

    @property
    def status(self) -> LookBackStatus:
        """What is held."""
        buffer = self._buffer
        if buffer is None:
            return LookBackStatus(self._seconds > 0)
        return LookBackStatus(True, buffer.seconds, buffer.bytes, buffer.captured)

    def close(self) -> None:
        """Keep nothing more."""
        self._unsubscribe()
        with self._lock:
            self._seconds = 0.0
            self._drop()

    # Any thread --------------------------------------------------------------------------------------------------

    def _listen(self, event: EngineEvent) -> None:
        if isinstance(event, PipelineChanged):
            self._adapt()

    def _adapt(self) -> None:
        """Have the buffer that the pipeline allows."""
        with self._lock:
            if not self._seconds:
                return
            hiding = hiding_stages(self._engine.spec, self._registry)
            if self._buffer is not None and self._buffer.captured == bool(hiding):
                self._drop()
            # The wish comes before the deed: pictures are hidden only from the moment the stage is in the pipeline.
            at_work = {s.stage_id for s in self._engine.stage_states if s.phase is not StagePhase.DISABLED}
            if self._buffer is None and hiding.keys() <= at_work:
                self._buffer = RollingBuffer(
                    self._seconds,
                    raw=not hiding,
                    most_bytes=self._most_bytes,
                    time_base=self._time_base,
                    sound=self._media_file,
                )
                self._engine.add_sink(self._buffer)

    def _drop(self) -> None:
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.halt()
            self._engine.remove_sink(buffer)

    def _time_base(self) -> Fraction | None:
        return getattr(self._source(), "time_base", None)

    def _media_file(self) -> Path | None:
        path = getattr(self._source(), "path", None)
        return path if isinstance(path, Path) and path.is_file() else None
