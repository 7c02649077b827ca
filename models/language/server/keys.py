"""Keys of servers: in the key store of the operating system, and nowhere else."""

from __future__ import annotations

import threading

__all__ = ["SERVICE", "KeyStore", "key_store_problem"]

SERVICE = "scenescope"
_NOT_INSTALLED = "the library for it is not installed: pip install 'scenescope[assistant]'"
_NONE = "there is none"


def key_store_problem() -> str:
    """Why keys cannot be kept in the key store of the operating system; empty when they can. Opens nothing."""
    try:
        import keyring
        from keyring.backends.fail import Keyring as NoKeyring
    except ImportError:
        return _NOT_INSTALLED
    return _NONE if isinstance(keyring.get_keyring(), NoKeyring) else ""


class KeyStore:
    """Keeps a key per address in the key store of the operating system (library ``keyring``).

    Where there is none, as on a Linux without a desktop, a key lives as long as this object; :attr:`note` says so.
    Keys are never written to a file of Scenescope, nor to a log. Any thread; a key store may ask the user something,
    so that a call may take a while.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: dict[str, str] = {}
        self._note = ""

    def __repr__(self) -> str:
        return "KeyStore()"

    @property
    def note(self) -> str:
        """Why the last key is kept for this session only; empty when it is in the key store."""
        return self._note

    def get(self, base_url: str) -> str:
        """The key for an address; empty when there is none."""
        with self._lock:
            if base_url in self._session:
                return self._session[base_url]
        try:
            import keyring

            return keyring.get_password(SERVICE, base_url) or ""
        except Exception:  # whatever a key store of an operating system raises, there is no key to be had
            return ""

    def put(self, base_url: str, key: str) -> str:
        """Keep a key; an empty one is forgotten.

        Returns:
            A sentence if it is kept for this session only, otherwise nothing.
        """
        if not key:
            self.forget(base_url)
            return ""
        problem = ""
        try:
            import keyring

            keyring.set_password(SERVICE, base_url, key)
        except ImportError:
            problem = _NOT_INSTALLED
        except Exception as error:  # see get
            problem = f"it does not take it ({type(error).__name__})"
            if type(error).__name__ == "NoKeyringError":
                problem = _NONE
        with self._lock:
            self._session.pop(base_url, None)
            if problem:
                self._session[base_url] = key
            self._note = (
                f"The key is kept until Scenescope ends, not in this computer's key store: {problem}."
                if problem
                else ""
            )
            return self._note

    def forget(self, base_url: str) -> None:
        """Forget the key for an address."""
        with self._lock:
            self._session.pop(base_url, None)
        try:
            import keyring

            keyring.delete_password(SERVICE, base_url)
        except Exception:  # see get; one that is not there need not be deleted
            return
