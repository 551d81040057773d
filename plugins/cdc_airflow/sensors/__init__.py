"""Deferrable sensors; they and the triggers share one decision."""
