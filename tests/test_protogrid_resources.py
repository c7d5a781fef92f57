"""What Protogrid has besides apps, typed and over all pages, through the shipped fake."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from _listing import grid_of, take
from vendorauth import ApiError, ConfigurationError, NotFound, ProtocolError
from vendorauth.protogrid import Card, DesignElement, Task, ViewPage, ViewRow
from vendorauth.testing import FakeProtogrid
from vendorauth.testing._samples import CUSTOMER_ACTIVE, CUSTOMER_NAME, card_key

APP = "appc55b3773-5503-4c41-a9aa-3a561c40fa04"
KEYS: list[list[Any]] = [[], [None], [False], [True], [-1, "c"], [2.5], ["a"], ["a", None, "c1"], ["a", "b", "c2"]]
KEYS += [["a", ["b"], "c3"], ["a", {"b": 1}, "c4"], ["a", {"b": 1, "c": 0}, "c4"], ["b"], [["a"]], [{}]]


async def test_views_cards_and_tasks() -> None:
    """Each has its type, by the app's id or its name; what this version does not know is in ``extra``."""
    async with FakeProtogrid() as fake, grid_of(fake) as client:
        fake.cards[APP][card_key(1)]["_rev"] = "1-a"
        assert ["all_by_id", "by_name"] == await client.views(APP) == await client.views("example")
        assert [ViewRow(key=(card_key(i),)) for i in range(5)] == [
            row async for row in client.view_rows(APP, "all_by_id")
        ]
        card = await client.card(APP, card_key(1))
        assert (card_key(1), {"_rev": "1-a"}) == (card.id, card.extra)
        assert ("Customer 2", False) == (card.value(CUSTOMER_NAME), card.value(CUSTOMER_ACTIVE))
        running, over = await client.task("task-1"), await client.task("task-2")
        assert (40, False, True, False) == (running.percentage, running.is_over, over.is_over, over.has_failed)
        fake.tasks["task-1"] |= {"state": "FAILED"}
        assert (await client.task("task-1")).has_failed
        assert {"views": 2, "rows": 1, "cards": 1, "tasks": 3} == fake.asked


def test_values_of_a_card() -> None:
    """A field is found by its definition, a built-in one by its name; what is not there is an error or the default."""
    elements = [
        DesignElement(definition_key="k", name="n", value=None),
        DesignElement(name="n", value="N"),
        DesignElement(),
    ]
    card = Card(design_elements=tuple(elements))
    assert (None, "N", 5, None) == (
        card.value("k"),
        card.value("n"),
        card.value("x", 5),
        card.value("x", default=None),
    )
    with pytest.raises(KeyError, match="x"):
        card.value("x")
    hidden: dict[str, Any] = {"modification_log": "MARK", "denormalized": "MARK", "attachments": "MARK"}
    shown = [DesignElement(value="MARK"), Card(design_elements=(), **hidden), Task(url="MARK", messages=("MARK",))]
    assert "MARK" not in repr([*shown, ViewRow(key=(), value="MARK")])


def test_the_card_of_a_row() -> None:
    """A key's last element is the card's id."""
    keys: list[tuple[Any, ...]] = [("a", "b"), ("a", None), ()]
    assert ["b", None, None] == [ViewRow(key=key).card_key for key in keys]


async def test_pages_of_rows() -> None:
    """Rows come in CouchDB's order over all pages, one request ahead, none twice; the page has the next one's key."""
    async with FakeProtogrid() as fake, grid_of(fake) as client, asyncio.timeout(20):
        fake.views[APP]["all"] = [{"key": key, "value": len(key)} for key in reversed(KEYS)]
        fake.page_size = 4
        assert KEYS == [list(row.key) async for row in client.view_rows(APP, "all")]
        assert 4 == fake.asked["rows"]
        pages = [page async for page in client.view_rows(APP, "all", limit=2).pages()]
        assert [ViewPage] * 8 == [type(page) for page in pages]
        assert [tuple(key) for key in KEYS[2::2]] == [page.next_card_key for page in pages[:-1]]
        assert pages[-1].next_card_key is None
        fake.count.reset()
        async for _ in client.view_rows(APP, "all"):
            while fake.count.api < 2:
                await asyncio.sleep(0)
            break
        assert 2 == fake.count.api


