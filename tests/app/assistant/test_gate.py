"""The gate of a turn and the ledger: who may do what, and what the user accepts and undoes afterwards."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from scenescope.app.assistant.gate import TurnGate
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.ledger import Ledger
from scenescope.app.assistant.tools.fakes import FakeHost
from scenescope.app.assistant.tools.host import SourceView
from scenescope.app.assistant.tools.registry import Toolbox, toolbox
from scenescope.models import AssistantError, ScenescopeError
from scenescope.models.language import Change, Proposal, ProposalState, ToolResult
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.log.talk import ActionRecord
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.spec import StageSpec

HIDDEN = PipelineSpec().added("detect").added("track").added("redact")
CANNY = {"kind": "canny"}
OFF = {"stage_id": "redact", "enabled": False}


class Bench:
    """A host, its tools, a ledger and what was recorded."""

    def __init__(self) -> None:
        self.host = FakeHost(HIDDEN)
        self.tools: Toolbox = toolbox(self.host, Knowledge(SceneState, None, lambda: None), self.look)
        self.records: list[ActionRecord] = []
        self.ledger = Ledger(self.records.append, clock=lambda: 5.0)

    def look(self, question: str, seconds_back: float) -> ToolResult:
        return ToolResult({"saw": "a sign"}, "A sign.")

    def turn(self, **how: Any) -> TurnGate:
        return TurnGate(self.tools, self.ledger, **how)

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(record.tool, record.outcome) for record in self.records]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(("without", "told"), [([1], [1]), (None, {"error": "Not out of here."})])
def test_words_from_pictures_are_told_only_with_leave(bench: Bench, without: Any, told: Any):
    asked: list[tuple[str, str]] = []

    def tell(words: str, name: str) -> None:
        asked.append((words, name))
        if len(asked) == 1:
            raise AssistantError("Not out of here.")

    read = ToolResult([1, "STOP"], "", seen="STOP", without=without)
    bench.tools = toolbox(bench.host, Knowledge(SceneState, None, lambda: None), lambda question, back_s: read)
    turn = bench.turn(tell=tell)
    assert turn.call("look", {"question": "a"}).value == told
    assert str(turn.withheld) == "Not out of here."
    assert turn.call("look", {"question": "b"}).value == [1, "STOP"]
    turn.call("list_zones", {})
    assert asked == [("STOP", "look")] * 2


# Calls of models ---------------------------------------------------------------------------------------------------


def test_a_clean_turn_does_what_can_be_undone(bench: Bench):
    turn = bench.turn()
    replies = [turn.call("add_stage", CANNY), turn.call("seek", {"t_s": 3})]
    assert [(reply.value, reply.final) for reply in replies] == [({"done": True}, False)] * 2
    assert replies[1].text == "Went to 0:03.0."
    (change,) = turn.changes
    assert change.title == "Add 'Canny edges'"
    assert [line.text for line in change.lines if line.sign == "+"] == ["Canny edges"]
    assert not turn.proposals
    assert not turn.tainted
    assert bench.ledger.undo(change.change_id).undone
    assert bench.host.spec == HIDDEN
    with pytest.raises(AssistantError, match="undone already"):
        bench.ledger.undo(change.change_id)
    assert bench.outcomes == [("add_stage", "ran"), ("seek", "ran"), ("add_stage", "undone")]
    assert json.loads(bench.records[0].args)["kind"] == "canny"


@pytest.mark.parametrize("read", ["scene_now", "list_stages", "list_zones", "list_watches", "look", "search_events"])
def test_whatever_is_read_taints_the_turn(bench: Bench, read: str):
    turn = bench.turn()
    turn.call(read, {"question": "x"} if read == "look" else {})
    reply = turn.call("play_pause", {"playing": False})
    assert reply.final
    assert reply.value["proposed"] is True
    assert turn.call("list_zones", {}).final
    assert not bench.host.deeds
    assert len(turn.proposals) == 1


def test_words_that_are_not_the_users_own_only_propose(bench: Bench):
    turn = bench.turn(clean_words=False)
    turn.call("add_stage", CANNY)
    (proposal,) = turn.proposals
    assert proposal.title == "Add 'Canny edges'"
    assert "you decide" in proposal.why
    assert bench.host.spec == HIDDEN


@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("blur_faces", {"on": False}),
        ("set_stage_enabled", OFF),
        ("load_source", {}),
        ("start_recording", {}),
        ("export", {}),
        ("remove_stage", {"stage_id": "redact"}),
        ("set_stage_param", {"stage_id": "redact", "name": "cells", "value": 12}),
    ],
)
def test_what_must_be_confirmed_is_proposed_in_any_turn(bench: Bench, call: str, args: dict):
    turn = bench.turn()
    assert turn.call(call, args).final
    assert bench.turn().command([(call, args)]) == (bench.ledger.proposal(2),)
    assert not bench.host.deeds
    assert turn.proposals[0].why


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("rm", {}, "no tool 'rm'"),
        (None, {}, "no tool"),
        (["seek"], {}, "no tool"),
        ("accept", {"proposal_id": 1}, "no tool 'accept'"),
        ("add_stage", {}, "kind"),
        ("add_stage", {"kind": "canny", "force": True}, "no parameter 'force'"),
        ("add_stage", {"kind": 7}, "kind"),
        ("add_stage", None, "must be an object"),
        ("add_stage", '{"kind": "canny"}', "must be an object"),
        ("add_stage", [("kind", "canny")], "must be an object"),
        ("add_stage", {1: 2}, "Wrong arguments"),
        ("blur_faces", {"on": "perhaps"}, "on: must"),
        ("seek", {"t_s": 1, "frame": 2}, "give one of"),
        ("seek", {"t_s": float("nan")}, "finite"),
        ("seek", {"t_s": 1e300}, "less than"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(bench: Bench, name: Any, args: Any, says: str):
    turn = bench.turn()
    reply = turn.call(name, args)
    assert says in reply.value["error"]
    assert len(reply.value["error"]) <= 400
    assert not reply.final
    assert not turn.tainted
    assert not bench.host.deeds
    assert bench.records[-1].outcome == "refused"


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "params", [{"low": deep(5000)}, {"x" * 10**6: 1}, {"low": "x" * 10**7}, {str(n): n for n in range(10**4)}]
)
def test_enormous_arguments_are_refused(bench: Bench, params: dict):
    reply = bench.turn().call("add_stage", {"kind": "canny", "params": params})
    assert "error" in reply.value
    assert len(bench.records[-1].args) < 3000
    assert bench.host.spec == HIDDEN


def test_an_error_that_quotes_the_state_taints_the_turn(bench: Bench):
    turn = bench.turn()
    assert "no stage 'edges'" in turn.call("remove_stage", {"stage_id": "edges"}).value["error"]
    assert turn.tainted
    assert turn.call("remove_stage", {"stage_id": "track"}).final
    assert bench.host.spec == HIDDEN


def test_the_fifth_call_and_a_repeated_one_are_refused(bench: Bench):
    turn = bench.turn()
    assert turn.call("add_stage", CANNY).value == {"done": True}
    assert "already" in turn.call("add_stage", {"kind": "canny", "params": {}}).value["error"]
    turn.call("seek", {"t_s": 1})
    turn.call("rm", {})
    fifth = turn.call("seek", {"t_s": 2})
    assert fifth.final
    assert "No more than 4 calls" in fifth.value["error"]
    assert bench.host.deeds == ["apply Add 'Canny edges'", "seek 1.0"]


def test_a_turn_that_is_over_does_nothing_more(bench: Bench):
    turn = bench.turn()
    turn.close()
    assert turn.call("add_stage", CANNY).final
    with pytest.raises(AssistantError, match="over"):
        turn.command([("add_stage", CANNY)])
    assert bench.host.spec == HIDDEN


def test_what_changes_nothing_is_neither_proposed_nor_a_change(bench: Bench):
    turn = bench.turn(clean_words=False)
    assert turn.call("blur_faces", {"on": True}).value == {"done": True}
    assert turn.call("stop_recording", {}).value == {"done": True}
    assert (turn.changes, turn.proposals, bench.host.deeds) == ((), (), [])


def test_a_tool_that_breaks_and_a_record_that_cannot_be_kept_end_nothing(bench: Bench, capsys):
    def broken(*_: object) -> ToolResult:
        raise ZeroDivisionError("of the test")

    def unkept(record: ActionRecord) -> None:
        raise OSError("disk full")

    tools = toolbox(bench.host, Knowledge(SceneState, None, lambda: None), broken)
    turn = TurnGate(tools, Ledger(unkept))
    assert turn.call("look", {"question": "x"}).value == {"error": "It failed: ZeroDivisionError."}
    bench.host.broken.add("seek")
    assert "cannot seek" in TurnGate(tools, Ledger(unkept)).call("seek", {"t_s": 1}).value["error"]
    assert "disk full" in capsys.readouterr().err


def test_calls_at_once_are_carried_out_one_after_the_other(bench: Bench):
    turn = bench.turn()
    calls = [
        ("add_stage", CANNY),
        ("add_stage", {"kind": "blur"}),
        ("list_stages", {}),
        ("play_pause", {"playing": False}),
    ]
    start = threading.Barrier(8)

    def run(name: str, args: dict) -> None:
        start.wait()
        turn.call(name, args)

    threads = [threading.Thread(target=run, args=call) for call in [*calls, *calls]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ran = [record for record in bench.records if record.outcome in ("ran", "proposed")]
    assert len(ran) <= 4
    # Whatever came after the one that reads was at most proposed.
    after = [r.outcome for r in bench.records[[r.tool for r in bench.records].index("list_stages") + 1 :]] if any(
        record.tool == "list_stages" for record in bench.records
    ) else []  # fmt: skip
    assert "ran" not in after


# Orders of the user ------------------------------------------------------------------------------------------------


def test_an_order_is_carried_out_whole(bench: Bench):
    turn = bench.turn()
    made = turn.command([("add_stage", CANNY), ("start_recording", {}), ("seek", {"t_s": 2}), ("list_stages", {})])
    assert [type(one) for one in made] == [ToolResult, Proposal, ToolResult, ToolResult]
    assert bench.host.deeds == ["apply Add 'Canny edges'", "seek 2.0"]
    assert len(turn.changes) == len(turn.proposals) == 1


@pytest.mark.parametrize(
    ("calls", "says"),
    [
        ([("add_stage", CANNY), ("rm", {})], "no tool"),
        ([("add_stage", CANNY), ("add_stage", {"kind": 7})], "Wrong arguments"),
        ([("add_stage", CANNY)] * 5, "more than 4"),
    ],
)
def test_a_wrong_order_does_nothing_at_all(bench: Bench, calls: list, says: str):
    with pytest.raises(AssistantError, match=says):
        bench.turn().command(calls)
    assert not bench.host.deeds


def test_an_order_that_fails_half_way_is_taken_back(bench: Bench):
    turn = bench.turn()
    calls = [
        ("add_stage", CANNY),
        ("play_pause", {"playing": False}),
        ("export", {}),
        ("remove_stage", {"stage_id": "x"}),
    ]
    with pytest.raises(AssistantError, match="no stage 'x'"):
        turn.command(calls)
    assert bench.host.spec == HIDDEN
    assert bench.host.source.playing
    assert (turn.changes, turn.proposals, turn.results) == ((), (), ())
    assert bench.ledger.proposal(2) is None
    assert bench.outcomes[-2:] == [("remove_stage", "refused"), ("add_stage", "undone")]


def test_what_cannot_be_taken_back_stays_among_the_changes(bench: Bench):
    turn = bench.turn()
    original = bench.host.apply

    def once(after: PipelineSpec, text: str, before: PipelineSpec) -> None:
        original(after, text, before)
        bench.host.broken.add("apply")

    bench.host.apply = once
    with pytest.raises(AssistantError):
        turn.command([("add_stage", CANNY), ("remove_stage", {"stage_id": "x"})])
    assert [change.title for change in turn.changes] == ["Add 'Canny edges'"]


# Proposals ---------------------------------------------------------------------------------------------------------


def proposed(bench: Bench, call: str, /, **args: Any) -> Proposal:
    turn = bench.turn(clean_words=False)
    assert turn.call(call, args).final
    return turn.proposals[0]


def test_an_accepted_proposal_is_done_once(bench: Bench):
    proposal = proposed(bench, "blur_faces", on=False)
    assert [f"{line.sign} {line.text}" for line in proposal.lines][-1] == "~ redact: on -> off"
    change = bench.ledger.accept(proposal.proposal_id)
    assert isinstance(change, Change)
    assert bench.host.spec == HIDDEN.enabled("redact", False)
    assert bench.ledger.proposal(proposal.proposal_id).state is ProposalState.ACCEPTED
    with pytest.raises(AssistantError, match="not open"):
        bench.ledger.accept(proposal.proposal_id)
    bench.ledger.undo(change.change_id)
    assert bench.host.spec == HIDDEN
    assert [outcome for _, outcome in bench.outcomes] == ["proposed", "accepted", "undone"]


def test_a_double_click_does_it_once(bench: Bench):
    proposal = proposed(bench, "add_stage", kind="canny")
    results: list[object] = []

    def click() -> None:
        try:
            results.append(bench.ledger.accept(proposal.proposal_id))
        except AssistantError as error:
            results.append(error)

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, Change) for one in results) == 1
    assert bench.host.spec == HIDDEN.added("canny")


def test_a_dismissed_proposal_is_never_done(bench: Bench):
    proposal = proposed(bench, "add_stage", kind="canny")
    bench.ledger.dismiss(proposal.proposal_id)
    bench.ledger.dismiss(proposal.proposal_id)
    bench.ledger.dismiss(99)
    with pytest.raises(AssistantError):
        bench.ledger.accept(proposal.proposal_id)
    assert bench.host.spec == HIDDEN
    assert [outcome for _, outcome in bench.outcomes] == ["proposed", "dismissed"]


CANNY_CALLED_REDACT = HIDDEN.model_copy(update={"stages": (*HIDDEN.stages[:2], StageSpec(id="redact", kind="canny"))})


@pytest.mark.parametrize(
    ("call", "args", "now"),
    [
        ("remove_stage", {"stage_id": "redact"}, HIDDEN.removed("redact")),
        ("remove_stage", {"stage_id": "redact"}, CANNY_CALLED_REDACT),
        ("remove_stage", {"stage_id": "redact"}, HIDDEN.with_params("redact", what="region")),
        ("set_stage_enabled", OFF, CANNY_CALLED_REDACT),
        ("set_stage_param", {"stage_id": "track", "name": "trail_s", "value": 9},
         HIDDEN.with_params("track", trail_s=5)),
        # It would come before something that hides now.
        ("add_stage", {"kind": "canny", "after": "track"},
         HIDDEN.model_copy(update={"stages": (*HIDDEN.stages[:2], StageSpec(id="new", kind="redact"))})),
        ("move_stage", {"stage_id": "track", "before": "detect"}, HIDDEN.removed("detect")),
        ("move_stage", {"stage_id": "detect", "after": "track"}, CANNY_CALLED_REDACT.moved("detect", 2)),
    ],
)  # fmt: skip
def test_what_would_be_another_deed_by_now_is_not_done(bench: Bench, call: str, args: dict, now: PipelineSpec):
    if call == "add_stage":
        bench.host.spec = HIDDEN.removed("redact")
    proposal = proposed(bench, call, **args)
    bench.host.spec = now
    with pytest.raises(ScenescopeError):
        bench.ledger.accept(proposal.proposal_id)
    assert bench.host.spec == now
    assert not bench.host.deeds
    assert bench.ledger.proposal(proposal.proposal_id).state is ProposalState.DISMISSED


def test_an_edit_elsewhere_does_not_hinder_a_proposal(bench: Bench):
    proposal = proposed(bench, "set_stage_param", stage_id="detect", name="confidence", value=0.5)
    bench.host.spec = HIDDEN.added("canny")
    bench.ledger.accept(proposal.proposal_id)
    assert bench.host.spec == HIDDEN.added("canny").with_params("detect", confidence=0.5)


def test_a_jump_in_a_film_is_not_made_in_another(bench: Bench):
    proposal = proposed(bench, "seek", t_s=3)
    bench.host.source = SourceView(True, True, True, 0.0, 0, 60.0, key=2)
    with pytest.raises(AssistantError, match="has changed"):
        bench.ledger.accept(proposal.proposal_id)
    assert not bench.host.deeds


def test_a_proposal_that_failed_can_be_tried_again(bench: Bench):
    proposal = proposed(bench, "start_recording")
    bench.host.broken.add("set_recording")
    with pytest.raises(AssistantError, match="cannot set_recording"):
        bench.ledger.accept(proposal.proposal_id)
    assert bench.ledger.proposal(proposal.proposal_id).state is ProposalState.OPEN
    bench.host.broken.clear()
    assert isinstance(bench.ledger.accept(proposal.proposal_id), ToolResult)
    assert bench.host.recording


def test_a_failed_undo_can_be_tried_again(bench: Bench):
    turn = bench.turn()
    turn.call("add_stage", CANNY)
    bench.host.broken.add("apply")
    with pytest.raises(AssistantError):
        bench.ledger.undo(turn.changes[0].change_id)
    bench.host.broken.clear()
    bench.ledger.undo(turn.changes[0].change_id)
    assert bench.host.spec == HIDDEN


def test_long_conversations_keep_the_latest(bench: Bench):
    numbers = [proposed(bench, "seek", t_s=n / 10).proposal_id for n in range(250)]
    assert bench.ledger.proposal(numbers[0]) is None
    assert bench.ledger.proposal(numbers[-1]) is not None
