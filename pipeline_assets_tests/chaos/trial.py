"""One seed: a lake that is updated while things go wrong, and what has to hold all the same."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.dataset.discovery import datasets_in
from pipeline_assets.dataset.values.objects import ObjectStore
from pipeline_assets.domains import ratings
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.upkeep.cleaning import clean
from pipeline_assets.orchestration.deployment import Deployment
from pipeline_assets.profiles.profiles import PROFILES
from pipeline_assets.settings import Settings
from pipeline_assets_tests.chaos.mishaps import MISHAPS, Mishap, catalog_of, drop_unsynced
from pipeline_assets_tests.chaos.updates import Order, Outcome, Update
from pipeline_assets_tests.chaos.vendors import bad_day
from pipeline_assets_tests.chaos.weather import Weather
from pipeline_assets_tests.chaos.zone import CATEGORIES, Delivery, Mark, Zone, marks

ASSETS = datasets_in(ratings).assets

_ALWAYS = datetime.max.replace(tzinfo=UTC)
_DAY = 86_400.0
_SHORTEST_PAUSE = 0.2
SKEW, FULL, OVERWRITTEN, MEANWHILE, KILLED, POWER = (
    "landing object with a clock ahead or far behind",
    "full disk",
    "landing object overwritten between updates",
    "landing object overwritten while it is read",
    "process killed",
    "power cut: unsynced writes lost",
)


@dataclass(frozen=True)
class Expected:
    """What an undisturbed lake makes of each delivery.

    Attributes:
        variants: Where the deliveries are.
        marks: By variant, then by table and category.
        seconds: How long an update of one category takes.
        tables: How many of the domain's there are.
    """

    variants: Path
    marks: Sequence[Mapping[tuple[str, str], Mark]]
    seconds: float
    tables: int

    @property
    def assets(self) -> Sequence[LakeAsset]:
        """Those that make them."""
        return ASSETS[: self.tables]


@dataclass(frozen=True)
class Plan:
    """What happens in one round.

    Attributes:
        delivery: Lands before the update.
        age: By the vendor's clock, in seconds.
        kill_at: When the update is killed, as a share of the time that it should take.
        next_at: When ``next_`` lands, likewise.
        next_: Lands in the midst of the update.
        largest_file: What the disk has room for.
        storms: Share of the requests to S3 that something happens to.
        power_cut: Whether the power goes with a killed update.
        mishap: What befalls the lake after the update.
    """

    delivery: Delivery
    age: float = 0.0
    kill_at: float | None = None
    next_at: float = 0.0
    next_: Delivery | None = None
    largest_file: int | None = None
    storms: float = 0.0
    power_cut: bool = False
    mishap: str | None = None

    @property
    def is_calm(self) -> bool:
        """Whether the update has no reason to fail."""
        return not (self.next_ or self.largest_file or self.storms or self.kill_at)


def draw(chance: Random, variants: int, *, on_s3: bool) -> Plan:
    """A round by chance; some kinds of fault need a disk and others an S3."""

    def delivery() -> Delivery:
        return Delivery(chance.choice(CATEGORIES), chance.randrange(variants))

    def at() -> float:
        return chance.uniform(0, 1.2)

    faults = chance.choice(["kill", "kill", "next", "place", "place", "place and kill"])
    first, second = delivery(), delivery()
    full = "place" in faults and not on_s3
    return Plan(
        delivery=first,
        age=0.0 if on_s3 else chance.choice([0.0, -2 * _DAY, -60.0, 900 * _DAY, chance.random()]),
        kill_at=at() if "kill" in faults else None,
        next_at=at(),
        next_=Delivery(first.category, second.variant) if "next" in faults else None,
        largest_file=int(10 ** chance.uniform(2, 5.3)) if full else None,
        storms=chance.uniform(0.01, 0.3) if "place" in faults and on_s3 else 0.0,
        power_cut=chance.random() < 0.5 and not on_s3,
        mishap=chance.choice([None, *MISHAPS]),
    )


@dataclass
class Findings:
    """What happened in trials, and what should not have."""

    trials: int = 0
    looks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Count what another found as well."""
        self.trials += other.trials
        self.looks += other.looks
        self.faults += other.faults
        self.endings += other.endings
        self.violations += other.violations


