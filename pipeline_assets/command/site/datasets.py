"""A page for each dataset: what it is, what its columns are computed from, how to read it."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Final

from pipeline_assets.command.docs import checks_of, table_lines
from pipeline_assets.command.site.graph import Graph, drawing
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.computation import table_of
from pipeline_assets.dataset.inputs import unbound
from pipeline_assets.dataset.lineage import InputColumn, column_lineage
from pipeline_assets.graph import DATASETS
from pipeline_assets.orchestration.policies.asset_policies import tags_of
from pipeline_assets.orchestration.policies.freshness import describe, freshness_of
from pipeline_assets.staleness.versions import evaluate

ASSETS: Final = {asset.name: asset for asset in DATASETS.assets}
TABLES: Final = {name: asset.table for name, asset in ASSETS.items()}


def pages() -> dict[str, str]:
    """Every page: path in the site to Markdown."""
    domains = dict.fromkeys(asset.table.namespace for asset in ASSETS.values())
    return {
        "datasets/index.md": "\n".join(_index()),
        **{f"datasets/{domain}/index.md": "\n".join(_domain(domain)) for domain in domains},
        **{f"datasets/{name}.md": "\n".join(_dataset(asset)) for name, asset in ASSETS.items()},
    }


def _index() -> Iterator[str]:
    yield from (
        "# Datasets",
        "",
        "Every table that this project publishes, by domain. The page of a table says what one row "
        "is, where its columns come from, which checks it has passed before it was published, and "
        "how to read it.",
        "",
    )
    for domain in dict.fromkeys(asset.table.namespace for asset in ASSETS.values()):
        yield from (
            f"## {domain}",
            "",
            f"[How they follow from one another]({domain}/index.md)",
            "",
        )
        rows = (
            [f"[{asset.table.name}]({name}.md)", asset.description.partition("\n")[0]]
            for name, asset in ASSETS.items()
            if asset.table.namespace == domain
        )
        yield from (*table_lines(["table", "what it holds"], list(rows)), "")


def _domain(domain: str) -> Iterator[str]:
    yield from ("---", "hide: [navigation, toc]", "---", "")
    yield from (
        f"# {domain}",
        "",
        "[All datasets](../index.md). Each box leads to the page of its table.",
        "",
        _graph(domain),
    )


def _graph(domain: str) -> str:
    """The tables of a domain, and what they read from outside it."""
    own = {name: asset for name, asset in ASSETS.items() if asset.table.namespace == domain}
    labels: dict[str, list[str]] = {}
    edges = []
    for name, asset in own.items():
        for spec in asset.inputs:
            labels.setdefault(spec.upstream, [_short(spec.upstream, domain)])
            edges.append((spec.upstream, name))
        labels.setdefault(name, [asset.table.name])
    links = {name: f"../{name}.html" for name in labels if name in ASSETS}
    return drawing(Graph(labels, edges, links))


def _short(name: str, domain: str) -> str:
    return name.removeprefix(f"{domain}/")


def _dataset(asset: LakeAsset) -> Iterator[str]:
    contract, table = asset.table.contract, asset.table
    grain = inspect.cleandoc(contract.description).splitlines()[0]
    yield from ("---", "hide: [navigation]", "---", "", f"# {table}", "")
    yield from (f"[Datasets](../index.md) / [{table.namespace}](index.md)", "")
    yield from (inspect.getdoc(asset.function) or "", "")
    yield f"- **Grain:** {grain}"
    made_from = _links(asset, [spec.upstream for spec in asset.inputs])
    yield f"- **Made from:** {made_from or 'the outside world'}"
    yield f"- **Feeds:** {_links(asset, _downstream(asset)) or 'no other table'}"
    yield "- **Partitions:** " + (f"by `{table.partition_column}`" if asset.partitioning else "no")
    yield f"- **How fresh:** {describe(freshness_of(asset))}"
    if asset.export:
        yield f"- **Goes to:** {asset.export.told}"
    yield "- **Tags:** " + ", ".join(f"`{name}={value}`" for name, value in tags_of(asset).items())
    yield from ("", "## Columns", "", *_columns(asset), "")
    yield from ("## How to read it", "", *_reading(asset), "")
    yield from ("## Checks", "", "A check of severity *error* has passed before the rows were "
                "published; a *warn* is told and blocks nothing.", "")  # fmt: skip
    yield from table_lines(["check", "rule", "severity", "what holds"], list(checks_of(asset)))


def _links(asset: LakeAsset, names: list[str]) -> str:
    return ", ".join(_link(asset, name) for name in names)


def _link(asset: LakeAsset, name: str, anchor: str = "") -> str:
    text = name.replace("/", ".") + (f".{anchor}" if anchor else "")
    if name not in ASSETS:
        return f"`{name}`"
    folder, _, page = name.partition("/")
    where = f"{page}.md" if folder == asset.table.namespace else f"../{folder}/{page}.md"
    known = anchor in ASSETS[name].table.contract.schema
    return f"[{text}]({where}{f'#{anchor}' if known else ''})"


def _downstream(asset: LakeAsset) -> list[str]:
    fed = (each for each in ASSETS.values() if asset.name in {it.upstream for it in each.inputs})
    return [each.name for each in fed]


def _columns(asset: LakeAsset) -> Iterator[str]:
    lineage = lineage_of(asset)
    rows = (
        [
            f"`{column.name}`{{ #{column.name} }}",
            str(column.type),
            column.description + (" *Personal data.*" if column.personal else ""),
            _sources(asset, lineage.get(column.name, frozenset())),
        ]
        for column in asset.table.contract.columns
    )
    return table_lines(["column", "type", "meaning", "computed from"], list(rows))


def lineage_of(asset: LakeAsset) -> Mapping[str, frozenset[InputColumn]]:
    """The input columns behind each column; none of what comes from outside the lake."""
    if asset.kind == "ingest":
        return {}
    inputs = {spec.name: unbound(spec, TABLES[spec.upstream]) for spec in asset.inputs}
    computation = evaluate(asset, inputs, asset.config_type and asset.config_type())
    return column_lineage(table_of(computation))


def _sources(asset: LakeAsset, found: frozenset[InputColumn]) -> str:
    upstream = {spec.name: spec.upstream for spec in asset.reads}
    known = sorted((upstream[name], column) for name, column in found if name in upstream)
    return ", ".join(_link(asset, name, column) for name, column in known)


def _reading(asset: LakeAsset) -> Iterator[str]:
    if asset.export:
        yield f"Its rows leave the lake: {asset.export.told}. The lake keeps what was written when."
        yield ""
    yield from (
        "```python",
        "from pipeline_assets import open_lake",
        "",
        f'open_lake("lake")["{asset.table}"].to_polars()',
        "```",
        "",
        "```sh",
        f"pipeline-assets query 'TABLE {asset.table} LIMIT 5'",
        "```",
        "",
        "[More ways to read](../../reading.md): past snapshots, Ibis, DuckDB, Spark.",
    )
