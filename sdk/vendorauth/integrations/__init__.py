"""Fit the SDK into other libraries; each module needs the library of its name."""
