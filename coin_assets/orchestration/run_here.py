"""Runs jobs in this process, recorded as runs of the code location of the web UI."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.api import create_execution_plan, execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from coin_assets.domain.shards import ALONE
from coin_assets.orchestration.locations import location_of, target_of

LOCATION = location_of(ALONE)


def run_here(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    run_id: str,
    tags: Mapping[str, str],
    config: Mapping[str, Any],
) -> bool:
    """Run ``job`` in this process; False if it failed.

    `dagster.JobDefinition.execute_in_process` records no code location, and the UI leaves such runs
    out of its home page, the timeline, and of the page of their job.
    """
    of_job, job = {**job.run_tags, **tags}, job.with_executor_def(dg.in_process_executor)
    run = instance.create_run_for_job(
        job,
        create_execution_plan(job, run_config=config, tags=of_job),
        run_id=run_id,
        run_config=config,
        tags=of_job,
        remote_job_origin=_origin(job.name),
    )
    return execute_run(InMemoryJob(job), run, instance).success


def _origin(job: str) -> RemoteJobOrigin:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target_of(ALONE), LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job)
