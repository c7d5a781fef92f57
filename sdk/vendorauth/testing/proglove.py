"""Be ProGlove INSIGHT on the loopback interface: its API and the Amazon Cognito that logs in to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Literal, final
from urllib.parse import unquote

from vendorauth.testing._cognito import CognitoServer
from vendorauth.testing._ledger import TokenUse
from vendorauth.testing._paging import LastLink, LinkStyle, Pager, within
from vendorauth.testing._records import Answer, Kind, Seen
from vendorauth.testing._samples import devices, events, features, gateways, organisation, reports
from vendorauth.tokens import JSON

_STAGE: Final = "/latest"
_AUTH_INFORMATION: Final = f"{_STAGE}/auth-information"
_COGNITO_PATHS: Final = frozenset({"/", "/login"})


@final
class FakeProGlove(CognitoServer):
    """
    Be a ProGlove that users' tests can log in to, over real HTTP.

    .. code-block:: python

        async with FakeProGlove() as fake:
            client = ProGloveClient(
                fake.base_url,
                fake.customer_id,
                PasswordCredentials(fake.username, fake.password),
                cognito_url=fake.cognito_url,
            )

    ``with`` runs it in a thread of its own, for tests without an event loop or with several. *port* 0 takes a free one.
    *clock* gives seconds since the epoch and decides which tokens live. All attributes are
    switches that may be turned while it runs; the constructor takes the two most used. It speaks as the vendor's pages
    do and shares no code with this package's client; where it is stricter than the vendor (a revoked login's id tokens
    die at once), that shows more mistakes.
    """

    customer_id: str = "demo0001"
    customer_id_key: Literal["customer_id:", "customer_id"] = "customer_id:"
    """How auth-information spells it; the vendor's pages have the colon."""
    undocumented: bool = True
    """Whether auth-information has the fields that only other clients know of."""
    region: str = "eu-west-1"
    """What auth-information says; use *cognito_url* all the same."""
    accepts: TokenUse = "id"
    """Which token the API takes: ``"id"`` or ``"access"``."""
    scheme: str = ""
    """What stands before the token in ``Authorization``, such as ``"Bearer"``; nothing else is taken."""
    refusal_status: Literal[401, 403] = 403
    """How the API refuses a dead token; a missing one is always 401."""
    page_size: int = 500
    """How many items a page has at most; events of one ``gateway_id`` come without pages, cut at ``limit`` alone."""
    link_style: LinkStyle = "documented"
    """
    How ``links.next`` is written: ``"documented"`` (``/devices?...``), ``"path"`` (``/demo0001/devices?...``) or
    ``"absolute"`` (a URL).
    """
    last_link: LastLink = "null"
    """What the last page has for a link: ``"null"``, ``"empty"`` (text), ``"missing"``, or ``"no-links"`` at all."""
    devices: list[JSON]
    """What ``/devices`` lists; likewise *gateways*, *events*, *features* and *organisation*."""
    gateways: list[JSON]
    events: list[JSON]
    features: list[JSON]
    organisation: list[JSON]
    reports: dict[str, list[JSON]]
    """What ``/reports`` lists, by the level's id."""

    def __init__(
        self,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        token_life: float = 3600.0,
        rotation: bool = False,
    ) -> None:
        super().__init__(port=port, clock=clock)
        self.token_life = token_life
        self.rotation = rotation
        self.devices = devices(clock())
        self.gateways = gateways()
        self.events = events(clock())
        self.features = features()
        self.organisation = organisation()
        self.reports = reports(clock())
        self.asked: Counter[str] = Counter()
        """How often each list was asked for, page by page: ``"events"``, ``"gateways/organisation"``."""

    @property
    def base_url(self) -> str:
        """The API's base URL, with its stage."""
        return f"{self.origin}{_STAGE}"

    @property
    def cognito_url(self) -> str:
        """The URL that Cognito's operations are posted to."""
        return f"{self.origin}/login"

    def _kind(self, path: str, headers: Mapping[str, str], body: bytes) -> Kind:
        if path == _AUTH_INFORMATION:
            return "auth-information"
        return self._cognito_kind(headers, body) if path in _COGNITO_PATHS else "api"

    def _respond(self, seen: Seen) -> Answer:
        if seen.kind == "auth-information":
            return self._auth_information(seen)
        if seen.kind == "api":
            return self._api(seen)
        return self._cognito(seen) if seen.method == "POST" else _error(405, "Method Not Allowed")

    def _auth_information(self, seen: Seen) -> Answer:
        if seen.params.get("id") != self.customer_id:
            return _error(400, "Malformed request")
        body: dict[str, JSON] = {
            "region": self.region,
            self.customer_id_key: self.customer_id,
            "user_pool_client_id": self.client_id,
            "user_pool_id": self.user_pool_id,
        }
        if self.undocumented:
            body |= {
                "websocket_url": f"{self.origin.replace('http', 'ws')}/latest/",
                "mqtt_topic_prefix": self.customer_id,
                "profile": "default",
                "authentication_endpoints": [{"type": "COGNITO", "url": self.cognito_url}],
                "customersimulator_url": "",
            }
        return Answer(body=body)

    def _api(self, seen: Seen) -> Answer:
        if (refusal := self._refusal(seen)) is not None:
            self.count.refused += 1
            return refusal
        stage, _, rest = seen.path.removeprefix("/").partition("/")
        customer, _, resource = rest.partition("/")
        if f"/{stage}" != _STAGE or not resource:
            return _error(404, "Not Found")
        if unquote(customer) != self.customer_id:
            return _error(400, "Malformed request")
        if not self.permitted:
            self.count.denied += 1
            return _error(403, "User is not authorized to access this resource")
        return self._resource(resource, seen)

    def _refusal(self, seen: Seen) -> Answer | None:
        given = seen.headers.get("Authorization")
        if given is None:
            return _error(401, "Unauthorized")
        scheme, _, value = given.rpartition(" ")
        if scheme == self.scheme and self._ledger.lives(value, self.accepts, self._clock()):
            return None
        return _error(self.refusal_status, "Access denied")

    def _resource(self, name: str, seen: Seen) -> Answer:
        if name == "echo":
            return Answer(body=seen.echo())
        if seen.method not in {"GET", "HEAD"}:
            return _error(404, "Not Found")
        lists = {
            "devices": self.devices,
            "gateways": self.gateways,
            "events": self.events,
            "features": self.features,
            "gateways/organisation": self.organisation,
            "reports": self.reports.get(seen.params.get("level_id", ""), []),
        }
        if name not in lists:
            return _error(404, "Not Found")
        self.asked[name] += 1
        if name == "features":
            return Answer(body={"features": self.features})
        try:
            return Answer(body=self._list(name, lists[name], seen.params))
        except ValueError:
            return _error(400, "Malformed request")

    def _list(self, name: str, items: list[JSON], params: Mapping[str, str]) -> JSON:
        pager = Pager(
            base=f"{self.base_url}/{self.customer_id}",
            size=self.page_size,
            link_style=self.link_style,
            last_link=self.last_link,
        )
        if name == "reports" and "level_id" not in params:
            message = "level_id is missing"
            raise ValueError(message)
        if name == "events":
            items = [event for event in items if within(event, params, self._clock())]
        return pager.page(name, items, params)


def _error(status: int, message: str) -> Answer:
    return Answer(status=status, body={"message": message})
