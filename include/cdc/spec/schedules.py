"""When a DAG of the platform runs: what Airflow's cron timetables take. Pure."""

from __future__ import annotations

from datetime import datetime

_QUARTERLY = "@quarterly"
"""Airflow's one preset that croniter, which Airflow asks for all else, does not know."""
_FIELDS = 6
_ANY_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - dates are counted from there, whatever the zone


def check_schedule(cron: str) -> str:
    """A cron expression or preset that a DAG can be scheduled by; an empty one is none.

    Raises:
        ValueError: Airflow would refuse the DAG, or find no date on which to run it.
    """
    from croniter import CroniterBadDateError, CroniterError, croniter

    if not cron or cron == _QUARTERLY:
        return cron
    try:
        croniter(cron)
        # A schedule that names years may be over, and is none the less one; R is another date at each look.
        fields = cron.lower().split()[:_FIELDS]
        if not any(field.startswith("r") for field in fields):
            croniter(" ".join(fields), _ANY_TIME).get_next()
    except CroniterBadDateError:
        raise ValueError(_sentence(cron, "no month has that day")) from None
    except CroniterError as error:
        raise ValueError(_sentence(cron, str(error).rstrip("."))) from None
    return cron


def _sentence(cron: str, why: str) -> str:
    return (
        f"{cron!r} is no schedule ({why}); expected the five fields minute, hour, day of month, month and "
        "day of week, such as '17 3 * * *', or @hourly, @daily, @weekly, @monthly, @quarterly or @yearly, or "
        "null for none"
    )
