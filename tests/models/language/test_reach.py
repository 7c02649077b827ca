"""Where pictures go: addresses of servers are read with care, and the connection keeps to what was shown."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from scenescope.models.errors import AssistantError
from scenescope.models.language import Failed, Reach, Request, Role, wider
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint, locate, reach_of
from scenescope.models.language.server.fakes import words
from scenescope.models.language.server.probe import Capabilities
from scenescope.models.language.socket_guard import only_loopback

HERE, OWN, FAR = Reach.THIS_COMPUTER, Reach.YOUR_NETWORK, Reach.INTERNET


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("127.0.0.1", HERE),
        ("127.255.0.9", HERE),
        ("::1", HERE),
        ("::ffff:127.0.0.1", HERE),
        ("10.1.2.3", OWN),
        ("172.16.0.1", OWN),
        ("172.31.255.255", OWN),
        ("192.168.178.20", OWN),
        ("169.254.1.1", OWN),
        ("fe80::1", OWN),
        ("fd12::1", OWN),
        ("::ffff:192.168.0.1", OWN),
        ("172.32.0.1", FAR),
        ("100.64.0.1", FAR),
        ("8.8.8.8", FAR),
        ("2606:4700::1", FAR),
        ("::ffff:8.8.8.8", FAR),
        ("64:ff9b::7f00:1", FAR),
        ("0.0.0.0", FAR),
        ("192.0.2.1", FAR),
        ("not an address", FAR),
        ("", FAR),
    ],
)
def test_how_far_an_address_is(address, reach):
    assert reach_of(address) is reach


@pytest.mark.parametrize(
    ("host", "addresses", "reach"),
    [
        ("localhost", None, HERE),
        ("ai.localhost", None, HERE),
        ("127.0.0.1", None, HERE),
        ("192.168.0.4", None, OWN),
        ("box", ["127.0.0.1"], HERE),
        ("box", ["127.0.0.1", "192.168.0.4"], OWN),
        ("box", ["10.0.0.1", "8.8.8.8"], FAR),
        ("evil.example", ["127.0.0.1", "8.8.8.8"], FAR),
        ("box", [], FAR),
        ("box.local", [], OWN),
        ("box.local", ["8.8.8.8"], FAR),
    ],
)
def test_the_farthest_address_counts(host, addresses, reach):
    def lookup(name, port):
        assert addresses is not None, "an address needs no resolver"
        return addresses

    location = locate(host, 80, lookup)
    assert location.reach is reach
    assert bool(location.problem) is (addresses == [])


@pytest.mark.parametrize("error", [socket.gaierror(), OSError(), UnicodeError()])
def test_a_host_that_cannot_be_looked_up_counts_as_the_internet(error):
    def lookup(name, port):
        raise error

    location = locate("nowhere.example", 443, lookup)
    assert location.reach is FAR
    assert "nowhere.example" in location.problem


def test_wider():
    assert wider(FAR, OWN)
    assert wider(OWN, HERE)
    assert not wider(OWN, OWN)
    assert not wider(HERE, FAR)


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("http://localhost:8080", "http://localhost:8080/v1"),
        (" http://localhost:8080/ ", "http://localhost:8080/v1"),
        ("http://localhost:8080/v1/", "http://localhost:8080/v1"),
        ("http://localhost:11434//v1//chat/completions", "http://localhost:11434/v1"),
        ("https://HOST.example./openai/v1/models", "https://host.example/openai/v1"),
        ("https://host.example/api/v3", "https://host.example/api/v3"),
        ("http://[::1]:8080", "http://[::1]:8080/v1"),
        ("http://[0:0::1]", "http://[::1]/v1"),
        ("https://bücher.example", "https://xn--bcher-kva.example/v1"),
        ("https://\u0430pple.com", "https://xn--pple-43d.com/v1"),
        ("https://api。openai。com", "https://api.openai.com/v1"),
        ("http://host:", "http://host/v1"),
        ("HTTP://host", "http://host/v1"),
    ],
)
def test_addresses_are_made_tidy(text, tidy):
    endpoint = Endpoint(text)
    assert endpoint.base_url == tidy
    assert Endpoint(tidy) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "localhost:8080",
        "ftp://host",
        "file:///etc/passwd",
        "javascript://x",
        "http://",
        "http:///v1",
        "http://host:99999",
        "http://host:0",
        "http://host:http",
        "http://[::1",
        "http://[fe80::1%25eth0]:8080",
        "http://0.0.0.0:8000",
        "http://[::]:8000",
        "http://224.0.0.1",
        "http://user:secret@host",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1%2f@evil.example",
        "http://host/v1?key=secret",
        "http://host/#x",
        "http://host/?",
        "http://ho st",
        "http://ho\tst",
        "http://ho\nst",
        "http://host\\@evil.example",
        "http://host\x00",
        "http://host\u202e",
        "http://a..b",
        "http://-a.example",
        "http://" + "a" * 64 + ".example",
        "http://host/" + "a" * 600,
        "http://\ud800",
        "http://xn--\u00e4",
    ],
)
def test_addresses_that_are_none_or_dangerous_are_refused_with_a_cure(text):
    with pytest.raises(AssistantError) as caught:
        Endpoint(text)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["a b", "a\nb", "schlüssel", "a\x00"])
def test_a_key_that_is_none_is_refused_without_being_shown(key):
    with pytest.raises(AssistantError) as caught:
        Endpoint("http://host", "m", key)
    assert key not in str(caught.value)


def test_the_key_is_not_shown():
    endpoint = Endpoint("http://localhost", "m", " sk-hidden\n")
    assert endpoint.key == "sk-hidden"
    assert "hidden" not in f"{endpoint!r}{endpoint}"


def test_parts_of_an_address():
    endpoint = Endpoint("https://[::1]/v1", "m")
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("https", "::1", 443)
    assert (Endpoint("http://h:81").port, Endpoint("http://h").port) == (81, 80)
    assert endpoint.reach is HERE
    assert Endpoint("http://no.example").reach_by_name is FAR
    assert Endpoint("http://box.local").reach_by_name is OWN


# The connection keeps to what was shown -----------------------------------------------------------------------------


def ask(model, scene):
    return list(model.respond(Request(Role.DESCRIBE, scene)))


@pytest.mark.slow
def test_a_name_that_comes_to_mean_an_address_farther_away_is_not_followed(fault_server, scene, quick):
    """DNS rebinding: this computer when it is shown, the internet when it is connected to."""
    fault_server.script(words("Two people."))
    answers = [["127.0.0.1"], ["127.0.0.1"], ["203.0.113.9"], ["127.0.0.1"]]
    endpoint = Endpoint(f"http://rebind.example:{fault_server.port}", "m")
    found = Capabilities(reach=HERE)
    model = ServerModel(endpoint, found, limits=quick, lookup=lambda host, port: answers.pop(0))
    assert model.reach is FAR
    assert model.look_up() is HERE
    with only_loopback():
        assert not isinstance(ask(model, scene)[-1], Failed)
        refused = ask(model, scene)[-1]
    assert isinstance(refused, Failed)
    assert "Nothing was sent" in refused.message
    assert model.reach is FAR
    assert len(fault_server.asked) == 1
    assert not isinstance(ask(model, scene)[-1], Failed)
    assert model.reach is HERE


@pytest.mark.slow
def test_the_host_is_looked_up_once_a_connection_and_its_name_is_sent(fault_server, scene, quick):
    """The address that was checked is the address that is connected to."""
    fault_server.script(words("Two people."))
    asked = []

    def lookup(host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    endpoint = Endpoint(f"http://box.example:{fault_server.port}", "m")
    ask(ServerModel(endpoint, Capabilities(), limits=quick, lookup=lookup), scene)
    assert asked == [("box.example", fault_server.port)]
    assert fault_server.asked[0].headers["host"] == f"box.example:{fault_server.port}"


@pytest.mark.slow
def test_the_next_address_is_tried_where_the_first_does_not_answer(fault_server, scene, quick):
    fault_server.script(words("Two people."))
    endpoint = Endpoint(f"http://box.example:{fault_server.port}", "m")
    model = ServerModel(endpoint, Capabilities(), limits=quick, lookup=lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert not isinstance(ask(model, scene)[-1], Failed)


@pytest.mark.slow
def test_proxies_and_settings_of_the_environment_are_not_used(fault_server, scene, quick, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://203.0.113.9:3128")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://203.0.113.9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Environment: environment")
    fault_server.script(words("Two people."))
    with only_loopback():
        assert not isinstance(
            ask(ServerModel(Endpoint(fault_server.url, "m"), Capabilities(), limits=quick), scene)[-1], Failed
        )
    assert "environment" not in str(fault_server.asked[0].headers)


@pytest.mark.slow
def test_headers_tell_nothing_about_this_computer(fault_server, scene, quick):
    fault_server.script(words("Two people."))
    ask(ServerModel(Endpoint(fault_server.url, "m", "sk-1"), Capabilities(), limits=quick), scene)
    headers = fault_server.asked[0].headers
    usual = {"host", "accept", "accept-encoding", "connection", "content-length", "content-type"}
    assert set(headers) <= usual | {"authorization", "user-agent"}
    assert headers["authorization"] == "Bearer sk-1"
    assert headers["user-agent"] == "scenescope"


@pytest.mark.slow
def test_without_a_key_none_is_sent(fault_server, scene, quick):
    fault_server.script(words("Two people."))
    ask(ServerModel(Endpoint(fault_server.url, "m"), Capabilities(), limits=quick), scene)
    assert "authorization" not in fault_server.asked[0].headers


@pytest.mark.slow
def test_a_resolver_that_does_not_come_back_is_not_waited_for(scene, quick):
    release = threading.Event()

    def lookup(host, port):
        release.wait(30)
        return ["127.0.0.1"]

    limits = replace(quick, connect_s=0.1)
    failed = ask(
        ServerModel(Endpoint("http://slow.example", "m"), Capabilities(), limits=limits, lookup=lookup), scene
    )[-1]
    release.set()
    assert isinstance(failed, Failed)
    assert "slow.example" in failed.message


# The guard ----------------------------------------------------------------------------------------------------------


def test_the_guard_lets_this_computer_be_reached():
    with only_loopback() as tried, socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(("localhost", listener.getsockname()[1])).close()
        left, right = socket.socketpair()
        left.close()
        right.close()
    assert tried == []


@pytest.mark.parametrize(
    "reach_out",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), 1),
        lambda: socket.create_connection(("example.com", 80), 1),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
        lambda: socket.socket(socket.AF_INET6).connect_ex(("2001:db8::1", 80)),
        lambda: socket.getaddrinfo(b"example.com", 80),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_guard_fails_even_if_its_refusal_is_taken(reach_out):
    with pytest.raises(AssertionError, match="outside"), only_loopback(), suppress(OSError):
        reach_out()
