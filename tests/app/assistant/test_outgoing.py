"""Outgoing: what leaves, to whom, and that it is fit to."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import numpy as np
import pytest

from scenescope.app.assistant.outgoing import CONSENT, PAUSED, ConsentNeeded, Outgoing
from scenescope.app.assistant.outgoing_fakes import FAR, HERE, HOST, NEAR, Desk, nobody, picture, pixels
from scenescope.models import AssistantError, ModelMissing
from scenescope.models.language import Picture
from scenescope.pipelines.log.talk import EgressRecord


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# Consent -------------------------------------------------------------------------------------------------------------


def test_nothing_leaves_without_consent_and_it_says_what_would(desk: Desk) -> None:
    with pytest.raises(ConsentNeeded) as caught:
        desk.outgoing.prepare([picture(1), picture(2)], HOST, FAR, preview=True)
    assert caught.value.user_message == f"You have not agreed to send 2 pictures to {HOST}, so nothing was sent."
    assert caught.value.hint
    assert (caught.value.host, caught.value.reach) == (HOST, FAR)
    assert [one.frame_index for one in caught.value.pictures] == [1, 2]
    assert desk.noted == []
    assert dict(desk.outgoing.sent) == {}
    assert desk.outgoing.last is None
    desk.outgoing.agree(HOST, FAR)
    assert desk.outgoing.prepare([picture(1), picture(2)], HOST, FAR) == caught.value.pictures
    desk.outgoing.withdraw(HOST)
    with pytest.raises(ConsentNeeded):
        desk.outgoing.prepare([picture(1)], HOST, FAR)


@pytest.mark.parametrize("paused", [True, False])
def test_no_face_is_looked_for_in_what_may_not_leave_anyway(tmp_path: Path, paused) -> None:
    looked: list[np.ndarray] = []
    desk = Desk(tmp_path, faces=lambda image: looked.append(image) or nobody(image))
    desk.outgoing.paused = paused
    with pytest.raises(AssistantError) as caught:
        desk.outgoing.prepare([picture(1), picture(2)], HOST, FAR, preview=paused)
    assert looked == []
    assert isinstance(caught.value, ConsentNeeded) is not paused
    if not paused:
        assert caught.value.user_message == f"You have not agreed to send 2 pictures to {HOST}, so nothing was sent."
        assert caught.value.pictures == ()


@pytest.mark.parametrize(
    ("agreed", "asked", "same"),
    [
        ("https://vision.example/v1", "https://vision.example:8443", True),
        ("http://vision.example/v1", "https://vision.example", True),
        ("vision.example", "http://VISION.example:8080/other/path", True),
        ("vision.example.", "vision.example", True),
        ("vision.example", "eu.vision.example", False),
        ("vision.example", "vision.example.org", False),
        ("vision.example", "xvision.example", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("https://BÜCHER.example:1/", "https://bücher.example", True),
        ("\u0430pple.example", "apple.example", False),
        ("192.168.1.5", "http://192.168.1.5:11434/v1", True),
        ("192.168.1.5", "192.168.1.50", False),
        ("[fd00::1]:80", "fd00:0:0::1", True),
        ("fd00::1", "http://[FD00::1]/v1", True),
    ],
)
def test_consent_is_for_a_host_however_it_is_written(desk: Desk, agreed, asked, same) -> None:
    desk.outgoing.agree(agreed, FAR)
    if same:
        assert desk.outgoing.prepare([picture()], asked, NEAR)
    else:
        with pytest.raises(ConsentNeeded):
            desk.outgoing.prepare([picture()], asked, NEAR)


@pytest.mark.parametrize(
    "text", ["", " ", "http://", "a b", "user@host", "http://user:pw@host/", "ho\u202est", "x" * 600]
)
def test_what_is_no_host_is_refused(desk: Desk, text) -> None:
    with pytest.raises(AssistantError):
        desk.outgoing.agree(text, FAR)
    assert desk.outgoing.hosts == ()
    with pytest.raises(AssistantError):
        desk.outgoing.prepare([picture()], text, FAR)


def test_consent_and_pause_outlive_the_program_and_are_shared_with_the_dialog(tmp_path: Path) -> None:
    from scenescope.widgets.assistant_choices import CONSENT as OF_THE_DIALOG
    from scenescope.widgets.assistant_choices import agreements_of

    desk = Desk(tmp_path)
    desk.outgoing.agree(HOST, FAR)
    desk.outgoing.agree("b.example", FAR)
    desk.outgoing.agree(HOST, FAR)
    desk.outgoing.paused = True
    again = Desk(tmp_path)
    assert again.outgoing.hosts == ("b.example", HOST)
    assert again.outgoing.paused
    assert OF_THE_DIALOG == CONSENT
    assert [(one.host, one.reach) for one in agreements_of(again.settings)] == [("b.example", FAR), (HOST, FAR)]
    # Taken back in the dialog, at once.
    again.settings.set(CONSENT, [])
    again.outgoing.paused = False
    with pytest.raises(ConsentNeeded):
        again.outgoing.prepare([picture()], HOST, FAR)


@pytest.mark.parametrize(
    "kept",
    [
        7,
        HOST,
        {HOST: True},
        [7, None],
        [[HOST]],
        True,
        # As earlier versions kept it, without how far the host was.
        [HOST],
        [{"host": HOST}],
        [{"host": HOST, "scheme": "http", "reach": 7}],
        [{"host": HOST, "scheme": "ftp", "reach": "INTERNET"}],
    ],
)
def test_settings_that_make_no_sense_are_no_consent(desk: Desk, kept) -> None:
    desk.settings.set(CONSENT, kept)
    assert desk.outgoing.hosts == ()
    with pytest.raises(ConsentNeeded):
        desk.outgoing.prepare([picture()], HOST, FAR)


@pytest.mark.parametrize("kept", ["no", 0, 1, [], True])
def test_settings_that_make_no_sense_pause(desk: Desk, kept) -> None:
    desk.settings.set(PAUSED, kept)
    assert desk.outgoing.paused


def test_while_paused_nothing_leaves_whatever_was_agreed_to(desk: Desk) -> None:
    desk.outgoing.agree(HOST, FAR)
    desk.outgoing.paused = True
    with pytest.raises(AssistantError, match="paused") as caught:
        desk.outgoing.prepare([picture()], HOST, FAR)
    assert not isinstance(caught.value, ConsentNeeded)
    assert desk.noted == []
    assert desk.outgoing.prepare([picture()], "localhost", HERE), "it does not leave"
    desk.outgoing.refuse_if_paused("", HERE)
    with pytest.raises(AssistantError, match="paused"):
        desk.outgoing.refuse_if_paused("my-pc", HERE)
    desk.outgoing.paused = False
    desk.outgoing.refuse_if_paused(HOST, FAR)
    assert desk.outgoing.prepare([picture()], HOST, FAR)


@pytest.mark.parametrize("late", ["pause", "withdraw"])
@pytest.mark.parametrize("meanwhile", ["faces are looked for", "it is noted"])
def test_what_is_decided_meanwhile_counts(desk: Desk, late, meanwhile) -> None:
    def decide(moment: str) -> None:
        # On another thread, as the window's: it must not have to wait.
        act = (lambda: setattr(outgoing, "paused", True)) if late == "pause" else lambda: outgoing.withdraw(HOST)
        thread = threading.Thread(target=act if moment == meanwhile else lambda: None)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    def look(image: np.ndarray) -> np.ndarray:
        decide("faces are looked for")
        return nobody(image)

    outgoing = Outgoing(desk.settings, lambda record: [desk.noted.append(record), decide("it is noted")], faces=look)
    outgoing.agree(HOST, FAR)
    with pytest.raises(AssistantError):
        outgoing.prepare([picture()], HOST, FAR)
    assert (dict(outgoing.sent), outgoing.last) == ({}, None)
    assert len(desk.noted) == (meanwhile == "it is noted")


# This computer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["", "localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]:8080", "http://llm.localhost/v1"]
)
def test_to_this_computer_pictures_go_as_they_are_and_are_not_noted(desk: Desk, host) -> None:
    (out,) = desk.outgoing.prepare([picture()], host, HERE)
    assert np.abs(pixels(out).astype(int) - pixels(picture())).mean() < 3
    assert (out.frame_index, out.pts_s) == (7, 0.7)
    assert (desk.noted, dict(desk.outgoing.sent), desk.outgoing.last) == ([], {}, None)


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("my-pc", HERE),
        ("localhost.example", HERE),
        ("10.0.0.1", HERE),
        ("localhost", FAR),
        ("127.0.0.1", NEAR),
        ("128.0.0.1", HERE),
    ],
)
def test_both_the_name_and_the_address_must_be_this_computer(desk: Desk, host, reach) -> None:
    with pytest.raises(ConsentNeeded):
        desk.outgoing.prepare([picture()], host, reach)


def test_an_unknown_host_elsewhere_gets_nothing(desk: Desk) -> None:
    with pytest.raises(AssistantError, match="not known where"):
        desk.outgoing.prepare([picture()], "", FAR)


# What is noted -------------------------------------------------------------------------------------------------------


def test_what_leaves_is_noted_exactly_before_it_does(desk: Desk) -> None:
    desk.outgoing.agree(HOST, FAR)
    first = desk.outgoing.prepare([picture(1), picture(2)], f"https://{HOST}/v1", FAR, "describe")
    second = desk.outgoing.prepare([picture(3)], HOST, NEAR)
    assert desk.noted == [
        EgressRecord(1234.5, HOST, "internet", 2, sum(len(one.jpeg) for one in first), "describe", hashes(first)),
        EgressRecord(1234.5, HOST, "your network", 1, len(second[0].jpeg), "look", hashes(second)),
    ]
    assert dict(desk.outgoing.sent) == {HOST: 3}
    last = desk.outgoing.last
    assert last is not None
    assert (last.host, last.picture, last.wall_s) == (HOST, second[0], 1234.5)


def hashes(pictures: tuple[Picture, ...]) -> tuple[str, ...]:
    return tuple(hashlib.sha256(one.jpeg).hexdigest() for one in pictures)


def test_no_pictures_are_no_entry(desk: Desk) -> None:
    desk.outgoing.agree(HOST, FAR)
    assert desk.outgoing.prepare([], HOST, FAR) == ()
    assert desk.noted == []


def test_what_cannot_be_noted_is_not_sent(tmp_path: Path) -> None:
    def full(record: EgressRecord) -> None:
        raise OSError("disk full")

    desk = Desk(tmp_path)
    outgoing = Outgoing(desk.settings, full, faces=nobody)
    outgoing.agree(HOST, FAR)
    with pytest.raises(AssistantError, match=r"cannot be noted \(disk full\), so it was not sent"):
        outgoing.prepare([picture()], HOST, FAR)
    assert dict(outgoing.sent) == {}
    assert outgoing.last is None


def test_many_threads_are_counted_and_noted_exactly(desk: Desk) -> None:
    desk.outgoing.agree(HOST, FAR)

    def send(number: int) -> None:
        for turn in range(5):
            desk.outgoing.prepare([picture(number), picture(turn)], HOST, FAR)
            desk.outgoing.agree(f"h{number}.example", FAR)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(desk.outgoing.sent) == {HOST: 40}
    assert len(desk.noted) == 20
    assert desk.outgoing.hosts == ("h0.example", "h1.example", "h2.example", "h3.example", HOST)


# What pictures become ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", HOST])
def test_pictures_are_made_small_and_lose_what_came_with_the_file(desk: Desk, host) -> None:
    from PIL import Image

    desk.outgoing.agree(HOST, FAR)
    exif = Image.Exif()
    exif[0x010F], exif[0x9286] = "SecretCam", "secret comment"
    file = io.BytesIO()
    Image.fromarray(np.full((900, 1600, 3), 90, np.uint8)).save(file, "JPEG", exif=exif, comment=b"secret too")
    tail = file.getvalue() + b"secret at the end"
    assert b"ecret" in tail
    (out,) = desk.outgoing.prepare([Picture(tail, 3, 0.3, (1600, 900))], host, HERE if host == "localhost" else FAR)
    assert b"ecret" not in out.jpeg
    opened = Image.open(io.BytesIO(out.jpeg))
    assert (opened.size, out.size_wh) == ((512, 288), (512, 288))
    assert not opened.getexif()
    assert "comment" not in opened.info


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"<svg/>", b"\x00" * 1000])
def test_a_damaged_picture_keeps_all_of_them_here(desk: Desk, data) -> None:
    desk.outgoing.agree(HOST, FAR)
    with pytest.raises(AssistantError, match="Picture 5 is damaged"):
        desk.outgoing.prepare([picture(), Picture(data, 5, 0.5, (8, 8))], HOST, FAR)
    assert desk.noted == []


@pytest.mark.parametrize(
    "failure", [ModelMissing("The weights are not here."), RuntimeError("out of memory"), MemoryError()]
)
def test_where_faces_cannot_be_looked_for_nothing_leaves(tmp_path: Path, failure) -> None:
    def fail(image: np.ndarray) -> np.ndarray:
        raise failure

    desk = Desk(tmp_path, faces=fail)
    desk.outgoing.agree(HOST, FAR)
    with pytest.raises(AssistantError, match="Faces cannot be looked for, so no picture was sent") as caught:
        desk.outgoing.prepare([picture()], HOST, FAR)
    assert caught.value.hint
    assert desk.noted == []
    assert desk.outgoing.prepare([picture()], "localhost", HERE), "to this computer no faces are blurred"


def test_a_finder_that_tells_nonsense_is_one_that_cannot_look(tmp_path: Path) -> None:
    for nonsense in (np.array([[np.nan, 0, 1, 1]]), np.ones(3), None):
        desk = Desk(tmp_path, faces=lambda image, boxes=nonsense: boxes)
        desk.outgoing.agree(HOST, FAR)
        with pytest.raises(AssistantError, match="Faces cannot be looked for"):
            desk.outgoing.prepare([picture()], HOST, FAR)


def test_boxes_at_and_beyond_the_border_are_hidden_as_far_as_they_are_in_it(tmp_path: Path) -> None:
    boxes = np.array([[-30, -30, 20, 20], [300, 200, 400, 300], [500, 500, 600, 600], [100, 100, 100, 100]], float)
    desk = Desk(tmp_path, faces=lambda image: boxes)
    desk.outgoing.agree(HOST, FAR)
    (out,) = desk.outgoing.prepare([picture()], HOST, FAR)
    before, after = pixels(picture()).astype(int), pixels(out).astype(int)
    changed = np.abs(after - before).mean(axis=2)
    assert changed[:30, :30].mean() > 3 * changed[120:180, 150:250].mean()
    assert changed[215:, 290:].mean() > 3 * changed[120:180, 150:250].mean()
