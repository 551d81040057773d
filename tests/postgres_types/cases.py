"""Types and edge values: one table for each type, with a row for each value and one for NULL.

The tables are made by `setup_sql`; `record.py` sends them through Debezium once, the tests use what it saw.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = "kinds"

USER_TYPES = """
    CREATE EXTENSION IF NOT EXISTS hstore;
    CREATE EXTENSION IF NOT EXISTS ltree;
    CREATE EXTENSION IF NOT EXISTS citext;
    CREATE SCHEMA kinds;
    SET search_path = kinds, public;
    CREATE TYPE mood AS ENUM ('sad', 'so, so', 'hap"py', '日本');
    CREATE TYPE pair AS (a integer, b text);
    CREATE TYPE nested AS (p pair, at timestamptz, tags text[]);
    CREATE TYPE floatrange AS RANGE (subtype = float8);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN price AS numeric(12,2);
    CREATE DOMAIN free_number AS numeric;
    CREATE DOMAIN label AS varchar(10);
    CREATE DOMAIN moment AS timestamptz;
    CREATE DOMAIN stamp AS timestamp;
    CREATE DOMAIN day AS date;
    CREATE DOMAIN clock AS time;
    CREATE DOMAIN document AS jsonb;
    CREATE DOMAIN raw AS bytea;
    CREATE DOMAIN feeling AS mood;
    CREATE DOMAIN flag AS boolean;
    CREATE DOMAIN words AS text[];
    CREATE DOMAIN couple AS pair;
    CREATE DOMAIN span AS interval;
    CREATE DOMAIN spread AS int4range;
    CREATE DOMAIN twice AS positive;
