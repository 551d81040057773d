"""The FastAPI application that Airflow's api-server mounts: pages, JSON, metrics, and buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib import resources
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.configuration import conf
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from cdc.connections import Connections
from cdc.errors import CdcError, ConfigurationError
from cdc.spec import Pipeline
from cdc_airflow.dashboard import exposition, guard, metrics
from cdc_airflow.dashboard.actions import Action, actions_of, find_action
from cdc_airflow.dashboard.detail import describe
from cdc_airflow.dashboard.document import detail_document, summary_document
from cdc_airflow.dashboard.facts import FactsCollector, PipelineFacts
from cdc_airflow.dashboard.markup import with_code
from cdc_airflow.dashboard.runs import why_it_cannot_run
from cdc_airflow.dashboard.summary import Summary, summarise
from cdc_airflow.dashboard.windows import DEFAULT, WINDOWS, Window
from cdc_airflow.hooks.cdc import YARN, CdcHook
from cdc_airflow.pipelines import readable_pipelines

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
STATIC = {"dashboard.css": "text/css", "dashboard.js": "text/javascript"}
FORMS = ("cdc_backfill", "cdc_replay", "cdc_resync")
"""DAGs that are run with a form, on Airflow's own page."""


def create_app(fetch: Callable[[Iterable[str]], Connections] | None = None) -> FastAPI:
    """The application; every route wants a login, and what acts wants the right on its DAG.

    Args:
        fetch: gives connections by their ids; by default Airflow's.
    """
    app = FastAPI(title="CDC pipelines", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.dashboard = Dashboard(fetch or (lambda ids: CdcHook().connections(ids)))
    # Airflow adds no authentication to a plugin's routes.
    app.include_router(router, dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])
    app.add_exception_handler(CdcError, _said)
    app.add_exception_handler(HTTPException, _said)
    return app


