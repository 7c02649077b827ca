"""Watch rules and the book that keeps them: what makes a rule, its words, and files of every kind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import yaml

from scenescope.models import SpecError
from scenescope.pipelines.spec import PipelineSpec
from scenescope.pipelines.watches import MOST_WATCHES, WatchBook, WatchRule
from scenescope.pipelines.watches.check import labels_of, problems

pytestmark = pytest.mark.slow

TRUCK = WatchRule(name="truck", trigger="zone_enter", labels=("truck",), zone="A")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"trigger": "zone_enter", "labels": ["truck"], "zone": "A"}, "When a truck enters zone A"),
        ({"trigger": "zone_leave", "zone": "Zone B"}, "When something leaves Zone B"),
        ({"trigger": "appear", "labels": ["apple"], "colour": "Gray"}, "When a grey apple appears"),
        ({"trigger": "appear", "labels": ["apple"]}, "When an apple appears"),
        ({"trigger": "appear", "for_s": 10}, "When something appears and is there for 10 s"),
        ({"trigger": "vanish", "labels": ["cat", "dog"]}, "When a cat or a dog vanishes"),
        ({"trigger": "vanish", "colour": "red", "for_s": 2.5}, "When a red thing vanishes and stays away for 2.5 s"),
        ({"trigger": "line_cross", "line": "gate"}, "When something crosses line gate"),
        ({"trigger": "line_cross", "line": "gate", "direction": "in"}, "When something crosses line gate (in)"),
        ({"trigger": "dwell", "zone": "A", "for_s": 10}, "When something stays in zone A for 10 s"),
        ({"trigger": "count", "at_least": 1, "labels": ["person"]}, "When there is at least 1 person"),
        (
            {"trigger": "count", "at_least": 3, "labels": ["person", "bus"], "zone": "A", "for_s": 5},
            "When there are at least 3 people or buses in zone A for 5 s",
        ),
        ({"trigger": "count", "at_most": 0, "labels": ["person"]}, "When there is no person"),
        ({"trigger": "count", "at_most": 2, "colour": "red"}, "When there are at most 2 red objects"),
        ({"trigger": "count", "at_least": 2, "at_most": 2}, "When there are exactly 2 objects"),
        ({"trigger": "count", "at_least": 2, "at_most": 4}, "When there are 2 to 4 objects"),
        (
            {"trigger": "appear", "between": ["22:00", "6:00"], "question": "Is it  wet?"},
            'When something appears, between 22:00 and 06:00, and a model says yes to "Is it wet?"',
        ),
    ],
)
def test_a_rule_says_what_it_waits_for(values, sentence) -> None:
    assert WatchRule.of({"name": "n", **values}).sentence == sentence


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"trigger": "zone_enter"}, "needs a zone"),
        ({"trigger": "zone_leave"}, "needs a zone"),
        ({"trigger": "dwell", "for_s": 3}, "needs a zone"),
        ({"trigger": "dwell", "zone": "A"}, "needs a time"),
        ({"trigger": "line_cross"}, "needs a line"),
        ({"trigger": "line_cross", "line": "g", "for_s": 3}, "cannot last"),
        ({"trigger": "line_cross", "line": "g", "zone": "A"}, "has no zone"),
        ({"trigger": "zone_enter", "zone": "A", "for_s": 3}, "use 'dwell'"),
        ({"trigger": "appear", "zone": "A"}, "use 'zone_enter'"),
        ({"trigger": "appear", "line": "g"}, "only 'line_cross' has a line"),
        ({"trigger": "zone_enter", "zone": "A", "direction": "in"}, "only 'line_cross'"),
        ({"trigger": "count"}, "needs a bound"),
        ({"trigger": "count", "at_least": 0}, "always so"),
        ({"trigger": "count", "at_least": 3, "at_most": 2}, "can never be so"),
        ({"trigger": "count", "at_least": -1}, "at_least"),
        ({"trigger": "appear", "at_least": 1}, "only 'count' has bounds"),
        ({"trigger": "appear", "colour": "plaid"}, "choose one of black"),
        ({"trigger": "appear", "between": ["8", "9"]}, "two times of the day"),
        ({"trigger": "appear", "between": ["25:00", "09:00"]}, "two times of the day"),
        ({"trigger": "appear", "between": ["09:00", "9:00"]}, "same time"),
        ({"trigger": "appear", "between": ["09:00"]}, "between"),
        ({"trigger": "appear", "for_s": float("nan")}, "for_s"),
        ({"trigger": "appear", "cooldown_s": -1}, "cooldown_s"),
        ({"trigger": "appear", "labels": ["x"] * 21}, "labels"),
        ({"trigger": "appear", "labels": "dog"}, "labels"),
        ({"trigger": "explode"}, "trigger"),
        ({"trigger": "appear", "name": ""}, "name"),
        ({"trigger": "appear", "name": "  "}, "needs a name"),
        ({"trigger": "appear", "name": "a\u202eb"}, "printable"),
        ({"trigger": "appear", "name": "x" * 61}, "name"),
        ({"trigger": "appear", "shell": "rm"}, "no parameter 'shell'"),
    ],
)
def test_what_makes_no_rule_is_said_in_a_sentence(values, complaint) -> None:
    with pytest.raises(SpecError) as caught:
        WatchRule.of({"name": "n", **values})
    assert complaint in caught.value.user_message
    assert caught.value.user_message.startswith("This cannot be watched for: ")
    assert caught.value.hint


def test_labels_are_made_plain() -> None:
    made = WatchRule(name="n", trigger="appear", labels=("fire_truck", "fire truck", "a\nb"))
    assert made.labels == ("fire truck", "a b")


# The book ------------------------------------------------------------------------------------------------------------


def rule(name: str, **more) -> WatchRule:
    return WatchRule(name=name, **{"trigger": "appear", **more})


def test_rules_come_back_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "watches.yaml"
    book = WatchBook(path)
    rules = (TRUCK, rule("noon", between=("11:30", "12:30"), labels=("person",), enabled=False), rule("äöü 車"))
    for one in rules:
        assert book.put(one) is None
    assert WatchBook(path).rules == rules
    assert book.put(rule("noon")) == rules[1]
    assert book.enable("noon", False).enabled
    assert book.remove("TRUCK") == TRUCK
    again = WatchBook(path)
    assert [(one.name, one.enabled) for one in again.rules] == [("noon", False), ("äöü 車", True)]
    again.restore(rules)
    assert WatchBook(path).rules == rules
    assert (book.notice, again.notice) == ("", "")
    assert [entry.name for entry in path.parent.iterdir()] == ["watches.yaml"]


def test_times_written_by_hand_without_quotes_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("watches:\n- {name: n, trigger: appear, between: [8:00, 18:30]}\n")
    assert WatchBook(path).rules == (rule("n", between=("08:00", "18:30")),)


def test_unknown_names_and_too_many_are_refused_with_a_cure() -> None:
    book = WatchBook()
    with pytest.raises(SpecError, match=r"no watch called 'x'.*no watches yet"):
        book.get("x")
    for number in range(MOST_WATCHES):
        book.put(rule(f"n{number}"))
    with pytest.raises(SpecError, match=f"already {MOST_WATCHES}.*Remove one"):
        book.put(rule("one more"))
    book.put(rule("n3", labels=("dog",)))
    with pytest.raises(SpecError, match="'n0', 'n1'"):
        book.remove("y")
    with pytest.raises(SpecError):
        book.restore([TRUCK, TRUCK])
    assert book.free_name("n3") == "n3 2"
    assert book.free_name("new") == "new"


@pytest.mark.parametrize(
    ("content", "says", "kept"),
    [
        (b"watches: [", "is damaged", 0),
        (b"\xff\xfe\x00binary", "is damaged", 0),
        (b"- just\n- a list\n", "is not a file of watches", 0),
        (b"stages: []\n", "is not a file of watches", 0),
        (b"watches: 3\n", "is not a file of watches", 0),
        (b"version: 2\nwatches: []\n", "newer version", 0),
        (b"version: old\nwatches: []\n", "newer version", 0),
        (b"watches: [{name: a, trigger: appear}, {name: b}, 7, {name: a, trigger: vanish}]", "holds 3", 1),
        (b"watches: [{name: a, trigger: appear, exec: !!python/name:os.system }]", "is damaged", 0),
        (b"a: &a [x,x]\nb: &b [*a,*a]\nwatches: [{name: *b, trigger: appear}]", "holds 1", 0),
        (b"x" * 1_000_001, "too large", 0),
        (b"[" * 5000, "is damaged", 0),
    ],
)
def test_a_bad_file_is_set_aside_whole(tmp_path: Path, content, says, kept) -> None:
    path = tmp_path / "watches.yaml"
    for attempt in ("watches.yaml.damaged", "watches.yaml.damaged-2"):
        path.write_bytes(content)
        book = WatchBook(path)
        assert says in book.notice
        assert attempt in book.notice
        assert len(book.rules) == kept
        assert (tmp_path / attempt).read_bytes() == content
        book.put(TRUCK)
        assert TRUCK in WatchBook(path).rules


def test_an_empty_file_holds_none(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.touch()
    book = WatchBook(path)
    assert (book.rules, book.notice) == ((), "")


def test_a_place_that_cannot_be_written_costs_the_memory_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    book = WatchBook(tmp_path / "file" / "watches.yaml")
    book.put(TRUCK)
    assert book.rules == (TRUCK,)
    assert "last until the program ends" in book.notice


def test_a_path_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "watches.yaml"
    path.mkdir()
    book = WatchBook(path)
    assert "cannot be read" in book.notice
    book.put(TRUCK)
    assert path.is_dir()
    assert book.rules == (TRUCK,)


def test_listeners_hear_of_changes_only() -> None:
    book, heard = WatchBook(), []
    end = book.subscribe(lambda: heard.append(len(book.rules)))
    book.put(TRUCK)
    book.put(TRUCK)
    book.enable("truck", False)
    book.remove("truck")
    end()
    book.put(TRUCK)
    assert heard == [1, 1, 0]


def test_many_threads_write_one_whole_file(tmp_path: Path) -> None:
    book = WatchBook(tmp_path / "w.yaml")

    def work(number: int) -> None:
        for turn in range(10):
            book.put(rule(f"n{number}", for_s=turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(one.name, one.for_s) for one in WatchBook(book.path).rules} == {(f"n{n}", 9.0) for n in range(4)}
    assert yaml.safe_load((tmp_path / "w.yaml").read_text())["version"] == 1


# What keeps a rule from coming true ----------------------------------------------------------------------------------

SHAPES = {
    "zones": [{"name": "A", "points": [[0, 0], [1, 0], [1, 1]], "labels": ["car"]}],
    "lines": [{"name": "gate", "start": [0, 0], "end": [1, 1]}],
}
WHOLE = PipelineSpec().added("detect").added("track").added("zones", {"shapes": SHAPES})
ENTER_A = rule("n", trigger="zone_enter", zone="A")
KNOWN = ("person", "fire_truck", "car")


@pytest.mark.parametrize(
    ("one", "spec", "expected"),
    [
        (ENTER_A, WHOLE, []),
        (rule("n"), PipelineSpec(), ["No stage finds objects"]),
        (rule("n"), WHOLE.enabled("detect", False), ["No stage finds objects"]),
        (ENTER_A, WHOLE.removed("track"), ["add 'Track objects'"]),
        (ENTER_A, WHOLE.removed("zones"), ["add 'Zones and lines'"]),
        (ENTER_A, PipelineSpec(), ["No stage finds objects", "add 'Zones and lines'"]),
        (rule("n", trigger="zone_enter", zone="B"), WHOLE, ["no zone called 'B': draw it, or use 'A'"]),
        (rule("n", trigger="count", at_least=1, zone="gate"), WHOLE, ["no zone called 'gate'"]),
        (rule("n", trigger="line_cross", line="A"), WHOLE, ["no line called 'A': draw it, or use 'gate'"]),
        (rule("n", trigger="line_cross", line="gate", direction="in"), WHOLE, []),
        (rule("n", trigger="line_cross", line="gate", direction="up"), WHOLE, ["are 'in' and 'out', not 'up'"]),
        (rule("n", labels=("unicorn",)), WHOLE, ["does not know 'unicorn'"]),
        (rule("n", labels=("Fire Truck",)), WHOLE, []),
        (rule("n", trigger="zone_enter", zone="A", labels=("person",)), WHOLE, ["counts only car, not 'person'"]),
        (rule("n", trigger="count", at_least=1, zone="A", labels=("person",)), WHOLE, ["counts only car"]),
        (rule("n", colour="red"), WHOLE, []),
        (rule("n", colour="red"), WHOLE.removed("track"), ["Colours are told of tracked objects"]),
        (rule("n", colour="red"), WHOLE.added("redact"), ["while 'Hide' changes the picture"]),
        (rule("n", colour="red"), WHOLE.added("missing-plugin"), []),
        (ENTER_A, WHOLE.with_params("zones", shapes="nonsense"), ["no zone called 'A': draw it first"]),
    ],
)
def test_problems_are_told(one, spec, expected) -> None:
    found = problems(one, spec, KNOWN)
    assert len(found) == len(expected), found
    assert all(part in sentence for part, sentence in zip(expected, found, strict=True)), found


def test_before_any_detector_runs_it_is_said_that_none_knows_the_word() -> None:
    assert problems(rule("n", labels=("unicorn",)), WHOLE) == ["No running detector knows 'unicorn' yet."]
    assert problems(rule("n"), WHOLE) == []


@pytest.mark.parametrize(
    ("spec", "some", "number"),
    [
        (WHOLE, "truck", 80),
        (WHOLE.enabled("detect", False), None, 0),
        (WHOLE.with_params("detect", model="none of these"), None, 0),
        (WHOLE.with_params("detect", confidence="odd"), None, 0),
        (PipelineSpec().added("find").with_params("find", what=("a red cup", "door")), "a red cup", 2),
        (PipelineSpec().added("missing-plugin"), None, 0),
    ],
)
def test_what_detectors_know_is_known_before_they_run(spec, some, number) -> None:
    known = labels_of(spec)
    assert len(known) == number
    assert some is None or some in known
