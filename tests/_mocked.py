"""Answer a client's requests without a socket, and note exactly what it asked for."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple, final
from unittest.mock import Mock

import aiohttp
from aioresponses import aioresponses
from yarl import URL

from vendorauth.engine.sessions import USER_AGENT


class Asked(NamedTuple):
    """One request: what was handed to aiohttp, its query sorted by aioresponses, our User-Agent taken for granted."""

    method: str
    url: URL
    headers: dict[str, str]
    body: Any


class _Response(aiohttp.ClientResponse):
    """Take the writer that aiohttp 3.14 wants, 3.12 does not know, and aioresponses 0.7.9 does not give."""

    def __init__(self, *args: Any, **options: Any) -> None:
        if "stream_writer" in signature(super().__init__).parameters:
            options.setdefault("stream_writer", Mock())
        super().__init__(*args, **options)


@final
class Mocked:
    """Answer by a script; *asked* lists what was asked for, in order."""

    def __init__(self, responses: aioresponses) -> None:
        self.asked: list[Asked] = []
        self._responses = responses

    def answer(
        self,
        method: str,
        url: str,
        payload: Any,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next *method* to *url*, query included, with *payload* as JSON."""

        def note(given: URL, **options: Any) -> None:
            assert options["allow_redirects"] is False
            headers = dict(options["headers"])
            assert USER_AGENT == headers.pop("User-Agent")
            self.asked.append(Asked(method, given, headers, options["data"]))

        self._responses.add(
            URL(url, encoded=True),
            method,
            status=status,
            payload=payload,
            headers=dict(headers or {}),
            callback=note,
            response_class=_Response,
        )
