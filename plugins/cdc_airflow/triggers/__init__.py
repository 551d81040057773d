"""Triggers: the same decisions as the sensors', made in the triggerer."""
