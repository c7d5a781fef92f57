"""Set up what all tests share."""

from hypothesis import settings

# A noisy machine is no reason for a property to fail; pytest-timeout bounds every test.
settings.register_profile("tests", deadline=None, max_examples=50)
settings.load_profile("tests")
