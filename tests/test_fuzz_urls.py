"""Whatever is given for a URL, a path, a region or a customer, a secret goes to the host that was meant, or nowhere."""

from __future__ import annotations

import warnings
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, cast
from urllib.parse import SplitResult, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from _counted import each
from _fuzz import MARK, Around, around, proper, texts, tried
from vendorauth import BaseLoginFlow
from vendorauth._calls import prepare
from vendorauth._environment import credentials_from, optional, required
from vendorauth._sender import Sender
from vendorauth._urls import checked_base_url, is_loopback, join, same_origin
from vendorauth.cognito.endpoints import host_suffix, login_url
from vendorauth.engine.sessions import _proxy_url
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.proglove import ProGloveClient, ProGloveFlow
from vendorauth.protogrid.client import ProtogridClient
from vendorauth.tokens import PasswordCredentials, RefreshTokenCredentials

BASE: Final = URL("https://api.example.com/latest")
BASES: Final = (
    BASE,
    URL("https://api.example.com"),
    URL("http://127.0.0.1:8000/a/b"),
    URL("https://xn--bcher-kva.example/%C3%BC"),
)
SUFFIXES: Final = {
    "amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "c2s.ic.gov", "sc2s.sgov.gov", "cloud.adc-e.uk", "csp.hci.ic.gov",
}  # fmt: skip

SIGNS: Final = [
    "/",
    "//",
    ".",
    "..",
    ":",
    "::",
    "@",
    "?",
    "#",
    "&",
    "=",
    "%",
    ";",
    ",",
    "|",
    "[",
    "]",
    "~",
    "*",
    "+",
    "_",
    "-",
    "%2e",
    "%2E",
    "%2f",
    "%5c",
    "%00",
    "%25",
    "%252e",
    "%c0%ae",
    "%ff",
    "%u002e",
    "%",
]
ODD: Final = ["\ud800", "\udfff", "\x00", "\t", "\r\n", " ", "\\", "\x7f", "\xa0", "\xad", "\u200b", "\u200d", "\u2028"]
FOLDED: Final = [
    "\u3002",
    "\uff0e",
    "\uff0f",
    "\uff20",
    "\u2024",
    "\u2025",
    "\u2100",
    "\uff03",
    "\uff1a",
    "\u0131",
    "\ufb00",
]
WORDS: Final = [
    "http:", "https:", "HTTPS://", "javascript:", "api.example.com", "API.EXAMPLE.COM", "evil.example", "127.0.0.1",
    "localhost", "[::1]", "[::1%25eth0]", "xn--", "xn--a", "xn--zckzah", "xn--0.example", "b\xfccher.example", ":443",
    ":0", ":99999", ":\u0664\u0664\u0663", "user:pass", "latest", "a", "2e", "{customer_id}", MARK,
]  # fmt: skip
pieces = st.sampled_from([*SIGNS, *ODD, *FOLDED, *WORDS])
urls = (
    st.lists(pieces, max_size=8).map("".join)
    | st.lists(pieces, max_size=5).map(lambda parts: "https://" + "".join(parts))
    | st.lists(pieces, max_size=5).map(lambda parts: "https://api.example.com/" + "".join(parts))
    | texts
)
objects = urls | st.none() | st.integers() | st.binary() | urls.map(lambda url: SplitResult("https", url, "/", "", ""))


def is_below(base: URL, url: URL) -> bool:
    """Tell whether *url* is *base* or below it, for whoever decodes it once, twice or not at all."""
    assert same_origin(base, url)
    assert (base.scheme, base.host, base.port, "") == (url.scheme, url.host, url.port, url.fragment)
    once = unquote(url.raw_path)
    segments = {part.partition(";")[0] for path in (url.raw_path, once) for part in path.replace("\\", "/").split("/")}
    return url.raw_path.startswith(base.raw_path.rstrip("/")) and not {".", ".."} & segments


def check_path(base: URL, path: str) -> None:
    """Join *path* to *base*: a URL of its origin, below it if the path is relative; or a ConfigurationError."""
    url = tried(lambda: join(base, path), ConfigurationError)
    if isinstance(url, ConfigurationError):
        proper(url)
        return
    absolute = path.lower().startswith(f"{base.scheme}:")
    assert is_below(base.origin() if absolute else base, url)
    assert str(url).isascii()


