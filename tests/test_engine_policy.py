"""The numbers that a user may set: ranges checked when they are given."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.engine.policy import RefreshPolicy
from vendorauth.errors import ConfigurationError

SECONDS = ["leeway", "deadline", "futile_pause"]
FRACTIONS = ["ahead", "jitter"]
PAIRS = ["backoff", "denied_cooldown"]


def policy(field: str, value: Any) -> RefreshPolicy:
    return RefreshPolicy(**{field: value})


def test_defaults() -> None:
    """The defaults are the design's."""
    expected = {
        "leeway": 60.0,
        "ahead": 0.2,
        "jitter": 0.5,
        "deadline": 20.0,
        "backoff": (1.0, 60.0),
        "denied_cooldown": (300.0, 3600.0),
        "futile_pause": 60.0,
    }
    assert expected == attrs.asdict(RefreshPolicy())


@pytest.mark.parametrize("field", SECONDS)
@pytest.mark.parametrize("value", [0, 0.0, 1, 1e9])
def test_seconds(field: str, value: float) -> None:
    """Seconds may be 0 and any number above, whole or not."""
    assert value == getattr(policy(field, value), field)


@pytest.mark.parametrize("field", SECONDS)
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan"), True, "60", None, (1,)])
def test_no_seconds(field: str, value: Any) -> None:
    """Nothing else is taken for seconds; the error names the field."""
    with pytest.raises(ConfigurationError, match=f"^RefreshPolicy: {field} must be a number of seconds, 0 or more$"):
        policy(field, value)


@pytest.mark.parametrize("field", FRACTIONS)
@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_fractions(field: str, value: float) -> None:
    """A fraction may be all of it, or nothing."""
    assert value == getattr(policy(field, value), field)


@pytest.mark.parametrize("field", FRACTIONS)
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf"), True, "0.2", None])
def test_no_fractions(field: str, value: Any) -> None:
    """Nothing else is taken for a fraction."""
    with pytest.raises(ConfigurationError, match=f"^RefreshPolicy: {field} must be a fraction, from 0 to 1$"):
        policy(field, value)


@pytest.mark.parametrize("field", PAIRS)
@pytest.mark.parametrize("value", [(1e-9, 1e-9), (1, 1), (0.5, 60)])
def test_pairs(field: str, value: tuple[float, float]) -> None:
    """The first pause may be the largest, too."""
    assert value == getattr(policy(field, value), field)


@pytest.mark.parametrize("field", PAIRS)
@pytest.mark.parametrize(
    "value",
    [
        (2, 1),
        (-1, 1),
        (0, 0),
        (0, 1),
        (1, float("inf")),
        (float("nan"), 1),
        (1,),
        (1, 2, 3),
        [1, 2],
        "12",
        ("1", "2"),
        None,
        5,
    ],
)
def test_no_pairs(field: str, value: Any) -> None:
    """Nothing but two growing numbers is taken."""
    with pytest.raises(ConfigurationError, match=rf"^RefreshPolicy: {field} must be \(first, largest\) in seconds"):
        policy(field, value)


@given(
    st.sampled_from([*SECONDS, *FRACTIONS, *PAIRS]),
    st.none() | st.floats() | st.text() | st.tuples(st.floats(), st.floats()),
)
def test_any_value(field: str, value: Any) -> None:
    """Any value is taken as it is or refused as a ConfigurationError, which is a ValueError as well."""
    try:
        taken = getattr(policy(field, value), field)
    except ValueError as error:
        taken = value if type(error) is ConfigurationError else error
    assert taken is value


def test_a_policy_is_a_value() -> None:
    """Two clients may share a policy: nobody can change it."""
    assert RefreshPolicy() == RefreshPolicy()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        RefreshPolicy().leeway = 1.0  # type: ignore[misc]  # it is what must fail
