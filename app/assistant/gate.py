"""TurnGate: what stands between whoever answers and what the app can do, for one turn."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from scenescope.app.assistant.ledger import Ledger, plan_risk
from scenescope.app.assistant.tools.plan import AppTool, Plan, ToolArgs
from scenescope.app.assistant.tools.registry import Toolbox
from scenescope.models import AssistantError, ScenescopeError
from scenescope.models.language import Change, Evidence, Proposal, Risk, ToolReply, ToolResult, Undo
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.stage import params_problem

__all__ = ["TurnGate"]

MOST_CALLS = 4
TAINTED = "Words that are not yours were read before it, so you decide."
MAX_ERROR_CHARS = 400


@dataclass(frozen=True)
class _Call:
    name: str
    tool: AppTool[Any]
    args: ToolArgs


class TurnGate:
    """Carries out the calls of one turn, or turns them into proposals. Any thread; calls wait for each other.

    A tool that reads taints the turn, and so does every error that quotes the app's state: from then on all that
    changes something is proposed. A proposal ends the turn. What a model is told of a change holds no word that came
    from outside.

    Args:
        toolbox: what can be called.
        ledger: where proposals and changes are kept for the user.
        clean_words: the request is nothing but the user's own words. Otherwise every change is proposed.
        most_calls: how many calls a model has in a turn.
        tell: called with the words that were read or seen in pictures, and the tool that gives them, before a model
            is told them; raises where it may not be.

    Attributes:
        withheld: why a model was not told such words; None when it was told all.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        ledger: Ledger,
        *,
        clean_words: bool = True,
        most_calls: int = MOST_CALLS,
        tell: Callable[[str, str], None] = lambda words, name: None,
    ) -> None:
        self.withheld: AssistantError | None = None
        self._tell = tell
        self._toolbox = toolbox
        self._ledger = ledger
        self._most_calls = most_calls
        self._lock = threading.Lock()
        self._tainted = not clean_words
        self._over = ""
        self._calls = 0
        self._called: set[tuple[str, str]] = set()
        self._results: list[ToolResult] = []
        self._changes: list[Change] = []
        self._proposals: list[Proposal] = []

    # What came of it ---------------------------------------------------------------------------------------------

    @property
    def tainted(self) -> bool:
        """Words from outside were read in this turn."""
        return self._tainted

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """What was looked up and done, for the checks of what is claimed."""
        return tuple(self._results)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What was done and can be undone."""
        return tuple(self._changes)

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """What is done if the user agrees."""
        return tuple(self._proposals)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Where what was looked up can be looked at."""
        return tuple(dict.fromkeys(one for result in self._results for one in result.evidence))

    def close(self) -> None:
        """The turn is over: whoever still calls is refused."""
        self._over = self._over or "The turn is over."

    # Models ------------------------------------------------------------------------------------------------------

    def call(self, name: str, args: Mapping[str, Any]) -> ToolReply:
        """Carry out or propose a call by a model; the arguments may be wrong in any way. Never raises."""
        with self._lock:
            try:
                return self._reply(name, args)
            except ScenescopeError as error:
                # It may quote the names of stages and zones, which are words from outside.
                self._tainted = True
                return self._refusal(name, args, str(error))
            except Exception as error:
                traceback.print_exception(error)
                self._tainted = True
                return self._refusal(name, args, f"It failed: {type(error).__name__}.")

    def _reply(self, name: str, args: Mapping[str, Any]) -> ToolReply:
        self._calls += 1
        if self._calls > self._most_calls:
            self._over = self._over or f"No more than {self._most_calls} calls are possible in a turn."
        if self._over:
            return self._refusal(name, args, self._over, final=True)
        try:
            call = self._checked(name, args)
        except AssistantError as error:
            return self._refusal(name, args, str(error))
        key = (call.name, call.args.model_dump_json())
        if key in self._called:
            return self._refusal(name, args, "This was called already with the same arguments. Use what it gave.")
        self._called.add(key)
        if call.tool.risk is Risk.READ:
            self._tainted = True
        made = self._carried_out(call)
        if isinstance(made, Proposal):
            self._over = "A change was proposed; the user decides now."
            return ToolReply({"proposed": True, "note": "Not done yet: the user must agree. Say so and stop."}, True)
        return ToolReply(self._told(name, made), text=made.text)

    def _told(self, name: str, made: ToolResult) -> Any:
        """What a model is told of a result; without the words from pictures where they may not leave.

        Raises:
            AssistantError: nothing is left then.
        """
        try:
            if made.seen:
                self._tell(made.seen, name)
        except AssistantError as why:
            self.withheld = why
            if made.without is None:
                raise
            return made.without
        return made.value

    def _refusal(self, name: str, args: Any, why: str, final: bool = False) -> ToolReply:
        tool = self._toolbox.get(name) if isinstance(name, str) else None
        self._ledger.note(str(name)[:200], args, tool.risk if tool else None, "refused", why)
        return ToolReply({"error": clean_text(why, MAX_ERROR_CHARS)}, final)

    # Rules -------------------------------------------------------------------------------------------------------

    def command(self, calls: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[ToolResult | Proposal, ...]:
        """Carry out what the rules made of the user's own words: all of it, or nothing.

        What must be confirmed is proposed. One result or proposal for each call, in their order.

        Raises:
            ScenescopeError: a call is wrong or failed; what had been done before it was undone.
        """
        with self._lock:
            if self._over:
                raise AssistantError(self._over)
            checked = [self._checked(name, args) for name, args in calls]
            if len(checked) > self._most_calls:
                raise AssistantError(f"This is more than {self._most_calls} orders at once.", hint="Say fewer.")
            kept = len(self._results), len(self._proposals)
            made: list[ToolResult | Proposal] = []
            undos: list[Undo] = []
            try:
                for call in checked:
                    current = call
                    made.append(self._carried_out(call, undos))
            except Exception as error:
                self._ledger.note(current.name, current.args, current.tool.risk, "refused", str(error))
                for proposal in self._proposals[kept[1] :]:
                    self._ledger.withdraw(proposal.proposal_id)
                del self._results[kept[0] :], self._proposals[kept[1] :]
                for undo in reversed(undos):
                    # What cannot be undone stays among the changes, where the user sees it.
                    with suppress(ScenescopeError):
                        undo()
                raise
            return tuple(made)

    # Both --------------------------------------------------------------------------------------------------------

    def _checked(self, name: str, args: Mapping[str, Any]) -> _Call:
        """The call, if there is such a tool and it takes these arguments.

        Raises:
            AssistantError: there is not, or it does not; says which argument is wrong.
        """
        tool = self._toolbox.get(name) if isinstance(name, str) else None
        if tool is None:
            raise AssistantError(f"There is no tool '{clean_text(str(name)[:200])}'.")
        if not isinstance(args, Mapping):
            raise AssistantError("The arguments must be an object.")
        try:
            return _Call(name, tool, tool.args.model_validate(dict(args)))
        except ValidationError as error:
            raise AssistantError(f"Wrong arguments: {params_problem(error)}.") from error
        except Exception as error:
            raise AssistantError(f"The arguments cannot be read: {type(error).__name__}.") from error

    def _carried_out(self, call: _Call, undos: list[Undo] | None = None) -> ToolResult | Proposal:
        """Do it, or propose it.

        Args:
            call: what is called.
            undos: takes what undoes it.

        Raises:
            ScenescopeError: it cannot be done.
        """
        tool, args = call.tool, call.args
        plan = tool.plan(args)
        risk = plan_risk(tool, plan)
        if risk is not Risk.READ and not plan.idle and (self._tainted or risk is Risk.MUST_CONFIRM):
            proposal = self._ledger.propose(tool, args, plan, plan.why or TAINTED)
            self._proposals.append(proposal)
            return proposal
        result = plan.do()
        self._results.append(result)
        self._ledger.note(call.name, args, risk, "ran")
        if risk is not Risk.READ and not plan.idle:
            self._note_done(call, plan, undos if undos is not None else [])
        return result

    def _note_done(self, call: _Call, plan: Plan, undos: list[Undo]) -> None:
        change = self._ledger.changed(call.tool, call.args, plan)
        if change is None:
            if plan.undo is not None:
                undos.append(plan.undo)
            return
        self._changes.append(change)

        def undo() -> None:
            self._ledger.undo(change.change_id)
            self._changes.remove(change)

        undos.append(undo)
