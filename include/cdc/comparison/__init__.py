"""Comparing a source table with its copies, row by row and column by column: the pure part.

`values` says when two values are the same, `queries` how each side is asked, `merge` walks the sides in key
order, `report` is what comes out. `cdc.services.compare` reads the rows.

`canonical` and `checksums` let each database hash its own rows, so that only those that differ are read
(`cdc.services.checksums`).
"""
