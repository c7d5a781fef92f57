"""Faults while logging in: the cells of the table for auth-information and for both logins (DESIGN: rules 4, 9, 10)."""

import pytest

from _fault_scenes import Case, cases, examine, one_of_each, scene


@pytest.mark.parametrize("case", cases("information"), ids=str)
async def test_auth_information(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 9: no auth-information, no login: one try, a typed error, no password sent, the old token kept; it recovers."""
    async with scene(case, monkeypatch) as made:
        await examine(made)


@pytest.mark.parametrize("case", one_of_each(cases("information")), ids=str)
async def test_auth_information_for_a_refresh(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 9: a refresh that has to ask for it first keeps its refresh token, which then serves: no password is sent."""
    async with scene(case, monkeypatch, forgetful=True) as made:
        await examine(made)


@pytest.mark.parametrize("case", cases("login"), ids=str)
async def test_proglove(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 9: the password is sent once, whatever comes back; after the pause it is sent again, and serves."""
    async with scene(case, monkeypatch) as made:
        await examine(made)


@pytest.mark.parametrize("case", cases("protogrid"), ids=str)
async def test_protogrid(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 9, 10: the password is sent once, whatever comes back; after the pause, or five minutes, it is sent again."""
    async with scene(case, monkeypatch) as made:
        await examine(made)
