"""What one does with a film, in one place: speed, marks, loop, jumps, sound, and the preview over the slider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal, Slot
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QWidget

from scenescope.pipelines import STAGES, Source, Stage
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourcePhase
from scenescope.pipelines.privacy import hiding_stages
from scenescope.pipelines.registry import Registry
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.film_sound import FilmSound
from scenescope.widgets.hover_preview import HoverPreview, ThumbnailMaker
from scenescope.widgets.jump_dialog import JumpDialog
from scenescope.widgets.playback import Playback
from scenescope.widgets.playback_bar import PlaybackBar
from scenescope.widgets.settings import Settings
from scenescope.widgets.sound_control import SoundControl
from scenescope.widgets.speed_box import SpeedBox
from scenescope.widgets.time_button import TimeFormat
from scenescope.widgets.transport_marks import Marks
from scenescope.widgets.transport_time import Target

__all__ = ["FilmControls", "make_thumbnails"]

TIME_FORMAT_KEY = "playback.time_format"
FILM_ACTIONS = (
    *("step_back", "ten_back", "ten_on", "first", "last", "jump"),
    *("faster", "slower", "normal", "mark_in", "mark_out", "loop"),
)


def make_thumbnails(path: Path, size_wh: tuple[int, int]) -> ThumbnailMaker:
    """What makes small pictures of a file."""
    from scenescope.pipelines.thumbnails import Thumbnailer

    return Thumbnailer(path, size_wh)


class FilmControls(QObject):
    """Joins the bar below the picture with the engine, for all that only films have.

    Args:
        playback: commands to the engine.
        bar: gets the speed, the sound and the marks.
        engine: tells its rate and the index of the film.
        bridge: tells what happens.
        settings: where volume and the way of writing times are remembered.
        stack: where changes of marks can be undone.
        window: the parent of dialogs.
        registry: tells which stages hide something.
        thumbnails: gives what makes the small pictures.
    """

    changed = Signal()
    """What can be done now, or ``looping`` or ``muted``, is another."""

    def __init__(
        self,
        playback: Playback,
        bar: PlaybackBar,
        engine: Engine,
        bridge: EngineBridge,
        settings: Settings,
        stack: QUndoStack,
        window: QWidget,
        registry: Registry[Stage] = STAGES,
        thumbnails: Callable[[Path, tuple[int, int]], ThumbnailMaker] = make_thumbnails,
    ) -> None:
        super().__init__(window)
        self._playback = playback
        self._bar = bar
        self._engine = engine
        self._bridge = bridge
        self._settings = settings
        self._window = window
        self._jump: JumpDialog | None = None
        self._indexing = False
        self.looping = False
        self.marks = Marks(stack, self)
        self.sound = FilmSound(settings, bridge.post, self)
        self.preview = HoverPreview(thumbnails, bridge.post, lambda: bool(hiding_stages(engine.spec, registry)), window)
        self.speed = SpeedBox()
        self.sound_control = SoundControl(self.sound, self)
        bar.add_film_part(self.speed)
        bar.add_film_part(self.sound_control.mute)
        bar.add_film_part(self.sound_control.volume, spare=True)
        bar.time.set_format(_time_format(settings.get(TIME_FORMAT_KEY)))
        self.sound.changed.connect(self.changed)
        self.speed.speed_requested.connect(playback.set_speed)
        self.sound_control.mute_wished.connect(self.toggle_mute)
        bar.frame_requested.connect(playback.seek_frame)
        bar.slider.stepped.connect(self.step)
        bar.slider.skipped.connect(self.skip)
        bar.slider.end_wished.connect(self._to_end)
        bar.slider.left.connect(self.preview.leave)
        bar.hovered.connect(self._hovered)
        bar.time.clicked.connect(self._time_format_changed)
        self.marks.changed.connect(self._marks_changed)
        playback.source_changed.connect(self._source_changed)
        playback.rate_changed.connect(self._rate_changed)
        bridge.picture_changed.connect(self._picture_changed)
        bridge.index_progressed.connect(self._index_progressed)
        bridge.source_changed.connect(self._state_changed)
        self._source_changed()

    def close(self) -> None:
        """End what runs beside the engine; called when the window closes."""
        self.sound.close()
        self.preview.set_film(None)

    def states(self) -> dict[str, bool]:
        """Which of the actions can be used now."""
        film = self._playback.film and self._playback.active
        marked = bool(self.marks.span)
        return {f"film.{name}": film for name in FILM_ACTIONS} | {
            "film.backwards": film and (self._indexing or self._engine.frame_index is not None),
            "film.clear_marks": film and marked,
            "film.mute": film and self.sound.available,
        }

    # Moving ------------------------------------------------------------------------------------------------------

    @Slot(int)
    def step(self, frames: int) -> None:
        """Hold the picture and show one that is so many further, or back."""
        self._playback.step(frames)

    @Slot(float)
    def skip(self, seconds: float) -> None:
        """Go so many seconds on, or back."""
        if self._bridge.picture is not None:
            self._playback.skip(seconds, self._bridge.picture.pts_s)

    @Slot(bool)
    def _to_end(self, last: bool) -> None:
        if last:
            self._playback.to_last()
        else:
            self._playback.to_first()

    @Slot()
    def ask_where(self) -> None:
        """Go to a time, a picture or a percentage that is typed."""
        if self._jump is None:
            self._jump = JumpDialog(lambda: self._bar.extent, self._window)
            self._jump.chosen.connect(self._go_to)
        self._jump.ask()

    @Slot(object)
    def _go_to(self, target: Target) -> None:
        if not self._playback.film:
            return
        if target.frame is not None:
            self._playback.seek_frame(target.frame)
        elif target.pts_s is not None:
            self._playback.seek(target.pts_s)

    # Marks and loop ----------------------------------------------------------------------------------------------

    @Slot()
    def mark_in(self) -> None:
        """The picture that is shown is the first of the part that is marked."""
        if self._playback.film and self._bridge.picture is not None:
            self.marks.set_in(self._bridge.picture.pts_s)

    @Slot()
    def mark_out(self) -> None:
        """The picture that is shown is the last of the part that is marked."""
        if self._playback.film and self._bridge.picture is not None:
            self.marks.set_out(self._bridge.picture.pts_s)

    @Slot()
    def clear_marks(self) -> None:
        """No part is marked."""
        self.marks.clear()

    def set_looping(self, name: str, on: bool) -> None:
        """Repeat the part that is marked, or the whole film. ``name`` is that of the action."""
        self.looping = on
        self._apply_loop()
        self.changed.emit()

    def _apply_loop(self) -> None:
        span = self.marks.span
        if self.looping:
            self._engine.set_loop(span.in_s or 0.0, span.out_s)
        elif self._engine.loop is not None:
            self._engine.set_loop(None, None)
        self._bar.show_marks(span.in_s, span.out_s, self.looping)

    @Slot()
    def _marks_changed(self) -> None:
        self._apply_loop()
        self.changed.emit()

    # Sound -------------------------------------------------------------------------------------------------------

    @Slot()
    def toggle_mute(self) -> None:
        """Hear nothing, or as before."""
        self.set_muted("mute", not self.sound.muted)

    def set_muted(self, name: str, on: bool) -> None:
        """Hear nothing, or as before. ``name`` is that of the action."""
        self.sound.set_muted(on)
        self.changed.emit()

    # News --------------------------------------------------------------------------------------------------------

    @Slot()
    def _source_changed(self) -> None:
        source = self._playback.source
        path = getattr(source, "path", None)
        # What can be indexed is a file of moving pictures; a folder of images also has a path.
        indexed = source is not None and type(source).build_index is not Source.build_index
        film = path if isinstance(path, Path) and indexed else None
        self._bar.show_index(None)
        self._indexing = False
        self.preview.set_film(film)
        self.sound.show(film)
        self.marks.show(self._playback.text or str(path or ""))
        self.speed.show_rate(self._engine.rate)

    @Slot(object)
    def _state_changed(self, state: object) -> None:
        rate = self._engine.rate
        self.speed.show_rate(rate)
        self.sound.play_at(rate, self._playback.phase is SourcePhase.PLAYING)
        if not self._playback.film:
            self.preview.leave()
        self.changed.emit()

    @Slot(float)
    def _rate_changed(self, rate: float) -> None:
        self.speed.show_rate(rate)
        self.sound.play_at(rate, self._playback.phase is SourcePhase.PLAYING)

    @Slot(float)
    def _index_progressed(self, done: float) -> None:
        index = self._engine.frame_index
        was, self._indexing = self._indexing, index is None and done < 1
        self._bar.show_index(index, done if self._indexing else None)
        if was is not self._indexing:
            self.changed.emit()

    @Slot()
    def _picture_changed(self) -> None:
        picture = self._bridge.picture
        if picture is None or not self._engine.running:
            return
        index, at = self._engine.frame_index, picture.frame_index
        if index is not self._bar.index:
            self._bar.show_index(index)
        self._bar.show_position(picture.pts_s, frame=at, force=self._playback.held)
        known = index is not None and at + 1 < len(index)
        lasts_s = index.pts_s(at + 1) - picture.pts_s if index is not None and known else 0.0
        self.sound.shown(picture.pts_s, self._engine.rate, self._playback.phase is SourcePhase.PLAYING, lasts_s)

    @Slot(float, object, QPoint)
    def _hovered(self, pts_s: float, frame: int | None, at: QPoint) -> None:
        if self._playback.film:
            self.preview.hover(pts_s, frame, at)

    @Slot()
    def _time_format_changed(self) -> None:
        self._settings.set(TIME_FORMAT_KEY, self._bar.time.format.value)


def _time_format(remembered: object) -> TimeFormat:
    """The way of writing times as it was remembered; the usual one when there is none."""
    try:
        return TimeFormat(str(remembered))
    except ValueError:
        return TimeFormat.CLOCK
