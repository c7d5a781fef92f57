"""Be a Protogrid environment on the loopback interface."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Final, Literal, TypeAlias, final

import attrs

from vendorauth.testing._records import Answer, Kind, Seen, as_map
from vendorauth.testing._samples import apps, cards, tasks, views
from vendorauth.testing._server import LoopbackServer
from vendorauth.testing._views import rows, segments
from vendorauth.tokens import JSON

Generation: TypeAlias = Literal["2017", "2022", "2024", "all"]
Way: TypeAlias = Literal["headers", "legacy", "basic", "body", "cookie"]

_API: Final = "/api/v2"
_AUTHENTICATE: Final = f"{_API}/authenticate"
_PASSWORD_WAYS: Final[tuple[Way, ...]] = ("headers", "legacy", "basic", "body")
_LOGIN_WAYS: Final[Mapping[Generation, tuple[Way, ...]]] = {
    "2017": ("legacy",),
    "2022": ("headers", "basic", "cookie"),
    "2024": ("headers", "basic", "body", "cookie"),
    "all": (*_PASSWORD_WAYS, "cookie"),
}
_API_WAYS: Final[Mapping[Generation, tuple[Way, ...]]] = {
    "2017": ("cookie",),
    "2022": ("headers", "basic", "cookie"),
    "2024": ("headers", "basic", "cookie"),
    "all": ("headers", "basic", "cookie"),
}


@attrs.frozen
class _Given:
    """Be credentials as a request carries them."""

    username: str
    password: str
    only_email: bool = False


@final
class FakeProtogrid(LoopbackServer):
    """
    Be a Protogrid that users' tests can log in to, over real HTTP.

    .. code-block:: python

        async with FakeProtogrid() as fake:
            client = ProtogridClient(fake.base_url, PasswordCredentials(fake.username, fake.password))

    ``with`` runs it in a thread of its own, for tests without an event loop or with several. *port* 0 takes a free one.
    *clock* gives seconds since the epoch and decides which sessions live. All attributes are
    switches that may be turned while it runs. It speaks as the vendor's pages do and shares no code with this package's
    client.
    """

    username: str = "jane@example.com"
    user_id: str = "1957f847-f298-4f14-a031-7ffbe31aeb47"
    """Logs in as well as *username* does."""
    password: str = "Correct-Horse-7"  # noqa: S105  the fake user's
    generation: Generation = "all"
    """
    Which credentials it takes. ``"2017"``: ``user_id`` or ``user_email`` with ``user_secret`` to log in, then the
    cookie; ``"2022"``: ``username`` with ``password`` in headers, HTTP Basic, or the cookie, on every request;
    ``"2024"``: a JSON body to log in besides, and a cookie with every successful answer; ``"all"``: each of these.
    """
    refuses_with: Literal["403-envelope", "200-envelope", "401-plain"] = "403-envelope"
    """How failed authentication is answered: the envelope's code is 401, HTTP's 403 or 200; or 401 without envelope."""
    locked: bool = False
    """Whether the right password is refused, too."""
    session_life: float | None = None
    """Seconds that a session lives; ``None``: for ever."""
    max_age: int | None = None
    """What ``Set-Cookie`` says for ``Max-Age``, in seconds."""
    expires: float | None = None
    """What ``Set-Cookie`` says for ``Expires``, in seconds from now."""
    rolling: bool = False
    """Whether each successful answer brings a new cookie."""
    old_cookie_lives: bool = True
    """Whether a cookie that rolled still works."""
    cookie: Literal["session", "empty", "missing"] = "session"
    """What successful answers bring: a ``session`` cookie, an empty one, or none."""
    environment_version: str | None = "2.6.0"
    """What the envelope says; ``None`` leaves it out."""
    page_size: int = 100
    """How many rows of a view come at most, and where ``limit`` is not given."""
    other_cookies: list[str]
    """More ``Set-Cookie`` values, sent before the session's."""
    apps: list[JSON]
    """What ``/apps`` lists."""
    views: dict[str, dict[str, list[JSON]]]
    """The rows of an app's views, by the app's id and the view's name; sorted by their keys when they are sent."""
    cards: dict[str, dict[str, JSON]]
    """An app's cards, by the app's id and the card's key."""
    tasks: dict[str, JSON]
    """What ``/tasks`` gives, by its id."""

    def __init__(
        self, *, port: int = 0, clock: Callable[[], float] = time.time, session_life: float | None = None
    ) -> None:
        super().__init__(port=port, clock=clock)
        self.session_life = session_life
        self.other_cookies = []
        self.apps = apps()
        first: str = self.apps[0]["app_id"]
        self.views = {first: views()}
        self.cards = {first: cards()}
        self.tasks = tasks()
        self.asked: Counter[str] = Counter()
        """How often each thing was asked for, page by page: ``"apps"``, ``"views"``, ``"rows"``, ``"cards"``, ``"tasks"``."""
        self._sessions: dict[str, float | None] = {}
        self._ways: dict[Way, Callable[[Seen], _Given | None]] = {
            "headers": _headers,
            "legacy": _legacy,
            "basic": _basic,
            "body": _body,
        }

    @property
    def base_url(self) -> str:
        """Where the environment is."""
        return self.origin

    def expire_all(self) -> None:
        """End all sessions at once."""
        self._sessions.clear()

    def _kind(self, path: str, headers: Mapping[str, str], body: bytes) -> Kind:
        del headers, body
        return "login" if path == _AUTHENTICATE else "api"

    def _has_password(self, seen: Seen) -> bool:
        ways = _PASSWORD_WAYS if seen.kind == "login" else ("headers", "legacy", "basic")
        return any(self._ways[way](seen) is not None for way in ways)

    def _respond(self, seen: Seen) -> Answer:
        if seen.kind == "login" and seen.method != "POST":
            return self._failure(405, 405, "Method not allowed.")
        ways = (_LOGIN_WAYS if seen.kind == "login" else _API_WAYS)[self.generation]
        known = self._knows(seen, ways)
        if not known:
            self.count.refused += seen.kind == "api"
            return self._refusal(missing=known is None)
        if seen.kind == "login":
            return self._success(seen, "Login successful!")
        if not self.permitted:
            self.count.denied += 1
            return self._failure(200 if self.refuses_with == "200-envelope" else 403, 403, "You may not do this.")
        return self._api(seen)

    def _api(self, seen: Seen) -> Answer:
        if seen.path == f"{_API}/echo":
            return self._success(seen, seen.echo())
        try:
            found = self._find(seen) if seen.method == "GET" else None
        except ValueError:
            return self._failure(400, 400, "That is no key.")
        if found is None:
            return self._failure(404, 404, "There is no such thing.")
        what, result = found
        self.asked[what] += 1
        return self._success(seen, result)

    def _find(self, seen: Seen) -> tuple[str, JSON] | None:
        """Give what is asked for, and what that is; ``None`` where there is no such thing."""
        match segments(seen.path.removeprefix(f"{_API}/")):
            case ["apps"]:
                return "apps", self.apps
            case ["tasks", key] if key in self.tasks:
                return "tasks", self.tasks[key]
            case ["apps", name, *below]:
                app = next((app for app in self.apps if name in {app["app_id"], app["url_name"]}), None)
                return None if app is None else self._below(app, below, seen)
            case _:
                return None

    def _below(self, app: JSON, below: list[str], seen: Seen) -> tuple[str, JSON] | None:
        views, cards = (known.get(app["app_id"], {}) for known in (self.views, self.cards))
        match below:
            case []:
                return "apps", app
            case ["views"]:
                return "views", list(views)
            case ["views", name] if name in views:
                return "rows", rows(views[name], seen.params, self.page_size)
            case ["cards", key] if key in cards:
                return "cards", cards[key]
            case _:
                return None

    # Who asks?

    def _knows(self, seen: Seen, ways: tuple[Way, ...]) -> bool | None:
        """Judge the first credentials that *seen* carries in one of these *ways*; ``None``: it carries none."""
        for way in ways:
            if way == "cookie":
                continue
            if (given := self._ways[way](seen)) is not None:
                right = self._right(given)
                self.count.passwords_refused += not right
                return right
        cookie = _session(seen) if "cookie" in ways else None
        return None if cookie is None else self._lives(cookie)

    def _right(self, given: _Given) -> bool:
        names = {self.username} if given.only_email else {self.username, self.user_id}
        return given.username in names and given.password == self.password and not self.locked

    def _lives(self, session: str) -> bool:
        if session not in self._sessions:
            return False
        end = self._sessions[session]
        return end is None or self._clock() < end

    # How it answers.

    def _envelope(self, errors: list[JSON], result: JSON) -> JSON:
        version = (
            {} if self.environment_version is None else {"protogrid_environment_version": self.environment_version}
        )
        return {"errors": errors, **version, "result": result}

    def _failure(self, status: int, code: int, message: str) -> Answer:
        return Answer(status=status, body=self._envelope([{"code": code, "message": message}], {}))

    def _refusal(self, *, missing: bool) -> Answer:
        if self.refuses_with == "401-plain":
            return Answer(status=401, body=b"Unauthorized", content_type="text/plain")
        message = "No login data were sent." if missing else "Your login wasn't recognized."
        return self._failure(200 if self.refuses_with == "200-envelope" else 403, 401, message)

    def _success(self, seen: Seen, result: JSON) -> Answer:
        cookies = [("Set-Cookie", cookie) for cookie in (*self.other_cookies, *self._cookies(seen))]
        return Answer(body=self._envelope([], result), headers=tuple(cookies))

    def _cookies(self, seen: Seen) -> list[str]:
        sent_always = self.rolling or self.generation in {"2024", "all"}
        if self.cookie == "missing" or (seen.kind == "api" and not sent_always):
            return []
        value = "" if self.cookie == "empty" else self._session_for(seen)
        parts = [f"session={value}", "HttpOnly", "Path=/"]
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age}")
        if self.expires is not None:
            parts.append(f"Expires={formatdate(self._clock() + self.expires, usegmt=True)}")
        return ["; ".join(parts)]

    def _session_for(self, seen: Seen) -> str:
        old = _session(seen)
        if old is not None and not self._lives(old):
            old = None
        if old is not None and seen.kind == "api" and not self.rolling:
            return old
        if old is not None and self.rolling and not self.old_cookie_lives:
            del self._sessions[old]
        value = f"session-{secrets.token_urlsafe(32)}"
        self._sessions[value] = None if self.session_life is None else self._clock() + self.session_life
        self.issued.append(value)
        return value


def _headers(seen: Seen) -> _Given | None:
    username, password = seen.headers.get("username"), seen.headers.get("password")
    return None if username is None or password is None else _Given(username, password)


def _legacy(seen: Seen) -> _Given | None:
    user_id, email, secret = (seen.headers.get(name) for name in ("user_id", "user_email", "user_secret"))
    if secret is None or (user_id is None) == (email is None):  # exactly one of the two is needed
        return None
    return _Given(user_id or email or "", secret, only_email=user_id is None)


def _basic(seen: Seen) -> _Given | None:
    scheme, _, encoded = seen.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return _Given("", "")
    return _Given(username, password)


def _body(seen: Seen) -> _Given | None:
    if seen.headers.get("Content-Type", "").partition(";")[0] != "application/json":
        return None
    username, password = (as_map(seen.json).get(name) for name in ("username", "password"))
    return _Given(username, password) if isinstance(username, str) and isinstance(password, str) else None


def _session(seen: Seen) -> str | None:
    pairs = (part.strip().partition("=") for part in seen.headers.get("Cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == "session"), None)
