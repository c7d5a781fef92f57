"""Be the ``vendorauth`` command for ``python -m vendorauth``."""

from vendorauth.cli import main

main()
