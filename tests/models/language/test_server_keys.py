"""Keys are in the key store of the operating system, or in memory, and nowhere else."""

from __future__ import annotations

import sys

import pytest

from scenescope.models.language.server.keys import SERVICE, KeyStore, key_store_problem

URL = "https://host.example/v1"


@pytest.fixture
def keyring(monkeypatch):
    """The library with a key store in memory; ``keyring.broken`` makes it raise."""
    import keyring as library
    from keyring.backend import KeyringBackend
    from keyring.errors import PasswordDeleteError

    class Store(KeyringBackend):
        priority = 1
        broken: Exception | None = None

        def __init__(self):
            self.kept = {}

        def get_password(self, service, username):
            if self.broken:
                raise self.broken
            return self.kept.get((service, username))

        def set_password(self, service, username, password):
            if self.broken:
                raise self.broken
            self.kept[service, username] = password

        def delete_password(self, service, username):
            if self.broken:
                raise self.broken
            if self.kept.pop((service, username), None) is None:
                raise PasswordDeleteError("none")

    before, store = library.get_keyring(), Store()
    library.set_keyring(store)
    yield store
    library.set_keyring(before)


def test_a_key_is_kept_by_the_operating_system(keyring):
    keys = KeyStore()
    assert keys.get(URL) == ""
    assert keys.put(URL, "sk-hidden") == keys.note == ""
    assert keyring.kept == {(SERVICE, URL): "sk-hidden"}
    assert KeyStore().get(URL) == "sk-hidden"
    keys.forget(URL)
    keys.forget(URL)
    assert keyring.kept == {}
    assert keys.get(URL) == ""


def test_an_empty_key_is_forgotten(keyring):
    keys = KeyStore()
    keys.put(URL, "sk-hidden")
    keys.put(URL, "")
    assert keyring.kept == {}


def test_without_a_key_store_a_key_lasts_for_the_session_which_is_said(keyring):
    from keyring.errors import NoKeyringError

    keyring.broken = NoKeyringError("No recommended backend")
    keys = KeyStore()
    assert "until Scenescope ends" in keys.put(URL, "sk-hidden")
    assert keys.note
    assert keys.get(URL) == "sk-hidden"
    assert KeyStore().get(URL) == ""
    assert "hidden" not in repr(keys) + keys.note
    keys.forget(URL)
    assert keys.get(URL) == ""


def test_a_key_store_that_stays_locked_does_no_harm(keyring):
    from keyring.errors import KeyringLocked

    keyring.broken = KeyringLocked("sk-hidden is not shown")
    keys = KeyStore()
    note = keys.put(URL, "sk-hidden")
    assert "KeyringLocked" in note
    assert "hidden" not in note
    assert keys.get(URL) == "sk-hidden"
    keyring.broken = None
    assert keys.put(URL, "sk-new") == ""
    assert keys.get(URL) == "sk-new"


def test_without_the_library_a_key_lasts_for_the_session(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    keys = KeyStore()
    assert "pip install" in keys.put(URL, "sk-hidden")
    assert keys.get(URL) == "sk-hidden"
    keys.forget(URL)
    assert keys.get(URL) == ""


def test_whether_there_is_a_key_store_is_known_before_a_key_is_kept(keyring, monkeypatch):
    import keyring as library
    from keyring.backends.fail import Keyring

    assert key_store_problem() == ""
    library.set_keyring(Keyring())
    assert key_store_problem() == "there is none"
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "pip install" in key_store_problem()
