"""Cut a list into pages, as ProGlove's API does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Literal, TypeAlias
from urllib.parse import quote

import attrs

from vendorauth.tokens import JSON

LinkStyle: TypeAlias = Literal["documented", "path", "absolute"]
LastLink: TypeAlias = Literal["null", "empty", "missing", "no-links"]


@attrs.frozen(kw_only=True)
class Pager:
    """Cut pages of *size*, with links under *base* (its URL, the customer's id included)."""

    base: str
    size: int
    link_style: LinkStyle
    last_link: LastLink

    def page(self, name: str, items: list[JSON], params: Mapping[str, str]) -> JSON:
        """
        Give the page of *items* that *params* asks for (``limit``, ``next_token``), in the list's envelope.

        Raises:
            ValueError: ``limit`` is no positive number, or the token is none of ours.
        """
        # With it the vendor gives no pages, and cuts at the limit.
        paged = "gateway_id" not in params
        size = min(_limit(params), self.size) if paged else _limit(params)
        begin = _offset(params)
        end = begin + size
        filters = [{"name": key, "value": value} for key, value in params.items()]
        body = {
            "items": items[begin:end],
            "links": {"next": self._link(name, end)},
            "metadata": {"description": f"list of {name}", "size": len(items[begin:end]), "filters": filters},
        }
        return body if paged and end < len(items) else self._last(body)

    def _link(self, name: str, offset: int) -> str:
        token = quote(base64.b64encode(f"?offset={offset}>".encode()), safe="")
        link = f"/{name}?next_token={token}"
        starts: dict[LinkStyle, str] = {
            "documented": "",
            "path": f"/{self.base.rpartition('/')[2]}",
            "absolute": self.base,
        }
        return f"{starts[self.link_style]}{link}"

    def _last(self, body: dict[str, JSON]) -> JSON:
        links: dict[LastLink, dict[str, JSON]] = {
            "null": {"links": {"next": None}},
            "empty": {"links": {"next": ""}},
            "missing": {"links": {}},
            "no-links": {},
        }
        del body["links"]
        return body | links[self.last_link]


def within(event: JSON, params: Mapping[str, str], now: float) -> bool:
    """
    Tell whether *event* lies in the window that *params* names in milliseconds; by default, the day before *now*.

    Raises:
        ValueError: The window is no number.
    """
    start = float(params.get("start_time_millis", (now - 86_400) * 1000))
    end = float(params.get("end_time_millis", now * 1000))
    created: float = event["created"]
    gateway: str = event["gateway_id"]
    return start <= created <= end and params.get("gateway_id", gateway) == gateway


def _limit(params: Mapping[str, str]) -> int:
    limit = int(params.get("limit", "500"))
    if not 1 <= limit <= 500:  # noqa: PLR2004
        message = "limit is from 1 to 500"
        raise ValueError(message)
    return limit


def _offset(params: Mapping[str, str]) -> int:
    token = params.get("next_token", params.get("next_key"))
    if token is None:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).decode().removeprefix("?offset=").removesuffix(">"))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
