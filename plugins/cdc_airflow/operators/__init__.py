"""Operators: apply a pipeline, keep a stream running."""
