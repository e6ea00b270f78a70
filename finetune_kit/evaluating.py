"""Scoring from a script: the answers of all sides, then what `evals` says of them."""

from typing import TYPE_CHECKING

from finetune_kit.errors import KitError
from finetune_kit.generation import predict_test_rows
from finetune_kit.progress import View
from finetune_kit.run import Run
from finetune_kit.run_report import try_report

if TYPE_CHECKING:
    from evals.report import Summary


def evaluate(run: Run, view: View | None = None, server: str | None = None) -> "Summary":
    """Answer the test rows on all sides where that is not done yet, score them, and write the report.

    Args:
        run: A finished run.
        view: Where progress is shown; without it on the page of a notebook, and nowhere in a script.
        server: Address of an OpenAI-compatible server that is to generate.

    Returns:
        All that was found; `.verdict.sentence` says it in words, and `.paths` are the files in the run's `eval/`.

    Raises:
        KitError: If the run has no test rows, or they cannot be answered or scored.
    """
    from evals import score_run
    from evals.errors import EvalError

    view = view or View.of_a_script()
    predict_test_rows(run, view=view, server=server)
    try:
        summary = score_run(run.path, cluster=run.recipe.backend.cluster)
    except EvalError as error:
        raise KitError(str(error)) from None
    try_report(run, view.say)
    return summary
