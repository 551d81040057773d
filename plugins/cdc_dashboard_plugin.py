"""Registers the dashboard with Airflow; all of it is in `cdc_airflow.dashboard`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/cdc"


class CdcDashboardPlugin(AirflowPlugin):
    """A page in Airflow's navigation, and the application behind it.

    Every process of Airflow loads plugins, and each task is one; so the application is only made by the
    api-server, which is the one that asks for it.
    """

    name = "cdc_dashboard"
    external_views = [  # noqa: RUF012 - Airflow reads it from the class
        {
            "name": "CDC pipelines",
            "href": f"{PREFIX.lstrip('/')}/",
            "destination": "nav",
            "url_route": "cdc",
            "nav_top_level": True,
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override] # a list of the class elsewhere
        """The application."""
        from cdc_airflow.dashboard.app import create_app

        return [{"app": create_app(), "url_prefix": PREFIX, "name": "CDC dashboard"}]
