"""Answers about the past, from the event log: every number, name and time is looked up, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable

from scenescope.app.assistant.grammar import Intent, Query
from scenescope.app.assistant.log_counts import LogCounts
from scenescope.app.assistant.log_times import LogTimes
from scenescope.app.assistant.phrases import Answer
from scenescope.app.assistant.spans import Span
from scenescope.app.assistant.time_words import NoSuchTime, span_of

__all__ = ["NO_LOG", "LogAnswers"]

NO_LOG = "I cannot tell: of what happened before nothing is kept in the event log."


class LogAnswers(LogCounts, LogTimes):
    """Answers all questions about the past of one session."""

    @staticmethod
    def can(query: Query) -> bool:
        """Whether it is a question about the past."""
        return query.intent in _ANSWERS

    def answer(self, query: Query) -> Answer | None:
        """The answer, or None where nothing is kept of the source, or only the scene as it is now can tell.

        Raises:
            SinkError: the log cannot be read.
        """
        ask = _ANSWERS.get(query.intent)
        if ask is None:
            return None
        now_inside = query.intent is Intent.COUNT_INSIDE and query.period is None and self._knowledge.is_open
        if self._knowledge.session is None and not now_inside:
            return None
        try:
            span = span_of(query.period, self._knowledge)
        except NoSuchTime as error:
            return Answer(str(error))
        answer = ask(self, query, span)
        return None if answer is None else self._with_doubt(answer, query, span)


_ANSWERS: dict[Intent, Callable[[LogAnswers, Query, Span], Answer | None]] = {
    Intent.COUNT_SEEN: LogAnswers.count_seen,
    Intent.WAS_PRESENT: LogAnswers.was_present,
    Intent.LIST_SEEN: LogAnswers.list_seen,
    Intent.COUNT_EVENTS: LogAnswers.count_events,
    Intent.COUNT_INSIDE: LogAnswers.count_inside,
    Intent.BUSIEST: LogAnswers.busiest,
    Intent.WHO: LogAnswers.who,
    Intent.WHEN: LogAnswers.when,
    Intent.HOW_LONG_INSIDE: LogAnswers.how_long_inside,
    Intent.FIRST_SEEN: LogAnswers.first_seen,
    Intent.LAST_SEEN: LogAnswers.last_seen,
    Intent.TEXT: LogAnswers.text,
    Intent.CHANGES: LogAnswers.changes,
}
