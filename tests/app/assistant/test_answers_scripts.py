"""Counts and times over 40 scripted logs in 5 forms of questions, against an oracle that shares no code with them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenescope.app.assistant.rules import RulesProvider
from scenescope.app.assistant.script_fakes import LABELS, SITUATIONS, Row, Script, made_script
from scenescope.pipelines.log.store import EventLog

SEEDS = range(40)
PLURAL = {"person": "people", "car": "cars", "dog": "dogs"}
WAYS = {"door": ("in", "out"), "Gate 1": ("north", "south")}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EventLog, dict[int, tuple[Script, int]]]]:
    """All logs in one file, which was closed and opened again, as after a crash."""
    path: Path = tmp_path_factory.mktemp("scripts") / "events.db"
    log = EventLog(path)
    written = {seed: (made_script(seed), made_script(seed).write(log)) for seed in SEEDS}
    log.close()
    log = EventLog(path)
    yield log, written
    log.close()


class Case:
    """A script, whom to ask about it, and the truth by plain loops over whole tenths of a second."""

    def __init__(self, log: EventLog, script: Script, session_id: int, seed: int) -> None:
        self.script = script
        self.log, self.session_id = log, session_id
        self.random = random.Random(seed + 1000)
        self.label = self.random.choice(LABELS)

    def ask(self, question: str):
        rules = RulesProvider(knowledge=self.script.knowledge(self.log, self.session_id))
        assert rules.understands(question, self.script.scene()), question
        return rules.answer(question, self.script.scene())

    def period(self) -> tuple[str, int, int]:
        """A span in words, and its first and last tenth of a second, both of them part of it."""
        now = self.script.now
        minutes = self.random.choice((1, 1, 1, 2, 5))
        words = "minute" if minutes == 1 else f"{minutes} minutes"
        choices = [(f"in the last {words}", now - 600 * minutes, now), ("so far", 0, now)]
        if self.script.live:
            ago = self.random.choice((1, 2, 5))
            choices.append((f"since 14:{40 - ago}", now - 600 * ago, now))
            choices.append(("between 14:38 and 14:39", now - 1200, now - 601))
        else:
            start, end = sorted(self.random.sample((10, 20, 30, 60, now // 10 - 60, now // 10 - 30), 2))
            choices.append((f"between {clock(start)} and {clock(end)}", start * 10, end * 10 - 1))
            choices.append((f"since {clock(start)}", start * 10, now))
        return self.random.choice(choices)

    def rows(self, kind: str, start: int, end: int, *, label: str = "", place: str = "") -> list[Row]:
        wanted = [row for row in self.script.rows if row.kind == kind and start <= row.tenth <= end]
        return [row for row in wanted if label in ("", row.label) and place in ("", row.place)]

    def check_evidence(self, answer, rows: list[Row]) -> None:
        """The newest of what is told, each with its picture, time, track and event."""
        found = [(one.frame_index, one.track_id) for one in answer.evidence]
        assert sorted(tenth for tenth, _ in found) == sorted(sorted(row.tenth for row in rows)[-4:])
        assert set(found) <= {(row.tenth, row.track_id) for row in rows}
        assert [tenth for tenth, _ in found] == sorted((tenth for tenth, _ in found), reverse=True)
        is_open = self.script.shown >= 0
        for one in answer.evidence:
            assert one.pts_s == one.frame_index / 10
            assert one.event_id is not None
            assert one.session_id == (None if is_open else self.session_id)


def clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d}"


def shown_words(words: str) -> str:
    """A span as the answer says it."""
    parts = words.split(" ")
    return " ".join(f"{part}.0" if ":" in part and not part.startswith("14:") else part for part in parts)


def counted(number: int, label: str) -> str:
    return f"{number or 'no'} {label if number == 1 else PLURAL[label]}"


def how_many_crossed_a_line(case: Case) -> None:
    line = case.random.choice(list(WAYS))
    words, start, end = case.period()
    answer = case.ask(f"How many {PLURAL[case.label]} crossed the line {line} {words}?")
    rows = case.rows("line_cross", start, end, label=case.label, place=line)
    objects = {row.track_id for row in rows}
    often = f" ({len(rows)} crossings)" if len(rows) != len(objects) else ""
    ways = []
    for way in WAYS[line]:
        that_way = [row for row in rows if row.way == way]
        number = len({row.track_id for row in that_way})
        if number:
            ways.append(f"{number} {way}" + (f" ({len(that_way)} crossings)" if len(that_way) != number else ""))
    told = f"{counted(len(objects), case.label).capitalize()} crossed '{line}'{often} {shown_words(words)}"
    told += f": {', '.join(ways)}." if ways else "."
    assert answer.text.startswith(told), answer.text
    case.check_evidence(answer, rows)


def how_many_entered_or_left_a_zone(case: Case) -> None:
    kind, verb, noun = case.random.choice((("zone_enter", "entered", "entries"), ("zone_leave", "left", "exits")))
    zone = case.random.choice(("A", "Loading bay"))
    words, start, end = case.period()
    answer = case.ask(f"how many {PLURAL[case.label]} {verb} zone {zone.upper()} {words}")
    rows = case.rows(kind, start, end, label=case.label, place=zone)
    objects = {row.track_id for row in rows}
    often = f" ({len(rows)} {noun})" if len(rows) != len(objects) else ""
    told = f"{counted(len(objects), case.label).capitalize()} {verb} '{zone}'{often} {shown_words(words)}."
    assert answer.text.startswith(told), answer.text
    case.check_evidence(answer, rows)


def how_many_different_ones_were_there(case: Case) -> None:
    words, start, end = case.period()
    answer = case.ask(f"How many different {PLURAL[case.label]} were there {words}?")
    there = set()
    for number, label, first, last in case.script.tracks:
        if label == case.label and first <= end and last >= start:
            there.add(number)
    told = counted(len(there), case.label).replace(" ", " different " if len(there) > 1 else " ", 1)
    assert answer.text.startswith(f"I saw {told} {shown_words(words)}"), answer.text
    assert {one.track_id for one in answer.evidence} <= there
    assert len(answer.evidence) == min(len(there), 4)


def who_was_in_a_zone(case: Case) -> None:
    zone = case.random.choice(("A", "Loading bay"))
    words, start, end = case.period()
    answer = case.ask(f"How many {PLURAL[case.label]} were in the {zone} zone {words}?")
    inside = set()
    for number, label, _, _ in case.script.tracks:
        if label != case.label:
            continue
        entered = None
        for row in case.script.rows:
            if (row.track_id, row.place) != (number, zone):
                continue
            if row.kind == "zone_enter":
                entered = row.tenth
            elif entered is not None and entered <= end and row.tenth >= start:
                inside.add(number)
    verb = "was" if len(inside) == 1 else "were"
    told = f"{counted(len(inside), case.label).capitalize()} {verb} in '{zone}' {shown_words(words)}"
    assert answer.text.startswith(told), answer.text
    assert {one.track_id for one in answer.evidence} <= inside


def when_the_first_or_last_one_came(case: Case) -> None:
    nth = case.random.choice(("first", "last"))
    kind, verb, did, place = case.random.choice(
        (("line_cross", "cross", "crossed", "door"), ("zone_enter", "enter", "entered", "A"))
    )
    words, start, end = case.period()
    answer = case.ask(f"when did the {nth} {case.label} {verb} {place} {words}?")
    rows = sorted(case.rows(kind, start, end, label=case.label, place=place), key=lambda row: row.tenth)
    if not rows:
        assert answer.text.startswith(f"No {PLURAL[case.label]} {did} '{place}' {shown_words(words)}."), answer.text
        assert not answer.evidence
        return
    tenth = rows[0 if nth == "first" else -1].tenth
    (one,) = answer.evidence
    assert (one.frame_index, one.pts_s) == (tenth, tenth / 10)
    assert one.track_id in {row.track_id for row in rows if row.tenth == tenth}
    ago = (case.script.now - tenth) / 10
    minutes = round(ago) // 60
    if case.script.live and case.script.shown >= 0:
        when = f"{ago:.1f} s ago" if ago < 59.95 else f"{minutes} min {round(ago) % 60} s ago"
    elif case.script.live:
        # The clock showed 14:40:00 at the end.
        at = 14 * 36000 + 40 * 600 - (case.script.now - tenth)
        when = f"at {at // 36000:02d}:{at // 600 % 60:02d}:{at // 10 % 60:02d}"
    else:
        when = f"at {tenth // 600}:{tenth // 10 % 60:02d}.{tenth % 10}"
    assert f" {did} '{place}' {nth} {shown_words(words)} {when} (#{one.track_id})." in answer.text


FORMS = (
    how_many_crossed_a_line,
    how_many_entered_or_left_a_zone,
    how_many_different_ones_were_there,
    who_was_in_a_zone,
    when_the_first_or_last_one_came,
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_forty_logs_are_answered_exactly(form, scripts) -> None:
    log, written = scripts
    wrong = {}
    for seed, (script, session_id) in written.items():
        try:
            form(Case(log, script, session_id, seed))
        except AssertionError as error:
            wrong[f"{seed}, {script.situation}"] = str(error)
    assert not wrong


def test_the_scripts_have_what_is_hard(scripts) -> None:
    _, written = scripts
    assert {script.situation for script, _ in written.values()} == set(SITUATIONS)
    sixty_s_ago = [s for s, _ in written.values() if any(r.tenth == s.now - 600 for r in s.rows)]
    just_before = [s for s, _ in written.values() if any(r.tenth == s.now - 601 for r in s.rows)]
    assert len(sixty_s_ago) >= 15
    assert len(just_before) >= 15
    sizes = sorted(len(script.rows) for script, _ in written.values())
    assert sizes[0] == 0
    assert sizes[-1] > 500
