"""
Cut a window of time into slices.

With ``gateway_id`` the vendor gives no second page, but cuts what it sends at ``limit`` (ProGlove, API specification).
So a window whose answer may have been cut is halved, until none is. Whether a window's ends belong to it is not
documented: halves share the moment between them, and what comes with both of them counts once.
"""

from __future__ import annotations

import attrs

from vendorauth.proglove.models import Page
from vendorauth.tokens import JSON


@attrs.frozen
class Window:
    """Be the time from *start* to *end*, in milliseconds since 1970."""

    start: int
    end: int

    def halves(self) -> tuple[Window, ...]:
        """Give both halves, the earlier one first; nothing where there is no whole millisecond between the ends."""
        if self.end - self.start < 2:  # noqa: PLR2004
            return ()
        middle = (self.start + self.end) // 2
        return Window(self.start, middle), Window(middle, self.end)


@attrs.frozen
class Slices:
    """Be what is left to ask for: *windows*, the earliest first; *before* are the ids that the last one gave."""

    windows: tuple[Window, ...]
    before: frozenset[str] = attrs.field(default=frozenset(), repr=False)

    def after(self, windows: tuple[Window, ...], page: Page[JSON]) -> Slices | None:
        """Go on with *windows* after *page*; ``None`` where none are left."""
        return Slices(windows, frozenset(map(id_of, page.items))) if windows else None


def is_whole(page: Page[JSON], limit: int) -> bool:
    """Tell whether nothing was cut off *page* for sure: it has less than *limit* items and no link to more."""
    return len(page.items) < limit and not (page.links and page.links.next)


def id_of(item: JSON) -> str:
    """Give the id of a raw event; nothing where it has none, which is found out when it is given its shape."""
    match item:
        case {"id": str(key)}:
            return key
        case _:
            return ""
