"""Reads the mails that the stack's catcher has taken."""

from __future__ import annotations

import email.policy
import mailbox
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path


@dataclass(frozen=True)
class Mail:
    """A mail, with the text of its body."""

    subject: str
    sender: str
    to: str
    date: str
    text: str


def read_mails(folder: Path) -> list[Mail]:
    """The mails in a Maildir, oldest first; none when there is no Maildir yet."""
    if not folder.is_dir():
        return []
    box = mailbox.Maildir(folder, create=False)
    parser = BytesParser(policy=email.policy.default)
    return [_mail(parser.parsebytes(box.get_bytes(key))) for key in sorted(box.keys(), key=_delivered)]


def _delivered(key: str) -> list[int]:
    """Seconds, microseconds, process and count of a delivery; its file name has them unpadded."""
    return [int(number) for number in re.findall(r"[0-9]+", key)]


def _mail(message: EmailMessage) -> Mail:
    body = message.get_body(preferencelist=("plain", "html"))
    return Mail(
        subject=str(message.get("Subject", "")),
        sender=str(message.get("From", "")),
        to=str(message.get("To", "")),
        date=str(message.get("Date", "")),
        text=str(body.get_content()) if body is not None else "",
    )
