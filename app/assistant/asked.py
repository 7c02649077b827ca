"""Asked: the questions that go along with the next one, so that "and the dog?" can be understood."""

from __future__ import annotations

import threading
from collections import deque

from scenescope.models.language import LanguageModel

__all__ = ["Asked"]

MOST_KEPT = 10


class Asked:
    """What was asked since the model was chosen that answers now. Any thread.

    What was asked before that is nothing to it: it may be a server, and the one before it a model on this computer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: LanguageModel | None = None
        self._questions: deque[str] = deque(maxlen=MOST_KEPT)

    def before(self, model: LanguageModel, question: str) -> tuple[str, ...]:
        """The user's own words since it was chosen, oldest first; ``question`` is added for the next time."""
        with self._lock:
            if model is not self._model:
                self._model = model
                self._questions.clear()
            before = tuple(self._questions)
            self._questions.append(question)
            return before

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._questions.clear()
