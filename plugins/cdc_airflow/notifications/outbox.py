"""Sends messages by mail and webhook, and keeps in the ops store what was sent and what did not get there.

Airflow swallows the errors of callbacks, so a message that is only sent and not kept can be lost unseen.
"""

from __future__ import annotations

import json
import logging
import smtplib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk.exceptions import AirflowException

from cdc.errors import CdcError
from cdc.spec import AlertsSpec
from cdc_airflow.hooks.cdc import CdcHook
from cdc_airflow.notifications.message import Message
from cdc_airflow.pipelines import find_pipeline

if TYPE_CHECKING:
    from cdc.ops import Delivery, Draft, OpsStore

log = logging.getLogger(__name__)


def drafts_of(message: Message, alerts: AlertsSpec) -> list[Draft]:
    """The message for each way by which the pipeline's people are told. Pure."""
    from cdc.ops import Draft

    found = [Draft("mail", ", ".join(alerts.to), message.subject, message.html)]
    if alerts.webhook:
        found.append(Draft("webhook", alerts.webhook, message.subject, message.payload))
    return found


def post(pipelines: Sequence[str], alerts: AlertsSpec, message: Message) -> list[str]:
    """Tell people of something that is no incident; what does not get there is tried again by `cdc_health`.

    Args:
        pipelines: whom it is about; the first one's ops store keeps it.
        alerts: whom to tell, and how.
        message: what.

    Returns:
        Why it did not get there, for each way by which it did not.
    """
    from cdc.ops import OpsStore

    drafts = drafts_of(message, alerts)
    try:
        pipeline, _ = find_pipeline(pipelines[0])
        ops = OpsStore(CdcHook().connections([pipeline.ops.connection]).get(pipeline.ops.connection))
        ops.ensure_schema()
        kept = ops.record_deliveries(pipeline.name, drafts)
    except CdcError as error:
        log.error("%r is sent and cannot be kept: %s", message.subject, error)
        return [why for draft in drafts if (why := _try(draft, alerts))]
    with ops:
        return deliver(ops, kept, alerts)


def deliver(ops: OpsStore, deliveries: Sequence[Delivery], alerts: AlertsSpec) -> list[str]:
    """Send what is kept, least recently tried first, and keep what came of it.

    A server that hangs costs minutes for each message, so the first failure of a channel ends it for now.
    What was not tried comes before that one at the next run: a message that is always refused holds up none.
    One for a webhook that was taken out of the pipeline is given up.

    Returns:
        Why it did not get there, for each one that did not.
    """
    errors: list[str] = []
    failed: dict[str, str] = {}
    for delivery in sorted(deliveries, key=lambda one: one.tried_at or one.created_at):
        channel = delivery.draft.channel
        if channel == "webhook" and alerts.webhook is None:
            _give_up(ops, delivery)
            continue
        if channel in failed:
            errors.append(failed[channel])
            continue
        if why := _try(delivery.draft, alerts):
            failed[channel] = why
            errors.append(why)
        try:
            ops.record_outcome(delivery, why)
        except CdcError as error:
            log.error("what came of %r cannot be kept: %s", delivery.draft.subject, error)
    return errors


def _give_up(ops: OpsStore, delivery: Delivery) -> None:
    draft = delivery.draft
    why = f"the pipeline has no webhook any more, it was to go to {draft.target}"
    log.warning("%r is given up: %s", draft.subject, why)
    try:
        ops.give_up(delivery, why)
    except CdcError as error:
        log.error("that %r is given up cannot be kept: %s", draft.subject, error)


def _try(draft: Draft, alerts: AlertsSpec) -> str:
    try:
        _send(draft, alerts)
    except (CdcError, AirflowException, smtplib.SMTPException, OSError) as error:
        why = f"{draft.channel} to {draft.target}: {type(error).__name__}: {error}"
        log.error("%r was not delivered, %s", draft.subject, why)
        return why
    log.info("%s to %s: %s", draft.channel.capitalize(), draft.target, draft.subject)
    return ""


def _send(draft: Draft, alerts: AlertsSpec) -> None:
    if draft.channel == "mail":
        mail = SmtpNotifier(
            to=list(alerts.to),
            from_email=alerts.sender,
            smtp_conn_id=alerts.connection,
            subject=draft.subject,
            html_content=draft.body,
        )
        # Called for itself it swallows errors and renders templates; values in the text are data.
        mail.notify({})
        return
    from cdc.clients.webhook import WebhookClient

    # Whom the pipeline names now: the connection that it named then may have been wrong.
    name = alerts.webhook or draft.target
    connection = CdcHook().connections([name]).get(name)
    WebhookClient(connection).post(json.loads(draft.body))
