"""Checks what a run is launched with: job, settings and month."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._config import DagsterEvaluationErrorReason, EvaluationError

from coin_assets.config.rules import did_you_mean
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.jobs.selection import chosen_specs

_UNKNOWN = {
    DagsterEvaluationErrorReason.FIELD_NOT_DEFINED,
    DagsterEvaluationErrorReason.FIELDS_NOT_DEFINED,
}
_LACKING = {
    DagsterEvaluationErrorReason.MISSING_REQUIRED_FIELD,
    DagsterEvaluationErrorReason.MISSING_REQUIRED_FIELDS,
}


def job_named(name: str, jobs: Sequence[dg.JobDefinition]) -> dg.JobDefinition:
    """The job of this name.

    Raises:
        ConfigurationError: there is none; the message has the nearest name.
    """
    known = {job.name: job for job in jobs if not job.name.startswith("__")}
    if name in known:
        return known[name]
    remedy = did_you_mean(name, known) or f"The jobs are {', '.join(sorted(known))}."
    raise ConfigurationError(f"JOB: there is no job {name!r}; {remedy}")


def parsed_config(text: str) -> dict[str, Any]:
    """The settings of a run, from JSON; empty text is none.

    Raises:
        ConfigurationError: it is no JSON object.
    """
    example = """for example CONFIG='{"symbols": ["BTC/USDT"]}'"""
    try:
        config = json.loads(text.strip() or "{}")
    except ValueError as error:
        raise ConfigurationError(f"CONFIG: is no JSON ({error}); write it {example}.") from error
    if not isinstance(config, dict):
        raise ConfigurationError(f"CONFIG: must be a JSON object, {example}.")
    return config


def require_valid(
    job: dg.JobDefinition, config: Mapping[str, Any], specs: tuple[SeriesAssets, ...]
) -> None:
    """Check the settings of a run of ``job`` before it is launched.

    Raises:
        ConfigurationError: in one line, what the schema of the job or the settings do not know.
    """
    try:
        dg.validate_run_config(job, config)
    except dg.DagsterInvalidConfigError as error:
        lines = [_line(job, each) for each in error.errors]
        raise ConfigurationError(f"CONFIG: {job.name}: {'; '.join(lines)}") from error
    except dg.DagsterUserCodeExecutionError as error:  # of the function that maps the settings
        cause = " ".join(str(error.__cause__ or error).split())
        raise ConfigurationError(f"CONFIG: {job.name}: {cause}") from error
    if {"symbols", "timeframes"} & config.keys():
        symbols, timeframes = config.get("symbols", []), config.get("timeframes", [])
        chosen_specs(job.name, specs, symbols, timeframes)


def month_of(job: dg.JobDefinition, partition: str) -> str | None:
    """The partition key; None for a job without partitions.

    Args:
        partition: ``2026-11`` or ``2026-11-01``.

    Raises:
        ConfigurationError: the job needs one, has none, or has no such month.
    """
    if job.partitions_def is None:
        if partition:
            raise ConfigurationError(f"PARTITION: {job.name} has no partitions; leave it out.")
        return None
    known = job.partitions_def.get_partition_keys()
    key = f"{partition}-01" if len(partition) == len("2026-11") else partition
    if key in known:
        return key
    given = f"has no month {partition!r}" if partition else "needs a month"
    raise ConfigurationError(
        f"PARTITION: {job.name} {given}; choose one from {known[0]} to {known[-1]}, for example "
        f"PARTITION={known[-1]}."
    )


def _line(job: dg.JobDefinition, error: EvaluationError) -> str:
    """One line about an error of Dagster's schema check."""
    where = ".".join(error.stack.levels)
    names = [
        *getattr(error.error_data, "field_names", ()),
        *filter(None, [getattr(error.error_data, "field_name", None)]),
    ]
    known = [] if where else _settings_of(job)
    if error.reason in _UNKNOWN and names:
        near = did_you_mean(names[0], known)
        remedy = near or (f"it has {', '.join(known)}." if known else "it has none of this name.")
        return f"there is no setting {_joined(where, names)}; {remedy}"
    if error.reason in _LACKING and names:
        return f"the setting {_joined(where, names)} is required"
    message = " ".join(error.message.split())
    return f"{where}: {message}" if where and where not in message else message


def _joined(where: str, names: Sequence[str]) -> str:
    return ", ".join(f"{where}.{name}" if where else name for name in names)


def _settings_of(job: dg.JobDefinition) -> list[str]:
    mapping = job.config_mapping
    fields: Mapping[str, Any] = {}
    if mapping is not None and mapping.config_schema is not None:
        fields = getattr(mapping.config_schema.config_type, "fields", {})
    return sorted(fields)
