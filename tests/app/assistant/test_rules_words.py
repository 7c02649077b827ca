"""The words of the assistant's rules: plurals, articles, synonyms, lengths and moments of time."""

from __future__ import annotations

import pytest

from scenescope.app.assistant.grammar import Intent, parse
from scenescope.app.assistant.phrases import duration
from scenescope.app.assistant.scene_fakes import KNOWN
from scenescope.app.assistant.words import vocabulary
from scenescope.models.language import media_time
from scenescope.pipelines.log.names import SessionNames

PLURALS = """people bicycles cars motorcycles airplanes buses trains trucks boats traffic_lights fire_hydrants
stop_signs parking_meters benches birds cats dogs horses sheep cows elephants bears zebras giraffes backpacks umbrellas
handbags ties suitcases frisbees pairs_of_skis snowboards sports_balls kites baseball_bats baseball_gloves skateboards
surfboards tennis_rackets bottles wine_glasses cups forks knives spoons bowls bananas apples sandwiches oranges
pieces_of_broccoli carrots hot_dogs pizzas donuts cakes chairs couches potted_plants beds dining_tables toilets tvs
laptops mice remotes
keyboards cell_phones microwaves ovens toasters sinks refrigerators books clocks vases pairs_of_scissors teddy_bears
hair_driers toothbrushes"""


class TestWords:
    def test_plurals(self):
        expected = [plural.replace("_", " ") for plural in PLURALS.split()]
        assert [vocabulary().plural(label) for label in KNOWN] == expected

    @pytest.mark.parametrize("label", KNOWN)
    def test_every_label_is_understood_in_both_numbers(self, label):
        words = vocabulary()
        for phrase in (label, words.plural(label), words.one(label), f"the {label}", f"any {words.plural(label)}"):
            target = words.resolve(phrase, KNOWN)
            assert target is not None, phrase
            assert target.labels == (label,), phrase

    @pytest.mark.parametrize(
        ("label", "one"),
        [("person", "a person"), ("apple", "an apple"), ("skis", "a pair of skis"), ("umbrella", "an umbrella")],
    )
    def test_articles(self, label, one):
        assert vocabulary().one(label) == one

    @pytest.mark.parametrize(
        ("word", "label"),
        [
            ("bike", "bicycle"),
            ("monitor", "tv"),
            ("mobile phones", "cell phone"),
            ("sofas", "couch"),
            ("fridge", "refrigerator"),
        ],
    )
    def test_synonyms(self, word, label):
        assert vocabulary().resolve(word, KNOWN).labels == (label,)

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0.0 s"),
            (4.24, "4.2 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min 0 s"),
            (125, "2 min 5 s"),
            (7380, "2 h 3 min"),
        ],
    )
    def test_durations(self, seconds, text):
        assert duration(seconds) == text

    @pytest.mark.parametrize(
        ("pts_s", "text"), [(0, "0:00.0"), (12.44, "0:12.4"), (59.96, "1:00.0"), (3725.5, "1:02:05.5"), (-1, "0:00.0")]
    )
    def test_media_times(self, pts_s, text):
        assert media_time(pts_s) == text

    def test_every_intent_has_a_form(self):
        asked = {"count": "how many dogs", "present": "is there a dog", "list": "what is there", "where": "find a cup",
                 "how long": "how long has the dog been here", "first seen": "when did the dog appear",
                 "last seen": "when was the dog last seen", "changes": "what changed", "moving": "what is moving",
                 "colour": "what colour is the dog", "known": "what can you detect", "stages": "which stages run",
                 "live": "is it live", "help": "help", "count seen": "how many different dogs have you seen",
                 "was present": "was there a dog", "list seen": "what did you see",
                 "count events": "how many dogs crossed the line", "who": "who entered zone a last",
                 "when": "when did a dog leave zone a", "count inside": "how many dogs are in zone a",
                 "how long inside": "how long was #3 in zone a", "busiest": "when was the busiest minute",
                 "text": "when did the text exit appear"}  # fmt: skip
        assert {intent.value for intent in Intent} == set(asked)
        names = SessionNames(zones=("A",), lines=("door",))
        for intent, question in asked.items():
            assert parse(question, vocabulary(), KNOWN, names).intent == intent
