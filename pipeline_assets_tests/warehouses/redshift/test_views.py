"""DDL for a Redshift that reads the lake where it lies."""

import click.testing
import sqlglot
from sqlglot import exp

from pipeline_assets.command.cli import cli
from pipeline_assets.command.session import Session
from pipeline_assets.definitions import DATASETS
from pipeline_assets.domains.music.assets import artist_embeddings
from pipeline_assets.domains.taobao.assets import impressions
from pipeline_assets.warehouses.redshift.views import reader_ddl
from pipeline_assets_tests.conftest import MakeSettings

ROLE = "arn:aws:iam::123456789012:role/spectrum"


def test_a_domain_is_an_external_schema_and_a_table_a_view_with_comments() -> None:
    external, schema, view, comment = reader_ddl([impressions.table], ROLE, "eu-west-1")
    assert external == (
        'CREATE EXTERNAL SCHEMA IF NOT EXISTS "glue_taobao" FROM DATA CATALOG DATABASE '
        f"'taobao' IAM_ROLE '{ROLE}' REGION 'eu-west-1'"
    )
    assert schema == 'CREATE SCHEMA IF NOT EXISTS "lake_taobao"'
    assert view == (
        'CREATE OR REPLACE VIEW "lake_taobao"."impressions" AS SELECT "sample_id", "click_label", '
        '"conversion_label", "common_features_index", "num_features", "split" '
        'FROM "glue_taobao"."impressions" WITH NO SCHEMA BINDING'
    )
    assert comment.startswith(
        'COMMENT ON VIEW "lake_taobao"."impressions" IS \'One row per impression'
    )
    for column in impressions.table.contract.columns:
        assert f"\n{column.name}: " in comment


def test_arrays_are_named_and_left_out() -> None:
    *_, view, comment = reader_ddl([artist_embeddings.table])
    assert '"embedding"' not in view
    assert comment.endswith("Not in this view: embedding (arrays).'")


def test_every_statement_is_redshifts_but_for_external_schemas_which_sqlglot_lacks() -> None:
    statements = list(reader_ddl(asset.table for asset in DATASETS.assets))
    own = [sql for sql in statements if not sql.startswith("CREATE EXTERNAL SCHEMA")]
    parsed = [sqlglot.parse_one(sql, read="redshift") for sql in own]
    domains = {asset.table.namespace for asset in DATASETS.assets}
    assert len(own) == 2 * len(DATASETS.assets) + len(domains)
    assert not [each for each in parsed if isinstance(each, exp.Command)]


def test_the_command_prints_it(make_settings: MakeSettings) -> None:
    session = Session(make_settings(catalog_uri="glue"))
    arguments = ["redshift-ddl", "taobao.impressions", "--iam-role", ROLE]
    told = click.testing.CliRunner().invoke(cli, arguments, obj=session)
    assert told.exit_code == 0
    wanted = reader_ddl([impressions.table], ROLE)
    assert told.output == "".join(f"{statement};\n" for statement in wanted)


def test_a_lake_of_another_catalog_is_told_so(make_settings: MakeSettings) -> None:
    runner = click.testing.CliRunner()
    told = runner.invoke(cli, ["redshift-ddl"], obj=Session(make_settings()))
    assert told.exit_code != 0
    assert "set PIPELINE_CATALOG_URI=glue" in str(told.exception)
