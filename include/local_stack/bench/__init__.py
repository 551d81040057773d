"""`make bench`: the platform beside the connectors that people use today, on the same machine and rows."""
