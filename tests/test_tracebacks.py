"""Cutting tracebacks: what stays, what goes, what is noted (DESIGN 7)."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial

import attrs
import pytest

from vendorauth import ConfigurationError, PasswordCredentials
from vendorauth._tracebacks import cut, cut_noting, discreet, discreetly, discreetly_awaited, place_of
from vendorauth._wire import structure

Cut = Callable[[BaseException], None]


def names(error: BaseException) -> list[str]:
    """Name the functions in *error*'s traceback, the outermost first."""
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]


def inside(function: Callable[[], object], module: str = "vendorauth.made_up") -> Callable[[], object]:
    """Make a function of *module* that calls *function*."""
    space = {"__name__": module, "function": function}
    exec("def inner():\n    return function()", space)
    inner: Callable[[], object] = space["inner"]  # type: ignore[assignment]  # made at run time
    return inner


def users() -> None:
    """Fail as a user's code does."""
    message = "theirs"
    raise LookupError(message)


def divide(module: str) -> Callable[[], object]:
    """Make a function of *module* that fails."""
    return inside(partial(divmod, 1, 0), module)


def caught(function: Callable[[], object], how: Cut) -> BaseException:
    """Give what *function* raises, cut on its way."""

    def seam() -> None:
        try:
            inside(function)()
        except BaseException as error:
            how(error)
            raise

    try:
        inside(seam)()
    except BaseException as error:  # noqa: BLE001  whatever it is
        return error
    raise AssertionError


@pytest.mark.parametrize("how", [cut, cut_noting])
def test_users_frames_stay(how: Cut) -> None:
    """What a user's code did can be seen; what stands between it and the seam can't."""
    error = caught(users, how)
    assert ["caught", "inner", "seam", "users"] == names(error)
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("module", ["vendorauth._sender", "aiohttp.client", "cattrs.gen", "asyncio", ""])
def test_inner_frames_go(module: str) -> None:
    """Neither our frames nor a library's nor generated code's are left; a note tells the place."""
    error = caught(inside(divide(module), module), cut_noting)
    assert ["caught", "inner", "seam"] == names(error)
    assert ["raised in inner, <string>:2"] == error.__notes__


def test_no_note_for_our_errors_and_for_cancellations() -> None:
    """Our texts tell enough, and a cancellation is nobody's fault."""

    def cancel() -> None:
        raise KeyboardInterrupt

    def ours() -> None:
        message = "no"
        raise ConfigurationError(message)

    for function in (cancel, ours):
        assert not hasattr(caught(function, cut_noting), "__notes__")


def test_one_note_is_enough() -> None:
    """A second seam on the way adds nothing."""
    error = caught(inside(divide("aiohttp")), cut_noting)
    assert isinstance(error, ZeroDivisionError)
    cut_noting(error)
    assert 1 == len(error.__notes__)


def test_inner_contexts_go() -> None:
    """What was caught on the way is not the error's context; what the caller handles is."""

    def wrapping() -> None:
        space = {"__name__": "aiohttp.made_up"}
        exec("def f():\n    try:\n        1 // 0\n    except ZeroDivisionError:\n        {}['missing']", space)
        space["f"]()  # type: ignore[operator]  # made at run time

    handled: LookupError | None = None
    error: BaseException | None = None
    try:
        users()
    except LookupError as theirs:
        handled, error = theirs, caught(wrapping, cut)
    assert error is not None
    assert handled is not None
    assert handled is error.__context__
    assert ["test_inner_contexts_go", "users"] == names(handled)
    assert None is caught(wrapping, cut).__context__


def test_discreet_constructors() -> None:
    """The frame that attrs generates shows all arguments: it is not left, nor is the one that takes it away."""
    with pytest.raises(TypeError, match=r"^password must be a str, not bytes$") as info:
        PasswordCredentials("jane", b"s3cret")  # type: ignore[arg-type]  # a slip
    assert ["test_discreet_constructors"] == names(info.value)
    assert "password must be a str, not bytes" == str(info.value)


def test_discreet_classes_stay_what_they_are() -> None:
    """A discreet class is the class itself, and its signature and docstring are still there."""

    @discreet
    @attrs.frozen
    class Thing:
        """Be a thing."""

        size: int

    assert (3, "Thing(size=3)", "Be a thing.") == (Thing(3).size, repr(Thing(3)), Thing.__doc__)
    assert 4 == attrs.evolve(Thing(3), size=4).size


async def test_discreet_functions() -> None:
    """They give what they gave, and what they raise has lost their frames."""

    @discreetly
    def divide(one: int) -> int:
        return 1 // one

    @discreetly_awaited
    async def divide_later(one: int) -> int:
        return 1 // one

    assert (1, 1) == (divide(1), await divide_later(1))
    assert "divide" == divide.__name__
    with pytest.raises(ZeroDivisionError) as now:
        divide(0)
    with pytest.raises(ZeroDivisionError) as later:
        await divide_later(0)
    assert ["test_discreet_functions", "divide"] == names(now.value)
    assert ["test_discreet_functions", "divide_later"] == names(later.value)


def test_frames_of_a_users_model_stay() -> None:
    """A model of a user's that fails keeps its own frame; the generated one around it holds the values."""
    with pytest.raises(ZeroDivisionError) as info:
        structure({}, Fussy, "it")
    assert ["test_frames_of_a_users_model_stay", "__attrs_post_init__"] == names(info.value)


@attrs.frozen
class Fussy:
    """A user's model with a bug."""

    size: int = 0

    def __attrs_post_init__(self) -> None:
        """Fail."""
        raise ZeroDivisionError


def test_place_of_what_was_never_raised() -> None:
    """Without a traceback there is no place."""
    assert "an unknown place" == place_of(KeyError())


@pytest.mark.parametrize("notes", [None, "text", [1, None]])
def test_notes_that_are_none(notes: object) -> None:
    """What somebody has put in place of notes is no reason for another error."""
    error = ValueError()
    vars(error)["__notes__"] = notes
    try:
        raise error
    except ValueError as raised:
        cut_noting(raised)
    assert notes == vars(error)["__notes__"]