@given(around(urls), st.sampled_from(BASES))
@example(Around("/.\ud800./x", 0), BASE)
@example(Around("/%2\ud800e%2e/x", 0), BASE)
@example(Around("/a/.\udfff.", 0), BASE)
@example(Around("https://[]@", 0), BASE)
@example(Around("https://[2026-01-01T00:00:00]/", 0), BASE)
def test_any_path(path: Around, base: URL) -> None:
    """Any path gives a URL of the base's origin, below the base if it is relative; or a ConfigurationError."""
    for text in each(path.texts()):
        check_path(base, text)


@given(objects)
def test_any_object_for_a_path(path: object) -> None:
    """What is no text is no path."""
    call = tried(lambda: prepare("GET", partial(join, BASE), cast("str", path), {}), ConfigurationError)
    if isinstance(call, ConfigurationError):
        proper(call)
    else:
        assert same_origin(BASE, call.url)


@given(around(urls), st.booleans())
@example(Around("https://xn--a.example", 0), False)
@example(Around("https://xn--.example", 0), False)
@example(Around("https://[:0:]", 0), False)
@example(Around("https://[:]", 0), False)
@example(Around("https://[]@", 0), False)
@example(Around("https://\u2024", 0), False)
@example(Around("https://api.example.com:0", 0), False)
@example(Around("https://a\xa0b/x", 0), False)
@example(Around("https://api.example.com/.\ud800./x", 0), False)
@example(Around("http://[::1%25eth0]", 0), False)
def test_any_base_url(given_url: Around, allow_http: bool) -> None:
    """Any base URL is one that can be sent to as it is, without a secret in it; or a ConfigurationError."""
    for text in each(given_url.texts()):
        check_base_url(text, allow_http=allow_http)


@given(objects)
def test_any_object_for_a_base_url(given_url: object) -> None:
    """What is no text is no URL."""
    check_base_url(given_url, allow_http=False)


def check_base_url(given_url: Any, *, allow_http: bool) -> None:
    """Check that a client could be made with *given_url*, and its calls sent; or that it can't be right."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # plain http
        url = tried(lambda: checked_base_url(given_url, allow_http=allow_http), ConfigurationError)
        if isinstance(url, ConfigurationError):
            proper(url)
            return
        assert url == checked_base_url(str(url), allow_http=allow_http)
    assert url.host
    assert (None, None, "", "") == (url.user, url.password, url.raw_query_string, url.raw_fragment)
    assert str(url).isascii()
    assert not str(url).endswith("/")
    assert "https" == url.scheme or allow_http or is_loopback(url.host)
    assert is_below(url, join(url, "/x/y"))


region_words = st.sampled_from(
    [
        "us",
        "eu",
        "cn",
        "gov",
        "iso",
        "isob",
        "isoe",
        "isof",
        "eusc",
        "de",
        "-",
        "west",
        "east",
        "1",
        "2",
        ".",
        "/",
        "@",
        ":",
        "#",
        "\u0661",
        "\n",
        "evil.example",
    ]
)
regions = (
    texts | st.lists(region_words, max_size=7).map("".join) | st.from_regex(r"\A[a-z]{2}(-gov|-iso)?-[a-z0-9]+-[0-9]+")
)


@given(around(regions))
@example(Around("us-\u0661-1", 0))
@example(Around("eu-west-1\n", 0))
@example(Around("us-" + "a" * 60 + "-1", 0))
@example(Around("eu-west-1.evil.example/us-east-1", 0))
def test_any_region(given_region: Around) -> None:
    """Any region gives a host with exactly this label below a suffix of AWS's, or a ProtocolError."""
    for region in each(given_region.texts()):
        url = tried(lambda: login_url(region, "GET /x: the answer"), ProtocolError)  # noqa: B023  called at once
        if isinstance(url, ProtocolError):
            proper(url)
            assert host_suffix(region) is None
            continue
        first, label, suffix = (url.raw_host or "").split(".", 2)
        assert ("cognito-idp", region) == (first, label)
        assert suffix in SUFFIXES
        assert len(label) <= 63
        assert f"https://{url.raw_host}/login" == str(url)


