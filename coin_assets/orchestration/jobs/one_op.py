"""Shared by the one-op jobs: flat settings, and a failure that names each failed part."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from coin_assets.errors import CoinAssetsError, ConfigurationError, PartsFailed

# Background runs: dagster.yaml limits them to two at a time.
BACKGROUND = {"coin_assets/lane": "background"}


def one_op_job(
    name: str,
    op: dg.OpDefinition,
    settings: type[dg.Config],
    description: str,
    tags: Mapping[str, str] | None = None,
) -> dg.JobDefinition:
    """A job of ``op`` alone that takes its settings without the name of the op around them."""

    def to_op_config(config: dg.Config) -> dict[str, Any]:
        return {"ops": {op.name: {"config": config.model_dump()}}}

    to_op_config.__annotations__["config"] = settings  # Dagster reads the schema from here

    @dg.job(name=name, description=description, tags=tags, config=dg.config_mapping(to_op_config))
    def job() -> None:
        op()

    return job


def require_all_done(
    context: dg.OpExecutionContext,
    parts: str,
    total: int,
    failed: Mapping[str, CoinAssetsError],
    remedy: str = "",
) -> None:
    """Log how many of ``total`` parts (symbols, series) are done; raise if some failed.

    Raises:
        PartsFailed: naming each failed part with its cause.
        ConfigurationError: the same, if settings alone were the cause of all.
    """
    context.log.info(f"{total - len(failed)} of {total} {parts} done")
    if failed:
        errors = "; ".join(f"{part}: {error}" for part, error in failed.items())
        message = f"{len(failed)} of {total} {parts} failed: {errors} {remedy}".rstrip()
        if all(isinstance(error, ConfigurationError) for error in failed.values()):
            raise ConfigurationError(message)  # only the config of the run is wrong
        raise PartsFailed(message, tuple(failed))
