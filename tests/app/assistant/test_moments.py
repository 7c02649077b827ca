"""What is kept of a moment of a camera: found in memory or in the log, named honestly, shown in a small window."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from scenescope.app.assistant.moments import moment_of
from scenescope.app.assistant.office_fakes import Talk, click
from scenescope.models.language import Evidence, Message, MessageKind
from scenescope.pipelines import Frame, PipelineSpec
from scenescope.pipelines.fakes import FakeSource
from scenescope.pipelines.log.records import TrackRecord
from scenescope.pipelines.look_ring import LookRing
from scenescope.widgets.assistant_pictures import MomentDialog, PictureDialog

DOG = TrackRecord(3, "dog", 1.0, 10, 9.0, 90, best_frame=50, best_s=5.0, picture_jpeg=b"jpeg")
NOTHING = "Nothing is kept of that moment: the camera is not recorded."


@pytest.fixture
def ring() -> LookRing:
    """Pictures 100 and 110, of 10.0 s and 11.0 s."""
    ring = LookRing()
    for index in range(100, 112):
        ring.write(Frame(np.zeros((48, 64, 3), np.uint8), index, index / 10))
    return ring


@pytest.mark.parametrize(
    ("evidence", "frame_index", "words"),
    [
        (Evidence(110, 11.0), 110, "0:11.0: the picture at that moment."),
        (Evidence(111, 11.1), 111, "0:11.1: the picture at that moment."),
        (Evidence(104, 10.4), 100, "0:10.0: closest kept picture, 0.4 s earlier."),
        (Evidence(108, 10.8), 110, "0:11.0: closest kept picture, 0.2 s later."),
        (Evidence(-1, 11.01), 110, "0:11.0: closest kept picture, less than 0.1 s away."),
        (Evidence(104, 10.4, 3), 100, "0:10.0: closest kept picture, 0.4 s earlier."),
        (Evidence(70, 7.0, 3), 50, "0:05.0: closest kept picture of dog #3, 2.0 s earlier."),
        (Evidence(50, 5.0, 3), 50, "0:05.0: the picture of dog #3 at that moment."),
        (Evidence(70, 7.0, 4), None, f"0:07.0: {NOTHING}"),
        (Evidence(70, 7.0), None, f"0:07.0: {NOTHING}"),
    ],
)
def test_the_nearest_kept_picture_is_named_as_what_it_is(
    ring: LookRing, evidence: Evidence, frame_index: int | None, words: str
):
    found = moment_of(evidence, ring, {3: DOG}.get)
    assert found.words == words
    assert (found.picture.frame_index if found.picture is not None else None) == frame_index


# In the real window ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def talk(make_talk: Any) -> Talk:
    """A desktop before a camera."""
    talk: Talk = make_talk(PipelineSpec().added("players"))
    talk.window.show_source(FakeSource(None, (400, 300), rate_hz=15, live=True), "camera")
    talk.until(lambda: talk.assistant.known_labels())
    return talk


def shown(talk: Talk) -> MomentDialog:
    return talk.dialog(MomentDialog)


@pytest.mark.slow
def test_a_chip_of_a_camera_leads_to_a_picture_of_that_moment(talk: Talk):
    answer = talk.say("how many people are there?")
    click(talk.view(answer).chips[0])
    dialog = shown(talk)
    picture = talk.until(lambda: dialog.view._picture)
    assert abs(picture.pts_s - answer.evidence[0].pts_s) <= 1.0
    assert not dialog.isModal()
    assert ("at that moment" in dialog.words.text()) == (picture.frame_index == answer.evidence[0].frame_index)
    assert talk.window.viewport.selected_track == answer.evidence[0].track_id
    dialog.close()


@pytest.mark.slow
def test_an_order_to_go_back_shows_it_too_and_what_is_long_past_is_not_there(talk: Talk):
    talk.until(lambda: talk.desktop.office.ring.nearest(0.0))
    assert "is shown in a window of its own" in talk.say("go to 0:01").text
    dialog = shown(talk)
    assert dialog.view.isVisible()
    talk.desktop.office.ring.clear()
    talk.desktop.office.moments.show(Evidence(-1, 500.0))
    talk.until(lambda: NOTHING in dialog.words.text())
    assert shown(talk) is dialog
    assert not dialog.view.isVisible()
    dialog.close()


@pytest.mark.slow
def test_a_picture_that_was_looked_at_is_the_one_that_is_shown(talk: Talk):
    picture = talk.until(talk.desktop.office.ring.newest)
    seen = Evidence(picture.frame_index, picture.pts_s)
    message = Message(0, MessageKind.DESCRIPTION, "A model", "A person.", 0.0, evidence=(seen,), pictures=(picture,))
    view = talk.view(talk.assistant._book.post(message))
    click(view.chips[0])
    dialog = talk.dialog(PictureDialog)
    assert dialog.picture is picture
    # There is nowhere to jump to, and no second window comes up.
    assert not dialog.jump.isVisible()
    dialog.close()
    assert all(thread.name != "assistant-moments" for thread in threading.enumerate())
