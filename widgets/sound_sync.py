"""Keeping sound in step with pictures. Without Qt: a player is told what to do, and tells where it is."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Protocol

__all__ = ["FASTEST", "SLOWEST", "SoundPlayer", "SoundSync"]

SLOWEST, FASTEST = 0.5, 4.0
TOLERATED_S = 0.06
"""Sound that is less off than this is felt to be in step (ITU-R BT.1359: +45 to -125 ms are not noticed)."""
IN_STEP_S = 0.015
SEEK_BEYOND_S = 0.3
NUDGE = 0.05
SETTLE_S = 0.4
"""After a command, a player's positions say nothing for so long."""
JUMP_S = 0.25
STALL_S = 0.5
PACE_OVER_S = 1.0
SLOW, STEADY = 0.88, 0.95
NEAR_END_S = 0.05
PICTURES = 16
POSITIONS = 5


class SoundPlayer(Protocol):
    """What plays the sound. Times are seconds of the file's own clock."""

    @property
    def duration_s(self) -> float:
        """Length of the file, 0 while unknown."""

    def play(self) -> None:
        """Go on."""

    def pause(self) -> None:
        """Be silent."""

    def seek(self, position_s: float) -> None:
        """Go to a time."""

    def set_rate(self, rate: float) -> None:
        """Play so many times as fast."""


