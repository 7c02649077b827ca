"""The messages of a conversation, what works on them one after another, and what is kept of them."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from scenescope.app.assistant.history import History
from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.message_book import MAX_MESSAGES, MessageBook
from scenescope.models.language import Evidence, Message, MessageKind
from scenescope.pipelines.log.store import EventLog


def said(text: str, kind: MessageKind = MessageKind.ANSWER, **more) -> Message:
    return Message(0, kind, "Somebody", text, 1.0, **more)


def settle(history: History, log: EventLog) -> None:
    """Wait until all is kept, also what is kept anew because its conversation was forgotten."""
    for _ in range(2):
        assert history._jobs.wait(5)
        assert log.flush()


def conversations(log: EventLog) -> list[list[str]]:
    """What was said in each, the newest first."""
    return [[message.text for message in log.talk.messages(one.id)] for one in log.talk.conversations()]


class TestJobs:
    def test_they_run_one_after_another_and_the_thread_ends_with_the_last(self):
        jobs, done = Jobs("test"), []
        first, begun = threading.Event(), threading.Event()
        jobs.add(lambda: (begun.set(), first.wait()))
        assert begun.wait(5)
        for number in range(20):
            jobs.add(lambda number=number: done.append(number))
        assert jobs.busy
        assert jobs.waiting == 20
        first.set()
        assert jobs.wait(5)
        assert done == list(range(20))
        assert not jobs.busy
        assert "test" not in {thread.name for thread in threading.enumerate()}

    def test_one_that_fails_does_not_keep_the_next_from_running(self, capsys):
        jobs, done = Jobs("test"), []
        jobs.add(lambda: 1 / 0)
        jobs.add(lambda: done.append("next"))
        assert jobs.wait(5)
        assert done == ["next"]
        assert "ZeroDivisionError" in capsys.readouterr().err

    def test_what_has_not_begun_is_forgotten_at_the_end(self):
        jobs, done = Jobs("test"), []
        go, begun = threading.Event(), threading.Event()
        jobs.add(lambda: (begun.set(), go.wait()))
        jobs.add(lambda: done.append("late"))
        assert begun.wait(5)
        assert not jobs.close(timeout_s=0.01)
        go.set()
        assert jobs.wait(5)
        assert done == []
        assert not jobs.add(lambda: done.append("after"))


class TestMessageBook:
    def test_listeners_hear_messages_in_the_order_of_their_numbers(self):
        book, heard = MessageBook(), []
        book.subscribe(lambda message: heard.append(message.message_id))
        threads = [threading.Thread(target=lambda: [book.post(said("x")) for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert heard == list(range(1, 201))

    def test_a_message_grows_in_its_place_unless_it_was_cleared(self):
        book, heard = MessageBook(), []
        first = book.post(said("Tw"))
        book.subscribe(heard.append)
        book.change(first.message_id, lambda message: replace(message, text="Two."))
        removed = book.clear()
        book.put(first)
        assert [message.text for message in heard] == ["Two."]
        assert book.messages == ()
        book.post(said("new"))
        book.restore(removed)
        assert [message.text for message in book.messages] == ["Two.", "new"]

    def test_a_long_conversation_keeps_its_end(self):
        book = MessageBook()
        for number in range(MAX_MESSAGES + 7):
            book.post(said(str(number)))
        assert len(book.messages) == MAX_MESSAGES
        assert book.messages[-1].text == str(MAX_MESSAGES + 6)

    def test_evidence_is_of_the_session_in_which_it_was_given(self):
        session: list[int | None] = [None]
        book = MessageBook(lambda: session[0])

        def sessions() -> list[list[int | None]]:
            return [[one.session_id for one in message.evidence] for message in book.messages]

        early = book.post(said("no events are kept", evidence=(Evidence(1, 0.1),)))
        session[0] = 7
        grows = book.post(said("grows"))
        book.put(replace(grows, evidence=(Evidence(2, 0.2), Evidence(3, 0.3, session_id=5))))
        session[0] = 8
        for message_id in (early.message_id, grows.message_id):
            book.change(message_id, lambda message: replace(message, text="changed"))
        assert sessions() == [[None], [7, 5]]

    def test_who_has_stopped_listening_hears_nothing(self):
        book, heard = MessageBook(), []
        stop = book.subscribe(heard.append)
        stop()
        book.post(said("x"))
        assert heard == []


class TestHistory:
    @pytest.fixture
    def log(self, tmp_path):
        log = EventLog(tmp_path / "events.sqlite")
        yield log
        log.close()

    def test_whole_messages_are_kept_under_what_was_open_and_half_ones_are_not(self, log):
        book, history = MessageBook(), History(log.talk, lambda: "clip.mp4")
        book.subscribe(history.take)
        book.post(said("How many?", MessageKind.QUESTION))
        grows = book.post(said("Tw", doing="Not checked yet"))
        book.put(Message(grows.message_id, MessageKind.ANSWER, "Somebody", "Two.", 2.0))
        history.close()
        log.flush()
        (kept,) = log.talk.conversations()
        assert (kept.source, kept.title, kept.messages) == ("clip.mp4", "How many?", 2)
        assert [message.text for message in log.talk.messages(kept.id)] == ["How many?", "Two."]

    def test_nothing_is_kept_while_it_is_off_and_another_conversation_begins_when_told(self, log):
        book, history = MessageBook(), History(log.talk)
        book.subscribe(history.take)
        history.enabled = False
        book.post(said("secret"))
        history.enabled = True
        book.post(said("one"))
        history.begin_anew()
        book.post(said("two"))
        history.close()
        log.flush()
        texts = [message.text for kept in log.talk.conversations() for message in log.talk.messages(kept.id)]
        assert texts == ["two", "one"]

    @pytest.mark.parametrize("every", [False, True])
    def test_what_is_said_after_it_was_forgotten_is_another_conversation(self, log, every):
        book, history = MessageBook(), History(log.talk)
        book.subscribe(history.take)
        old = book.post(said("forget me"))
        settle(history, log)
        log.talk.forget_all() if every else log.talk.delete(log.talk.conversations()[0].id)
        for text in ("one", "two"):
            book.post(said(text))
        book.change(old.message_id, lambda message: replace(message, text="I am back"))
        settle(history, log)
        assert conversations(log) == [["one", "two"]]
        history.close()

    @pytest.mark.parametrize(("meanwhile", "expected"), [([], [["a", "b"]]), (["x"], [["x", "b"], ["a"]])])
    def test_it_goes_on_when_clearing_is_undone_unless_another_has_begun(self, log, meanwhile, expected):
        book, history = MessageBook(), History(log.talk)
        book.subscribe(history.take)
        book.post(said("a"))
        history.begin_anew()
        for text in meanwhile:
            book.post(said(text))
        history.go_on()
        book.post(said("b"))
        settle(history, log)
        assert conversations(log) == expected
        history.close()

    def test_a_message_that_changes_later_changes_in_its_own_conversation(self, log):
        book, history = MessageBook(), History(log.talk)
        book.subscribe(history.take)
        first = book.post(said("done"))
        history.begin_anew()
        book.post(said("next"))
        book.change(first.message_id, lambda message: replace(message, text="undone"))
        settle(history, log)
        assert conversations(log) == [["next"], ["undone"]]
        history.close()

    def test_a_log_that_is_closed_does_not_end_the_conversation(self, log):
        book, history = MessageBook(), History(log.talk)
        book.subscribe(history.take)
        log.close()
        book.post(said("still here"))
        history.close()
        assert [message.text for message in book.messages] == ["still here"]
