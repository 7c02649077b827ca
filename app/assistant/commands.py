"""AssistantCommands: the assistant's dialogs and choices in the window, and what its messages lead to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QDialog

from scenescope.app.assistant.controller import Assistant
from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.outgoing import ConsentNeeded, Outgoing
from scenescope.app.assistant.providers import Providers
from scenescope.models import ScenescopeError
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.offers import size_text
from scenescope.models.language import Evidence, LanguageModel, Picture, Reach
from scenescope.models.language.local.model import LocalModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.limits import waiting_for_user
from scenescope.models.language.server.probe import Probe, StepResult
from scenescope.pipelines import STAGES
from scenescope.pipelines.events import Stats
from scenescope.pipelines.log.records import SearchHit
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.sampler import Sampler, target_rate_hz
from scenescope.pipelines.watches import WatchBook, WatchRule
from scenescope.pipelines.watches.check import labels_of, problems
from scenescope.widgets.assistant_choices import (
    ANSWER_WITH,
    CONSENT,
    DESCRIBE_WITH,
    HISTORY,
    MIN_INTERVAL_S,
    OFF,
    RULES,
    SERVERS,
    Cancelled,
    EndpointFields,
    LocalRow,
    min_interval_s,
    servers_of,
)
from scenescope.widgets.assistant_egress import ConsentDialog, EgressDialog
from scenescope.widgets.assistant_history import HistoryDialog
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.assistant_services import Choice, PanelServices
from scenescope.widgets.assistant_settings import AssistantSettingsDialog
from scenescope.widgets.main_window import MainWindow
from scenescope.widgets.watches_dialog import WatchesDialog

__all__ = ["AssistantCommands"]

ASK_ANEW_MS = 15_000


class AssistantCommands(QObject):
    """Carries wishes from the panel and its dialogs to the assistant, and news back.

    Args:
        window: parent of the dialogs.
        panel: the side panel.
        assistant: the conversation.
        providers: makes who is chosen.
        outgoing: knows what left.
        watches: the user's watches.
        sampler: decides when a model looks.
        log: where conversations are kept.
    """

    _consent_wished = Signal(object)
    _folders_read = Signal(object)
    _chosen_failed = Signal(str, str)

    def __init__(
        self,
        window: MainWindow,
        panel: AssistantPanel,
        assistant: Assistant,
        providers: Providers,
        outgoing: Outgoing,
        watches: WatchBook,
        sampler: Sampler,
        log: EventLog,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._panel = panel
        self._assistant = assistant
        self._providers = providers
        self._outgoing = outgoing
        self._watches = watches
        self._sampler = sampler
        self._log = log
        self._jobs = Jobs("assistant-models")
        self._probes = Jobs("assistant-servers")
        self._made: tuple[str, str] = (RULES, RULES)
        self._local: LocalModel | None = None
        self._folders: tuple[str, ...] = ()
        self._offers: tuple[ModelCard, ...] = ()
        self._closed = threading.Event()
        self._consent_wished.connect(self._ask_consent)
        self._folders_read.connect(self._take_folders)
        self._chosen_failed.connect(window.notices.warn)
        panel.set_services(self._services())
        panel.evidence_requested.connect(self._show_evidence)
        panel.download_requested.connect(self._get_model)
        panel.settings_requested.connect(self.settings)
        panel.watches_requested.connect(self.watches)
        panel.history_requested.connect(self.history)
        panel.egress_requested.connect(self.egress)
        window.help.asked.connect(self.ask)
        window.help.begun.connect(self.begin)
        window.bridge.stats_changed.connect(self._take_stats)
        window.models.changed.connect(self._read_folders)
        window.models.download_changed.connect(self._take_download)
        assistant.keep_history(bool(window.settings.get(HISTORY, True)))
        self._read_folders()
        self.apply_choice()
        self._again = QTimer(self)
        self._again.timeout.connect(self._ask_anew)
        self._again.start(ASK_ANEW_MS)

    def close(self) -> None:
        """End what is under way."""
        self._closed.set()
        self._again.stop()
        self._providers.close()
        self._jobs.close()
        self._probes.close()

    # Asking ------------------------------------------------------------------------------------------------------

    @Slot(str)
    def ask(self, text: str) -> None:
        """Ask the assistant, where the answer is seen."""
        self._window.layout_keeper.show_dock("assistant", True)
        self._panel.ask(text)

    @Slot(str)
    def begin(self, phrase: str) -> None:
        """Let the user fill the gap of a phrase."""
        self._window.layout_keeper.show_dock("assistant", True)
        self._panel.begin(phrase)

    # Who ---------------------------------------------------------------------------------------------------------

    def _services(self) -> PanelServices:
        outgoing = self._outgoing

        def pause(on: bool) -> None:
            outgoing.paused = on

        return PanelServices(
            choices=self._choices,
            chosen=self._chosen,
            choose=self._choose,
            sent=lambda: sum(outgoing.sent.values()),
            sending_paused=lambda: outgoing.paused,
            set_sending_paused=pause,
            download_progress=self._download_share,
            can_seek=lambda: self._window.playback.active and self._window.playback.film,
            session_id=lambda: self._window.inspection.log_sink.latest_session_id,
        )

    def _choices(self) -> Sequence[Choice]:
        servers = [Choice(row.key, row.name or row.url, None) for row in servers_of(self._window.settings)]
        local = [Choice(f"local:{title}", f"{title}, on this computer") for title in self._folders]
        offers = [Choice(row.key, f"On this computer: {row.words}") for row in map(_offered_row, self._offers)]
        off = Choice(OFF, "Off: describe nothing, answer by rules")
        return (Choice(RULES, "Rules, not AI"), *local, *offers, *servers, off)

    def _chosen(self) -> str:
        settings = self._window.settings
        describes: str = settings.get(DESCRIBE_WITH, RULES)
        answers: str = settings.get(ANSWER_WITH, RULES)
        return OFF if (describes, answers) == (OFF, RULES) else answers

    def _choose(self, key: str) -> None:
        """The menu of the panel: who answers describes too, as far as it can."""
        self._window.settings.set(DESCRIBE_WITH, key)
        self._window.settings.set(ANSWER_WITH, RULES if key == OFF else key)
        if not self.apply_choice():
            # Whoever chooses the same again wants it to be tried again.
            self._probes.add(partial(self._providers.ask_anew, wished=True))

    def apply_choice(self) -> bool:
        """Let those describe and answer whom the settings name; made in the background. False when they do already."""
        settings = self._window.settings
        wanted = settings.get(DESCRIBE_WITH, RULES), settings.get(ANSWER_WITH, RULES)
        if wanted == self._made:
            return False
        self._made = wanted
        self._jobs.add(partial(self._make, *wanted))
        return True

    @Slot()
    def _ask_anew(self) -> None:
        """A server that could not be used may be back."""
        if self._providers.waits and not self._probes.busy:
            self._probes.add(self._providers.ask_anew)

    def _make(self, describe_with: str, answer_with: str) -> None:
        made: list[LanguageModel | None] = []
        for choice in (describe_with, answer_with):
            try:
                # A local model is large: one that does both is loaded once.
                again = choice == describe_with and choice.startswith("local:") and len(made) == 1
                made.append(made[0] if again else self._providers.make(choice))
            except ScenescopeError as error:
                made.append(None)
                self._chosen_failed.emit(error.user_message, error.hint)
        if not self._closed.is_set():
            self._local = next((one for one in made if isinstance(one, LocalModel)), None)
            self._assistant.set_models(made[0], made[1])
            self._probes.add(self._providers.ask_anew)

    @Slot()
    def _read_folders(self) -> None:
        def read() -> None:
            titles = tuple(folder.title for folder in self._providers.folders)
            self._folders_read.emit((titles, tuple(self._providers.offers)))

        self._jobs.add(read)

    @Slot(object)
    def _take_folders(self, found: tuple[tuple[str, ...], tuple[ModelCard, ...]]) -> None:
        titles, self._offers = found
        before, self._folders = self._folders, titles
        chosen = {title.removeprefix("local:") for title in self._made}
        if before != titles and chosen & set(titles) - set(before):
            # What was missing has been downloaded.
            self._made = ("", "")
            self.apply_choice()

    # Downloads ---------------------------------------------------------------------------------------------------

    def _wanted_card(self) -> str:
        """The name of the model that is chosen and not here, "" when there is none."""
        return next((card.name for card in self._offers if f"local:{card.title}" in self._made), "")

    @Slot()
    def _get_model(self) -> None:
        self._window.models.show(self._wanted_card())

    @Slot()
    def _take_download(self) -> None:
        """Let the model that is waited for say how far its download has come."""
        download, local = self._window.models.download, self._local
        if local is not None:
            mine = download is not None and download[0] == self._wanted_card()
            progress = download[1] if download is not None else None
            local.set_downloading((progress.text() if progress is not None else "it begins") if mine else None)

    def _download_share(self) -> float | None:
        download = self._window.models.download
        progress = download[1] if download is not None else None
        return progress.done_bytes / progress.size_bytes if progress is not None and progress.size_bytes else None

    @Slot(object)
    def _take_stats(self, stats: Stats) -> None:
        engine = self._window.engine
        self._sampler.pace(stats.analysed_fps, target_rate_hz(engine.source_state, engine.rate, stats.capture_fps))

    # Dialogs -----------------------------------------------------------------------------------------------------

    @Slot()
    def settings(self) -> None:
        """Choose who describes and who answers."""
        dialog = AssistantSettingsDialog(
            self._window.settings,
            self._providers.keys,
            self._probe,
            _reach_of,
            self._local_rows,
            self._window,
        )
        dialog.changed.connect(self._setting_changed)
        dialog.models_requested.connect(self._window.models.show)
        self._open(dialog)

    @Slot(str)
    def _setting_changed(self, key: str) -> None:
        if key == SERVERS:
            self._made = ("", "")
        if key in (SERVERS, ANSWER_WITH, DESCRIBE_WITH):
            self.apply_choice()
        elif key == CONSENT:
            self._outgoing.recall()
        elif key == HISTORY:
            self._assistant.keep_history(bool(self._window.settings.get(HISTORY, True)))
        elif key == MIN_INTERVAL_S:
            self._sampler.min_interval_s = min_interval_s(self._window.settings)

    def _probe(self, fields: EndpointFields, report: Callable[[str, str], None], cancelled: Cancelled) -> Sequence[str]:
        endpoint = Endpoint(fields.url, fields.model, fields.key)

        def told(result: StepResult) -> None:
            report(result.step.value, "..." if result.ok is None else result.text)

        probe = Probe(endpoint, told, unwanted=cancelled.is_set)
        found = self._providers.test(endpoint, probe)
        if found.problem:
            raise ScenescopeError(found.problem, hint=found.cure)
        return found.models

    def _local_rows(self) -> Sequence[LocalRow]:
        here = [
            LocalRow(one.title, one.title, size_text(one.size_bytes), one.licence) for one in self._providers.folders
        ]
        return [*here, *map(_offered_row, self._offers)]

    @Slot()
    def watches(self) -> None:
        """Edit the watches."""
        engine = self._window.engine

        def known() -> tuple[str, ...]:
            return self._assistant.known_labels() or labels_of(engine.spec)

        def wrong(rule: WatchRule) -> str:
            return " ".join(problems(rule, engine.spec, known(), STAGES))

        zones = self._window.inspection.zones
        dialog = WatchesDialog(
            self._watches,
            wrong,
            self._assistant.last_hit,
            lambda: [zone.name for zone in zones.zones.zones],
            lambda: [line.name for line in zones.zones.lines],
            known,
            self._window,
        )
        self._open(dialog)

    @Slot()
    def history(self) -> None:
        """Search, read, export and forget earlier conversations."""
        dialog = HistoryDialog(self._log.talk, parent=self._window)
        dialog.evidence_requested.connect(self._show_kept)
        dialog.forgot.connect(self._assistant.forget_earlier)
        self._open(dialog)

    @Slot()
    def egress(self) -> None:
        """See what was sent."""
        talk, outgoing = self._log.talk, self._outgoing

        def last() -> Picture | None:
            return outgoing.last.picture if outgoing.last is not None else None

        self._open(EgressDialog(talk, last, self._window))

    def _open(self, dialog: QDialog) -> None:
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # Consent -----------------------------------------------------------------------------------------------------

    def ask_consent(self, needed: ConsentNeeded) -> bool:
        """Ask whether pictures may go to a host, and wait for the answer. Not on the window's thread."""
        answer: list[bool] = []
        decided = threading.Event()

        def decide(yes: bool) -> None:
            answer.append(yes)
            decided.set()

        self._consent_wished.emit((needed, decide))
        with waiting_for_user():
            while not decided.wait(0.1):
                if self._closed.is_set():
                    return False
        return answer[0]

    @Slot(object)
    def _ask_consent(self, wish: tuple[ConsentNeeded, Callable[[bool], None]]) -> None:
        needed, decide = wish
        picture = needed.pictures[-1] if needed.pictures else None
        readable = Endpoint(needed.address).open_to_readers
        dialog = ConsentDialog(
            needed.host, needed.reach, picture, self._window, readable=readable, change=needed.change
        )
        dialog.accepted.connect(lambda: decide(True))
        dialog.rejected.connect(lambda: decide(False))
        dialog.open()

    # Evidence ----------------------------------------------------------------------------------------------------

    @Slot(object)
    def _show_evidence(self, evidence: Evidence) -> None:
        """Evidence of another session is shown on its timeline; that of the open one the panel seeks itself."""
        if evidence.session_id not in (None, self._window.inspection.log_sink.latest_session_id):
            self._show_kept(evidence)

    @Slot(object)
    def _show_kept(self, evidence: Evidence) -> None:
        """Let the timeline go to the picture, or say why it cannot."""
        if evidence.session_id is None:
            self._window.notices.warn(
                "It is not known any more of which film or camera this is.", "No events were kept when it was said."
            )
            return
        self._window.layout_keeper.show_dock("events", True)
        at = (evidence.session_id, evidence.pts_s, evidence.frame_index, evidence.event_id, evidence.track_id)
        self._window.inspection.timeline.panel.show_hit(SearchHit(0.0, *at))


def _offered_row(card: ModelCard) -> LocalRow:
    return LocalRow(card.title, card.title, size_text(card.download_size_bytes), card.licence, ready=False)


def _reach_of(url: str) -> Reach | None:
    try:
        return Endpoint(url).reach
    except ScenescopeError:
        return None
