"""Prove what ``get`` and ``post`` send and print."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from _command import glove, grid, log_in, place, run
from vendorauth.cli import calling
from vendorauth.client import BaseClient
from vendorauth.messages import Response
from vendorauth.responses import ApiResponse
from vendorauth.testing import FakeProGlove, FakeProtogrid

__all__ = ["glove", "grid", "place"]

ECHO = "/{customer_id}/echo"


def test_get(place: Path, glove: FakeProGlove) -> None:
    """The answer is printed as JSON, parameters are sent, the same one several times as well."""
    log_in(glove)
    outcome = run("get", "w", "/{customer_id}/devices", "--param", "limit=2")
    assert (0, "", 2) == (outcome.code, outcome.err, len(outcome.json["items"]))
    assert outcome == run("get", "w", "/{customer_id}/devices", "--param", "limit=2", "--json")
    assert 0 == run("get", "w", ECHO, "--param", "a=1", "--param", "a=x=y").code
    assert "a=1&a=x%3Dy" == glove.requests[-1].query


def test_all_pages(place: Path, glove: FakeProGlove) -> None:
    """With --all the pages are followed, and one array comes out; of nothing an empty one."""
    log_in(glove)
    glove.page_size = 2
    outcome = run("get", "w", "/{customer_id}/devices", "--all", "--param", "limit=500")
    assert (0, glove.devices) == (outcome.code, outcome.json)
    assert 3 == glove.count.api
    glove.devices = []
    assert [] == run("get", "w", "/{customer_id}/devices", "--all").json


@pytest.mark.parametrize(
    ("path", "params", "told"),
    [
        ("/{customer_id}/events?gateway_id=g1&limit=2", (), True),
        ("/{customer_id}/events?limit=1", ("gateway_id=g1", "limit=2"), True),
        ("/{customer_id}/events", ("gateway_id=g1", "limit=3"), False),
        ("/{customer_id}/events", ("gateway_id=g1",), False),
        ("/{customer_id}/events", ("gateway_id=g1", "limit=many"), False),
        ("/{customer_id}/devices", ("limit=2",), False),
    ],
)
def test_a_list_without_pages(
    place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch, path: str, params: tuple[str, ...], *, told: bool
) -> None:
    """Where the vendor may have cut a gateway's events off, one line on the standard error says so, and what gets all."""
    log_in(glove)
    answer_with(monkeypatch, {"items": [1, 2], "links": {"next": None}})
    outcome = run("get", "w", path, "--all", *(word for one in params for word in ("--param", one)))
    assert (0, [1, 2]) == (outcome.code, outcome.json)
    if told:
        assert "may have cut the list off after these 2 items. `vendorauth export" in outcome.err
    assert int(told) == outcome.err.count("\n")


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("https://elsewhere.example/devices?next_token=x", "another origin"),
        ("//elsewhere.example/devices?next_token=x", "another origin"),
        ("https://[elsewhere/devices?next_token=x", "another origin"),
        ("/devices?next_token=x", "links to one that was there before"),
        ("/devices?page=2", "has no next_token"),
    ],
)
def test_links_that_are_not_followed(
    place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch, link: str, told: str
) -> None:
    """With --all a link to another origin or round in a circle ends in one line, exit code 5, and no further request."""
    log_in(glove)
    asked = answer_with(monkeypatch, {"items": [1], "links": {"next": link}})
    outcome = run("get", "w", "/{customer_id}/devices", "--all")
    assert (5, 1) == (outcome.code, outcome.err.count("\n")), outcome.err
    assert told in outcome.err
    assert ([{}, {"next_token": "x"}] if "before" in told else [{}]) == asked


def answer_with(monkeypatch: pytest.MonkeyPatch, body: object) -> list[object]:
    """Let every request be answered with *body*; give the list of the parameters that were asked with."""
    asked = list[object]()

    async def request(_: BaseClient, method: str, path: str, **options: object) -> ApiResponse:
        asked.append(options["params"])
        return ApiResponse(Response(200, {}, msgspec.json.encode(body)), f"{method} {path}")

    monkeypatch.setattr(BaseClient, "request", request)
    return asked


