"""A table of the source as it was found and as it was declared, for tests of what became of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cdc.model.source_table import FoundColumn, FoundTable
from cdc.spec import TableSpec

ID = FoundColumn("id", "integer", True, 1)
NAME = FoundColumn("name", "text", True, 2)
AGE = FoundColumn("age", "integer", False, 3)
THEN = FoundTable("public.t", 100, ("id",), (ID, NAME, AGE), 3)
BUILT = THEN.built()
NEW = FoundColumn("new", "integer", False, 4)


def declared(**more: Any) -> TableSpec:
    return TableSpec.model_validate(
        {
            "source": "public.t",
            "key": ["id"],
            "columns": [
                {"name": "id", "type": "integer", "nullable": False},
                {"name": "name", "type": "text", "nullable": False},
                {"name": "age", "type": "integer"},
            ],
            **more,
        }
    )


def now(*columns: FoundColumn, **more: Any) -> FoundTable:
    used = max(3, *(column.number for column in columns))
    return replace(THEN, columns=columns, **{"numbers_used": used, **more})
