"""Rules of a contract are counted one by one and shown as one check."""

import dagster as dg

from pipeline_assets.publish.contract_check import contract_result, contract_rules
from pipeline_assets_tests.diary.assets import entries
from spark_resources.job import AuditResult

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def result(**failed: int) -> dg.AssetCheckResult:
    """The check where so many rows break some rules."""
    audits = {
        rule.name: AuditResult(rule.name, failed.get(rule.name, 0), ({"who": "eve", "letters": 5},))
        for rule in contract_rules(entries)
    }
    return contract_result(entries, audits)


def rows(found: dg.AssetCheckResult) -> dict[str, dict[str, object]]:
    table = found.metadata["rules"]
    assert isinstance(table, dg.TableMetadataValue)
    return {str(record.data["rule"]): dict(record.data) for record in table.records}


def test_its_table_has_every_rule_that_nobody_wrote_as_a_check() -> None:
    found = result()
    assert (found.passed, found.severity, found.description) == (True, ERROR, None)
    assert set(rows(found)) == {rule.name for rule in contract_rules(entries)}
    assert {"who_isin", "partition_as_requested"} <= set(rows(found))
    assert "nobody_is_brief" not in rows(found)


def test_each_broken_rule_is_named_and_counted() -> None:
    found = result(who_isin=1200, letters_not_null=3)
    assert not found.passed
    assert found.description == (
        "`who` is one of ada, bob (1,200 rows do not); `letters` is never null (3 rows do not)"
    )
    assert rows(found)["who_isin"] == {
        "column": "who",
        "rule": "who_isin",
        "holds": "`who` is one of ada, bob.",
        "severity": "error",
        "failed rows": 1200,
        "examples": "who = eve, letters = 5",
    }
    assert {"examples/who_isin", "examples/letters_not_null"} < set(found.metadata)
