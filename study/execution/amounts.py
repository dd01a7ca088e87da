"""Amounts in words."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time in words, to two digits or so: "40 s", "12 min", "3.5 h", "2.1 days".

    Args:
        seconds: Not negative.
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
