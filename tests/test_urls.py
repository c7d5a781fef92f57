"""Base URLs and paths: the token goes where the user said, and nowhere else."""

import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from vendorauth._urls import checked_base_url, is_loopback, join
from vendorauth.errors import ConfigurationError

BASE = URL("https://api.example.com/latest")
ROOT = URL("https://api.example.com")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com/latest", "https://api.example.com/latest//"),
        ("https://api.example.com/latest", "HTTPS://API.example.com:443/latest"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("https://bücher.example", "https://bücher.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_good_base_urls(expected: str, text: str) -> None:
    """Fine are https anywhere and http on loopback, as text and as URL; slashes at the end and default ports go."""
    assert URL(expected) == checked_base_url(text) == checked_base_url(URL(text))
    assert not str(checked_base_url(text)).endswith("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.example.com",
        "/latest",
        "//api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        f"https://{'a' * 64}.example.com",
        "https://api..example.com",
        "https://api.example.com:port",
        "https://api.example.com:99999",
        "https://[::1",
        "https://api.example.com/a b",
        "https://api.example.com/a\nb",
        "https://api.example.com\\@evil.example",
        " https://api.example.com",
        "https://MARK@api.example.com",
        "https://jane:MARK@api.example.com",
        "https://:MARK@api.example.com",
        "https://api.example.com?key=MARK",
        "https://api.example.com#MARK",
        "https://api.example.com/a/../b",
        "https://api.example.com/./a",
        "https://api.example.com/%2e%2E/a",
        "https://api.example.com/a%2f..%2fb",
        "https://api.example.com/a%5c..%5cb",
        "http://api.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
    ],
)
def test_bad_base_urls(text: str) -> None:
    """What can't be right is refused when the client is made, without showing a password that was put into it."""
    with pytest.raises(ConfigurationError, match=r"^the base URL ") as caught:
        checked_base_url(text)
    assert "MARK" not in str(caught.value)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


@pytest.mark.parametrize("value", [None, 5, b"https://api.example.com"])
def test_base_urls_of_wrong_types(value: object) -> None:
    """Something else in its place is told as such."""
    with pytest.raises(ConfigurationError, match="must be an absolute https URL"):
        checked_base_url(value)  # type: ignore[arg-type]  # it is what must fail


def test_plain_http_with_consent() -> None:
    """Plain http to another machine needs consent, and warns each time."""
    for _ in range(2):
        with pytest.warns(UserWarning, match="^the Cognito URL is plain http"):
            checked_base_url("http://api.example.com", allow_http=True, name="Cognito URL")


def test_consent_is_not_asked_for_nothing() -> None:
    """With https and on loopback there is no warning, with consent neither."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        checked_base_url("https://api.example.com", allow_http=True)
        checked_base_url("http://localhost", allow_http=True)
    assert [] == seen


@pytest.mark.parametrize(
    ("expected", "host"),
    [
        (True, "localhost"),
        (True, "127.0.0.1"),
        (True, "127.255.255.254"),
        (True, "::1"),
        (False, "0.0.0.0"),
        (False, "128.0.0.1"),
        (False, "localhost.example.com"),
        (False, "mylocalhost"),
        (False, ""),
        (False, "2130706433"),
        (False, "127.1"),
    ],
)
def test_is_loopback(expected: bool, host: str) -> None:
    """This machine is what certainly is: other spellings of its addresses are not taken for it."""
    assert expected is is_loopback(host)


@pytest.mark.parametrize(
    ("expected", "path"),
    [
        ("https://api.example.com/latest/x", "/x"),
        ("https://api.example.com/latest/x", "x"),
        ("https://api.example.com/latest/x/", "/x/"),
        ("https://api.example.com/latest", ""),
        ("https://api.example.com/latest/", "/"),
        ("https://api.example.com/latest/x?a=1&b=../..&c=..", "/x?a=1&b=../..&c=%2e%2e"),
        ("https://api.example.com/latest/x?to=https://evil.example", "/x?to=https://evil.example"),
        ("https://api.example.com/latest/a%2Fb", "/a%2Fb"),
        ("https://api.example.com/latest/...", "/..."),
        ("https://api.example.com/latest/a..b/.c", "/a..b/.c"),
        ("https://api.example.com/latest/x:y", "/x:y"),
        ("https://api.example.com/latest/%C3%BC", "/ü"),
        ("https://api.example.com/latest/@evil.example", "/@evil.example"),
        ("https://api.example.com/other", "https://api.example.com/other"),
        ("https://api.example.com/other", "https://API.EXAMPLE.COM/other"),
    ],
)
def test_good_paths(expected: str, path: str) -> None:
    """A path goes behind the base, whose own path and query are kept; an absolute URL may be the same origin's."""
    assert expected == str(join(BASE, path))


def test_the_default_port_is_the_same_origin() -> None:
    """An absolute URL that spells the default port out is of the same origin; with that of http it is not."""
    assert "https://api.example.com/x" == str(join(BASE, "https://api.example.com:443/x"))
    with pytest.raises(ConfigurationError):
        join(BASE, "https://api.example.com:80/x")


def test_a_base_without_a_path() -> None:
    """One slash stands between host and path, whether the path has one or not."""
    assert URL("https://api.example.com/x") == join(ROOT, "x") == join(ROOT, "/x")


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/x",
        "http://api.example.com/x",
        "https://api.example.com:8443/x",
        "https://api.example.com.evil.example/x",
        "https://evil.example@api.example.com/x",
        "https://jane:pw@api.example.com/x",
        "https://api.example.com@evil.example/x",
        "https://api.example.com./x",
        "https://аpi.example.com/x",  # noqa: RUF001  a Cyrillic a
        "//evil.example/x",
        "//api.example.com/x",
        "///evil.example/x",
        "//api.example.com@evil.example/x",
        "https:/evil.example",
        "https:evil.example",
        "https:x",
        "javascript:alert(1)",
        "mailto:x@evil.example",
        "https://api.example.com:port/x",
        "https://[::1/x",
        "HTTPS://EVIL.EXAMPLE",
    ],
)
def test_other_origins(path: str) -> None:
    """No spelling of another origin gets the token: a ConfigurationError before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"^the path (leads to another origin|can't be made a URL)"):
        join(BASE, path)


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "/..",
        "/..;x/a",
        "/.;",
        "/../x",
        "/a/../../x",
        "a/.",
        "./a",
        "/%2e%2e/x",
        "/%2E./x",
        "/.%2e",
        "/a%2f..%2fx",
        "/a/..%2fx",
        "/a%5c..%5cx",
        "/..%5c",
        "https://api.example.com/latest/../x",
        "https://api.example.com/%2e%2e/x",
    ],
)
def test_dot_segments(path: str) -> None:
    """Dot segments would lead out of the base's path: refused however they are encoded (yarl folds them)."""
    with pytest.raises(ConfigurationError, match="dot segments"):
        join(BASE, path)


