"""Learn what an answer says about the token without reading more of it than its flow looks at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import final

import attrs

from vendorauth.flows import LoginFlow
from vendorauth.messages import Response


@final
class _Unread(Response):
    """Be an answer whose body can still be read; *looked* tells whether somebody wanted it."""

    looked: bool = False

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status, headers)

    @property
    def body(self) -> bytes | None:
        vars(self)["looked"] = True
        return None

    @body.setter
    def body(self, _: object) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  frozen: both are read only
        """Hold nothing."""


@attrs.frozen
class Verdict:
    """Say what *response* means: whether the token was *refused*, and what *status* counts."""

    response: Response
    refused: bool
    status: int

    @property
    def accepted(self) -> bool:
        """Whether it is a success."""
        return not self.refused and self.response.ok and 200 <= self.status < 300  # noqa: PLR2004


async def judge(
    flow: LoginFlow, status: int, headers: Mapping[str, str], read: Callable[[], Awaitable[bytes]]
) -> Verdict:
    """
    Judge an answer; its body is *read* where the token was refused, or where the flow looks at the body and it is JSON.

    Whoever wants to stream it otherwise still can.
    """
    unread = _Unread(status, headers)
    refused = flow.rejects(unread)
    if not refused and not (unread.looked and _is_json(unread)):
        return Verdict(Response(status, unread.headers, None), refused, status)
    response = Response(status, unread.headers, await read())
    return Verdict(response, flow.rejects(response), _status(flow, response))


def _is_json(response: Response) -> bool:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind.endswith(("/json", "+json"))  # a stream of lines, such as application/x-ndjson, may have no end


def _status(flow: LoginFlow, response: Response) -> int:
    told: Callable[[Response], int] | None = getattr(flow, "status", None)
    return response.status if told is None else told(response)
