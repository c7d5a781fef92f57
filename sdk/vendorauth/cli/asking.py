"""Ask the person at the terminal; without one, say which options would have answered."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar, final

import typer

from vendorauth.errors import ConfigurationError
from vendorauth.tokens import Challenge

T = TypeVar("T", bound=str)

_HIDDEN: Final = ("PASSWORD", "SECRET")


def is_terminal() -> bool:
    """Tell whether there is a person to ask."""
    return sys.stdin.isatty()


def require(missing: Sequence[str]) -> None:
    """
    Go on if there is a terminal to ask for what is *missing*, named by its options.

    Raises:
        ConfigurationError: There is none.
    """
    if missing and not is_terminal():
        message = f"there is no terminal to ask at: give {', '.join(missing)}"
        raise ConfigurationError(message)


def ask(question: str, default: str | None = None) -> str:
    """Ask for a line of text."""
    answer: str = typer.prompt(question, default=default, err=True)
    return answer.strip()


def ask_secret(question: str) -> str:
    """Ask for a secret, which is not shown while it is typed."""
    answer: str = typer.prompt(question, hide_input=True, err=True)
    return answer


def choose(question: str, choices: Sequence[T], default: T) -> T:
    """Ask for one of *choices*, until it is one."""
    while True:
        answer = ask(f"{question} ({', '.join(choices)})", default)
        for choice in choices:
            if choice == answer:
                return choice
        say(f"{answer!r} is none of them.")


def say(text: str) -> None:
    """Tell the person something."""
    typer.echo(text, err=True)


@final
class Answers:
    """Answer challenges: with the *codes* that were given as options, in order, then by asking."""

    def __init__(self, codes: Sequence[str]) -> None:
        self._codes: Iterator[str] = iter(codes)
        self.asked: bool = False
        """Whether a person has typed one of the answers."""

    def to(self, challenge: Challenge) -> dict[str, str]:
        """
        Give the answers by field.

        Raises:
            ConfigurationError: No code is left, and there is no terminal.
        """
        hint = f" ({challenge.hint})" if challenge.hint.isprintable() and challenge.hint else ""
        fields = challenge.fields or ("ANSWER",)
        return {field: self._one(challenge.name, field, hint) for field in fields}

    def _one(self, name: str, field: str, hint: str) -> str:
        code = next(self._codes, None)
        if code is not None:
            return code
        require([f"--code with the answer to {name} ({field})"])
        self.asked = True
        question = f"The vendor asks for {field.replace('_', ' ').lower()}{hint}"
        return ask_secret(question) if any(word in field for word in _HIDDEN) else ask(question)
