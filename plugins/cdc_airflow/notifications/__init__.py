"""Mails about what failed."""