async def test_ranges_of_keys() -> None:
    """Keys go out as JSON, the end along with every page; a prefix is all that begins with it."""
    async with FakeProtogrid() as fake, grid_of(fake) as client:
        fake.views[APP]["all"] = [{"key": key} for key in KEYS]
        rows = client.view_rows(APP, "all", start_key=[True], end_key=("a",), limit=2)
        assert KEYS[3:7] == [list(row.key) async for row in rows]
        asked = [one.params for one in fake.requests if "start_key" in one.params]
        assert [("[true]", '["a"]', "2"), ("[2.5]", '["a"]', "2")] == [
            (one["start_key"], one["end_key"], one["limit"]) for one in asked
        ]
        assert KEYS[7:10] == [list(row.key) async for row in client.view_rows(APP, "all", prefix=["a"])]
        assert '["a",null]' == fake.requests[-1].params["start_key"]


@pytest.mark.parametrize("following", [["k1"], ["k2"]])
async def test_rows_without_an_end(following: list[str]) -> None:
    """A page whose next key is its own, or one from before, ends in an error, after its rows."""
    async with FakeProtogrid() as fake, grid_of(fake) as client:
        rows = iter([["k1"], ["k2"]])

        def page(answer: dict[str, Any]) -> dict[str, Any]:
            key = next(rows, ["k2"])
            return {
                **answer,
                "result": {"rows": [{"key": key}], "next_card_key": ["k2"] if key == ["k1"] else following},
            }

        fake.amend("api", page)
        found = list[ViewRow]()
        with pytest.raises(ProtocolError, match=r"^GET /api/v2/apps/example/views/all_by_id: .* no end$"):
            await take(client.view_rows("example", "all_by_id", start_key=["k1"]), found)
        assert [("k1",), ("k2",)] == [row.key for row in found]


async def test_what_is_not_there() -> None:
    """An unknown app, view, card or task is NotFound; an answer of another form a ProtocolError, and so is none."""
    async with FakeProtogrid() as fake, grid_of(fake) as client:
        calls: list[Any] = [client.views("x"), client.card(APP, "x"), client.card("inventory", "x"), client.task("x")]
        for call in [*calls, anext(client.view_rows(APP, "x")), client.app("x/y")]:
            with pytest.raises(NotFound):
                await call
        fake.amend("api", lambda answer: {**answer, "result": [{"name": "x"}]})
        with pytest.raises(ProtocolError, match=r"\$\[0\]"):
            await client.views(APP)
        fake.fail_next(1, 204, on="api")
        with pytest.raises(ProtocolError, match="not JSON"):
            await client.apps()


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_key": "text"},
        {"end_key": {"a": 1}},
        {"prefix": 5},
        {"prefix": ["a"], "start_key": ["a"]},
        {"prefix": ["a"], "end_key": []},
        {"start_key": [object()]},
        {"limit": 0},
        {"view": ""},
        {"app_id": " "},
    ],
)
async def test_wrong_questions(wrong: dict[str, Any]) -> None:
    """What can't be right is refused by the call, before anything is sent."""
    async with FakeProtogrid() as fake, grid_of(fake) as client:
        with pytest.raises(ConfigurationError):
            client.view_rows(**{"app_id": "a", "view": "v", **wrong})
        with pytest.raises(ConfigurationError, match="task_id"):
            await client.task("")
        assert not fake.requests


@pytest.mark.parametrize("params", [{"start_key": "["}, {"end_key": "5"}, {"limit": "0"}, {"limit": "x"}])
async def test_malformed_ranges(params: dict[str, str]) -> None:
    """The fake refuses what is no key and no limit, and anything but GET."""
    async with FakeProtogrid() as fake, grid_of(fake) as client:
        path = "/api/v2/apps/example/views/all_by_id"
        with pytest.raises(ApiError) as refusal:
            await client.get(path, params=params)
        assert 400 == refusal.value.status
        with pytest.raises(NotFound):
            await client.delete(path)
