"""A wrong pipeline file is refused with file, line, field and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cdc.errors import SpecError
from cdc.spec import load_pipeline, load_pipelines, read_pipelines

SAMPLE = Path(__file__).parents[4] / "include" / "pipelines" / "ecommerce.yaml"
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """The sample with one text replaced."""

    def replace(old: str, new: str) -> Path:
        text = SAMPLE.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"the sample has no {old!r}"
        path = tmp_path / "shop.yaml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return replace


def line_of(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text in line)


WRONG = [
    ("partitions: 3", "partitions: 0", "kafka.partitions", "greater than 0", "partitions: 0"),
    ("partitions: 3", "partitions: many", "kafka.partitions", r"valid integer.*'many'", "partitions: many"),
    ("trigger_ms: 500", "trigger: 500", "streaming.trigger", "Extra inputs are not permitted",
     "trigger: 500"),
    ("name: ecommerce", "name: E-Commerce", "name", "should match pattern", "name: E-Commerce"),
    ("    type: postgres", "    type: oracle", "sinks[1]", "clickhouse.*postgres", "- name: warehouse"),
    ("type: timestamptz", "type: box3d", "tables[0].columns[8].type", "box3d'", "type: box3d"),
    ("key: [id]", "key: [uid]", "tables[0]", "key names 'uid', which is no declared column",
     "public.customers"),
    ("{name: id, type: bigint, nullable: false}", "{name: id, type: bigint}", "tables[0]",
     "key column 'id' must be declared nullable: false", "public.customers"),
    ("{name: phone, type: text}", "{name: email, type: text}", "tables[0]", "declared twice: email",
     "public.customers"),
    ("{name: phone, type: text}", "{name: _version, type: text}", "tables[0]", "lineage columns",
     "public.customers"),
    ("{name: phone, type: text}", "{name: _note, type: text}", "tables[0]", "lineage columns",
     "public.customers"),
    ("{name: phone, type: text}", "{name: n.a, type: 'text[]'}\n      - {name: n.b, type: 'int[]'}",
     "tables[0]", "columns 'n.a', 'n.b' are arrays with the same name before the dot", "public.customers"),
    ("event_time: ordered_at", "event_time: note", "tables[2]", "of type text; expected a date, timestamp or",
     "public.orders"),
    ("event_time: ordered_at", "event_time: someday", "tables[2]", "event_time names 'someday'",
     "public.orders"),
    ("source: public.products", "source: products", "tables[1].source", "is not schema.table",
     "source: products"),
    ("source: public.products", "source: public.customers", "-", "source is used twice: public.customers",
     None),
    ("source: public.products", "source: public.order$items", "-",
     r"public\.order_items has the topic .*, which is that of public\.order\$items: ",
     None),
    ("source: public.products", "source: public.\"order.items\"", "-",
     r'order_items has .*, which Kafka does not tell from .*\.order\.items of public\."order\.items": rename',
     None),
    ("signal_table: cdc.signal", "signal_table: '\"public.order\".items'", "-",
     r'dbserver1\.public\.order\.items of "public\.order"\.items: rename one', None),
    ("exclude: [generator.*]", "exclude: ['*.order*']", "-",
     r"public\.orders is under tables, and left out by '\*\.order\*' under exclude", None),
    ("exclude: [generator.*]", "exclude: [generator]", "exclude[0]", "should match pattern", "exclude: ["),
    ("name: orders_fact", "name: Customers", "-", "used twice: customers", None),
    ('"17 3 * * *"', '"17 25 * * *"', "policies.maintenance_schedule",
     r"'17 25 \* \* \*' is no schedule \(.*out of range\); expected the five fields .*'17 3 \* \* \*'",
     "maintenance_schedule"),
    ('connectors_schedule: "@hourly"', 'connectors_schedule: "@reboot"', "policies.connectors_schedule",
     "'@reboot' is no schedule .*@daily", "connectors_schedule"),
    ("signal_table: cdc.signal", "signal_table: signal", "source.signal_table", "is not schema.table",
     "signal_table"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "said", "line"), WRONG)
def test_each_mistake_is_named_where_it_is(
    write: Write, old: str, new: str, field: str, said: str, line: str | None
) -> None:
    path = write(old, new)
    with pytest.raises(SpecError, match=said) as caught:
        load_pipeline(path)
    error = caught.value
    assert (error.file, error.field) == (str(path), field)
    assert str(error).startswith(f"{path}:{error.line}: {field}: ")
    if line is not None:
        assert error.line == line_of(path, line)


def test_a_mistake_in_an_overlay_is_named_there(write: Write) -> None:
    path = write("kafka: {partitions: 12}", "kafka: {partitions: -1}")
    load_pipeline(path, "dev")
    with pytest.raises(SpecError, match="greater than 0") as caught:
        load_pipeline(path, "prod")
    assert caught.value.line == line_of(path, "partitions: -1")


def test_an_unknown_environment_lists_those_there_are(write: Write) -> None:
    with pytest.raises(SpecError, match="no 'live'; there are: dev, staging, prod"):
        load_pipeline(SAMPLE, "live")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a: [", "is not YAML"), (b"- a", "expected a mapping"), (b"\xff\xfe", "is not UTF-8")],
)
def test_a_file_that_is_no_pipeline(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=said):
        load_pipeline(path)


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load_pipeline(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match=r"holds no \*\.yaml file"):
        load_pipelines(tmp_path)


def test_two_files_must_not_claim_the_same(tmp_path: Path) -> None:
    """One thing after the other is given a name of its own in the second file."""
    text = SAMPLE.read_text(encoding="utf-8")
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    for field, what, old, new in (
        ("name", "ecommerce", "name: ecommerce", "name: b"),
        ("source.connector", "cdc_connect.ecommerce", "connector: ecommerce", "connector: b"),
        ("source.topic_prefix", "cdc_kafka.dbserver1", "topic_prefix: dbserver1", "topic_prefix: b"),
        ("source.slot", "cdc_source.cdc_ecommerce", "slot: cdc_ecommerce", "slot: b"),
        ("source.publication", "cdc_source.cdc_ecommerce", "publication: cdc_ecommerce", "publication: b"),
        ("tables", "cdc_raw.customers", "raw_database: cdc_raw", "raw_database: b"),
        ("tables", "analytics.customers", "view_database: analytics", "view_database: b"),
        ("tables", "cdc_raw.customers", "raw_schema: cdc_raw", "raw_schema: b"),
        ("tables", "public.customers", "view_schema: public", "view_schema: b"),
    ):
        (tmp_path / "b.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(SpecError, match=rf"b\.yaml:1: {field}: '{what}' is that of .*a\.yaml already"):
            load_pipelines(tmp_path)
        assert [pipeline.name for pipeline in read_pipelines(tmp_path)[0]] == ["ecommerce"]
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "b.yaml").write_text(text, encoding="utf-8")
    assert [pipeline.name for pipeline in load_pipelines(tmp_path)] == ["ecommerce", "b"]


def test_overlays_merge_key_by_key() -> None:
    dev, prod = load_pipeline(SAMPLE, "dev"), load_pipeline(SAMPLE, "prod")
    assert (dev.kafka.partitions, prod.kafka.partitions) == (3, 12)
    assert prod.kafka.retention_hours == dev.kafka.retention_hours
    assert prod.policies.max_progress_age_s == 60


def test_a_file_is_parsed_again_only_when_it_says_something_else(write: Write) -> None:
    path = write("trigger_ms: 500", "trigger_ms: 500")
    first = load_pipeline(path)
    assert load_pipeline(str(path)) is first
    write("trigger_ms: 500", "trigger_ms: 400")
    assert (first.streaming.trigger_ms, load_pipeline(path).streaming.trigger_ms) == (500, 400)
    path.write_text("name: [", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(SpecError, match="is not YAML"):
            load_pipeline(path)
