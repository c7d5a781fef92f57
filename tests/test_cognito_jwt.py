"""How long a JWT lives is read from the JWT, and nothing that comes can break the reader."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vendorauth.cognito.jwt import LONGEST_LIFE, credible_life, life_of


def made(payload: object) -> str:
    """Make a JWT around *payload* (bytes as they are)."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(text).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(
    ("claims", "seconds"),
    [
        ({"exp": 1_700_003_600, "iat": 1_700_000_000}, 3600.0),
        ({"exp": 1_700_000_005.5, "iat": 1_700_000_000}, 5.5),
        ({"exp": 1_700_000_005, "iat": 1_700_000_000.25}, 4.75),
        ({"exp": 1000, "iat": 990, "sub": "x", "name": "\u00e4\u00f6\u00ff?>~"}, 10.0),
        ({"exp": 9_999_999_999 + 60, "iat": 9_999_999_999}, 60.0),
    ],
)
def test_the_life_is_exp_less_iat(claims: dict[str, object], seconds: float) -> None:
    """Rule 11: ``exp - iat``, integers or not, without a look at the local clock."""
    assert timedelta(seconds=seconds) == life_of(made(claims))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c.d",
        "a.!!!!.c",
        "a.\u00e9.c",
        "a.\ud800.c",
        made(b"\xff\xfe"),
        made(b"{"),
        made(b"[" * 100_000),
        made([1, 2]),
        made(None),
        made({}),
        made({"exp": 10}),
        made({"iat": 10}),
        made({"exp": "10", "iat": "5"}),
        made({"exp": True, "iat": False}),
        made({"exp": None, "iat": 1}),
        made({"exp": 5, "iat": 5}),
        made({"exp": 5, "iat": 10}),
        made({"exp": 10**30, "iat": 1}),
        made({"exp": 10**400, "iat": 1.5}),
        made({"exp": 1e308, "iat": -1e308}),
        made({"exp": 5e-324, "iat": 0}),
        made({"exp": 40 * 365 * 86400, "iat": 0}),
    ],
)
def test_what_cannot_be_read_has_no_life(token: str) -> None:
    """A token that is no JWT, or has no credible life, gives ``None`` and no error."""
    assert life_of(token) is None


@given(st.text() | st.builds(made, st.binary()))
@example("..")
def test_no_text_breaks_the_reader(token: str) -> None:
    """Property: any text gives a credible life or ``None``."""
    life = life_of(token)
    assert life is None or timedelta(0) < life <= LONGEST_LIFE


number = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(exp=number, iat=number)
def test_no_numbers_break_the_reader(exp: float, iat: float) -> None:
    """Property: any two numbers, however large, give a credible life or ``None``."""
    life = life_of(made({"exp": exp, "iat": iat}))
    assert life is None or timedelta(0) < life <= LONGEST_LIFE


@pytest.mark.parametrize("seconds", [0, -1, 1e-9, float("nan"), float("inf"), 10**400, 3652 * 86400 + 1])
def test_absurd_seconds_are_no_life(seconds: float) -> None:
    """Nothing that does not end after it began, and nothing above ten years."""
    assert credible_life(seconds) is None


def test_ten_years_are_a_life() -> None:
    """The longest life that Cognito can give is believed."""
    assert credible_life(3652 * 86400) == LONGEST_LIFE
