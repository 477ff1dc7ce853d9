"""A small lake of samples in a folder, published without Dagster, for Athena to read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import Input, InputSpec, Landed, LandedInput
from pipeline_assets.dataset.values.database import OLTP, Database
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.dataset.values.objects import fingerprint
from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.definitions import DATASETS, assets_for
from pipeline_assets.engines.router import Engines
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.attempt import Request
from pipeline_assets.publish.io_managers import lazy_table, with_own
from pipeline_assets.publish.staging import Stager
from pipeline_assets.sample.movie_reviews import write_movie_reviews
from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.sample.rental_rows import END
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.settings import Settings

DAYS = [str(END.fromordinal(END.toordinal() - before)) for before in (3, 2, 1)]
KEYS: Mapping[str, Sequence[str]] = {
    "taobao": ("test", "train"),
    "ratings": ("Digital_Video_Download", "Gift_Card"),
    "music": ("2026-01-01", "2026-02-01"),
    "rentals": DAYS,
}
"""The partitions of each domain."""


def write_landing(landing: Path, shop: SecretDsn) -> None:
    """Samples with faults."""
    write_taobao(landing, scale=0.01, damage=0.02)
    write_ratings(landing, scale=0.02, damage=0.02)
    write_music(landing, scale=0.05, damage=0.02, snapshots=KEYS["music"])
    write_movie_reviews(landing, scale=4, damage=0.02, days=len(DAYS))
    fill_rentals(shop, scale=0.05, days=len(DAYS))


def published_lake(folder: Path, shop: SecretDsn, **changes: object) -> Deployment:
    """A lake in a folder with everything that the samples say."""
    write_landing(folder / "landing", shop)
    settings = Settings(
        lake_uri=str(folder / "lake"),
        landing_uri=str(folder / "landing"),
        dagster_home=folder / "home",
        memory_limit_mib=512,
        threads=2,
        oltp_dsn=SecretStr(shop.reveal()),
    ).model_copy(update=changes)
    deployment = Deployment(settings)
    for asset in in_order(domain_assets(settings)):
        publish(deployment, asset)
    return deployment


def domain_assets(settings: Settings) -> list[LakeAsset]:
    """The assets that stay in the lake."""
    assets = assets_for(settings, DATASETS.assets)
    return [it for it in assets if it.table.namespace in KEYS and it.kind != "export"]


def in_order(assets: Sequence[LakeAsset]) -> Iterator[LakeAsset]:
    """Each asset after those that it reads."""
    waiting, done = list(assets), {it.key for it in DATASETS.landing}
    while waiting:
        ready = [it for it in waiting if {spec.key for spec in it.inputs} <= done]
        yield from ready
        done |= {it.key for it in ready}
        waiting = [it for it in waiting if it not in ready]


def publish(deployment: Deployment, asset: LakeAsset) -> None:
    """Compute and commit all partitions of an asset."""
    settings, lake = deployment.settings, deployment.lake
    stager = Stager(
        lake=lake,
        store=deployment.store(settings.lake_uri),
        engines=Engines(deployment.embedded, deployment.embedded),
        part_bytes=settings.raw_part_bytes,
        landing_expansion=settings.landing_expansion,
        progress=SILENT,
        systems={OLTP: Database(OLTP, deployment.databases[OLTP].dsn)},
    )
    for keys in _runs(asset):
        inputs = {spec.name: _input(deployment, asset, spec, keys) for spec in asset.inputs}
        request = Request(keys, "a run", "", asset.config(), log=lambda _: None)
        attempt = stager.attempt(asset, with_own(lake, asset, inputs), request)
        staged = stager.stage(attempt)
        files = [file.uri for file in staged.manifest.files]
        lake.publish(asset.table, files, staged.records, staged.checksums)


def _runs(asset: LakeAsset) -> list[tuple[str, ...]]:
    if asset.partitioning is None:
        return [()]
    keys, most = KEYS[asset.table.namespace], asset.partitions_of_a_run
    return [tuple(keys[at : at + most]) for at in range(0, len(keys), most)]


def _input(
    deployment: Deployment, asset: LakeAsset, spec: InputSpec, keys: tuple[str, ...]
) -> Input:
    if spec.read_as == "landed":
        (source,) = (it for it in DATASETS.landing if it.key == spec.key)
        objects = deployment.landing.deliveries(source, keys)
        versions = {key: fingerprint(items) for key, items in objects.items()}
        return LandedInput(Landed(objects, deployment.landing.store), versions)
    (upstream,) = (it for it in domain_assets(deployment.settings) if it.key == spec.key)
    is_aligned = asset.partitioning and upstream.partitioning and not spec.partition_mapping
    return lazy_table(deployment.lake, spec, upstream.table, keys if is_aligned else None)
