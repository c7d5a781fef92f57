"""Keep durations in constant memory."""

from __future__ import annotations

from typing import Final, final

_STEP: Final = 0.0001
"""Seconds that a bucket is wide."""
_BUCKETS: Final = 100_000


@final
class Histogram:
    """Count durations in buckets of 0.1 ms, up to ten seconds."""

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self._count = 0
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        """Count one in; what is negative counts as nothing."""
        self._buckets[min(int(max(seconds, 0.0) / _STEP), _BUCKETS - 1)] += 1
        self._count += 1
        self._longest = max(self._longest, seconds)

    def summary(self) -> dict[str, float]:
        """Give what half, 99 and 99.9 of a hundred stay below, and the longest, in ms."""
        parts = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        return {name: self._below(part) for name, part in parts.items()} | {"max": round(self._longest * 1000, 1)}

    def _below(self, part: float) -> float:
        left = part * self._count
        for index, count in enumerate(self._buckets):
            left -= count
            if left <= 0:
                return round((index + 1) * _STEP * 1000, 1)
        return _BUCKETS * _STEP * 1000
