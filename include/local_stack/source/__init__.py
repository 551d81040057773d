"""The sample source: the shop's schema and its first rows."""
