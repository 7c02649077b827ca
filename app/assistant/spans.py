"""Parts of a session, and what is found in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from scenescope.models.language import Evidence

__all__ = ["MAX_EVIDENCE", "SAME_S", "Counted", "Seen", "Span", "length_words"]

MAX_EVIDENCE = 4
# Times that differ by less are the same: differences of times of pictures are not exact in binary.
SAME_S = 1e-6


@dataclass(frozen=True)
class Span:
    """A part of a session.

    Attributes:
        start_s: its first moment, media time in seconds; None for the beginning of the session.
        end_s: the first moment after it; None for the end of what is known.
        words: as part of a sentence: "in the last minute"; empty for all of the session.
    """

    start_s: float | None = None
    end_s: float | None = None
    words: str = ""

    def holds(self, t_s: float) -> bool:
        """Whether a moment is in it."""
        t_s += SAME_S / 2
        return (self.start_s is None or t_s >= self.start_s) and (self.end_s is None or t_s < self.end_s)


@dataclass(frozen=True)
class Counted:
    """How much happened.

    Attributes:
        events: how many events; exact.
        objects: how many objects they are about, by track number; exact. Events of objects without a number count for
            none.
        by_direction: of line crossings, how many different objects went each way; one may have gone both.
        evidence: some of them, newest first.
        events_by_direction: of line crossings, how many went each way.
    """

    events: int = 0
    objects: int = 0
    by_direction: dict[str, int] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    events_by_direction: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """When something was seen first or last.

    ``since_start``: it was there when watching began, so it may have come earlier.
    """

    evidence: Evidence
    label: str
    since_start: bool = False


def length_words(seconds: float) -> str:
    """A length of time after "the last": "minute", "5 minutes", "30 seconds", "1 min 30 s"."""
    for unit_s, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        number = seconds / unit_s
        if number >= 1 and number == int(number):
            return unit if number == 1 else f"{int(number)} {unit}s"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)} min {rest:g} s" if minutes else f"{rest:g} seconds"
