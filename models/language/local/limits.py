"""How long a local model may take for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Limits", "Timer"]


@dataclass(frozen=True)
class Limits:
    """How long things may take, in seconds, and how much may come of them.

    Attributes:
        load_s: reading the weights, with PyTorch before it.
        first_s: to the first word, once it is loaded.
        between_s: between two words.
        total_s: the whole answer.
        cancel_s: after a cancel, before the process is killed.
        idle_s: without a question, before the memory is given back; 0 for never.
        back_off_s: before it is started again after it died; twice as long each time.
        failures: deaths in a row, after which it rests for ``rest_s``.
        description_tokens, answer_tokens: a word is one or two.
    """

    load_s: float = 180.0
    first_s: float = 30.0
    between_s: float = 15.0
    total_s: float = 90.0
    cancel_s: float = 1.0
    idle_s: float = 600.0
    back_off_s: float = 1.0
    failures: int = 3
    rest_s: float = 60.0
    description_tokens: int = 96
    answer_tokens: int = 128


class Timer(Protocol):
    """What :class:`threading.Timer` does."""

    def start(self) -> None:
        """Let the time run."""

    def cancel(self) -> None:
        """Do nothing when it is up."""

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has done what it does, or was cancelled."""
