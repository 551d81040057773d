"""The stretches of time that a page can show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Window:
    """A stretch that ends now.

    Attributes:
        bucket_s: seconds that one point of a chart stands for.
        refresh_s: how old what is shown of it may be; long ones cost the ops store more.
    """

    name: str
    length: timedelta
    bucket_s: int
    refresh_s: float


WINDOWS = {
    window.name: window
    for window in (
        Window("15m", timedelta(minutes=15), 15, 4),
        Window("1h", timedelta(hours=1), 60, 4),
        Window("6h", timedelta(hours=6), 300, 30),
        Window("24h", timedelta(hours=24), 1200, 120),
    )
}
DEFAULT = WINDOWS["1h"]