"""


@dataclass(frozen=True)
class Case:
    """A type: `name` is its table's name, `values` are SQL literals' contents."""

    name: str
    type: str
    values: tuple[str, ...]


def _case(name: str, type_: str, *values: str) -> Case:
    return Case(f"t_{name}", type_, values)


CASES = (
    _case("int2", "smallint", "-32768", "0", "32767"),
    _case("int4", "integer", "-2147483648", "0", "2147483647"),
    _case("int8", "bigint", "-9223372036854775808", "0", "9007199254740993", "9223372036854775807"),
    _case("oid", "oid", "0", "2147483648", "4294967295"),
    _case("float4", "real", "0", "-0", "1.5", "3.4028235e38", "1e-45", "0.1", "NaN", "Infinity", "-Infinity"),
    _case("float8", "double precision", "0", "-0", "0.1", "1.7976931348623157e308", "5e-324", "1e22",
          "123456789.12345678", "NaN", "Infinity", "-Infinity"),
    _case("numeric_12_2", "numeric(12,2)", "0", "-0.01", "9999999999.99", "-9999999999.99", "NaN"),
    _case("numeric_38_10", "numeric(38,10)", "1234567890123456789012345678.0123456789", "0.0000000001"),
    _case("numeric_76_30", "numeric(76,30)", "9" * 46 + "." + "9" * 30, "0"),
    _case("numeric_100_2", "numeric(100,2)", "9" * 98 + ".99", "-1.00"),
    _case("numeric_5", "numeric(5)", "12345", "-1"),
    _case("numeric_5_minus2", "numeric(5,-2)", "1234567", "-100"),
    _case("numeric_3_5", "numeric(3,5)", "0.00999", "0"),
    _case("numeric", "numeric", "0", "1.50", "-1e-20", "1e30", "9" * 200, "0." + "0" * 100 + "1", "NaN",
          "Infinity", "-Infinity"),
    _case("money", "money", "0", "1234.56", "-0.01", "-1234567.89", "92233720368547758.07",
          "-92233720368547758.08"),
    _case("bool", "boolean", "true", "false"),
    _case("text", "text", "", "a", "  padded  ", "NULL", "\\N", "quote '' \" \\\\ back\\",
          "tab\tline\nreturn\r",
          "日本 ☕ 👍🏽", "__debezium_unavailable_value!", "{a,b}", "\x01\x1f\x7f", "ß" * 3000),
    _case("varchar_5", "varchar(5)", "", "abc  ", "日本語テキ"),
    _case("varchar", "varchar", "any length"),
    _case("char_5", "char(5)", "", "ab", "abcde", "é"),
    _case("char_1", "char", "x"),
    _case("internal_char", '"char"', "x", "\\001"),
    _case("name", "name", "pg_class", "n" * 63),
    _case("citext", "citext", "MiXed", "mixed", ""),
    _case("bytea", "bytea", "", "\\x00", "\\x00ff10", "\\x5c27"),
    _case("bit_1", "bit(1)", "0", "1"),
    _case("bit_8", "bit(8)", "00000001", "10000000", "11111111"),
    _case("bit_12", "bit(12)", "000000000001", "100000000000", "101010101010"),
    _case("bit_70", "bit(70)", "1" + "0" * 69, "0" * 69 + "1"),
    _case("varbit", "bit varying", "", "0", "1", "0001", "01", "10000000", "000000001", "1" * 70),
    _case("varbit_9", "bit varying(9)", "", "101", "100000001"),
    _case("date", "date", "1970-01-01", "2026-02-28", "0001-01-01", "0001-12-31 BC", "4713-01-01 BC",
          "9999-12-31", "10000-01-01", "5874897-12-31", "infinity", "-infinity", "1582-10-10",
          "2026-03-15 BC", "4714-11-24 BC", "1582-10-15", "0044-03-15 BC", "0001-02-29 BC"),
    _case("timestamp", "timestamp", "1970-01-01 00:00:00", "2026-02-28 23:59:59.999999",
          "1899-12-31 23:59:59", "0001-01-01 00:00:00", "0001-12-31 23:59:59.5 BC", "4713-01-01 00:00:00 BC",
          "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999", "infinity",
          "-infinity", "1582-10-10 12:00:00", "294276-12-31 23:59:59", "294247-01-10 04:00:54.775806",
          "294247-01-10 04:00:54.775807", "4714-11-24 00:00:00 BC"),
    _case("timestamp_3", "timestamp(3)", "2026-02-28 23:59:59.999", "1969-12-31 23:59:59.001"),
    _case("timestamp_0", "timestamp(0)", "2026-02-28 23:59:59"),
    _case("timestamptz", "timestamptz", "1970-01-01 00:00:00+00", "2026-02-28 23:59:59.999999+05:30",
          "1899-12-31 23:59:59+00", "0001-01-01 00:00:00+00", "0001-12-31 23:59:59.5+00 BC",
          "4713-01-01 00:00:00+00 BC", "9999-12-31 23:59:59.999999+00", "10000-01-01 00:00:00+00",
          "294276-12-31 23:59:59.999999+00", "infinity", "-infinity", "1582-10-10 12:00:00+00",
          "294276-12-31 23:59:59+00", "4714-11-24 00:00:00+00 BC"),
    _case("timestamptz_3", "timestamptz(3)", "2026-02-28 23:59:59.999+00"),
    _case("time", "time", "00:00:00", "12:34:56.789012", "23:59:59.999999", "24:00:00"),
    _case("time_3", "time(3)", "12:34:56.789", "24:00:00"),
    _case("time_0", "time(0)", "12:34:56"),
    _case("timetz", "timetz", "00:00:00+00", "12:34:56.789012+05:30", "23:59:59.999999-08", "00:30:00+14",
          "24:00:00+00", "24:00:00-15:59:59", "12:00:00+01:02:03"),
    _case("timetz_3", "timetz(3)", "12:34:56.789+02"),
    _case("interval", "interval", "0", "1 year 2 mons 3 days 04:05:06.789012",
          "-1 year -2 mons +3 days -04:05:06.789012",
          "1 mon -1 day", "1 day -00:00:00.000001", "2147483647:59:59.999999",
          "-178000000 years", "100000 days 25:00:00", "-00:00:00.5", "178956970 years 2147483647 days",
          "infinity", "-infinity"),
    _case("interval_ym", "interval year to month", "1 year 2 mons"),
    _case("interval_3", "interval(3)", "1.123 s"),
    _case("interval_ds", "interval day to second(2)", "3 days 04:05:06.78"),
    _case("uuid", "uuid", "00000000-0000-0000-0000-000000000000", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
    _case("json", "json", "null", '"x"', "1", '{"b": 1,  "a": [1.50, null]}', '{"a":1,"a":2}',
          "12345678901234567890.123456789012345678901234567890", "1e400", '"\\ud83d\\ude00 \\u00e9"', "[]"),
    _case("jsonb", "jsonb", "null", '"x"', "1", '{"b": 1,  "a": [1.50, null]}',
          "12345678901234567890.123456789012345678901234567890", "1e400",
          '"\\ud83d\\ude00 \\u00e9"', "[]", "true"),
    _case("jsonpath", "jsonpath", "$.a[*] ? (@ > 1)"),
    _case("xid", "xid", "1", "4294967295"),
    _case("xid8", "xid8", "1", "18446744073709551615"),
    _case("pg_lsn", "pg_lsn", "0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"),
    _case("regclass", "regclass", "pg_class"),
    _case("inet", "inet", "192.168.0.1", "192.168.0.1/24", "::1", "2001:db8::/32", "::ffff:1.2.3.4"),
    _case("cidr", "cidr", "192.168.0.0/24", "10.1.2.3/32", "2001:db8::/32"),
    _case("macaddr", "macaddr", "08:00:2b:01:02:03"),
    _case("macaddr8", "macaddr8", "08:00:2b:01:02:03:04:05"),
    _case("tsvector", "tsvector", "", "a:1A fat:2B,4C cat:5D", "'it''s' 'with space'"),
    _case("tsquery", "tsquery", "", "fat & (rat | cat)", "'super':*A <-> star"),
    _case("point", "point", "(1.5,-2)", "(1e300,1e-300)", "(0.1,0.2)", "(NaN,Infinity)"),
    _case("line", "line", "{1,-2,3}"),
    _case("lseg", "lseg", "[(1,2),(3,4.5)]"),
    _case("box", "box", "(3,4),(1,2)"),
    _case("path", "path", "[(1,2),(3,4)]", "((1,2),(3,4),(5,6))"),
    _case("polygon", "polygon", "((1,2),(3,4),(5,6.25))", "((1,2),(3,4),(1,2))"),
    _case("circle", "circle", "<(1,2),3.5>"),
    _case("hstore", "hstore", "", "a=>1", "a=>NULL, \"b c\"=>\"quote \\\" back \\\\ ,\", k=>\"\", \"\"=>v",
          "n=>\"NULL\", 日本=>☕"),
    _case("ltree", "ltree", "", "Top.Science.Astronomy"),
    _case("lquery", "lquery", "Top.*{1,2}.Science@"),
    _case("ltxtquery", "ltxtquery", "Europe & Russia*@"),
    _case("mood", "mood", "sad", "so, so", 'hap"py', "日本"),
    _case("pair", "pair", "(1,x)", "(,)", '(2,"")', '(3,"a,""b"" \\\\ (c)")'),
    _case("nested", "nested", '("(1,x)","2026-01-01 00:00:00+00","{a,NULL,""b c""}")', "(,,)"),
    _case("int4range", "int4range", "empty", "[1,5)", "(,5)", "[1,)", "(,)"),
    _case("int8range", "int8range", "[1,9223372036854775807)"),
    _case("numrange", "numrange", "(1.50,2.5]", "[NaN,NaN]", "(,infinity]"),
    _case("tsrange", "tsrange", "[2026-01-01 00:00:00,2026-01-02 00:00:00)", "[-infinity,infinity]"),
    _case("tstzrange", "tstzrange", "[2026-01-01 00:00:00+02,2026-01-02 00:00:00+00)", "(,)"),
    _case("daterange", "daterange", "[2026-01-01,2026-02-01)", "(,2026-01-01)", "[0044-03-15 BC,)"),
    _case("floatrange", "floatrange", "[1.5,2.5)"),
    _case("int4multirange", "int4multirange", "{}", "{[1,3),[5,9)}"),
    _case("tstzmultirange", "tstzmultirange", "{[2026-01-01 00:00:00+00,2026-01-02 00:00:00+00)}"),
    _case("nummultirange", "nummultirange", "{(,1.5),[2,)}"),
    _case("positive", "positive", "1", "2147483647"),
    _case("twice", "twice", "7"),
    _case("price", "price", "9999999999.99", "NaN"),
    _case("free_number", "free_number", "1.500", "NaN"),
    _case("label", "label", "abc"),
    _case("moment", "moment", "2026-02-28 23:59:59.999999+05:30", "infinity"),
    _case("stamp", "stamp", "2026-02-28 23:59:59.999999", "infinity"),
    _case("day", "day", "2026-02-28", "infinity"),
    _case("clock", "clock", "12:34:56.789012", "24:00:00"),
    _case("document", "document", '{"a": 1.50}', "null"),
    _case("raw", "raw", "\\x00ff"),
    _case("feeling", "feeling", "so, so"),
    _case("flag", "flag", "true"),
    _case("words", "words", "{}", '{a,NULL,"b c"}'),
    _case("couple", "couple", "(1,x)"),
    _case("span", "span", "1 mon -1 day"),
    _case("spread", "spread", "[1,5)"),
    _case("array_int2", "smallint[]", "{}", "{1,NULL,-32768}"),
    _case("array_int4", "integer[]", "{}", "{1,NULL,-2147483648}"),
    _case("array_int8", "bigint[]", "{}", "{1,NULL,9223372036854775807}"),
    _case("array_oid", "oid[]", "{1,NULL,4294967295}"),
    _case("array_float4", "real[]", "{}", "{1.5,NULL,NaN,Infinity}"),
    _case("array_float8", "double precision[]", "{}", "{0.1,NULL,NaN,-Infinity}"),
    _case("array_numeric", "numeric[]", "{}", "{1.50,NULL,NaN}"),
    _case("array_numeric_12_2", "numeric(12,2)[]", "{}", "{1.50,NULL,-9999999999.99}"),
    _case("array_bool", "boolean[]", "{}", "{t,NULL,f}"),
    _case("array_text", "text[]", "{}", '{a,NULL,"NULL","","b c","q\\"\\\\",日本}'),
    _case("array_varchar", "varchar(10)[]", "{}", "{a,NULL}"),
    _case("array_char", "char(3)[]", "{}", "{a,NULL}"),
    _case("array_citext", "citext[]", "{}", "{A,NULL}"),
    _case("array_bytea", "bytea[]", "{}", '{"\\\\x00ff",NULL,""}'),
    _case("array_bit", "bit(3)[]", "{}", "{101,NULL}"),
    _case("array_varbit", "varbit[]", "{}", "{0,NULL,0001}"),
    _case("array_date", "date[]", "{}", "{2026-01-01,NULL}", "{infinity}", '{"0044-03-15 BC",2026-01-01}',
          "{1582-10-10}", "{-infinity,1582-10-15}"),
    _case("array_timestamp", "timestamp[]", "{}", '{"2026-01-01 00:00:00.000001",NULL}', "{infinity}",
          '{"0044-03-15 00:00:00 BC"}', '{"1582-10-10 12:00:00"}', '{"294276-12-31 23:59:59",-infinity}',
          '{"294276-12-31 23:59:59.5"}'),
    _case("array_timestamptz", "timestamptz[]", "{}", '{"2026-01-01 00:00:00.000001+02",NULL}', "{infinity}",
          '{"0044-03-15 00:00:00+00 BC"}', '{"1582-10-10 12:00:00+00"}', '{"294276-12-31 23:59:59+00"}'),
    _case("array_time", "time[]", "{}", "{12:34:56.789012,NULL}", "{24:00:00}"),
    _case("array_timetz", "timetz[]", "{}", "{12:34:56.789012+02,NULL}"),
    _case("array_interval", "interval[]", "{}", '{"1 mon -1 day",NULL}'),
    _case("array_uuid", "uuid[]", "{}", "{6f9619ff-8b86-d011-b42d-00c04fc964ff,NULL}"),
    _case("array_json", "json[]", "{}", '{"{\\"a\\": 1}",NULL,"null"}'),
    _case("array_jsonb", "jsonb[]", "{}", '{"{\\"a\\": 1}",NULL,"null"}'),
    _case("array_inet", "inet[]", "{}", "{1.2.3.4,NULL}"),
    _case("array_cidr", "cidr[]", "{}", "{10.0.0.0/8,NULL}"),
    _case("array_macaddr", "macaddr[]", "{}", "{08:00:2b:01:02:03,NULL}"),
    _case("array_money", "money[]", "{}", "{1.5,NULL}"),
    _case("array_mood", "mood[]", "{}", '{sad,NULL,"so, so","hap\\"py"}'),
    _case("array_pair", "pair[]", "{}", '{"(1,x)",NULL}'),
    _case("array_int4range", "int4range[]", "{}", '{"[1,5)",NULL,empty}'),
    _case("array_int4multirange", "int4multirange[]", "{}", '{"{[1,5)}",NULL}'),
    _case("array_hstore", "hstore[]", "{}", '{"a=>1",NULL}'),
    _case("array_ltree", "ltree[]", "{}", "{a.b,NULL}"),
    _case("array_point", "point[]", "{}", '{"(1,2)",NULL}'),
    _case("array_box", "box[]", "{}", "{(3,4),(1,2);(1,1),(0,0)}"),
    _case("array_tsvector", "tsvector[]", "{}", "{a,NULL}"),
    _case("array_positive", "positive[]", "{}", "{1,NULL}"),
    _case("array_xid8", "xid8[]", "{}", "{1,NULL}"),
    _case("array_name", "name[]", "{}", "{a,NULL}"),
    _case("array_mood_full", "mood[]", "{}", '{sad,"so, so"}'),
    _case("array_ltree_full", "ltree[]", "{a.b,c}"),
    _case("array_pair_full", "pair[]", '{"(1,x)","(,)"}'),
    _case("array_int4multirange_full", "int4multirange[]", '{"{[1,5)}"}'),
    _case("array_tsvector_full", "tsvector[]", "{a,b}"),
    _case("array_positive_full", "positive[]", "{1,2}"),
    _case("array_label_full", "label[]", "{a,b}"),
    _case("array_xid8_full", "xid8[]", "{1,2}"),
    _case("array_macaddr8", "macaddr8[]", "{}", "{08:00:2b:01:02:03:04:05,NULL}"),
    _case("array_box_full", "box[]", "{(3,4),(1,2)}"),
    _case("array_bit_full", "bit(3)[]", "{101}"),
    _case("array_numrange", "numrange[]", '{"(1.50,2.5]",NULL}'),
    _case("array_lsn", "pg_lsn[]", "{0/1}"),
    _case("array_internal_char", '"char"[]', "{}", "{x,NULL}"),
    _case("array_jsonpath", "jsonpath[]", "{}", '{"$.a[*]",NULL}'),
    _case("array_regclass", "regclass[]", "{}", "{pg_class,NULL}"),
    _case("array_tsquery", "tsquery[]", "{}", '{"fat & rat",NULL}'),
    _case("array_xid", "xid[]", "{}", "{1,NULL,4294967295}"),
    _case("array_line", "line[]", "{}", '{"{1,-2,3}",NULL}'),
    _case("array_lseg", "lseg[]", "{}", '{"[(1,2),(3,4.5)]",NULL}'),
    _case("array_path", "path[]", "{}", '{"[(1,2),(3,4)]","((1,2),(3,4))",NULL}'),
    _case("array_polygon", "polygon[]", "{}", '{"((1,2),(3,4),(1,2))",NULL}'),
    _case("array_circle", "circle[]", "{}", '{"<(1,2),3.5>",NULL}'),
    _case("array_bool_deep", "boolean[]", "{NULL,NULL}", "{{t,NULL}}"),
    _case("array_text_deep", "text[]", "{[a,b}", "{{a,b}}"),
)  # fmt: skip

DEEP = (
    _case("deep_int4", "integer[][]", "{{1,NULL},{3,4}}", "[0:1]={1,2}", "{}", "{{{1}}}"),
    _case("deep_text", "text[][]", '{{a,"b c"},{NULL,""}}'),
    _case("deep_numeric", "numeric[][]", "{{1.5,NULL}}"),
    _case("deep_date", "date[][]", "{{2026-01-01,NULL}}"),
    _case("deep_jsonb", "jsonb[][]", '{{1,"{}"}}'),
    _case("deep_mood", "mood[][]", "{{sad,NULL}}"),
)
"""Arrays of more dimensions, or with other bounds: apart, because a connector may stop at one."""

XML = (
    _case("xml", "xml", "<a/>", "", "text", '<a b="c">é &amp; ☕<!-- x --></a>', '<?xml version="1.0"?><a/>',
          "<a>\n  <b/>\n</a>"),
    _case("array_xml", "xml[]", "{}", '{<a/>,NULL,"<b c=\\"d\\"/>"}'),
)  # fmt: skip
"""What the embedded PostgreSQL is built without; Debian's has it."""


def setup_sql(cases: tuple[Case, ...] = (*CASES, *DEEP)) -> str:
    """Tables with their rows: 0 is NULL, the values follow from 1."""
    statements = ["SET search_path = kinds, public;"]
    for case in cases:
        rows = ", ".join(
            f"({number}, {'NULL' if value is None else quote(value)})"
            for number, value in enumerate((None, *case.values))
        )
        statements.append(f'CREATE TABLE kinds."{case.name}" (id integer PRIMARY KEY, v {case.type});')
        statements.append(f'INSERT INTO kinds."{case.name}" VALUES {rows};')
    return "\n".join(statements)


def quote(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