class SoundSync:
    """Makes a player follow the pictures that are on the screen.

    The clock is that of the pictures: the median of those shown last, so that one that is painted late moves nothing.
    A player that is off by more than 60 ms is played 5 % faster or slower until it is in step; by more than 0.3 s, or
    after a jump of the pictures, it is sent to the right place.

    Args:
        player: told only when something changes.
        origin_s: the player's time of the first picture.
    """

    def __init__(self, player: SoundPlayer, origin_s: float) -> None:
        self._player = player
        self._origin_s = origin_s
        self._pictures: deque[tuple[float, float]] = deque(maxlen=PICTURES)
        self._last: tuple[float, float] | None = None
        self._gap_s = self._lasts_s = 0.0
        self._since: tuple[float, float] | None = None
        self._rate = 1.0
        self._playing = False
        self._sounding = False
        self._slow = False
        self._player_rate = 1.0
        self._deaf_until_s = 0.0
        self._drifts: deque[float] = deque(maxlen=POSITIONS)

    @property
    def silence(self) -> str:
        """Why there is nothing to hear though the film plays; empty when there is, or when the film is held."""
        if not self._playing or self._sounding:
            return ""
        if self._rate < 0:
            return "Sound is not played backwards."
        if not SLOWEST <= self._rate <= FASTEST:
            return f"Sound is played at {SLOWEST:g} to {FASTEST:g} times the speed."
        return "Silent while the pictures come more slowly than they should." if self._slow else ""

    # News --------------------------------------------------------------------------------------------------------

    def shown(self, pts_s: float, now_s: float, rate: float, playing: bool, lasts_s: float = 0.0) -> None:
        """A picture is on the screen.

        Args:
            pts_s: its time in the film.
            now_s: on the monotonic clock.
            rate: how fast the film plays; below 0, backwards.
            playing: False while it is held.
            lasts_s: until the next picture, in seconds of the film; 0 when unknown, then as long as the one before.
        """
        self.play_at(rate, playing)
        step_s = 0.0 if self._last is None else (pts_s - self._last[0]) / rate
        if self._last is not None and 0 < step_s <= now_s - self._last[1] + JUMP_S:
            self._gap_s = step_s
        self._lasts_s = lasts_s / abs(rate) if lasts_s > 0 else self._gap_s
        self._last = (pts_s, now_s)
        if self._pictures and abs(pts_s - self._film_s(now_s)) > JUMP_S * max(abs(rate), 1.0):
            last_pts_s, last_s = self._pictures[-1]
            # A picture that is merely late is a jump for the sound, but counts for the pace of the film.
            late = 0 <= pts_s - last_pts_s <= (now_s - last_s) * abs(rate)
            self._forget(pace=not late)
        self._pictures.append((pts_s, now_s))
        self._measure_pace(pts_s, now_s)
        self._decide(now_s)

    def play_at(self, rate: float, playing: bool) -> None:
        """The film is held, goes on, or changes its speed."""
        if (rate, playing) != (self._rate, self._playing):
            self._rate, self._playing, self._slow = rate, playing, False
            self._forget()
            if not self._audible:
                self._hush()

    def heard(self, position_s: float, now_s: float) -> None:
        """The player tells where it is."""
        if not self._sounding or not self._pictures or now_s < self._deaf_until_s:
            return
        self._drifts.append(position_s - self._origin_s - self._film_s(now_s))
        if len(self._drifts) < POSITIONS:
            return
        drift_s = median(self._drifts)
        if abs(drift_s) > SEEK_BEYOND_S:
            self._send(now_s)
        elif abs(drift_s) > TOLERATED_S:
            self._play_at_rate(self._rate * (1 - NUDGE if drift_s > 0 else 1 + NUDGE))
        elif self._player_rate != self._rate and (drift_s > 0) is (self._player_rate > self._rate):
            # It has reached the pictures; positions are too coarse to wait for nothing.
            self._play_at_rate(self._rate)
        elif abs(drift_s) < IN_STEP_S:
            self._play_at_rate(self._rate)

    def tick(self, now_s: float) -> None:
        """Called a few times a second: sound does not run on when the pictures do not."""
        if self._sounding and self._pictures and now_s - self._pictures[-1][1] > STALL_S + self._lasts_s:
            self._forget()
            self._hush()

    def ended(self) -> None:
        """The player has come to its end by itself."""
        self._sounding = False

    # What follows ------------------------------------------------------------------------------------------------

    @property
    def _audible(self) -> bool:
        return self._playing and SLOWEST <= self._rate <= FASTEST and not self._slow

    def _film_s(self, now_s: float) -> float:
        return median(pts_s - self._rate * at_s for pts_s, at_s in self._pictures) + self._rate * now_s

    def _decide(self, now_s: float) -> None:
        film_s = self._film_s(now_s) + self._origin_s
        length_s = self._player.duration_s
        # Before the first sound there is nothing to wait for in the player, behind the last nothing to play.
        inside = film_s >= 0 and (length_s <= 0 or film_s < length_s - NEAR_END_S)
        if not self._audible or not inside:
            self._hush()
        elif not self._sounding:
            self._play_at_rate(self._rate)
            self._send(now_s)
            self._player.play()
            self._sounding = True
        elif len(self._pictures) == 1:
            self._send(now_s)

    def _measure_pace(self, pts_s: float, now_s: float) -> None:
        """A film that is slower than it should be, as its stages take too long, would make the sound stutter."""
        if self._since is None:
            self._since = (pts_s, now_s)
            return
        over_s = now_s - self._since[1]
        if over_s >= PACE_OVER_S:
            pace = (pts_s - self._since[0]) / over_s / self._rate
            self._slow = pace < (STEADY if self._slow else SLOW)
            self._since = (pts_s, now_s)

    def _send(self, now_s: float) -> None:
        self._player.seek(max(self._film_s(now_s) + self._origin_s, 0.0))
        self._play_at_rate(self._rate)
        self._drifts.clear()
        self._deaf_until_s = now_s + SETTLE_S

    def _play_at_rate(self, rate: float) -> None:
        if rate != self._player_rate:
            self._player_rate = rate
            self._player.set_rate(rate)
            self._drifts.clear()

    def _hush(self) -> None:
        if self._sounding:
            self._sounding = False
            self._player.pause()

    def _forget(self, pace: bool = True) -> None:
        """Pictures from before a jump say nothing of where the film is now."""
        self._pictures.clear()
        self._drifts.clear()
        if pace:
            self._since = None