def test_views_that_do_not_end(place: Path, grid: FakeProtogrid, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that goes round in a circle is exit code 5; an empty key for the next page, as a missing one, ends it."""
    log_in(grid)
    asked = answer_with(monkeypatch, {"errors": [], "result": {"rows": [1], "next_card_key": ["a"]}})
    outcome = run("get", "w", "/api/v2/apps", "--all")
    assert (5, 2) == (outcome.code, len(asked))
    assert "links to one that was there before" in outcome.err
    asked = answer_with(monkeypatch, {"errors": [], "result": {"rows": [1], "next_card_key": []}})
    assert ([1], 1) == (run("get", "w", "/api/v2/apps", "--all").json, len(asked))


def test_post(place: Path, glove: FakeProGlove) -> None:
    """The body is JSON: given, from a file, or from the standard input; or there is none."""
    log_in(glove)
    (place / "body.json").write_text('{"a": 1}')
    for given in ('{"a":1}', f"@{place / 'body.json'}", "-"):
        outcome = run("post", "w", ECHO, "--json", given, stdin='{"a": 1}')
        assert (0, {"a": 1}) == (outcome.code, glove.requests[-1].json), outcome.err
    assert 0 == run("post", "w", ECHO).code
    assert b"" == glove.requests[-1].body


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("get", "w", ECHO, "--param", "limit"), "--param is NAME=VALUE"),
        (("post", "w", ECHO, "--json", "{"), "--json is no JSON"),
        (("post", "w", ECHO, "--json", "@/nowhere"), "can't be read"),
        (("get", "w", "https://elsewhere.example/"), "another origin"),
        (("get", "x", "/"), "make it with `vendorauth login x`"),
    ],
)
def test_what_cannot_be_right(place: Path, glove: FakeProGlove, arguments: tuple[str, ...], told: str) -> None:
    """What can't be sent is exit code 2, one line, and nothing is sent."""
    log_in(glove)
    before = len(glove.requests)
    outcome = run(*arguments)
    assert (2, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    assert told in outcome.err
    assert before == len(glove.requests)


def test_refusals(place: Path, glove: FakeProGlove) -> None:
    """What the API refuses is exit code 4, what it can't do now 5; each says what to do."""
    log_in(glove)
    missing = run("get", "w", "/{customer_id}/nothing")
    assert (4, "check the path\n") == (missing.code, missing.err[-15:])
    glove.permitted = False
    assert "ask whoever manages the users" in run("get", "w", ECHO).err
    glove.permitted = True
    glove.fail_next(3, status=503, on="api")
    later = run("get", "w", ECHO)
    assert (5, "try again later\n") == (later.code, later.err[-16:])


def test_protogrid(place: Path, grid: FakeProtogrid) -> None:
    """An envelope is printed whole; with --all, its result's items."""
    log_in(grid)
    assert grid.apps == run("get", "w", "/api/v2/apps").json["result"]
    assert grid.apps == run("get", "w", "/api/v2/apps", "--all").json


def test_protogrids_views(place: Path, grid: FakeProtogrid, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a view are followed by their key, and what is no list is printed as one item."""
    log_in(grid)
    answers: list[object] = [
        {"rows": [{"key": ["a"]}], "next_card_key": ["b", 1]},
        {"rows": [{"key": ["b", 1]}]},
        "text",
    ]
    asked = list[object]()
    real = BaseClient.request

    async def request(self: BaseClient, method: str, path: str, **options: object) -> ApiResponse:
        asked.append(options["params"])
        response = await real(self, method, path)
        content = msgspec.json.encode({**response.json(), "result": answers[len(asked) - 1]})
        return ApiResponse(Response(200, {}, content), response.label)

    monkeypatch.setattr(BaseClient, "request", request)
    assert [{"key": ["a"]}, {"key": ["b", 1]}] == run("get", "w", "/api/v2/apps", "--all", "--param", "limit=1").json
    assert [{"limit": ["1"]}, {"limit": ["1"], "start_key": '["b",1]'}] == asked
    assert ["text"] == run("get", "w", "/api/v2/apps", "--all").json


def test_no_content(place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an answer without content nothing is printed."""
    log_in(glove)

    async def answer(*_: object) -> tuple[int, None]:
        return 204, None

    monkeypatch.setattr(calling, "_answer", answer)
    assert (0, "") == (run("post", "w", ECHO).code, run("post", "w", ECHO).out)
