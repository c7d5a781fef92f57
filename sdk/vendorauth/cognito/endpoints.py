"""Make the URL that gets the password out of a region, and of nothing else that a server says."""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

from vendorauth.errors import ProtocolError

_LONGEST_LABEL: Final = 63

_PARTITIONS: Final = tuple(
    (re.compile(pattern + r"-[a-z0-9]+-[0-9]+", re.ASCII), suffix)
    for pattern, suffix in (
        (r"(?:us|eu|ap|sa|ca|me|af|il|mx)", "amazonaws.com"),
        (r"cn", "amazonaws.com.cn"),
        (r"us-gov", "amazonaws.com"),
        (r"eusc-de", "amazonaws.eu"),
        (r"us-iso", "c2s.ic.gov"),
        (r"us-isob", "sc2s.sgov.gov"),
        (r"eu-isoe", "cloud.adc-e.uk"),
        (r"us-isof", "csp.hci.ic.gov"),
    )
)
"""AWS's partitions: what their regions look like, and the suffix of their hosts (botocore's ``partitions.json``)."""


def host_suffix(region: str | None) -> str | None:
    """Give the suffix of the hosts in *region*; ``None`` where AWS has no region that looks like this."""
    if region is None or len(region) > _LONGEST_LABEL:
        return None
    return next((suffix for pattern, suffix in _PARTITIONS if pattern.fullmatch(region)), None)


def login_url(region: str | None, subject: str) -> URL:
    """
    Give the URL that users of *region* log in at; *subject* begins the error's sentence.

    The path is ``/login`` (ProGlove, Authentication), where AWS documents ``/``.

    Raises:
        ProtocolError: This is no region of AWS. The password must not go to a host of somebody else's making.
    """
    suffix = host_suffix(region)
    if suffix is None:
        message = f"{subject}: the region is none of AWS's"
        raise ProtocolError(message)
    return URL(f"https://cognito-idp.{region}.{suffix}/login")