class Dashboard:
    """What the routes share: the collector, the templates, and the pipelines as their files say now."""

    def __init__(self, fetch: Callable[[Iterable[str]], Connections]) -> None:
        self._fetch = fetch
        self._collector = FactsCollector(fetch)
        self._templates = Environment(
            loader=PackageLoader("cdc_airflow.dashboard"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters["code"] = with_code

    def facts(self, pipeline: Pipeline, window: Window, *, detail: bool) -> PipelineFacts:
        """Everything that is known of a pipeline."""
        return self._collector.collect(pipeline, window, _dag_ids(pipeline), detail=detail)

    def summaries(self, window: Window, *, detail: bool = False) -> list[tuple[PipelineFacts, Summary]]:
        """Every pipeline."""
        found = []
        pipelines, _ = readable_pipelines()
        for pipeline in pipelines:
            self._collector.ask(pipeline, window, _dag_ids(pipeline), detail=detail)
        for pipeline in pipelines:
            facts = self.facts(pipeline, window, detail=detail)
            summary = summarise(facts)
            self.remember(summary)
            found.append((facts, summary))
        return found

    def remember(self, summary: Summary) -> None:
        """Keep the lag that is shown."""
        lag = summary.lag
        if isinstance(lag.value, float) and not lag.stale:
            self._collector.remember_lag(summary.pipeline.name, summary.now, lag.value)

    def yarn_url(self) -> str:
        """The ResourceManager's page; empty when Airflow has no connection to it."""
        try:
            return self._fetch([YARN]).get(YARN).url()
        except ConfigurationError:
            return ""

    def page(self, template: str, **values: Any) -> HTMLResponse:
        """A page from its template; whatever is put in is escaped."""
        text = self._templates.get_template(template).render(windows=WINDOWS.values(), **values)
        return HTMLResponse(text, headers=HEADERS)


router = APIRouter()


def _actions(pipeline: Pipeline) -> tuple[Action, ...]:
    return actions_of(pipeline, readable_pipelines()[0])


def _dag_ids(pipeline: Pipeline) -> list[str]:
    return list(dict.fromkeys(action.dag_id for action in _actions(pipeline)))


def _dashboard(request: Request) -> Dashboard:
    found: Dashboard = request.app.state.dashboard
    return found


def _window(window: str = DEFAULT.name) -> Window:
    if window not in WINDOWS:
        raise HTTPException(422, f"window is {window!r}, expected one of {', '.join(WINDOWS)}")
    return WINDOWS[window]


def _pipeline(name: str) -> Pipeline:
    for pipeline in readable_pipelines()[0]:
        if pipeline.name == name:
            return pipeline
    raise HTTPException(404, f"no pipeline is named {name!r}")


DashboardDep = Annotated[Dashboard, Depends(_dashboard)]
WindowDep = Annotated[Window, Depends(_window)]
PipelineDep = Annotated[Pipeline, Depends(_pipeline)]


@router.get("/")
def show_pipelines(request: Request, dashboard: DashboardDep, window: WindowDep) -> HTMLResponse:
    """Every pipeline, a row each."""
    found = dashboard.summaries(window)
    return dashboard.page(
        "pipelines.html", root=_root(request), window=window, summaries=[summary for _, summary in found],
        now=datetime.now(UTC), broken=readable_pipelines()[1],
    )  # fmt: skip


@router.get("/pipelines/{name}")
def show_pipeline(
    request: Request, dashboard: DashboardDep, window: WindowDep, pipeline: PipelineDep, user: GetUserDep
) -> HTMLResponse:
    """One pipeline in detail, with buttons."""
    facts = dashboard.facts(pipeline, window, detail=True)
    detail = describe(facts, dashboard.yarn_url())
    dashboard.remember(detail.summary)
    actions = _actions(pipeline)
    return dashboard.page(
        "pipeline.html", root=_root(request), window=window, detail=detail, now=detail.summary.now,
        actions=actions, allowed={a.dag_id for a in actions if _may_run(a.dag_id, user)},
        runs={run.dag_id: run for run in facts.runs.value or () if run.newest},
        token=guard.issue_token(_secret(), str(user.get_id())), base=_base(), forms=FORMS,
    )  # fmt: skip


@router.get("/api/pipelines")
def list_pipelines(dashboard: DashboardDep, window: WindowDep) -> JSONResponse:
    """The first page's figures."""
    found = [summary_document(summary) for _, summary in dashboard.summaries(window)]
    broken = [str(error) for error in readable_pipelines()[1]]
    return JSONResponse({"pipelines": found, "problems": broken}, headers=HEADERS)


@router.get("/api/pipelines/{name}")
def read_pipeline(dashboard: DashboardDep, window: WindowDep, pipeline: PipelineDep) -> JSONResponse:
    """The second page's figures."""
    detail = describe(dashboard.facts(pipeline, window, detail=True), dashboard.yarn_url())
    dashboard.remember(detail.summary)
    return JSONResponse(detail_document(detail), headers=HEADERS)


@router.get("/metrics")
def expose_metrics(dashboard: DashboardDep, window: WindowDep) -> Response:
    """The figures as Prometheus reads them."""
    text = exposition.expose(metrics.gauges(dashboard.summaries(window, detail=True)))
    return Response(text, headers=HEADERS, media_type=exposition.CONTENT_TYPE)


@router.get("/static/{name}")
def read_static(name: str) -> Response:
    """The page's style and script; behind the login like everything else."""
    if name not in STATIC:
        raise HTTPException(404, f"there is no file {name!r}")
    text = resources.files("cdc_airflow.dashboard").joinpath("static", name).read_text(encoding="utf-8")
    return Response(text, headers=HEADERS | {"Cache-Control": "private, max-age=60"}, media_type=STATIC[name])


@router.post(
    "/pipelines/{name}/dags/{dag_id}/runs",
    dependencies=[
        Depends(requires_access_dag(method="POST", access_entity=DagAccessEntity.RUN)),
        Depends(action_logging()),
    ],
)
def start_run(
    request: Request,
    pipeline: PipelineDep,
    dag_id: str,
    user: GetUserDep,
    token: Annotated[str, Form()] = "",
    action: Annotated[str, Form()] = "",
    window: Annotated[str, Form()] = DEFAULT.name,
) -> RedirectResponse:
    """What a button does: one run of a DAG, with parameters that stand in the code."""
    own = {guard.origin_of(str(request.base_url)), guard.origin_of(_base())}
    if not guard.is_same_site(request.headers, own):
        raise HTTPException(403, "the request comes from another site")
    if not guard.is_valid_token(_secret(), str(user.get_id()), token):
        raise HTTPException(403, "the page is too old, or of another user: load it again")
    wanted = find_action(_actions(pipeline), dag_id, action)
    if wanted is None:
        raise HTTPException(404, f"the page of pipeline {pipeline.name!r} has no such button")
    if why := why_it_cannot_run(dag_id):
        raise HTTPException(409, why)
    _trigger(wanted, str(user.get_name()))
    return RedirectResponse(f"{_root(request)}/pipelines/{pipeline.name}?window={_window(window).name}", 303)


@router.get("/{path:path}")
def show_nothing(path: str) -> Response:
    """Without a login there is not even a 404."""
    raise HTTPException(404, f"there is no page {path!r}")


def _trigger(action: Action, user_name: str) -> None:
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.sdk.exceptions import AirflowException
    from airflow.utils.types import DagRunTriggeredByType

    try:
        trigger_dag(
            action.dag_id,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=user_name,
            conf=dict(action.conf),
        )
    except (AirflowException, ValueError) as error:
        raise HTTPException(409, f"Airflow refuses the run: {error}") from error


def _may_run(dag_id: str, user: Any) -> bool:
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
    )


def _secret() -> str:
    return str(conf.get("api", "secret_key"))


def _base() -> str:
    return str(conf.get("api", "base_url", fallback="/")).rstrip("/")


def _root(request: Request) -> str:
    """The path that the application is mounted at."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _said(request: Request, error: Exception) -> Response:
    """An error is a sentence: a page for a browser, JSON for programs."""
    status, detail = (
        (error.status_code, error.detail) if isinstance(error, HTTPException) else (503, str(error))
    )
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": detail}, status, headers=HEADERS)
    dashboard: Dashboard = request.app.state.dashboard
    page = dashboard.page("error.html", status=status, detail=detail, root=_root(request), base=_base())
    page.status_code = status
    return page
