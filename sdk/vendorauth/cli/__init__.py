"""Be the ``vendorauth`` command. What it needs besides the package comes with the extra ``cli``."""

from __future__ import annotations

import sys
from typing import Final

_EXTRA: Final = frozenset({"platformdirs", "rich", "tomlkit", "typer"})
_USAGE: Final = 2


def main() -> None:
    """
    Run the command; exit with 2, and one line that tells what to install, where its extra is missing.

    Raises:
        SystemExit: Always.
    """
    try:
        from vendorauth.cli.app import run  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write("vendorauth: this command needs its extra: pip install 'vendorauth[cli]'\n")
        sys.exit(_USAGE)
    run()
