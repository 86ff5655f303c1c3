"""The assets ``evaluation_<timeframe>``: rolling scores of matured forecasts."""

from typing import Any

import dagster as dg

from coin_assets.domain.evaluation.bootstrap import coverage_by_tercile
from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.json_format import Document
from coin_assets.domain.layers import CANDLES, PREDICTIONS, QUALITY
from coin_assets.domain.methods import CHALLENGER, CHALLENGERS, CHAMPION
from coin_assets.orchestration.assets.quality_plots import fan_plot, loss_plot, reliability_plot
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.metadata import rounded
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.evaluate import EvaluationReport, Trial, evaluate_series

# Scores that the UI plots over time.
_PLOTTED = ("skill", "pinball", "coverage_80", "coverage_90", "sharpness", "mae")


def evaluations(spec: SeriesAssets) -> dg.AssetsDefinition:
    """Scores of champion and challengers against the naive forecast."""

    @dg.asset(
        **spec.common(QUALITY, {"scikitlearn", "json"}),
        required_resource_keys=PIPELINE,
        # Without partitions, so it depends on all months.
        deps=[spec.asset_key(layer) for layer in (CANDLES, PREDICTIONS)],
        description=f"Scores of matured {spec.series} forecasts, drift, verdict on challengers.",
    )
    def evaluation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with failures_named():
            pipeline = pipeline_of(context)
            report = evaluate_series(
                pipeline.store, pipeline.registry, pipeline.evaluations, spec.series
            )
        if report.damaged:
            context.log.warning(f"Replaced an unreadable evaluation: {report.damaged}")
        context.log.info(evaluation_line(spec, report))
        return dg.MaterializeResult(metadata=_metadata(report) | _plots(spec, report))

    return evaluation


def scored_without_run(spec: SeriesAssets, report: EvaluationReport) -> dg.AssetMaterialization:
    """The event of an evaluation outside of a run, without plots: they take longer than scores."""
    return dg.AssetMaterialization(
        spec.asset_key(QUALITY),
        description="scored without a run; the next run of `evaluate` draws the plots",
        metadata=_metadata(report),
    )


def evaluation_line(spec: SeriesAssets, report: EvaluationReport) -> str:
    """One line for the log."""
    champion = report.document[CHAMPION]
    if champion is None:
        return f"{spec.series}: no forecast has matured yet; each takes 24 candles"
    skill, coverage = champion["skill"], champion["coverage_80"]
    # The naive forecast loses nothing where the price has not moved at all.
    skill_text = "skill undefined" if skill is None else f"skill {skill:+.3f} against naive"
    line = (
        f"{spec.series}: {champion['origins']} matured forecasts, {skill_text}, "
        f"the 80% interval held {coverage:.1%}"
    )
    for trial in report.trials:
        line += f"; {trial.role.replace('_', ' ')} {trial.challenger}: {trial.verdict.decision}"
    return line


def _metadata(report: EvaluationReport) -> dict[str, Any]:
    document, found = report.document, report.evaluation
    metadata: dict[str, Any] = {
        "as_of": dg.MetadataValue.timestamp(found.as_of),
        "drift": document["drift"]["state"],
        "evaluation": dg.MetadataValue.json(document),
    }
    for role in (CHAMPION, CHALLENGER):
        if document[role] is not None:
            metadata |= _scores(role, document[role])
    if found.champion is not None:
        metadata["champion_coverage_by_volatility"] = _terciles(found.champion.forecast)
    for each in document.get(CHALLENGERS, ()):
        if each["scores"] is not None:
            metadata |= _scores(each["role"], each["scores"])
    for trial in report.trials:
        suffix = "" if trial.role == CHALLENGER else f"_{trial.method}"
        metadata[f"decision{suffix}"] = trial.verdict.decision
        metadata[f"promotion{suffix}"] = _criteria(trial)
    return metadata


def _criteria(trial: Trial) -> dg.MetadataValue:
    rows = [
        f"| {each.title} | {'passed' if each.passed else 'not passed'} | {each.finding} |"
        for each in trial.verdict.criteria
    ]
    return dg.MetadataValue.md("\n".join(["| criterion | | |", "|---|---|---|", *rows]))


def _terciles(forecast: Matured) -> dg.MetadataValue:
    """Coverage of the 80% interval in each volatility tercile, with its bootstrap interval."""
    rows = []
    names = ("low", "mid", "high")
    for name, found in zip(names, coverage_by_tercile(forecast).values(), strict=True):
        low_high = found.interval
        rows.append(
            f"| {name} | {found.origins} "
            f"| {'unknown' if found.coverage is None else format(found.coverage, '.1%')} "
            f"| {'unknown' if low_high is None else '{:.1%} to {:.1%}'.format(*low_high)} |"
        )
    header = [
        "| volatility | origins | held by the 80% interval | 95% interval |",
        "|---|---|---|---|",
    ]
    return dg.MetadataValue.md("\n".join(header + rows))


def _plots(spec: SeriesAssets, report: EvaluationReport) -> dict[str, Any]:
    found = report.evaluation
    if found.champion is None:
        return {}
    return {
        "latest_outcome": fan_plot(spec.series, found.champion.forecast),
        "reliability": reliability_plot(spec.series, found),
        "loss_over_time": loss_plot(spec.series, found),
    }


def _scores(role: str, scores: Document) -> dict[str, Any]:
    known = {name: scores[name] for name in _PLOTTED if scores[name] is not None}
    return {
        f"{role}_origins": scores["origins"],
        f"{role}_versions": ", ".join(sorted(scores["versions"])),
        **{f"{role}_{name}": rounded(value) for name, value in known.items()},
    }
