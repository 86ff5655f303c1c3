"""The loop of jobs that run part by part: one part that fails leaves the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import dagster as dg

from coin_assets.errors import CoinAssetsError
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.jobs.one_op import require_all_done

PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")


@dataclass
class Parts(Generic[ResultT]):
    """Outcome of the parts of one run.

    Attributes:
        results: of the parts that succeeded, in order.
        failed: errors of the others, by name.
    """

    context: dg.OpExecutionContext
    results: list[ResultT] = field(default_factory=list)
    failed: dict[str, CoinAssetsError] = field(default_factory=dict)

    def require_all_done(self, noun: str, remedy: str = "") -> None:
        """Log how many parts are done; raise if some failed.

        Args:
            noun: plural of what a part is, for example ``symbols``.

        Raises:
            PartsFailed, ConfigurationError: as `one_op.require_all_done`.
        """
        total = len(self.results) + len(self.failed)
        require_all_done(self.context, noun, total, self.failed, remedy)


def run_parts(
    context: dg.OpExecutionContext,
    parts: Iterable[PartT],
    run: Callable[[PartT], ResultT],
    name: Callable[[PartT], object] = str,
) -> Parts[ResultT]:
    """Run every part; log and collect the errors of those that fail.

    Args:
        run: raises `CoinAssetsError` if its part fails; other exceptions end the loop.
        name: name of a part in log lines and errors.
    """
    outcome = Parts[ResultT](context)
    for part in parts:
        try:
            outcome.results.append(run(part))
        except CoinAssetsError as error:
            context.log.error(f"{name(part)}: {error}")
            outcome.failed[str(name(part))] = error
    return outcome


def run_series(
    context: dg.OpExecutionContext,
    specs: Iterable[SeriesAssets],
    run: Callable[[SeriesAssets], ResultT],
) -> Parts[ResultT]:
    """`run_parts` with one series a part."""
    return run_parts(context, specs, run, lambda spec: spec.series)
