"""Base URLs and the Cognito URL: one that could lead elsewhere, or in the clear, is refused at once (DESIGN 7)."""

from __future__ import annotations

import pytest
from yarl import URL

from _origin import API, BASE, JANE, PlainFlow
from vendorauth import ApiClient, ConfigurationError, ProGloveClient, ProtogridClient

BAD_BASES = [
    f"https://jane@{API}",
    f"https://jane:pw@{API}",
    f"https://{API}@evil.test",
    f"https://{API}#@evil.test",
    f"https://{API}?x",
    f"https://{API}\\@evil.test",
    f"https://{API}\\evil",
    f"https:\\\\{API}",
    f"https://{API}/a b",
    f"https://{API}/a\tb",
    f"https://{API}\n",
    f" https://{API}",
    f"https://{API} ",
    f"https://{API}\x00",
    f"https://{API}\r\nHost: evil.test",
    f"https://{API}/..",
    f"https://{API}/%2e%2e/x",
    f"https://{API}/%252e%252e/x",
    f"https:{API}",
    f"https:/{API}",
    f"//{API}",
    API,
    f"ftp://{API}",
    "javascript:alert(1)",
    "https://",
    "https://@",
    "https://:443",
    f"https://{API}:x",
    f"https://{API}:65536",
    f"http://{API}",
    f"HTTP://{API}",
    "http://localhost.evil.test",
    "http://localhost.",
    "http://localhost@evil.test",
    "http://127.0.0.1.evil.test",
    "http://127.0.0.1@evil.test",
    "http://127.0.0.1.",
    "http://127.1",
    "http://0x7f.1",
    "http://0x7f000001",
    "http://0177.0.0.1",
    "http://2130706433",
    "http://0",
    "http://0.0.0.0",
    "http://128.0.0.1",
    "http://[::]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[64:ff9b::7f00:1]",
    "http://[fe80::1]",
    "http://[::1%25lo]",
    "http://[::1%lo]",
]


@pytest.mark.parametrize("given", BAD_BASES)
def test_a_base_url_that_can_not_be(given: str) -> None:
    """What could lead elsewhere, or in the clear to another machine, is refused when the client is made."""
    flow = PlainFlow()
    flow.base_url = given  # type: ignore[assignment]  # a flow's author may err
    for make in (
        lambda: ApiClient(flow, JANE),
        lambda: ProGloveClient(given, "demo0001", JANE),
        lambda: ProGloveClient(BASE, "demo0001", JANE, cognito_url=given),
        lambda: ProtogridClient(given, JANE),
    ):
        with pytest.raises(ConfigurationError):
            make()


@pytest.mark.parametrize("text", ["https://evil.test:443@x/", "https://jane:pw@evil.test", "https://evil.test/a b"])
def test_a_base_url_that_is_a_url_already(text: str) -> None:
    """A `yarl.URL` is checked as text is, however it was made."""
    with pytest.raises(ConfigurationError):
        ProtogridClient(URL(text, encoded=True), JANE)


@pytest.mark.parametrize(
    ("host", "given"), [(API, f"https://{API}\N{ZERO WIDTH SPACE}"), ("::1", "http://[::1].evil.test")], ids=ascii
)
def test_what_parsers_disagree_about(host: str, given: str) -> None:
    """What old versions of yarl read leniently is refused, or means what they read and nothing else."""
    try:
        client = ProtogridClient(given, JANE)
    except ConfigurationError:
        return
    assert host == client.tokens.flow.base_url.raw_host
