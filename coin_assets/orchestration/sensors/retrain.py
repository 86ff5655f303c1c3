"""The schedule ``retrain``: trains every series as often as `timeframe_rules` requires."""

from collections.abc import Sequence
from datetime import UTC

import dagster as dg

from coin_assets.domain.evaluation.retraining import MINUTE, due_timeframes
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.sensors.requests import TRAINING_TAGS


def retrain_schedule(specs: Sequence[SeriesAssets], job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """``retrain``: daily, after the candles of the day have been stored."""
    timeframes = list(dict.fromkeys(spec.series.timeframe for spec in specs))

    @dg.schedule(
        name="retrain",
        job=job,
        cron_schedule=f"{MINUTE} 0 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Trains new models at 00:35 UTC: timeframes up to a day (and 3d) every day, 1w on "
            "Mondays, 1M on the 1st. What fails is tried again after 10 and 30 minutes; what is "
            "killed or missed is requested by candles_due."
        ),
    )
    def retrain(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = context.scheduled_execution_time.astimezone(UTC).date()
        due = [timeframe.name for timeframe in due_timeframes(timeframes, day)]
        if not due:
            return dg.SkipReason(f"No configured timeframe is trained on {day:%A %Y-%m-%d}.")
        return dg.RunRequest(run_config={"timeframes": due}, tags=TRAINING_TAGS)

    return retrain
