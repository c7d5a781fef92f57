"""The times in Protogrid's answers."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vendorauth._dates import read_date, retry_after

NOW = datetime(2024, 4, 20, 12, 0, 0, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2069, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis
PIECES = st.sampled_from([
    "Wed,", " ", "\t", "-", ":", "21", "6th", "Oct", "november", "2026", "94", "07:28:00", "25:61:61", "GMT", "\x00", "\ud800",
])  # fmt: skip


class TestReadDate:
    """Dates as cookies and servers write them."""

    @pytest.mark.parametrize(
        "text",
        [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "6 november 1994 8:49:37",
            "08:49:37x 06th NOVEMBER 1994th Dec 5 10:00:00",
        ],
    )
    def test_forms(self, text: str) -> None:
        """Every form that RFC 6265, section 5.1.1 takes is read."""
        assert datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC) == read_date(text)

    @pytest.mark.parametrize(
        ("expected", "year"), [(2069, "69"), (1970, "70"), (1999, "99"), (2000, "00"), (1601, "1601")]
    )
    def test_years(self, expected: int, year: str) -> None:
        """Years of two digits are those from 1970 to 2069."""
        assert datetime(expected, 11, 6, 8, 49, 37, tzinfo=UTC) == read_date(f"Sun, 06-Nov-{year} 08:49:37 GMT")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "120",
            "Sun, 06 Nov 1994",
            "06 1994 08:49:37",
            "Nov 1994 08:49:37",
            "06 Nov 08:49:37",
            "06 Nov 1600 08:49:37",
            "00 Nov 1994 08:49:37",
            "31 Feb 1994 08:49:37",
            "06 Nov 1994 24:00:00",
            "06 Nov 1994 08:60:37",
            "06 Nov 1994 08:49:60",
            "06 Nov 19945 08:49:37",
        ],
    )
    def test_no_date(self, text: str) -> None:
        """What is no date, or none that exists, is None."""
        assert read_date(text) is None

    @given(MOMENTS)
    def test_what_servers_write(self, moment: datetime) -> None:
        """Both spellings that servers use come back to the second."""
        expected = moment.replace(microsecond=0)
        assert expected == read_date(f"{moment:%a, %d %b %Y %H:%M:%S} GMT")
        assert expected == read_date(f"{moment:%a, %d-%b-%y %H:%M:%S} GMT")

    @given(st.text() | st.lists(PIECES).map("".join))
    @example("1" * 100_000)
    def test_never_raises(self, text: str) -> None:
        """Any text is an aware time or None."""
        read = read_date(text)
        assert read is None or read.tzinfo is UTC


class TestRetryAfter:
    """How long a server asks to wait."""

    @pytest.mark.parametrize(
        ("expected", "text"),
        [
            (120.0, "120"),
            (0.0, " 0 "),
            (30.0, "Sat, 20 Apr 2024 12:00:30 GMT"),
            (0.0, "Sat, 20 Apr 2024 11:00:00 GMT"),
            (None, "-1"),
            (None, "1.5"),
            (None, "soon"),
            (None, ""),
            (None, "9" * 400),
        ],
    )
    def test_forms(self, expected: float | None, text: str) -> None:
        """Seconds and dates are read as seconds from now, none of them negative; else None."""
        assert expected == retry_after({"Retry-After": text}, now=NOW)

    def test_missing(self) -> None:
        """Without the header there is nothing to obey."""
        assert retry_after({}, now=NOW) is None
