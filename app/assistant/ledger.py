"""Ledger: what was proposed and what was done in a conversation, for the user to accept, dismiss and undo."""

from __future__ import annotations

import itertools
import json
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scenescope.app.assistant.tools.plan import AppTool, Plan, ToolArgs
from scenescope.models import AssistantError
from scenescope.models.language import Change, Proposal, ProposalState, Risk, ToolResult, Undo
from scenescope.pipelines.log.talk import ActionRecord
from scenescope.pipelines.scene_state import clean_text

__all__ = ["Ledger", "plan_risk"]

MOST_KEPT = 200
MAX_TITLE_CHARS = 240
MAX_WHY_CHARS = 240
MAX_ARGS_CHARS = 2000


@dataclass(frozen=True)
class _Proposed:
    proposal: Proposal
    tool: AppTool[Any]
    args: ToolArgs
    plan: Plan


@dataclass(frozen=True)
class _Done:
    change: Change
    tool: AppTool[Any]
    args: ToolArgs
    undo: Undo
    asks: Callable[[], str]


class Ledger:
    """Lives as long as a conversation; every turn writes into it. Any thread.

    The latest 200 proposals and as many changes are kept. No lock is held while something is done, so that the window
    can be waited for.

    Args:
        record: told every action and what became of it.
        ids: numbers for changes and proposals.
        clock: Unix time.
    """

    def __init__(
        self,
        record: Callable[[ActionRecord], None] = lambda record: None,
        ids: Iterator[int] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._record = record
        self._ids = ids if ids is not None else itertools.count(1)
        self._clock = clock
        self._lock = threading.Lock()
        self._proposals: OrderedDict[int, _Proposed] = OrderedDict()
        self._done: OrderedDict[int, _Done] = OrderedDict()

    # The user ----------------------------------------------------------------------------------------------------

    def proposal(self, proposal_id: int) -> Proposal | None:
        """A proposal as it is; None when it is not kept."""
        with self._lock:
            kept = self._proposals.get(proposal_id)
            return kept.proposal if kept is not None else None

    def accept(self, proposal_id: int) -> Change | ToolResult:
        """Do what was proposed, if it still is the same that would be done.

        May wait for the window, never for the log.

        Raises:
            ScenescopeError: it is not open any more, or what it is about has changed, or it failed; nothing was done.
        """
        shown = self._close(proposal_id, ProposalState.ACCEPTED)
        try:
            plan = shown.tool.plan(shown.args)
            if (plan.about, plan.why) != (shown.plan.about, shown.plan.why):
                raise AssistantError(
                    "What this was about has changed since it was proposed, so it was not done.", hint="Ask again."
                )
        except Exception as error:
            self._set(proposal_id, ProposalState.DISMISSED)
            self.note(shown.tool.name, shown.args, plan_risk(shown.tool, shown.plan), "refused", str(error))
            raise
        try:
            result = plan.do()
        except Exception as error:
            # Perhaps the window was busy: it can be tried again.
            self._set(proposal_id, ProposalState.OPEN)
            self.note(shown.tool.name, shown.args, plan_risk(shown.tool, plan), "refused", str(error))
            raise
        self.note(shown.tool.name, shown.args, plan_risk(shown.tool, plan), "accepted")
        return self.changed(shown.tool, shown.args, plan) or result

    def dismiss(self, proposal_id: int) -> None:
        """Do not do what was proposed. Nothing happens when it is not open."""
        try:
            shown = self._close(proposal_id, ProposalState.DISMISSED)
        except AssistantError:
            return
        self.note(shown.tool.name, shown.args, plan_risk(shown.tool, shown.plan), "dismissed")

    def undo(self, change_id: int) -> Change:
        """Take back what was done; the change as it is then.

        Raises:
            ScenescopeError: it was taken back already, or cannot be; nothing was changed.
        """
        with self._lock:
            done = self._done.pop(change_id, None)
        if done is None:
            raise _undone_already()
        try:
            done.undo()
        except Exception:
            with self._lock:
                self._done[change_id] = done
            raise
        self.note(done.tool.name, done.args, done.tool.risk, "undone")
        return replace(done.change, undone=True, undoable=False)

    def undo_asks(self, change_id: int) -> str:
        """Why a change should not be taken back by a word alone, but by a click on it; empty when it may be.

        Raises:
            ScenescopeError: it was taken back already, or cannot be.
        """
        with self._lock:
            done = self._done.get(change_id)
        if done is None:
            raise _undone_already()
        return done.asks()

    # Turns -------------------------------------------------------------------------------------------------------

    def propose(self, tool: AppTool[Any], args: ToolArgs, plan: Plan, why: str) -> Proposal:
        """Write down what is done if the user agrees."""
        with self._lock:
            title = clean_text(plan.title, MAX_TITLE_CHARS)
            proposal = Proposal(next(self._ids), title, clean_text(why, MAX_WHY_CHARS), plan.lines)
            self._proposals[proposal.proposal_id] = _Proposed(proposal, tool, plan.settled or args, plan)
            while len(self._proposals) > MOST_KEPT:
                self._proposals.popitem(last=False)
        self.note(tool.name, args, plan_risk(tool, plan), "proposed", proposal.why)
        return proposal

    def changed(self, tool: AppTool[Any], args: ToolArgs, plan: Plan) -> Change | None:
        """Write down what was done and can be undone; None for what needs no undo, such as a jump."""
        if plan.idle or plan.undo is None or tool.risk is Risk.REVERSIBLE:
            return None
        with self._lock:
            change = Change(next(self._ids), clean_text(plan.title, MAX_TITLE_CHARS), plan.lines)
            self._done[change.change_id] = _Done(change, tool, args, plan.undo, plan.undo_asks)
            while len(self._done) > MOST_KEPT:
                self._done.popitem(last=False)
        return change

    def withdraw(self, proposal_id: int) -> None:
        """Forget a proposal that was never shown."""
        with self._lock:
            self._proposals.pop(proposal_id, None)

    def note(self, tool: str, args: Any, risk: Risk | None, outcome: str, why: str = "") -> None:
        """Record an action. What goes wrong there stops nothing."""
        record = ActionRecord(
            clean_text(tool, 60).replace(" ", "_"),
            _json(args),
            risk.value if risk is not None else "",
            outcome,
            self._clock(),
            clean_text(why, MAX_WHY_CHARS) if why else "",
        )
        try:
            self._record(record)
        except Exception:
            traceback.print_exc()

    def _close(self, proposal_id: int, state: ProposalState) -> _Proposed:
        """Take a proposal that is open, so that nobody else can."""
        with self._lock:
            shown = self._proposals.get(proposal_id)
            if shown is None or shown.proposal.state is not ProposalState.OPEN:
                raise AssistantError("This is not open any more.", hint="Ask again.")
            self._proposals[proposal_id] = replace(shown, proposal=replace(shown.proposal, state=state))
            return shown

    def _set(self, proposal_id: int, state: ProposalState) -> None:
        with self._lock:
            if (shown := self._proposals.get(proposal_id)) is not None:
                self._proposals[proposal_id] = replace(shown, proposal=replace(shown.proposal, state=state))


def _undone_already() -> AssistantError:
    return AssistantError("This was undone already, or it is too long ago.")


def plan_risk(tool: AppTool[Any], plan: Plan) -> Risk:
    """The higher of the two: a plan never lowers the risk of its tool."""
    order = list(Risk)
    return max(tool.risk, plan.risk, key=order.index)


def _json(args: Any) -> str:
    """Arguments for the record: whole, or the beginning as text where they are too long or no JSON."""
    try:
        text = args.model_dump_json() if isinstance(args, ToolArgs) else json.dumps(args, ensure_ascii=False)
    except Exception:
        text = ""
    if 0 < len(text) <= MAX_ARGS_CHARS:
        return text
    names = list(args)[:20] if isinstance(args, Mapping) else type(args).__name__
    return json.dumps({"too_long_or_odd": clean_text(text or str(names), MAX_ARGS_CHARS // 2)}, ensure_ascii=False)
