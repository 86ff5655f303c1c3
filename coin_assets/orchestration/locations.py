"""Code locations: their names, what Dagster loads for them, and which runs are theirs.

Runs name what their process loads, so a shard is an attribute of a module: it reaches processes
that no environment variable does, such as those of the run server or of workers.
"""

import re
from typing import NamedTuple, Self

import dagster as dg
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from coin_assets.domain.shards import Shard

WHOLE = "coin_assets.definitions"  # as in workspace.yaml
OF_SHARDS = "coin_assets.shards"
_ATTRIBUTE = re.compile(r"shard_([0-9]{1,3})")


def location_of(shard: Shard) -> str:
    """Name of the code location; Dagster keeps the state of its sensors under it."""
    return WHOLE if shard.is_alone else f"coin_assets.{attribute_of(shard)}"


def target_of(shard: Shard) -> LoadableTargetOrigin:
    """What Dagster loads for the location."""
    if shard.is_alone:
        return LoadableTargetOrigin(module_name=WHOLE)
    return LoadableTargetOrigin(module_name=OF_SHARDS, attribute=attribute_of(shard))


def attribute_of(shard: Shard) -> str:
    """Name of the shard's definitions in `OF_SHARDS`."""
    return f"shard_{shard.number}"


def number_in(attribute: str) -> int | None:
    """Number of the shard that an attribute of `OF_SHARDS` names; None if it names none."""
    found = _ATTRIBUTE.fullmatch(attribute)
    return None if found is None else int(found[1])


def is_former(location: str, shards: int) -> bool:
    """Whether a location belongs to another number of shards; its sensors run no more."""
    number = number_in(location.removeprefix("coin_assets."))
    if number is None:
        return location == WHOLE and shards > 1
    return shards == 1 or number >= shards


class Records(NamedTuple):
    """Dagster's records, and the label of the runs of this location.

    Attributes:
        label: None without shards, when all runs are its own.
    """

    instance: dg.DagsterInstance
    label: str | None

    @classmethod
    def of(cls, context: dg.SensorEvaluationContext, shard: Shard) -> Self:
        """The records that a sensor of the location reads."""
        origin, repository = context.code_location_origin, context.repository_name
        if shard.is_alone or origin is None or repository is None:
            return cls(context.instance, None)
        return cls(context.instance, RemoteRepositoryOrigin(origin, repository).get_label())


def labelled(label: str | None) -> dict[str, str]:
    """Tags of the runs with a label; no tags for all runs."""
    return {} if label is None else {REPOSITORY_LABEL_TAG: label}


def has_label(run: dg.DagsterRun, label: str | None) -> bool:
    """Whether a run was launched from the location with this label; all were without one."""
    origin = run.remote_job_origin
    return label is None or (origin is not None and origin.repository_origin.get_label() == label)
