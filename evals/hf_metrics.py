"""The scorers as `evaluate.Metric`, for those who work with Hugging Face's `evaluate`.

`Bleu`, `ExactMatch` and `PassAtOne` can be used as classes. `evaluate.load` makes one metric of a file, the
first class in it, so there the name of the scorer chooses: `evaluate.load("evals/hf_metrics.py",
"pass_at_1")`.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

_DESCRIPTION = "Scores of generated code: corpus BLEU (0 to 100), exact match and pass@1 (0 to 1)."
_SCORERS = ("bleu", "exact_match", "pass_at_1")


class CodeMetric(evaluate.Metric):
    """One of the scorers, by name; `default` is BLEU.

    Args:
        config_name: `bleu`, `exact_match` or `pass_at_1`.
        **kwargs: What `evaluate.Metric` takes.
    """

    def __init__(self, config_name: str | None = None, **kwargs: Any) -> None:
        name = "bleu" if config_name in (None, "default") else config_name
        if name not in _SCORERS:
            raise ValueError(f"There is no scorer {name!r}; choose one of {', '.join(_SCORERS)}.")
        super().__init__(config_name=name, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description="predictions: generated code; references: code, for pass_at_1 assert lines.",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, Any]:
        # Absolute and late: `evaluate.load` copies this file out of the package and scans the lines at its
        # top.
        from evals.errors import EvalError
        from evals.scorers.bleu import bleu
        from evals.scorers.exact_match import exact_match
        from evals.scorers.execution import pass_at_1

        if self.config_name == "exact_match":
            return {"exact_match": exact_match(predictions, references)}
        if self.config_name == "pass_at_1":
            scored = pass_at_1(predictions, references)
            if scored.counted < len(predictions):
                raise EvalError(
                    f"{len(predictions) - scored.counted} of {len(predictions)} programs could not be judged."
                )
            return {"pass_at_1": scored.fraction, "statuses": [verdict.status for verdict in scored.verdicts]}
        result = bleu(predictions, references)
        return {"bleu": result.score, "signature": result.signature}


class Bleu(CodeMetric):
    """Corpus BLEU; returns `bleu` and `signature`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("bleu", **kwargs)


class ExactMatch(CodeMetric):
    """Exact match; returns `exact_match`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("exact_match", **kwargs)


class PassAtOne(CodeMetric):
    """pass@1 of predictions whose references are assert lines; returns `pass_at_1` and `statuses`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("pass_at_1", **kwargs)
