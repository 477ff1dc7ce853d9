"""Runs of Dagster in this process, in which one bad partition never stops its neighbours.

If a run of several partitions fails, its range is divided until only those partitions are left that
fail by themselves. The others are published.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import dagster as dg

from pipeline_assets.command.batches import Batch, Partition
from pipeline_assets.dagster_internals import MAX_RETRIES_TAG
from pipeline_assets.dataset.asset import LakeAsset
from pipeline_assets.errors import PipelineError
from pipeline_assets.iceberg.catalog import one_line_errors
from pipeline_assets.orchestration.processes import PROCESS_TAG, signs_of_life, this_process
from pipeline_assets.orchestration.told import KEEP_RECORDS
from pipeline_assets.publish.contract_check import CONTRACT
from pipeline_assets.publish.failures import is_interruption, root_message

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_SAME_FAULT: Final = 2
"""After so many divisions that changed no message, a fault counts as one of the whole range."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        batch: What it was to materialise.
        run_id: Of the last run.
        faults: What went wrong, by asset.
        warnings: One line for each check that warns of something that the run has published.
        materialised: The assets that it has published.
    """

    batch: Batch
    run_id: str
    faults: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    materialised: frozenset[dg.AssetKey] = frozenset()

    @property
    def failures(self) -> tuple[str, ...]:
        """One line for each asset that failed, with the partitions that are not published."""
        return tuple(f"{name}{self.batch.place}: {fault}" for name, fault in self.faults)


@dataclass(frozen=True)
class Runs:
    """Executes batches, one run after the other.

    Attributes:
        job_of: The job of a batch.
        instance: Where runs are recorded.
        tags: Of every run.
        config: Of every run.
    """

    job_of: Callable[[Batch], dg.JobDefinition]
    instance: dg.DagsterInstance
    tags: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)

    def outcomes(self, batches: Iterable[Batch]) -> Iterator[Outcome]:
        """Materialise batches; nothing is materialised from a partition that has just failed.

        Raises:
            KeyboardInterrupt: This process was told to stop.
            PipelineError: Dagster's storage cannot be read or written, as on a disk that is full.
        """
        missing: set[Partition] = set()
        for batch in batches:
            left = batch.without(missing)
            missing.update(batch.partitions() - left.partitions())
            if not left.assets:
                continue
            for outcome in self._isolated(self._executed(left), unchanged=0):
                yield outcome
                if outcome.faults:
                    missing.update(outcome.batch.partitions(outcome.materialised))

    def _isolated(self, outcome: Outcome, unchanged: int) -> Iterator[Outcome]:
        """Divide what failed until every fault is a partition's own.

        Args:
            outcome: Of a run.
            unchanged: How many divisions before this one have changed nothing about the faults.
        """
        if not outcome.faults or len(outcome.batch.keys) < 2:
            yield outcome
            return
        halves = [self._executed(half) for half in outcome.batch.halves(outcome.materialised)]
        is_same = all(half.faults == outcome.faults for half in halves)
        # An outage fails every partition alike; asking for each of them would take hours.
        if is_same and unchanged + 1 == _SAME_FAULT:
            yield outcome
            return
        yield replace(outcome, faults=())
        for half in halves:
            yield from self._isolated(half, unchanged + 1 if is_same else 0)

    @one_line_errors(KEEP_RECORDS)
    def audit(self, asset: LakeAsset, job: dg.JobDefinition) -> Sequence[dg.AssetCheckEvaluation]:
        """Evaluate an asset's checks on what is published, in a run that computes nothing.

        Args:
            asset: The asset.
            job: Holds all checks.

        Raises:
            PipelineError: The lake or an engine failed.
        """
        names = (CONTRACT, *(check.name for check in asset.checks))
        chosen = {dg.AssetCheckKey(asset.key, name) for name in names}
        checks = job.get_subset(asset_selection=set(), asset_check_selection=chosen)
        run_id = str(uuid.uuid4())
        with signs_of_life(self.instance, run_id):
            result = checks.execute_in_process(
                run_id=run_id,
                instance=self.instance,
                run_config=_QUIET,
                raise_on_error=False,
                tags={**self._process, **self.tags},
            )
        found = result.get_asset_check_evaluations()
        # A broken promise fails the run, too, after every check has been evaluated.
        for name, fault in _faults(result) if len(found) < len(chosen) else ():
            raise PipelineError(f"{name}: {fault}")
        return found

    @property
    def _process(self) -> Mapping[str, str]:
        # A daemon would start again what somebody has stopped; the next update does.
        return {PROCESS_TAG: this_process(), MAX_RETRIES_TAG: "0"}

    @one_line_errors(KEEP_RECORDS)
    def _executed(self, batch: Batch) -> Outcome:
        job, run_id = self.job_of(batch), str(uuid.uuid4())
        with signs_of_life(self.instance, run_id):
            result = job.execute_in_process(
                run_id=run_id,
                instance=self.instance,
                asset_selection=[asset.key for asset in batch.assets],
                run_config={**_QUIET, **self.config},
                raise_on_error=False,
                tags={**self._process, **self.tags, **batch.range_tags},
                partition_key=batch.keys[0] if len(batch.keys) == 1 else None,
            )
        done = frozenset(event.asset_key for event in result.get_asset_materialization_events())
        materialised = frozenset(key for key in done if key)
        return Outcome(
            batch,
            result.run_id,
            tuple(_faults(result)),
            tuple(_warnings(result, batch, materialised)),
            materialised,
        )


def _faults(result: dg.ExecuteInProcessResult) -> Iterator[tuple[str, str]]:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            # Dagster takes an interruption for one more failed step; the next run must not start.
            if is_interruption(error):
                raise KeyboardInterrupt
            yield str(event.step_key).replace("__", "/"), root_message(error)


def _warnings(
    result: dg.ExecuteInProcessResult, batch: Batch, materialised: frozenset[dg.AssetKey]
) -> Iterator[str]:
    for found in result.get_asset_check_evaluations():
        is_warning = found.severity == dg.AssetCheckSeverity.WARN and not found.passed
        if is_warning and found.asset_key in materialised:
            name = found.asset_key.to_user_string()
            yield f"{name}{batch.place}: {found.check_name}: {_told(found)}"


def _told(evaluation: Any) -> str:  # noqa: ANN401 - a class that Dagster does not export
    counted = evaluation.metadata.get("failed_rows")
    rows = f" ({counted.value:,} rows do not)" if isinstance(counted, dg.IntMetadataValue) else ""
    return f"{(evaluation.description or 'it failed').strip().rstrip('.')}{rows}"