@pytest.mark.parametrize(
    "path", ["/x#y", "#", "/a b", "/a\nb", "/a\r\nHost: evil", "/\x00", "\t/x", "/\\evil", "\\\\evil", "/\x7f"]
)
def test_what_no_path_has(path: str) -> None:
    """Blanks, controls, backslashes and fragments are refused before anything looks at the rest."""
    with pytest.raises(ConfigurationError, match="must be without blanks, controls, backslashes and a fragment"):
        join(BASE, path)


SIGNS = ["/", "//", ".", "..", "%2e", "%2E", "%2f", "%5c", "%00", "%", "?", "&", "=", ":", "@", "[", "]", ";", "%25"]
WORDS = ["https:", "http:", "api.example.com", "evil.example", ":443", "latest", "a", "2e", "\ud800"]
LOOK_ALIKES = ["ü", "。", "．．", "／"]  # noqa: RUF001  what IDNA and NFKC fold
PIECES = st.sampled_from([*SIGNS, *WORDS, *LOOK_ALIKES])
PATHS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20)


@given(PATHS, st.sampled_from([BASE, ROOT, URL("http://127.0.0.1:8000/a/b")]))
@example("?/..", BASE)
@example("https://api.example.com/latest", BASE)
def test_no_path_leaves_the_origin(path: str, base: URL) -> None:
    """Whatever the path, what comes out is of the base's origin, without user and fragment; or a ConfigurationError."""
    try:
        url = join(base, path)
    except ConfigurationError:
        return
    assert (base.scheme, base.host, base.port) == (url.scheme, url.host, url.port)
    assert (None, None, "") == (url.user, url.password, url.fragment)


@given(PATHS, st.sampled_from([BASE, URL("http://127.0.0.1:8000/a/b")]))
def test_no_relative_path_leaves_the_base(path: str, base: URL) -> None:
    """A relative path stays below the base's own path, in the form that is sent and in what a server may decode."""
    try:
        url = join(base, path)
    except ConfigurationError:
        return
    if path.lower().startswith(f"{base.scheme}:"):
        return  # an absolute URL of the same origin
    assert url.raw_path == base.raw_path or url.raw_path.startswith(f"{base.raw_path}/")
    assert not {".", ".."} & set(url.path.replace("\\", "/").split("/"))
