from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.errors import PipelineError
from pipeline_assets.postgres.read import stream
from pipeline_assets.postgres.sql import Value, identifier, literal

pytest_plugins = ["pipeline_assets_tests.postgres_fixture"]


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (-3, "'-3'::bigint"),
        (0.1, "'0.1'::float8"),
        (Decimal("1.50"), "'1.50'::numeric"),
        ("it's \\ fine", " E'it''s \\\\ fine'"),
        (date(2024, 2, 29), "DATE '2024-02-29'"),
        (datetime(2024, 2, 29, 1, tzinfo=UTC), "TIMESTAMPTZ '2024-02-29T01:00:00+00:00'"),
        (
            datetime(2024, 2, 29, 1, tzinfo=timezone(timedelta(hours=2))),
            "TIMESTAMPTZ '2024-02-28T23:00:00+00:00'",
        ),
    ],
)
def test_values_are_typed_literals(value: Value, sql: str) -> None:
    assert literal(value) == sql


def test_a_time_without_zone_has_no_literal() -> None:
    with pytest.raises(TypeError, match="needs its zone"):
        literal(datetime(2024, 1, 1))


def test_a_nul_in_a_text_is_refused() -> None:
    with pytest.raises(PipelineError, match="NUL"):
        literal("a\0b")


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "é" * 32])
def test_names_postgres_would_cut_or_refuse_are_refused(name: str) -> None:
    with pytest.raises(PipelineError, match="1 to 63 bytes"):
        identifier(name)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_any_text_comes_back_as_it_was(postgres_server: SecretDsn, texts: list[str]) -> None:
    columns = ", ".join(f"%({n})s AS c{n}" for n in range(len(texts)))
    parameters = {str(n): text for n, text in enumerate(texts)}
    (batch,) = stream(postgres_server, f"SELECT {columns}", parameters)
    assert list(batch.to_pylist()[0].values()) == texts
