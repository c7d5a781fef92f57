"""
Give ProGlove INSIGHT's organisation and its photo reports a shape.

All of it is provisional: no document of the vendor's shows it, and it was seen in other clients' code only (the
Peakboard extension for both, ``proglove-insight`` for the organisation). Only ``id`` is required, and what this version
does not know is kept in ``extra``.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from vendorauth._wire import Resource, structure, wire
from vendorauth.proglove.times import moment
from vendorauth.tokens import JSON


@attrs.frozen(kw_only=True, slots=False)
class OrganisationNode(Resource):
    """
    Be a level of a customer's organisation, or a gateway in it. Provisional (Peakboard extension, ``Node``).

    *entity_type* is such as ``LEVEL``; *parent_id* and *path* are of the levels above, of which the first is ``_``;
    *depth* counts them. Where a site is and how its devices are set up, *address*, *ap_ipv4_address*, *actual_config*
    and *policy*, is kept as it comes and not in ``repr``. The same node may come twice.
    """

    id: str
    name: str | None = None
    entity_type: str | None = None
    type: str | None = None
    usecase: str | None = None
    station: str | None = None
    depth: int | None = None
    deleted: bool | None = None
    parent_id: str | None = None
    path: tuple[str, ...] | None = None
    ap_ipv4_address: str | None = wire("ap_ipv4_address", default=None, secret=True)
    address: JSON = wire("address", default=None, secret=True)
    actual_config: JSON = wire("actual_config", default=None, secret=True)
    policy: JSON = wire("policy", default=None, secret=True)


@attrs.frozen(kw_only=True, slots=False)
class Thumbnail(Resource):
    """
    Be the small picture of a photo report. Provisional (Peakboard extension).

    *url* may itself give access to the picture, for a time that is not known: it is not in ``repr``.
    """

    url: str | None = wire("url", default=None, secret=True)
    attachment_sort_key: int | None = None


@attrs.frozen(kw_only=True, slots=False)
class Report(Resource):
    """
    Be a photo report. Provisional (Peakboard extension).

    *time_created* is raw, `created_at` says what it means. One report may come under several levels.
    """

    id: str
    title: str | None = None
    report_type: str | None = None
    status: str | None = None
    time_created: int | None = None
    device_serial: str | None = None
    photos_count: int | None = None
    path: JSON = None
    thumbnail: Thumbnail | None = None

    @property
    def created_at(self) -> datetime | None:
        """When it was made; aware."""
        return moment(self.time_created)


def node_from(value: JSON) -> OrganisationNode:
    """
    Take the node out of *value*, which wraps it.

    Raises:
        ProtocolError: It does not have this form.
    """
    return structure(value, _Wrapped, "a node of the organisation").node


@attrs.frozen(kw_only=True)
class _Wrapped:
    node: OrganisationNode
