"""The mail catcher: aiosmtpd, which writes every mail into a Maildir."""

from __future__ import annotations

import smtplib
from typing import Any

from local_stack.component import Command, Component, PortSpec, StackContext

HOST = "127.0.0.1"


class Smtp(Component):
    """Takes any mail for anybody and keeps it under `mail/`; it sends nothing on."""

    name = "smtp"
    title = "Mail catcher"
    ports = (PortSpec("smtp", 11025),)
    ready_timeout_s = 30.0

    def command(self, ctx: StackContext) -> Command:
        """The own command line of aiosmtpd, with its Maildir handler."""
        listen = f"{HOST}:{ctx.ports['smtp']}"
        argv = (str(ctx.python), "-m", "aiosmtpd", "-n", "-l", listen, "-c", "aiosmtpd.handlers.Mailbox")
        return Command(argv=(*argv, str(ctx.home / "mail")), cwd=ctx.home, stop_timeout_s=5)

    def probe(self, ctx: StackContext) -> str | None:
        """Say hello and goodbye."""
        try:
            with smtplib.SMTP(HOST, ctx.ports["smtp"], timeout=3) as client:
                client.noop()
        except OSError as error:  # smtplib's own errors are OSErrors too
            return f"no SMTP greeting on {HOST}:{ctx.ports['smtp']}: {error}"
        return None

    def exports(self, ctx: StackContext) -> dict[str, str]:
        """Where to send mail, and where to read it."""
        return {"SMTP_HOST": HOST, "SMTP_PORT": str(ctx.ports["smtp"]), "MAIL_DIR": str(ctx.home / "mail")}

    def connections(self, ctx: StackContext) -> dict[str, dict[str, Any]]:
        """Airflow's SMTP connection, without TLS or login, as the catcher has neither."""
        extra = {"disable_tls": True, "disable_ssl": True, "from_email": "cdc@localhost", "timeout": 10}
        return {"cdc_smtp": {"conn_type": "smtp", "host": HOST, "port": ctx.ports["smtp"], "extra": extra}}
