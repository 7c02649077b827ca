"""Turn: one question or order, from the user's words to the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from scenescope.app.assistant.checks import Facts as Known
from scenescope.app.assistant.checks import check
from scenescope.app.assistant.gate import TurnGate
from scenescope.app.assistant.ledger import Ledger
from scenescope.app.assistant.looking import evidence_of_pictures, look_result, pictures_for
from scenescope.app.assistant.message_book import NOT_WHOLE, UNCHECKED, MessageBook
from scenescope.app.assistant.nearest import Near
from scenescope.app.assistant.orders import Order, OrderContext, Unclear, parse_order
from scenescope.app.assistant.parts import Parts
from scenescope.app.assistant.rules import RulesProvider
from scenescope.app.assistant.tools.registry import Toolbox
from scenescope.models import ScenescopeError
from scenescope.models.language import (
    Done,
    Evidence,
    Failed,
    LanguageModel,
    Message,
    MessageKind,
    Proposal,
    Request,
    Role,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolResult,
)
from scenescope.pipelines.scene_state import SceneState

__all__ = ["YOU", "Turn"]

YOU = "You"
MAX_EVIDENCE = 8
MAX_BEFORE = 10
MAX_SUGGESTIONS = 4


class Turn:
    """Works out the answer to one question, or carries out one order. ``run`` once, on a thread that may wait.

    What the rules understand whole they answer, since then it is exact; and an order is carried out by itself only if
    the rules understand it whole. The rest goes to the model, if there is one. Only what asks for no more than a
    description is left to a model that can look.

    Args:
        parts: what the assistant works with.
        rules: the built-in rules.
        model: who answers; the rules themselves when no model was chosen.
        looker: who can look at pictures.
        ledger: takes changes and proposals.
        book: takes the answer as it grows.
        asked: the question's message.

    Attributes:
        model: as given; may be another one as long as it has not begun.
    """

    def __init__(
        self,
        parts: Parts,
        rules: RulesProvider,
        model: LanguageModel,
        looker: Callable[[], LanguageModel | None],
        ledger: Ledger,
        book: MessageBook,
        asked: Message,
    ) -> None:
        self._parts = parts
        self._rules = rules
        self.model = model
        self._looker = looker
        self._ledger = ledger
        self._book = book
        self._asked = asked
        self._cancelled = threading.Event()
        self._shown: Message | None = None

    def cancel(self) -> None:
        """End it soon: what was said so far stays. Any thread."""
        self._cancelled.set()
        self.model.cancel()

    def failed(self, problem: str, hint: str = "") -> Message:
        """Say that there is no answer, or that it broke off."""
        shown = self._shown
        if shown is not None and (shown.text.strip() or shown.changes or shown.proposals):
            return self._put(replace(shown, doing="", notes=(problem, NOT_WHOLE), hint=hint))
        failed = self._message("", self.model.label) if shown is None else shown
        return self._put(replace(failed, kind=MessageKind.ERROR, text=problem, hint=hint, doing=""))

    def run(self, undo: Callable[[], str]) -> Message:
        """The answer, after it was told.

        Args:
            undo: takes back what was done last, and says what that was.
        """
        question, scene = self._asked.text, self._parts.observer.state
        try:
            if self._rules.understands(question, scene) and not self._is_for_eyes(question, scene):
                return self._by(self._rules, Request(Role.ANSWER, scene, question), checked=True)
            context = self._parts.orders() if self._parts.orders is not None else None
            order = parse_order(question, context) if context is not None else None
            if isinstance(order, Unclear) and context is not None:
                suggestions = order.suggestions or self._near(question, scene, context).suggestions
                return self._put(replace(self._message(order.says), suggestions=suggestions))
            if isinstance(order, Order):
                return self._ordered(order, undo)
            if self._is_for_eyes(question, scene):
                return self._by_looking(question, scene)
            if self.model is self._rules:
                return self._not_understood(question, scene, context)
            if Role.ANSWER not in self.model.roles:
                return self._by_looking(question, scene)
            return self._with_tools(question, scene)
        except ScenescopeError as error:
            return self.failed(error.user_message, error.hint)

    def _is_for_eyes(self, question: str, scene: SceneState) -> bool:
        """A look says more than the rules do."""
        return self._rules.is_open(question, scene) and self._looker() is not None

    # Ways to answer ----------------------------------------------------------------------------------------------

    def _ordered(self, order: Order, undo: Callable[[], str]) -> Message:
        if order.undo:
            undone = undo()
            text = f"Undone: {undone}." if undone else "I have changed nothing that could be undone."
            hint = "" if undone else "Ctrl+Z undoes what you did yourself."
            return self._put(replace(self._message(text), hint=hint, checked=True))
        toolbox = self._toolbox()
        if toolbox is None:
            return self.failed("There is nothing here that could be changed.")
        gate = TurnGate(toolbox, self._ledger)
        made = gate.command(order.calls)
        said = [one.text for one in made if isinstance(one, ToolResult)]
        if any(isinstance(one, Proposal) for one in made):
            said.append("This needs your click:")
        message = replace(self._message(" ".join(filter(None, said)) or order.says), checked=True)
        return self._put(self._with_gate(message, gate))

    def _near(self, question: str, scene: SceneState, context: OrderContext) -> Near:
        return self._parts.nearest().to(question, context, self._rules.examples(scene))

    def _not_understood(self, question: str, scene: SceneState, context: OrderContext | None) -> Message:
        """What the rules say to it, and the nearest things that can be asked and ordered."""
        answer = self._rules.answer(question, scene)
        suggestions = answer.suggestions
        if context is not None:
            near = self._near(question, scene, context)
            if near.found or self._rules.is_order(question):
                suggestions = tuple(dict.fromkeys((*near.suggestions, *suggestions)))
        message = self._message(answer.text)
        return self._put(replace(message, evidence=answer.evidence, suggestions=suggestions[:MAX_SUGGESTIONS]))

    def _toolbox(self) -> Toolbox | None:
        make, looker = self._parts.toolbox, self._looker()
        if make is None:
            return None
        return make(
            None if looker is None else lambda question, back_s: look_result(self._parts, looker, question, back_s)
        )

    def _with_tools(self, question: str, scene: SceneState) -> Message:
        toolbox = self._toolbox()
        before = [one.text for one in self._book.messages if one.kind is MessageKind.QUESTION]
        request = Request(Role.ANSWER, scene, question, asked_before=tuple(before[:-1][-MAX_BEFORE:]))
        if toolbox is None:
            return self._by(self.model, request)
        gate = TurnGate(toolbox, self._ledger)
        try:
            return self._by(self.model, replace(request, tools=toolbox.specs, call=gate.call), gate=gate)
        finally:
            gate.close()

    def _by_looking(self, question: str, scene: SceneState) -> Message:
        looker = self._looker() or self.model
        self._put(replace(self._message("", looker.label), doing="Looking"))
        pictures = pictures_for(self._parts, looker, "question")
        return self._by(looker, Request(Role.LOOK, scene, question, pictures=pictures))

    def _by(
        self, model: LanguageModel, request: Request, *, checked: bool = False, gate: TurnGate | None = None
    ) -> Message:
        """What a model makes of a request, shown as it grows; checked at the end unless it was looked up anyway."""
        grows = replace(self._shown or self._message(""), author=model.label, pictures=request.pictures)
        if not checked:
            grows = self._put(replace(grows, doing="Looking" if request.pictures else "Thinking"))
        for event in self._events(model, request):
            match event:
                case TextDelta(delta):
                    grows = replace(grows, text=grows.text + delta, doing=UNCHECKED)
                case ToolCall(_, name):
                    grows = replace(grows, doing=f"Looking up: {name.replace('_', ' ')}")
                case Failed(problem, hint):
                    self._shown = replace(grows, doing="")
                    return self.failed(problem, hint)
                case Done(evidence, suggestions):
                    whole = replace(grows, evidence=evidence, suggestions=suggestions, doing="", checked=checked)
                    return self._finished(whole, request, gate, checked)
            if not checked:
                grows = self._put(self._with_gate(grows, gate))
        return self.failed(f"{model.label} broke off without an answer.", "Ask again.")

    def _events(self, model: LanguageModel, request: Request) -> Iterator[StreamEvent]:
        events = model.respond(request)
        if self._cancelled.is_set():
            # Too early for the model to know.
            yield Failed("Stopped.", cancelled=True)
            return
        for event in events:
            yield event
            if self._cancelled.is_set() and not isinstance(event, Done):
                model.cancel()

    def _finished(self, whole: Message, request: Request, gate: TurnGate | None, checked: bool) -> Message:
        whole = self._with_gate(whole, gate)
        if not (whole.text.strip() or whole.changes or whole.proposals):
            return self.failed(f"{whole.author} gave no answer.", "Ask in other words.")
        if checked:
            return self._put(whole)
        assert isinstance(request.scene, SceneState)
        results = tuple(result for result in gate.results if result.proves) if gate is not None else ()
        found = check(
            whole.text, Known(request.scene, results, question=request.question, wall_s=self._wall_s(request))
        )
        evidence = dict.fromkeys((*whole.evidence, *found.evidence, *evidence_of_pictures(request.pictures)))
        return self._put(
            replace(whole, evidence=tuple(evidence)[:MAX_EVIDENCE], notes=found.notes, checked=found.passed)
        )

    def _wall_s(self, request: Request) -> float | None:
        knowledge, scene = self._parts.knowledge, request.scene
        return knowledge.wall_s(scene.pts_s) if knowledge is not None and isinstance(scene, SceneState) else None

    # The message -------------------------------------------------------------------------------------------------

    def _message(self, text: str, author: str = "") -> Message:
        return Message(0, MessageKind.ANSWER, author or self._rules.label, text, time.time(), self._asked.pts_s)

    def _with_gate(self, message: Message, gate: TurnGate | None) -> Message:
        if gate is None:
            return message
        evidence: tuple[Evidence, ...] = tuple(dict.fromkeys((*message.evidence, *gate.evidence)))[:MAX_EVIDENCE]
        return replace(message, changes=gate.changes, proposals=gate.proposals, evidence=evidence)

    def _put(self, message: Message) -> Message:
        """Show the message: for the first time, or in place of what it was before."""
        if message.message_id:
            self._book.put(message)
        else:
            message = self._book.post(message)
        self._shown = message
        return message
