"""Moments: what is kept of a moment of a source that one cannot go back in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal, Slot

from scenescope.app.assistant.jobs import Jobs
from scenescope.models.language import Evidence, Picture, media_time
from scenescope.pipelines.log.records import TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.look_ring import LookRing
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.assistant_pictures import MomentDialog
from scenescope.widgets.main_window import MainWindow

__all__ = ["Moment", "Moments", "moment_of"]

NEAR_S = 2.0
LEAST_SHOWN_S = 0.05
NOT_RECORDED = "the camera is not recorded."


@dataclass(frozen=True)
class Moment:
    """A picture and what it is; None and why there is none."""

    picture: Picture | None
    words: str


def moment_of(
    evidence: Evidence, ring: LookRing, track_of: Callable[[int], TrackRecord | None], why_none: str = NOT_RECORDED
) -> Moment:
    """The kept picture that shows what evidence is about: of that moment, or else of the object when it was seen best.

    Args:
        evidence: of the source that is open.
        ring: the pictures of the last half minute.
        track_of: what the event log keeps of an object.
        why_none: why nothing is kept, where that is so.
    """
    near = ring.nearest(evidence.pts_s, NEAR_S)
    if near is not None:
        return Moment(near, _words("picture", near, evidence))
    track = track_of(evidence.track_id) if evidence.track_id is not None else None
    if track is not None and track.picture_jpeg:
        best = Picture(track.picture_jpeg, track.best_frame, track.best_s, (0, 0))
        return Moment(best, _words(f"picture of {track.label} #{track.track_id}", best, evidence))
    return Moment(None, f"{media_time(evidence.pts_s)}: Nothing is kept of that moment: {why_none}")


def _words(what: str, picture: Picture, evidence: Evidence) -> str:
    late_s = picture.pts_s - evidence.pts_s
    if picture.frame_index == evidence.frame_index:
        how = f"the {what} at that moment."
    elif abs(late_s) < LEAST_SHOWN_S:
        how = f"closest kept {what}, less than 0.1 s away."
    else:
        how = f"closest kept {what}, {abs(late_s):.1f} s {'later' if late_s > 0 else 'earlier'}."
    return f"{media_time(picture.pts_s)}: {how}"


class Moments(QObject):
    """Shows them in a small window beside the main one, which goes on; one at a time.

    Args:
        window: whose source it is.
        panel: asks for evidence.
        ring: the pictures of the last half minute.
        log: keeps pictures of objects.
    """

    _found = Signal(object)

    def __init__(self, window: MainWindow, panel: AssistantPanel, ring: LookRing, log: EventLog) -> None:
        super().__init__(window)
        self._window, self._ring, self._log = window, ring, log
        self._jobs = Jobs("assistant-moments")
        self._dialog: MomentDialog | None = None
        self._found.connect(self._show)
        panel.evidence_requested.connect(self.show)

    def close(self) -> None:
        """End what is under way."""
        self._jobs.close()

    @Slot(object)
    def show(self, evidence: Evidence) -> None:
        """Look for the picture of evidence of the source that is open; nothing if one can go there."""
        sink, playback, log = self._window.inspection.log_sink, self._window.playback, self._log
        session_id = sink.latest_session_id
        can_go = playback.active and playback.film
        if can_go or evidence.session_id not in (None, session_id):
            return
        why_none = self._why_none()

        def look() -> None:
            found = moment_of(
                evidence,
                self._ring,
                lambda track_id: log.track(session_id, track_id) if session_id is not None else None,
                why_none,
            )
            # Another source may have been opened meanwhile, whose pictures these are.
            if sink.latest_session_id == session_id:
                self._found.emit(found)

        self._jobs.add(look)

    def _why_none(self) -> str:
        if not self._window.playback.active:
            return "the source is not open any more."
        recording = self._window.inspection.recording
        if recording.recording:
            return f"it may be in the recording, in {recording.wishes.options.folder}."
        return NOT_RECORDED

    @Slot(object)
    def _show(self, moment: Moment) -> None:
        if self._dialog is None:
            self._dialog = MomentDialog(self._window)
            self._dialog.finished.connect(self._forget)
        self._dialog.show_moment(moment.picture, moment.words)

    @Slot()
    def _forget(self) -> None:
        self._dialog = None
