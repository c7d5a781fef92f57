"""Test that the runbook is complete."""

from __future__ import annotations

import re
from pathlib import Path

import vendorauth
from vendorauth import VendorAuthError

RUNBOOK = Path(__file__).parent.parent / "docs" / "how-to" / "runbook.md"


def test_every_error_has_its_section_with_a_meaning_and_a_deed() -> None:
    """A person on call finds each class of error that can reach a log, what it means and what to do."""
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL))
    classes = {
        name
        for name in vendorauth.__all__
        if isinstance(thing := getattr(vendorauth, name), type) and issubclass(thing, VendorAuthError)
    }

    assert classes == set(sections)
    incomplete = [name for name, text in sections.items() if not ("*Means:*" in text and "*Do:*" in text)]
    assert ["VendorAuthError"] == incomplete
