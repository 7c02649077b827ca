"""Times as people write and read them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.widgets.transport_time import (
    FilmExtent,
    Jump,
    JumpUnit,
    clock,
    exact_clock,
    parse_jump,
    resolve,
    timecode,
    timecode_frame,
)

NTSC = 30_000 / 1001


def index_of(*ticks: int, base: Fraction = Fraction(1, 10)) -> FrameIndex:
    return FrameIndex(np.array(ticks, np.int64), base, np.ones(len(ticks), np.bool_))


EVEN = FilmExtent(10.0, 100, 10.0, index_of(*range(100)))
UNEVEN = FilmExtent(2.0, 4, 2.0, index_of(0, 1, 10, 19))
UNKNOWN = FilmExtent(10.0, None, 25.0)


@pytest.mark.parametrize(
    ("seconds", "short", "exact"),
    [
        (0.0, "0:00.0", "0:00.000"),
        (-1.0, "0:00.0", "0:00.000"),
        (3.217, "0:03.2", "0:03.217"),
        (59.96, "1:00.0", "0:59.960"),
        (3723.4, "1:02:03.4", "1:02:03.400"),
    ],
)
def test_a_time_is_written_for_people(seconds: float, short: str, exact: str) -> None:
    assert (clock(seconds), exact_clock(seconds)) == (short, exact)


@pytest.mark.parametrize(
    ("frame", "rate_hz", "written"),
    [
        (0, 25.0, "00:00:00:00"),
        (1562, 25.0, "00:01:02:12"),
        (90_000 * 25, 25.0, "25:00:00:00"),
        (59, 23.976, "00:00:02:11"),
        (1799, NTSC, "00:00:59;29"),
        (1800, NTSC, "00:01:00;02"),
        (17_981, NTSC, "00:09:59;29"),
        (17_982, NTSC, "00:10:00;00"),
        (107_892, NTSC, "01:00:00;00"),
        (3600, 2 * NTSC, "00:01:00;04"),
        (120, 120.0, "00:00:01:000"),
        (7, 0.5, "00:00:07:00"),
    ],
)
def test_timecode_follows_smpte(frame: int, rate_hz: float, written: str) -> None:
    assert timecode(frame, rate_hz) == written


@pytest.mark.parametrize("rate_hz", [24.0, 25.0, NTSC, 30.0, 50.0, 2 * NTSC])
def test_timecode_and_back(rate_hz: float) -> None:
    for frame in range(0, 40_000, 7):
        *clocks, part = (int(field) for field in timecode(frame, rate_hz).replace(";", ":").split(":"))
        assert timecode_frame(clocks[0] * 3600 + clocks[1] * 60 + clocks[2], part, rate_hz) == frame


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1:02.5", "time", 62.5),
        ("62.5", "time", 62.5),
        ("62,5", "time", 62.5),
        (" 62.5s ", "time", 62.5),
        (".5", "time", 0.5),
        ("5.", "time", 5.0),
        ("250ms", "time", 0.25),
        ("90:00", "time", 5400.0),
        ("1:02:03.4", "time", 3723.4),
        ("1h2m", "time", 3720.0),
        ("1H 2min 3.5 s", "time", 3723.5),
        ("90m", "time", 5400.0),
        ("2m5", "time", 125.0),
        ("#1234", "frame", 1234),
        ("# 12", "frame", 12),
        ("f1234", "frame", 1234),
        ("Frame 7", "frame", 7),
        ("37%", "percent", 37.0),
        ("37.5 %", "percent", 37.5),
        ("100%", "percent", 100.0),
    ],
)
def test_what_is_typed_is_understood(text: str, unit: str, value: float) -> None:
    assert parse_jump(text) == Jump(JumpUnit(unit), pytest.approx(value))


def test_a_timecode_is_understood() -> None:
    assert parse_jump("00:01:02:12") == Jump(JumpUnit.TIMECODE, 62, 12)
    assert parse_jump("00:01:00;02") == Jump(JumpUnit.TIMECODE, 60, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Type a time"),
        ("   ", "Type a time"),
        ("hello", "'hello' is no place in a film"),
        ("-5", "'-5' is no place"),
        ("1:75", "A minute has 60 seconds."),
        ("1:60:00", "An hour has 60 minutes."),
        ("1:2:3:4:5", "no place"),
        ("#", "no place"),
        ("#-1", "no place"),
        ("#1.5", "no place"),
        ("#" + "9" * 5000, "No film has that many pictures."),
        ("9" * 5000, "No film is that long."),
        ("9" * 5000 + "%", "A film ends at 100%."),
        ("101%", "A film ends at 100%."),
        ("nan", "no place"),
        ("inf", "no place"),
        ("1e3", "no place"),
        ("٣", "no place"),
        ("x" * 500, "is no place in a film"),
    ],
)
def test_what_means_nothing_gets_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_jump(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("text", "film", "frame", "pts_s"),
    [
        ("#42", EVEN, 42, None),
        ("0", EVEN, 0, None),
        ("4.19", EVEN, 41, None),
        ("10", EVEN, 99, None),
        ("0%", EVEN, 0, None),
        ("50%", EVEN, 50, None),
        ("100%", EVEN, 99, None),
        ("00:00:04:02", EVEN, 42, None),
        ("0.5", UNEVEN, 1, None),
        ("1.0", UNEVEN, 2, None),
        ("50%", UNEVEN, 2, None),
        ("00:00:01:01", UNEVEN, 2, None),
        ("#42", UNKNOWN, 42, None),
        ("50%", UNKNOWN, None, 5.0),
        ("0:07.5", UNKNOWN, None, 7.5),
        ("00:00:01:05", UNKNOWN, 30, None),
        ("#5", FilmExtent(), 5, None),
    ],
)
def test_where_it_leads(text: str, film: FilmExtent, frame: int | None, pts_s: float | None) -> None:
    target = resolve(parse_jump(text), film)
    assert (target.frame, target.pts_s) == (frame, pts_s)
    assert target.words.startswith("Goes to ")


@pytest.mark.parametrize(
    ("text", "film", "words"),
    [
        ("#100", EVEN, "There is no picture #100. The last picture is #99."),
        ("0:10.1", EVEN, "The film is 0:10.0 long."),
        ("11", UNKNOWN, "The film is 0:10.0 long."),
        ("00:00:01:10", EVEN, "A second of this film has 10 pictures."),
        ("00:00:01:10", FilmExtent(10.0), "The rate of this film is unknown"),
        ("50%", FilmExtent(), "The length of this film is not known yet."),
        ("#0", FilmExtent(0.0, 0), "There are no pictures."),
        ("1", FilmExtent(index=index_of()), "The film is 0:00.0 long."),
        ("50%", FilmExtent(index=index_of()), "The length of this film is not known yet."),
    ],
)
def test_what_is_not_in_the_film_gets_a_sentence(text: str, film: FilmExtent, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        resolve(parse_jump(text), film)
    assert words in str(caught.value)