@given(urls)
@example("..")
@example("\ud800")
@example("a/../../b?c#d")
def test_any_customer(customer_id: str) -> None:
    """Any customer's id is one value of a query and one segment of a path, or a ConfigurationError."""
    flow = tried(lambda: ProGloveFlow(BASE, customer_id, account="jane"), ConfigurationError)
    if isinstance(flow, ConfigurationError):
        proper(flow)
        return
    request = next(flow.login(PasswordCredentials("jane", "s3cret"), now=None))  # type: ignore[arg-type]  # not reached
    assert (BASE.raw_path + "/auth-information", "") == (request.url.raw_path, request.url.raw_fragment)
    assert [("id", customer_id)] == list(request.url.query.items())
    client = ProGloveClient(BASE, customer_id, account="jane")
    url = tried(lambda: client._url("/{customer_id}/devices"), ConfigurationError)
    assert isinstance(url, ConfigurationError) or f"/{customer_id}/devices" == unquote(
        url.raw_path.removeprefix(BASE.raw_path)
    )


@given(urls)
@example("\ud800")
@example("..")
async def test_any_app(app_id: str) -> None:
    """Any app's id is one segment of a path, or a ConfigurationError before anything is sent."""
    async with ProtogridClient("https://127.0.0.1:1/base", account="jane") as client:
        await client.tokens.aclose()
        with pytest.raises((ConfigurationError, RuntimeError)) as caught:
            await client.app(app_id)
    assert isinstance(caught.value, ConfigurationError) or "closed" in str(caught.value)


@given(urls)
@example("http://[]@")
@example("http://xn--a.example")
def test_any_proxy(proxy: str) -> None:
    """Any proxy is one with a host, or a ConfigurationError."""
    url = tried(lambda: _proxy_url(proxy), ConfigurationError)
    assert isinstance(url, ConfigurationError) or url.host


class Flow(BaseLoginFlow):
    """Know where the API is, and no more."""

    account = "jane"
    base_url = BASE


@given(around(urls), st.sampled_from([301, 302, 303, 307, 308]), st.sampled_from(BASES))
@example(Around("https://[]@", 0), 301, BASE)
@example(Around("https://[2026-01-01T00:00:00]/", 0), 301, BASE)
def test_any_redirect(location: Around, status: int, base: URL) -> None:
    """Any Location is one of the base's origin, or not followed."""
    flow = Flow()
    flow.base_url = base
    sender = object.__new__(Sender)
    sender._source = SimpleNamespace(flow=flow)  # type: ignore[assignment]  # it needs no more
    for text in each(location.texts()):
        raw: Any = SimpleNamespace(status=status, headers=CIMultiDict({"Location": text}), url=base / "x")
        target = sender._redirect(SimpleNamespace(safe=True), raw)  # type: ignore[arg-type]  # likewise
        assert target is None or same_origin(base, target)


@given(
    st.text(st.characters(exclude_characters="\0=", exclude_categories=["Cs"])),
    st.dictionaries(
        st.sampled_from(["REFRESH_TOKEN", "USERNAME", "PASSWORD", "BASE_URL"]),
        texts.filter(lambda text: "\0" not in text),
    ),
)
@example("P", {"USERNAME": "jane", "BASE_URL": MARK})
def test_any_environment(prefix: str, values: dict[str, str]) -> None:
    """Any variables give credentials, none, or a ConfigurationError that names one and shows none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.environ", {f"{prefix}_{name}": value for name, value in values.items()})
        outcome = tried(lambda: credentials_from(prefix), ConfigurationError)
        assert optional(prefix, "BASE_URL") == (values.get("BASE_URL") or None)
        base = tried(lambda: required(prefix, "BASE_URL"), ConfigurationError)
    assert isinstance(base, str) == bool(values.get("BASE_URL"))
    assert isinstance(outcome, PasswordCredentials | RefreshTokenCredentials | ConfigurationError | None)
    assert MARK in prefix or MARK not in str(outcome) or values.get("USERNAME") == MARK
