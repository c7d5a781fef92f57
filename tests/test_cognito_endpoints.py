"""The password goes to a host of AWS's, or nowhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from vendorauth.cognito.endpoints import host_suffix, login_url
from vendorauth.errors import ProtocolError


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "cognito-idp.eu-west-1.amazonaws.com"),
        ("us-east-2", "cognito-idp.us-east-2.amazonaws.com"),
        ("ap-southeast-1", "cognito-idp.ap-southeast-1.amazonaws.com"),
        ("mx-central-1", "cognito-idp.mx-central-1.amazonaws.com"),
        ("us-gov-west-1", "cognito-idp.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "cognito-idp.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "cognito-idp.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", "cognito-idp.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "cognito-idp.us-isob-east-1.sc2s.sgov.gov"),
        ("eu-isoe-west-1", "cognito-idp.eu-isoe-west-1.cloud.adc-e.uk"),
        ("us-isof-south-1", "cognito-idp.us-isof-south-1.csp.hci.ic.gov"),
    ],
)
def test_each_partition_has_its_own_suffix(region: str, host: str) -> None:
    """The host comes from AWS's partition table, the path from ProGlove's page."""
    assert URL(f"https://{host}/login") == login_url(region, "x")


@pytest.mark.parametrize(
    "region",
    [
        None,
        "",
        "eu-west-1\n",
        " eu-west-1",
        "EU-WEST-1",
        "eu-west-\u0661",  # an Arabic digit, which \d takes without re.ASCII
        "eu-w\u00e9st-1",
        "eu_west_1",
        "eu-west-1.evil.example",
        "eu-west-1/@evil.example",
        "evil.example/#-west-1",
        "user:password@eu-west-1",
        "zz-west-1",
        "eu-west",
        "us-" + "a" * 60 + "-1",
    ],
)
def test_anything_else_is_a_protocol_error(region: str | None) -> None:
    """A region that AWS can't have never becomes a host, and the error does not repeat it."""
    with pytest.raises(ProtocolError) as raised:
        login_url(region, "GET /auth-information: the answer")
    assert str(raised.value) == "GET /auth-information: the answer: the region is none of AWS's"


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"\A(us|eu|cn|us-gov|eusc-de|us-iso)-\w+-\d+(\n|[./@:#?].*)?\Z"),
    )
)
def test_whatever_the_server_says_the_host_is_awss(region: str) -> None:
    """Property: a region either has no suffix, or gives a host whose only labels are ours and one harmless one."""
    if host_suffix(region) is None:
        with pytest.raises(ProtocolError):
            login_url(region, "x")
        return
    url = login_url(region, "x")
    assert re.fullmatch(r"[a-z0-9-]{1,63}", region)
    assert f"cognito-idp.{region}.{host_suffix(region)}" == url.host
    assert (url.scheme, url.port, url.raw_path, url.query_string, url.user) == ("https", 443, "/login", "", None)
