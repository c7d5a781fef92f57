"""Be the `vendorauth` command."""
