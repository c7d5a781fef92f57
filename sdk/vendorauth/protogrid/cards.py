"""
Give Protogrid's views, cards and tasks a shape.

What is called provisional stands in no page of the wiki's that could be read: it was seen in the vendor's own iOS
client of 2017. What this version does not know is kept in ``extra``.
"""

from __future__ import annotations

from typing import Final

import attrs

from vendorauth._wire import Resource, wire
from vendorauth.tokens import JSON

_MISSING: Final = object()
_OVER: Final = frozenset({"SUCCESS", "FINISHED", "FAILED"})


@attrs.frozen(kw_only=True, slots=False)
class ViewRow(Resource):
    """
    Be a row of a view: *value* is any JSON, often ``None`` (Protogrid wiki, JSON API Database Views).

    Old servers send a ``shortname`` besides, a text or ``{}``; it is in *extra*.
    """

    key: tuple[JSON, ...]
    value: JSON = attrs.field(default=None, repr=False)

    @property
    def card_key(self) -> str | None:
        """The id of the card that the row is of, which is the key's last element; ``None`` where that is no text."""
        last = self.key[-1] if self.key else None
        return last if isinstance(last, str) else None


@attrs.frozen(kw_only=True, slots=False)
class ViewPage(Resource):
    """
    Be some rows of a view; *next_card_key* is the whole key that the next ones begin with (Protogrid wiki, JSON API Database Views).

    It is missing on the last page: the wiki does not say so, but nothing else could be meant.
    """

    rows: tuple[ViewRow, ...] = attrs.field(repr=False)
    next_card_key: tuple[JSON, ...] | None = None


@attrs.frozen(kw_only=True, slots=False)
class DesignElement(Resource):
    """
    Be one field of a card: *definition_key* is the id of the field's definition (Protogrid wiki, Agents).

    *value* is JSON: text, number, bool, a list; dates are texts in ISO 8601. Provisional: an element that is built in
    has a *name* instead of the key; what is no number where one belongs is the text that was typed.
    """

    definition_key: str | None = None
    name: str | None = None
    value: JSON = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True, slots=False)
class Card(Resource):
    """
    Be a card, which is what everything in Protogrid is: data, their fields' definitions, users.

    *design_elements* are its fields (Protogrid wiki, Agents). The rest is provisional: *id* is a UUID, or begins with
    ``&&`` or ``org.couchdb.user:``; *proto_key* names what kind of data it holds, *definition_type* what it defines;
    *modification_log* is a list of ``time`` and ``user``, the first of which made it; *denormalized* has the names of
    cards that it refers to, *attachments* the files.
    """

    design_elements: tuple[DesignElement, ...] = attrs.field(repr=False)
    id: str | None = wire("_id", default=None)
    proto_key: str | None = None
    definition_type: str | None = None
    modification_log: JSON = attrs.field(default=None, repr=False)
    denormalized: JSON = attrs.field(default=None, repr=False)
    attachments: JSON = wire("_attachments", default=None, secret=True)

    def value(self, definition_key: str, default: JSON = _MISSING) -> JSON:
        """
        Give the value of the field whose definition is *definition_key*, or of the built-in one of that name.

        Where the card has no such field, it is *default*.

        Raises:
            KeyError: There is no such field, and no *default*.
        """
        for one in self.design_elements:
            if definition_key == (one.name if one.definition_key is None else one.definition_key):
                return one.value
        if default is _MISSING:
            raise KeyError(definition_key)
        return default


@attrs.frozen(kw_only=True, slots=False)
class Task(Resource):
    """
    Be a long import, export or print. Provisional: all of it (the vendor's iOS client, which asks every 5 s).

    *task_type* is ``import``, ``export``, ``print`` or empty; *state* ``SUCCESS``, ``FINISHED`` or ``FAILED``, anything
    else while it runs; *percentage* is from 0 to 100. *url* is where an export or a print can be had, and not in ``repr``.
    """

    task_id: str | None = wire("taskid", default=None)
    task_type: str | None = None
    state: str | None = None
    live: bool | None = None
    stage: JSON = None
    percentage: float | None = None
    messages: tuple[JSON, ...] | None = attrs.field(default=None, repr=False)
    errors: tuple[JSON, ...] | None = attrs.field(default=None, repr=False)
    url: str | None = wire("url", default=None, secret=True)
    human_readable_id: JSON = None

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end, good or bad."""
        return self.state in _OVER

    @property
    def has_failed(self) -> bool:
        """Whether it came to a bad end."""
        return self.state == "FAILED"
