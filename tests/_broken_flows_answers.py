"""Login flows that each break one promise about what is answered, asked or shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from yarl import URL

from _broken_flows import BASE, PASSWORD, Answer, Whole
from vendorauth import (
    AuthError,
    Challenge,
    ConfigurationError,
    Credentials,
    Flow,
    PasswordCredentials,
    ProtocolError,
    Request,
    Response,
    Token,
)
from vendorauth.flows import read


class FollowsRedirects(Whole):
    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        assert isinstance(credentials, PasswordCredentials)
        request = self.ask(credentials)
        response = yield request
        if response.status == 307:
            request = attrs.evolve(request, url=BASE.join(URL(response.headers["Location"])))
            response = yield request
        return self.outcome(response, request, now=now)


def taking(error: type[Exception], least: int = 300) -> type[Whole]:
    """Take every answer with a status of *least* or more for this."""

    class Taking(Whole):
        def check(self, response: Response, request: Request, refused: Any, now: datetime) -> None:
            if response.status >= least:
                message = "no"
                raise error(message)
            super().check(response, request, refused, now)

    return Taking


class IndexesTheBody(Whole):
    def read(self, response: Response, request: Request) -> Answer:
        return Answer(token=response.json["token"])


class IgnoresTheStatus(Whole):
    def check(self, response: Response, request: Request, refused: Any, now: datetime) -> None:
        if response.status == 503 or b"token" not in (response.body or b""):
            super().check(response, request, refused, now)


class TakesAnyText(Whole):
    def token(self, answer: Answer, request: Request, now: datetime) -> Token:
        ends = now + timedelta(hours=1)
        return Token(value=answer.token or "-", issued_at=now, expires_at=ends, refresh_token=answer.refresh or None)


class AsksForEver(Whole):
    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        assert isinstance(credentials, PasswordCredentials)
        request = self.ask(credentials)
        while not (response := (yield request)).ok:
            pass
        return self.outcome(response, request, now=now)


class AsksAgainAndAgain(Whole):
    """Ask five times."""

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        assert isinstance(credentials, PasswordCredentials)
        request = self.ask(credentials)
        response = yield request
        for _ in range(4):
            if not response.ok:
                response = yield request
        return self.outcome(response, request, now=now)


class CallsItAMistake(Whole):
    """Take an answer for somebody's mistake."""

    def read(self, response: Response, request: Request) -> Answer:
        try:
            return super().read(response, request)
        except ProtocolError:
            pass
        message = "this can't be read"
        raise ConfigurationError(message)


class AbsorbsFromFailures(Whole):
    def absorb(self, token: Token, response: Response, *, now: datetime) -> Token:
        return attrs.evolve(token, value="rolled") if "Set-Cookie" in response.headers else token


class AbsorbsIntoAGeneration(Whole):
    def absorb(self, token: Token, response: Response, *, now: datetime) -> Token:
        return attrs.evolve(token, generation=8) if response.ok else token


class AnswersAnybodys(Whole):
    def answer(self, challenge: Challenge, answers: Mapping[str, str], *, now: datetime) -> Flow[Token | Challenge]:
        request = Request.json(BASE / "answer", {**answers})
        return self.outcome((yield request), request, now=now)


def challenging(**changed: Any) -> type[Whole]:
    """Ask something of which this is *changed*."""

    class Challenging(Whole):
        def challenge(self, now: datetime) -> Challenge:
            return attrs.evolve(super().challenge(now), **changed)

    return Challenging


def judging(judge: Any) -> type[Whole]:
    """Take for refusals what *judge* says."""

    class Judging(Whole):
        def rejects(self, response: Response) -> bool:
            return judge(response)  # type: ignore[no-any-return]

    return Judging


class ShowsItself(Whole):
    """Show what it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = PASSWORD

    def __repr__(self) -> str:
        return f"ShowsItself({vars(self)})"


class QuotesTheAnswer(Whole):
    def read(self, response: Response, request: Request) -> Answer:
        try:
            return super().read(response, request)
        except ProtocolError:
            message = f"can't read {response.body!r}"
            raise ProtocolError(message) from None


class QuotesTheVendor(Whole):
    def check(self, response: Response, request: Request, refused: Any, now: datetime) -> None:
        if response.status == 403 and isinstance(response.json, dict):
            message = "no"
            raise AuthError(message, response.json.get("error"))
        super().check(response, request, refused, now)


class ChainsTheDecoder(Whole):
    def read(self, response: Response, request: Request) -> Answer:
        try:
            json.loads(response.body or b"")
        except ValueError as error:
            message = "no JSON"
            raise ProtocolError(message) from error
        return super().read(response, request)


class HoldsTheBody(Whole):
    def read(self, response: Response, request: Request) -> Answer:
        body = response.json
        assert body is response.json
        return read(response, Answer, request.label)
