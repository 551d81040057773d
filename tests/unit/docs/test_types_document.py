"""The page of types is what the type map and the recording say now."""

from tests.postgres_types.document import DOCUMENT, render


def test_the_page_of_types_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), "run `make types-doc`"
