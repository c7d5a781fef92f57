"""Protogrid's session cookie, as Set-Cookie headers bring it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.protogrid.cookies import SessionCookie, session_cookie

NOW = datetime(2024, 4, 20, 12, 0, 0, tzinfo=UTC)
SENDABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=";"), min_size=1)
PIECES = st.sampled_from([
    "session", "=", ";", " ", "\t", '"', "a.b-c", "Max-Age", "Expires", "Domain", "Path", "-", "0", "99999999999999999",
    "Wed, 21 Oct 2026 07:28:00 GMT", "31 Feb 2030 25:61:61", "\x00", "\N{SNOWMAN}", "\ud800",
])  # fmt: skip


def read(*set_cookies: str) -> SessionCookie | None:
    return session_cookie(set_cookies, answered_at=NOW)


def living(value: str, seconds: float | None = None) -> SessionCookie:
    return SessionCookie(value=value, lifetime=None if seconds is None else timedelta(seconds=seconds))


class TestValue:
    """The name and the value of a cookie."""

    @pytest.mark.parametrize(
        ("expected", "text"),
        [
            ("eyJ1IjoxfQ.ZiOo.x-_y", "session=eyJ1IjoxfQ.ZiOo.x-_y; HttpOnly; Path=/"),
            ("a", "session=a"),
            ("a==", "session=a=="),
            ('"a b"', 'session="a b"; Secure'),
            ("a,b\\054", "session=a,b\\054;Path=/"),
            ("a", " \tsession \t=\t a ; Path=/"),
        ],
    )
    def test_kept_as_it_came(self, expected: str, text: str) -> None:
        """A value is opaque: quotes, commas, backslashes and equals signs stay; only blanks at its ends go."""
        assert living(expected) == read(text)

    @pytest.mark.parametrize(
        "text",
        ["", ";", "session", "session; Path=/", "=a", "Session=a", "session2=a", "other=session=a", "a; session=b"],
    )
    def test_other_cookies(self, text: str) -> None:
        """Only a cookie named exactly session counts."""
        assert read(text) is None

    @pytest.mark.parametrize("value", ["a\x00b", "a\nb", "a\rb", "a\tb", "a\x7fb", "\N{SNOWMAN}", "\udcff", "\x85"])
    def test_unsendable(self, value: str) -> None:
        """A value that could not be sent back in a Cookie header is passed over, and deletes nothing."""
        assert read(f"session={value}") is None
        assert living("good") == read("session=good", f"session={value}")

    @given(SENDABLE.map(str.strip).filter(bool))
    def test_any_sendable_value(self, value: str) -> None:
        """Every value that a header can carry comes back byte for byte."""
        assert living(value, 60) == read(f"session={value}; Max-Age=60")

    def test_value_is_not_in_repr(self) -> None:
        """The session is a secret."""
        assert "MARK" not in repr(living("MARK"))


class TestLifetime:
    """How long a cookie lasts."""

    @pytest.mark.parametrize(
        ("expected", "attributes"),
        [
            (None, "HttpOnly; Secure; SameSite=Lax"),
            (3600, "Max-Age=3600"),
            (3600, "max-age = 3600 "),
            (3600, "Expires=Sat, 20 Apr 2024 13:00:00 GMT"),
            (3600, "expires=Sat, 20-Apr-2024 13:00:00 GMT"),
            (60, "Max-Age=60; Expires=Sat, 20 Apr 2024 13:00:00 GMT"),
            (60, "Expires=Sat, 20 Apr 2024 11:00:00 GMT; Max-Age=60"),
            (3600, "Max-Age=soon; Expires=Sat, 20 Apr 2024 13:00:00 GMT"),
            (60, "Max-Age=60; Max-Age=1e3; Max-Age=; Max-Age"),
            (120, "Max-Age=60; Max-Age=120"),
            (None, "Expires=never"),
            (None, "Max-Age=\N{ARABIC-INDIC DIGIT FOUR}"),
            (400 * 86400, "Max-Age=" + "9" * 5000),
            (5, "Max-Age=" + "0" * 5000 + "5"),
            (400 * 86400, "Expires=Fri, 31 Dec 9999 23:59:59 GMT"),
        ],
    )
    def test_lifetime(self, expected: float | None, attributes: str) -> None:
        """Max-Age wins over Expires, the last readable one of a name counts, and 400 days are the most."""
        assert living("a", expected) == read(f"session=a; {attributes}")

    @pytest.mark.parametrize(
        "text",
        [
            "session=",
            "session=; Expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=0; Path=/",
            "session=a; Max-Age=0",
            "session=a; Max-Age=-1",
            "session=a; Max-Age=-" + "9" * 5000,
            "session=a; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "session=a; Expires=Sat, 20 Apr 2024 12:00:00 GMT",
        ],
    )
    def test_deleted(self, text: str) -> None:
        """An empty value, no Max-Age left, or an end that is not after the answer: there is no session."""
        assert read(text) is None


class TestSeveralHeaders:
    """Several Set-Cookie headers in one answer."""

    def test_among_others(self) -> None:
        """The session is found whichever header it stands in."""
        assert living("a") == read("lang=de; Path=/", "session=a; Path=/", "csrf=x")

    def test_last_one_wins(self) -> None:
        """Of two sessions the later counts, as in a browser."""
        assert living("b") == read("session=a; Path=/", "session=b; Path=/")
        assert living("a") == read("session=a; Path=/", "session=b; Path=/x", "session=a; Path=/")

    def test_deleted_again(self) -> None:
        """A deletion after it takes the session of its own domain and path away."""
        assert read("session=a; Path=/", "session=; Path=/; Max-Age=0") is None
        assert living("b") == read("session=a", "session=; Max-Age=0", "session=b")

    @pytest.mark.parametrize("scope", ["Domain=.old.example.com", "Path=/old"])
    def test_another_one_deleted(self, scope: str) -> None:
        """Clearing a cookie of another domain or path leaves the session alone."""
        assert living("a") == read("session=a; Path=/", f"session=; {scope}; Max-Age=0")

    def test_same_domain(self) -> None:
        """Domains are the same with a leading dot and in capitals."""
        assert read("session=a; Domain=Example.com", "session=; Domain=.example.COM") is None

    @given(
        st.lists(st.text() | st.lists(PIECES).map("".join) | st.lists(PIECES).map(lambda it: "session=" + "".join(it)))
    )
    def test_never_raises(self, texts: list[str]) -> None:
        """Whatever the headers are, there is a session that can be sent back and has life left, or none."""
        found = session_cookie(texts, answered_at=NOW)
        if found is not None:
            assert found.value.isascii()
            assert found.value.isprintable()
            assert ";" not in found.value
            assert found.lifetime is None or timedelta(0) < found.lifetime <= timedelta(days=400)
