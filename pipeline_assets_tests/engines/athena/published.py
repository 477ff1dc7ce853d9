"""A small lake of samples in a folder, published without Dagster, for Athena to read."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from pydantic import SecretStr

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.inputs import Input, InputSpec, Landed, LandedInput
from pipeline_assets.dataset.values.database import OutsideSystem
from pipeline_assets.dataset.values.dsn import SecretDsn
from pipeline_assets.dataset.values.objects import fingerprint
from pipeline_assets.dataset.values.progress import SILENT
from pipeline_assets.definitions import DATASETS, assets_for
from pipeline_assets.engines.router import Engines
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.publish.attempt import Request
from pipeline_assets.publish.io_managers import with_own
from pipeline_assets.publish.staging import Stager
from pipeline_assets.sample.activity.events import write_activity
from pipeline_assets.sample.movie_reviews import write_movie_reviews
from pipeline_assets.sample.music import write_music
from pipeline_assets.sample.ratings import write_ratings
from pipeline_assets.sample.rental_database import fill_rentals
from pipeline_assets.sample.rental_rows import END
from pipeline_assets.sample.taobao import write_taobao
from pipeline_assets.sample.wikipedia.articles import sample_encyclopaedia, write_list
from pipeline_assets.sample.wikipedia.dumps import write_dumps
from pipeline_assets.sample.wikipedia.server import Wikipedia, running_wikipedia
from pipeline_assets.settings import Settings
from pipeline_assets_tests.athena_check import input_of

DOMAINS = ("taobao", "ratings", "music", "rentals", "activity", "pageviews")
DAYS = [str(END.fromordinal(END.toordinal() - before)) for before in (3, 2, 1)]
MONTHS = ("2026-01", "2026-02")
VIEWS_START, VIEWS_END = date(2026, 1, 1), date(2026, 2, 28)
KEYS: Mapping[str, Sequence[str]] = {
    "split": ("test", "train"),
    "category": ("Digital_Video_Download", "Gift_Card"),
    "snapshot": ("2026-01-01", "2026-02-01"),
    "insert_date": DAYS,
    "hour": [f"{DAYS[-1]}T{hour}" for hour in (20, 21, 22, 23)],
    "day": DAYS[-1:],
    "list": ("people_and_things",),
    "month": MONTHS,
}
"""The partitions that the samples deliver, by the column of a partitioning."""


def write_landing(landing: Path, shop: SecretDsn) -> None:
    """Samples with faults."""
    write_taobao(landing, scale=0.01, damage=0.02)
    write_ratings(landing, scale=0.02, damage=0.02)
    write_music(landing, scale=0.05, damage=0.02, snapshots=KEYS["snapshot"])
    write_movie_reviews(landing, scale=4, damage=0.02, days=len(DAYS))
    fill_rentals(shop, scale=0.05, days=len(DAYS))
    write_activity(landing, scale=0.1, damage=0.02)
    write_list(landing, seed=0)
    write_dumps(landing, sample_encyclopaedia(VIEWS_END), date.fromisoformat(f"{MONTHS[-1]}-01"))


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
        wikimedia_contact="tests@example.org",
        pageviews_start=VIEWS_START,
    ).model_copy(update=changes)
    deployment = Deployment(settings)
    with running_wikipedia(Wikipedia(sample_encyclopaedia(VIEWS_END))) as wikipedia:
        asked = settings.model_copy(update={"wikimedia_endpoint_url": wikipedia.url})
        systems = Deployment(asked).systems
        for asset in in_order(domain_assets(settings)):
            publish(deployment, asset, systems)
    return deployment


def domain_assets(settings: Settings) -> list[LakeAsset]:
    """The assets that stay in the lake and are computed from what has landed."""
    assets = assets_for(settings, DATASETS.assets)
    mine = [it for it in assets if it.table.namespace in DOMAINS and it.kind != "export"]
    return [it for it in mine if it.partitioning is None or it.partitioning.column in KEYS]


def in_order(assets: Sequence[LakeAsset]) -> Iterator[LakeAsset]:
    """Each asset after those that it reads."""
    waiting, done = list(assets), {it.key for it in DATASETS.landing}
    while waiting:
        ready = [it for it in waiting if {spec.key for spec in it.inputs} <= done]
        yield from ready
        done |= {it.key for it in ready}
        waiting = [it for it in waiting if it not in ready]


def publish(deployment: Deployment, asset: LakeAsset, systems: Mapping[str, OutsideSystem]) -> None:
    """Compute and commit all partitions of an asset."""
    settings, lake = deployment.settings, deployment.lake
    stager = Stager(
        lake=lake,
        store=deployment.store(settings.lake_uri),
        engines=Engines(deployment.embedded, deployment.embedded),
        part_bytes=settings.raw_part_bytes,
        landing_expansion=settings.landing_expansion,
        progress=SILENT,
        systems=systems,
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
    keys, most = KEYS[asset.partitioning.column], asset.partitions_of_a_run
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
    return input_of(deployment.lake, asset, spec, upstream, keys)
