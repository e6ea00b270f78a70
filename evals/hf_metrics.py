"""The scorers as `evaluate.Metric`, for those who work with Hugging Face's `evaluate`.

The classes below can be used as they are. `evaluate.load` makes one metric of a file, the first class in it, so
there the name of the scorer chooses: `evaluate.load("evals/hf_metrics.py", "pass_at_1")`.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

_DESCRIPTION = (
    "Scores of generated code: BLEU, code BLEU and chrF (0 to 100); exact match, edit similarity and pass@k (0 to 1)."
)
_SCORERS = ("bleu", "chrf", "code_bleu", "edit_similarity", "exact_match", "pass_at_1", "pass_at_k")


class CodeMetric(evaluate.Metric):
    """One of the scorers, by name; `default` is BLEU.

    Args:
        config_name: `bleu`, `chrf`, `code_bleu`, `edit_similarity`, `exact_match`, `pass_at_1` or `pass_at_k`.
        **kwargs: What `evaluate.Metric` takes.
    """

    def __init__(self, config_name: str | None = None, **kwargs: Any) -> None:
        name = "bleu" if config_name in (None, "default") else config_name
        if name not in _SCORERS:
            raise ValueError(f"There is no scorer {name!r}; choose one of {', '.join(_SCORERS)}.")
        super().__init__(config_name=name, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        several = self.config_name == "pass_at_k"
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=(
                "predictions: generated code, for pass_at_k a list of samples for each problem; "
                "references: code, for pass_at_1 and pass_at_k assert lines."
            ),
            features=datasets.Features({"predictions": [text] if several else text, "references": text}),
        )

    def _compute(self, predictions: Any, references: list[str], **options: Any) -> dict[str, Any]:
        # Absolute and late: `evaluate.load` copies this file out of the package and scans the lines at its top.
        from importlib import import_module

        name = str(self.config_name)
        if name == "pass_at_1":
            statuses = _statuses(predictions, references)
            return {"pass_at_1": statuses.count("passed") / len(statuses), "statuses": statuses}
        if name == "pass_at_k":
            return _pass_at_k(predictions, references, **options)
        score = getattr(import_module(f"evals.scorers.{name}"), name)(predictions, references, **options)
        return {name: score.score, "signature": score.signature}


def _statuses(codes: list[str], tests: list[str]) -> list[str]:
    from evals.errors import EvalError
    from evals.scorers.pass_at_k import pass_at_1

    scored = pass_at_1(codes, tests)
    if scored.counted < len(codes):
        raise EvalError(f"{len(codes) - scored.counted} of {len(codes)} programs could not be judged.")
    return [verdict.status for verdict in scored.verdicts]


def _pass_at_k(samples: list[list[str]], tests: list[str], k: int = 1) -> dict[str, Any]:
    from evals.scorers.pass_at_k import pass_at_k, pass_hat_k

    codes = [code for problem in samples for code in problem]
    statuses = iter(_statuses(codes, [test for problem, test in zip(samples, tests, strict=True) for _ in problem]))
    passed = [sum(next(statuses) == "passed" for _ in problem) for problem in samples]
    counts = [len(problem) for problem in samples]
    estimate = pass_at_k(counts, passed, k)
    return {
        f"pass_at_{k}": estimate.score,
        f"pass_hat_{k}": pass_hat_k(counts, passed, k).score,
        "signature": estimate.signature,
    }


class Bleu(CodeMetric):
    """Corpus BLEU; returns `bleu` and `signature`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("bleu", **kwargs)


class Chrf(CodeMetric):
    """chrF with white space; returns `chrf` and `signature`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("chrf", **kwargs)


class CodeBleu(CodeMetric):
    """BLEU over Python's own tokens, which is not CodeBLEU; returns `code_bleu` and `signature`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("code_bleu", **kwargs)


class EditSimilarity(CodeMetric):
    """Edit similarity; returns `edit_similarity` and `signature`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("edit_similarity", **kwargs)


class ExactMatch(CodeMetric):
    """Exact match, with `compute(form=...)` of `raw`, `stripped` or `ast`; returns `exact_match` and `signature`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("exact_match", **kwargs)


class PassAtOne(CodeMetric):
    """pass@1 of predictions whose references are assert lines; returns `pass_at_1` and `statuses`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("pass_at_1", **kwargs)


class PassAtK(CodeMetric):
    """pass@k and pass^k of several samples a problem, with `compute(k=...)`; returns both and `signature`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("pass_at_k", **kwargs)
