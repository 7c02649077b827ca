"""ServerModel: any OpenAI-compatible server (llama.cpp, Ollama, LM Studio, vLLM, hosted ones) as a language model."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from scenescope.models.language.base import (
    Clearance,
    Done,
    Failed,
    ModelState,
    Phase,
    Reach,
    Request,
    Role,
    StreamEvent,
    ToolCall,
    wider,
)
from scenescope.models.language.server.connection import Connection
from scenescope.models.language.server.describe import bounded, describe, look, prompt
from scenescope.models.language.server.endpoint import Endpoint, Location, Lookup, system_lookup
from scenescope.models.language.server.failures import NotAllowed, ServerFailure, Trouble, explain, one_line
from scenescope.models.language.server.limits import Breaker, Limits, paced
from scenescope.models.language.server.probe import UNASKED, Capabilities, Probe
from scenescope.models.language.server.running import AsyncRun, run_async
from scenescope.models.language.server.stream import Options, Tally, stream_text

__all__ = ["Answerer", "ServerModel"]

SCENE_TOOL = "scene_now"

Answerer = Callable[[Connection, Request, Limits], AsyncIterator[StreamEvent]]
"""Answers with tools; raises what goes wrong with the server, so that it is explained and counted in one place."""


class ServerModel:
    """A model behind a server.

    A server that could not be used is asked anew what it can do by every question, and by :meth:`ask_anew`.

    Args:
        endpoint: which server, which model.
        capabilities: what it was found to be able to do (:class:`~scenescope.models.language.server.probe.Probe`).
        limits: how long it may take, how much it may say, when it is left alone.
        answerer: answers questions with tools; None for the one that suits what the server can do.
        lookup: asks for the addresses of a host.
        clock: seconds, steadily increasing; for the rest after failures.

    Attributes:
        found_out: told what it can do, when that was asked anew; on the thread that asked.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        capabilities: Capabilities,
        *,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        answerer: Answerer | None = None,
        lookup: Lookup = system_lookup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.found_out: Callable[[Capabilities], None] = lambda found: None
        self._chosen = endpoint
        self._use(capabilities)
        self._limits = limits
        self._answerer = answerer
        self._lookup = lookup
        self._reach = endpoint.reach_by_name
        # How far words go. Before a probe found it, the user has just entered it: where it is found first.
        self._allowed = None if capabilities.problem else capabilities.reach
        self._breaker = Breaker(limits, clock)
        self._options = Options()
        self._lock = threading.Lock()
        self._runs: weakref.WeakSet[AsyncRun] = weakref.WeakSet()
        self._asking: AsyncRun | None = None
        self._busy: list[Phase] = []
        self._failure: tuple[Trouble, Failed] | None = None
        self._stopped = False
        self._closed = False

    def _use(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        self._model = self._chosen.model or next(iter(capabilities.models), "")
        self._endpoint = replace(self._chosen, model=self._model)

    @property
    def label(self) -> str:
        """The model and the host: "qwen3-vl at localhost"."""
        name = one_line(self._model.removesuffix(".gguf").rpartition("/")[2], 40)
        return f"{name or 'Model'} at {self._endpoint.host}"

    @property
    def endpoint(self) -> Endpoint:
        """Who is asked."""
        return self._endpoint

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, as far as is known."""
        return self._capabilities

    @property
    def reach(self) -> Reach:
        """How far pictures travel, by the addresses of the host when they were last looked up; at once.

        A name that was not looked up yet counts as the internet. It says where the host is, not what may go there:
        words go no farther than where a probe found it that the user wished, pictures as ``Request.clearance`` says.
        """
        return self._reach

    @property
    def looks(self) -> bool:
        """Whether pictures are sent at all; without vision, scenes are described by the detector's report alone."""
        return self._capabilities.vision

    @property
    def roles(self) -> frozenset[Role]:
        """All; but only a model that sees can look, and one that could not be used waits for a question."""
        if self._capabilities.problem:
            return frozenset({Role.ANSWER})
        return frozenset(Role) if self._capabilities.vision else frozenset({Role.DESCRIBE, Role.ANSWER})

    @property
    def state(self) -> ModelState:
        """How it is, by how the last requests went."""
        with self._lock:
            if self._busy:
                return ModelState(self._busy[-1])
            failure, stopped = self._failure, self._stopped
        found = self._capabilities
        if found.problem:
            return ModelState(Phase.LOADING if found is UNASKED else Phase.UNAVAILABLE, found.problem, found.cure)
        if failure is not None:
            trouble, told = failure
            rests_s = self._breaker.rests_s
            if trouble is Trouble.LOADING:
                return ModelState(Phase.LOADING, told.message, told.hint)
            if rests_s > 0:
                return ModelState(Phase.UNAVAILABLE, told.message, f"{told.hint} It is tried again in {rests_s:.0f} s.")
            return ModelState(Phase.DEGRADED, told.message, told.hint)
        slow = ", ".join(step.value.lower() for step in found.slow)
        return ModelState(
            Phase.STOPPED if stopped else Phase.READY, f"Slow when it was tested: {slow}." if slow else ""
        )

    def look_up(self) -> Reach:
        """Find out where the host is. Waits for the resolver; nothing is sent."""
        self._located(self._endpoint.locate(self._lookup))
        return self._reach

    def ask_anew(self) -> bool:
        """Ask what it can do now, with the questions of a probe and no picture of the user's.

        Waits, until :meth:`cancel` at the latest. False, and nothing is asked, while it is asked something else and
        after it was closed.
        """
        with self._lock:
            if self._closed or self._busy:
                return False
            run = self._asking = run_async(self._probing)
            self._runs.add(run)
        for _ in run:
            pass
        self._asking = None
        return True

    def learn(self, found: Capabilities) -> None:
        """Go by what a probe has found, unless that is a problem and it could be used before. Any thread."""
        with self._lock:
            if found.problem and not self._capabilities.problem:
                return
            self._use(found)
            if not found.problem:
                self._reach = found.reach
                self._allow(found.reach)
                self._failure = None
                self._breaker.succeeded()

    def respond(self, request: Request) -> Iterator[StreamEvent]:
        """Answer one request. A request that is made while another is answered, by a tool of that one, is fine."""
        clearance = request.clearance if request.pictures else None
        allowed = Reach.THIS_COMPUTER if request.pictures else self._allowed or Reach.INTERNET
        ask = partial(self._ask, clearance) if clearance is not None else None
        connection = Connection(self._endpoint, self._limits, allowed, ask, self._lookup, self._located)
        run = run_async(lambda: self._turn(connection, request), self._explain)
        if clearance is not None:
            clearance.on_recall(lambda why: run.cancel(Failed(why.user_message, why.hint)))
        with self._lock:
            self._runs.add(run)
        return self._events(run, Phase.ANSWERING if request.role is Role.ANSWER else Phase.LOOKING)

    def cancel(self) -> None:
        """End what is running; the connection is closed, so that the server stops too."""
        with self._lock:
            runs = list(self._runs)
        for run in runs:
            run.cancel()

    def close(self) -> None:
        """Cancel, and answer nothing more."""
        with self._lock:
            self._closed = True
        self.cancel()

    # One turn ----------------------------------------------------------------------------------------------------

    def _events(self, run: AsyncRun, phase: Phase) -> Iterator[StreamEvent]:
        if self._closed:
            yield Failed("This model has been closed.", "Choose a model in the settings of the assistant.")
            return
        if (rests_s := self._breaker.rests_s) > 0 and self._failure is not None:
            told = self._failure[1]
            yield Failed(
                f"The server failed {self._breaker.failures} times in a row and is left alone for {rests_s:.0f} s. "
                f"The last time: {told.message}",
                told.hint,
            )
            return
        with self._lock:
            self._busy.append(phase)
            self._stopped = False
        try:
            for event in run:
                if isinstance(event, Done):
                    self._breaker.succeeded()
                    self._failure = None
                elif isinstance(event, Failed) and event.cancelled:
                    self._stopped = True
                if isinstance(event, (Done, Failed)):
                    self._leave(phase)
                yield event
        finally:
            self._leave(phase)
            run.close()

    def _leave(self, phase: Phase) -> None:
        with self._lock:
            if phase in self._busy:
                self._busy.remove(phase)

    def _located(self, location: Location) -> None:
        self._reach = location.reach
        if location.addresses and self._allowed is None:
            self._allowed = location.reach

    def _ask(self, clearance: Clearance, reach: Reach) -> None:
        clearance.ask(reach)
        # Where pictures may go, words may.
        self._allow(reach)

    def _allow(self, reach: Reach) -> None:
        if self._allowed is None or wider(reach, self._allowed):
            self._allowed = reach

    def _explain(self, error: Exception) -> Failed:
        explained = explain(error, self._endpoint)
        told = Failed(explained.user_message, explained.hint)
        if not isinstance(explained, NotAllowed):
            self._failure = (explained.trouble if isinstance(explained, ServerFailure) else Trouble.BROKEN, told)
            self._breaker.failed()
        return told

    async def _turn(self, connection: Connection, request: Request) -> AsyncGenerator[StreamEvent]:
        blind = not self._capabilities.vision
        if self._capabilities.problem:
            if (asking := self._asking) is not None:
                asking.cancel()
            await self._probe()
            if problem := self._capabilities.problem:
                yield Failed(problem, self._capabilities.cure)
                return
            connection = replace(connection, endpoint=self._endpoint)
        if request.role is Role.ANSWER:
            turn = self._answer(connection, request)
        else:
            turn = self._perceive(connection, request, blind)
        async with aclosing(paced(turn, self._limits)) as events:
            async for event in events:
                yield event

    async def _probe(self) -> None:
        allowed = self._allowed or Reach.INTERNET
        found = await Probe(self._chosen, limits=self._limits, lookup=self._lookup, allowed=allowed).ask()
        self.learn(found)
        self.found_out(found)

    async def _probing(self) -> AsyncGenerator[StreamEvent]:
        await self._probe()
        yield Done()

    async def _perceive(self, connection: Connection, request: Request, blind: bool) -> AsyncGenerator[StreamEvent]:
        if request.role is Role.LOOK and blind:
            raise ServerFailure(
                Trouble.NO_PICTURES,
                f"{self.label} cannot look at pictures.",
                hint="Choose a vision model for describing, in the settings of the assistant.",
            )
        async with connection.open() as client:
            if request.role is Role.LOOK:
                turn = look(client, connection, self._model, request, self._options)
            else:
                # Whoever asked it when it was not known to see gave it no pictures.
                can = replace(self._capabilities, vision=not blind)
                turn = describe(client, connection, self._model, can, request, self._options)
            async with aclosing(turn):
                async for event in turn:
                    yield event

    def _answer(self, connection: Connection, request: Request) -> AsyncIterator[StreamEvent]:
        if self._answerer is not None:
            return self._answerer(connection, request, self._limits)
        if self._capabilities.tools:
            from scenescope.models.language.server import agent

            return agent.answer(connection, request, self._limits)
        if self._capabilities.json_schema:
            from scenescope.models.language.server import router

            return router.answer(connection, request, self._limits)
        return self._plain_answer(connection, request)

    async def _plain_answer(self, connection: Connection, request: Request) -> AsyncGenerator[StreamEvent]:
        """The answer of a model that cannot call tools: it is given what the detector reports, and can do nothing."""
        report = ""
        if request.call is not None and any(tool.name == SCENE_TOOL for tool in request.tools):
            yield ToolCall("scene", SCENE_TOOL)
            reply = await asyncio.to_thread(request.call, SCENE_TOOL, {})
            report = f"The detector's report now:\n{json.dumps(reply.value, ensure_ascii=False)}\n\n"
        before = "".join(f"The user asked before: {text}\n" for text in request.asked_before[-3:])
        messages = [
            {"role": "system", "content": prompt("plain_answer.txt")},
            {"role": "user", "content": f"{report}{before}The question: {request.question}"},
        ]
        wanted = {"temperature": 0.2, "max_tokens": 400, "stream_options": {"include_usage": True}}
        tally = Tally()
        async with connection.open() as client:
            texts = stream_text(client, connection, self._model, messages, self._options, wanted, tally)
            async with aclosing(bounded(texts, self._limits.max_answer_chars)) as events:
                async for event in events:
                    yield event
        yield Done(usage=tally.usage)