@dataclass
class Trial:
    """One lake.

    Attributes:
        expected: What it should come to.
        zone: Its landing zone, reached in any weather.
        settings: For readers and those who clean up, whom nothing happens to.
        exposed: For updates.
        weather: Of the S3 that these reach.
        findings: What is found.
        landed: Variant by category and version of a landing partition.
        present: What lies in the landing zone now, by category.
    """

    expected: Expected
    zone: Zone
    settings: Settings
    exposed: Settings
    weather: Weather
    findings: Findings = field(default_factory=lambda: Findings(trials=1))
    landed: dict[tuple[str, str], int] = field(default_factory=dict)
    present: dict[str, int] = field(default_factory=dict)

    def run(self, plans: Iterable[Plan]) -> Findings:
        """Play all rounds, then let the storm pass and see what is left."""
        for plan in plans:
            self.play(plan)
        self.settle()
        self.findings.faults += self.weather.counts
        return self.findings

    def play(self, plan: Plan) -> None:
        """One update under a plan, watched by a reader."""
        if plan.delivery.category in self.present:
            self.findings.faults[OVERWRITTEN] += 1
        self.findings.faults[SKEW] += abs(plan.age) > 1
        self.land(plan.delivery, plan.age)
        self.weather.rate = plan.storms
        catalog = catalog_of(self.settings)
        saved = catalog.read_bytes() if catalog.exists() else None
        synced = self.settings.dagster_home / "synced.txt" if plan.power_cut else None
        with _timers() as later:
            order = Order(self.exposed, self.expected.tables, plan.largest_file, synced=synced)
            update = Update(order)
            if plan.kill_at is not None:
                later(plan.kill_at * self.expected.seconds, update.kill)
            if plan.next_:
                later(plan.next_at * self.expected.seconds, self._overwrite, plan.next_)
            pause = _SHORTEST_PAUSE
            while not update.is_over(pause):
                pause = self._timed_look()
        self.weather.rate = 0.0
        outcome = update.outcome()
        self._note(plan, outcome)
        if synced and outcome.ending == "killed":
            self.findings.faults[POWER] += bool(drop_unsynced(self.settings, synced))
        self._look("after an update")
        self._check_accounts()
        if plan.mishap:
            self._befall(plan.mishap, saved)

    def _befall(self, kind: str, saved: bytes | None) -> None:
        self.findings.faults[kind] += 1
        # A random generator of its own: what it draws depends on what is published by then.
        chance = Random(f"{kind} {self.findings.looks}")
        mishap = Mishap(self.settings, tuple(self.expected.assets), chance, saved)
        self.findings.violations += mishap.befall(kind)
        self._look(f"after: {kind}")
        self._check_accounts()

    def settle(self) -> None:
        """Undisturbed, the next update converges, the one after it makes nothing."""
        self.require(self.undisturbed().ending == "done", "an undisturbed update failed")
        self.require_current("after an undisturbed update")
        self.require(self.undisturbed().made == (), "a further update made something")
        self._clean_up()
        self.require_current("after cleaning up")
        bad_day(self, self.weather.chance)

    def land(self, delivery: Delivery, age: float = 0.0) -> None:
        """Have the vendor deliver, and remember what."""
        version = self.zone.land(delivery, age)
        self.landed[delivery.category, version] = delivery.variant
        self.present[delivery.category] = delivery.variant

    def _overwrite(self, delivery: Delivery) -> None:
        self.findings.faults[MEANWHILE] += 1
        self.land(delivery)

    def _note(self, plan: Plan, outcome: Outcome) -> None:
        self.findings.endings[outcome.ending] += 1
        self.findings.faults[KILLED] += outcome.ending == "killed"
        self.findings.faults[FULL] += bool(plan.largest_file and outcome.ending == "failed")
        self.require(outcome.ending != "crashed", f"not told in one line: {outcome.said}")
        for line in outcome.said:
            self.require("\n" not in line, f"not told in one line: {line!r}")
        is_well = outcome.ending == "done" or not plan.is_calm
        self.require(is_well, f"failed for no reason: {outcome.said}")

    def undisturbed(self) -> Outcome:
        """An update that nothing happens to."""
        outcome = Update(Order(self.settings, self.expected.tables)).outcome()
        self.findings.endings[outcome.ending] += 1
        return outcome

    def _timed_look(self) -> float:
        """How long a reader waits now: as long as the look took, which leaves the update a core."""
        start = time.monotonic()
        self._look("during an update")
        return max(_SHORTEST_PAUSE, time.monotonic() - start)

    def _look(self, when: str) -> None:
        """Whoever reads sees each partition as one of the deliveries makes it."""
        self.findings.looks += 1
        try:
            seen = marks(self.settings, self.expected.assets)
        except PipelineError as error:
            self.require(False, f"a reader failed {when}: {error}")
            return
        for place, mark in seen.items():
            known = [made.get(place) for made in self.expected.marks]
            self.require(mark in known, f"{place} is no version that ever was, {when}: {mark}")

    def _check_accounts(self) -> None:
        """A raw partition is the delivery it says; what is read from it is all accounted for."""
        seen = marks(self.settings, self.expected.assets)
        lake = Deployment(self.settings).lake
        raw, rejected, read = (lake.records(asset.table) for asset in ASSETS[:3])
        for category, record in raw.items():
            (version,) = record.inputs.values()
            variant = self.landed.get((category, version))
            self.require(variant is not None, f"raw_reviews[{category}] names no delivery")
            made = self.expected.marks[variant or 0]
            says = seen.get(("raw_reviews", category)) == made["raw_reviews", category]
            self.require(says, f"raw_reviews[{category}] is not the delivery that it says")
            parts = [it[category] for it in (rejected, read) if category in it]
            if len(parts) == 2 and all(record.version in it.inputs.values() for it in parts):
                total = sum(it.rows for it in parts)
                self.require(total == record.rows, f"{category}: {total} of {record.rows} rows")

    def require_current(self, when: str) -> None:
        """Every table is what the deliveries that lie there now become."""
        wanted = {
            (table, category): mark
            for category, variant in self.present.items()
            for (table, its), mark in self.expected.marks[variant].items()
            if its == category
        }
        found = marks(self.settings, self.expected.assets)
        wrong = sorted(key for key, mark in wanted.items() if found.get(key) != mark)
        said = [(key, found.get(key), wanted[key]) for key in wrong]
        self.require(not wrong and found.keys() == wanted.keys(), f"wrong {when}: {said}")

    def _clean_up(self) -> None:
        lake, store = Deployment(self.settings).lake, self._store
        tables = [*(asset.table for asset in self.expected.assets), PROFILES]
        # The first pass expires and condemns, the second removes, the third finds nothing.
        passes = [list(clean(lake, store, tables, _ALWAYS, compacted=[PROFILES])) for _ in range(3)]
        left = [str(it) for it in passes[-1] if it.problem or it.removed.number]
        homes = tuple(f"{lake.location(table)}/" for table in tables)
        named = tuple(f"{self.settings.lake_uri}/{name}" for name in ("train_ready/am", "catalog."))
        listed = [it.uri for it in store.list(self.settings.lake_uri)]
        left += [uri for uri in listed if not uri.startswith((*homes, *named))]
        self.require(not left, f"left after cleaning up: {left}")

    @property
    def _store(self) -> ObjectStore:
        return Deployment(self.settings).store(self.settings.lake_uri)

    def require(self, holds: bool, violation: str) -> None:
        """Note a violation unless something holds."""
        if not holds:
            self.findings.violations.append(violation)


@contextmanager
def _timers() -> Iterator[Callable[..., None]]:
    """Have functions called some seconds later; what has not been called at the end never is."""
    timers: list[threading.Timer] = []

    def later(seconds: float, function: Callable[..., None], *args: object) -> None:
        timers.append(threading.Timer(seconds, function, args))
        timers[-1].start()

    try:
        yield later
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()


def expect(folder: Path, settings: Settings, variants: int, tables: int) -> Expected:
    """Make every delivery's tables on a lake where nothing goes wrong."""
    deployment = Deployment(settings)
    zone = Zone(folder, settings.landing_uri, deployment.store(settings.landing_uri))
    found, seconds = [], 0.0
    for variant in range(variants):
        for category in CATEGORIES:
            zone.land(Delivery(category, variant))
        start = time.monotonic()
        outcome = Update(Order(settings, tables)).outcome()
        assert outcome.ending == "done", outcome
        seconds = (time.monotonic() - start) / len(CATEGORIES)
        found.append(marks(settings, ASSETS[:tables]))
    return Expected(folder, found, seconds, tables)
