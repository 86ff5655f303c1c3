"""The job ``doctor``: examines everything the store depends on, and measures Dagster's records."""

import dagster as dg

from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import BACKGROUND
from coin_assets.orchestration.records.sizes import record_sizes
from coin_assets.orchestration.resources import Clock, StoreResource
from coin_assets.store.base import Finding


def doctor_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """The job ``doctor``: one op; logs one line a finding, and fails at the end if one failed."""

    @dg.op(
        name="examine_store",
        description="Examine everything the store depends on; changes no stored row.",
    )
    def examine(context: dg.OpExecutionContext, store: StoreResource, clock: Clock) -> None:
        with failures_named():
            since = min(spec.history_start for spec in specs)
            now = clock.machine_time()
            findings = store.client().examine(since, now)
            findings += [
                Finding(f"records ({kind.name})", str(kind))
                for kind in record_sizes(context.instance, now)
            ]
        wrong = [each for each in findings if not each.is_fine]
        for each in findings:
            state = "OK" if each.is_fine else "FAILED"
            (context.log.info if each.is_fine else context.log.error)(
                f"{state} {each.about}: {each.detail}"
            )
        metadata = {
            each.about: dg.MetadataValue.text(("" if each.is_fine else "FAILED: ") + each.detail)
            for each in findings
        }
        if wrong:
            raise dg.Failure(
                description=f"{len(wrong)} of {len(findings)} things failed: "
                f"{', '.join(each.about for each in wrong)}. The log and the metadata of this run "
                "state the remedy of each.",
                metadata=metadata,
                allow_retries=False,
            )
        context.add_output_metadata(metadata)

    @dg.job(
        name="doctor",
        description="Examine everything the store depends on: server, token, bucket, retention, "
        "clocks, tags. Report the sizes of Dagster's records. Takes no settings.",
        tags=BACKGROUND,
    )
    def doctor() -> None:
        examine()

    return doctor
