"""Challengers of several methods: one promotion at most, and their scores in the evaluation."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from coin_assets.domain.evaluation.promotion import KEEP, PROMOTE, GateVerdict
from coin_assets.domain.evaluation.report import Evaluation, paired_document, rounded
from coin_assets.domain.json_format import Document
from coin_assets.domain.methods import CHALLENGER, CHALLENGERS, method_of_role

Name = TypeVar("Name")


def with_one_promotion(verdicts: Mapping[Name, GateVerdict]) -> dict[Name, GateVerdict]:
    """Verdicts on the challengers of one champion, of which one at most is promoted.

    It is the one whose loss is the smallest share of the champion's. The others are kept, and are
    tested against the new champion from then on.
    """
    promoted = {name: each for name, each in verdicts.items() if each.decision == PROMOTE}
    best = min(promoted, key=lambda name: promoted[name].whole.to_champion or 0.0, default=None)
    return {
        name: replace(each, decision=KEEP) if name in promoted and name != best else each
        for name, each in verdicts.items()
    }


def challenger_document(evaluation: Evaluation, role: str, promotion: Document | None) -> Document:
    """Scores of a challenger of a further method as JSON values.

    Args:
        evaluation: of the series.
        role: of the challenger.
        promotion: the gate's verdict, as in `Evaluation.document`.
    """
    judged = evaluation.further.get(role)
    scores: Document = rounded(
        {
            "method": method_of_role(role).name,
            "role": role,
            "scores": judged and judged.scores.document(),
            "paired": paired_document(evaluation.pairs_of(None, None, role)),
        }
    )
    return scores | {"promotion": promotion}


def pairs_in(document: Document) -> Iterator[tuple[str, Document]]:
    """Method and ``paired`` of each challenger that shares an origin with the champion.

    Args:
        document: `Evaluation.document`, of this or an earlier release.
    """
    own = method_of_role(CHALLENGER).name
    found = [(own, document.get("paired"))]
    found += [(each["method"], each.get("paired")) for each in document.get(CHALLENGERS, ())]
    return ((method, pairs) for method, pairs in found if pairs is not None)


def promotion_in(document: Document, role: str) -> Document | None:
    """The verdict that an evaluation has on the challenger in ``role``; None without one.

    Args:
        document: `Evaluation.document`, of this or an earlier release.
    """
    if role == CHALLENGER:
        found: Document | None = document["promotion"]
        return found
    entries = (each for each in document.get(CHALLENGERS, ()) if each["role"] == role)
    return next((each["promotion"] for each in entries), None)
