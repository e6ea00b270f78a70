"""The scorers as `evaluate.Metric`, offline."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CODE = """
import json, sys
import evals
import evaluate
from evals import hf_metrics
texts = {"predictions": ["the cat sat on the mat"], "references": ["the cat sat on a mat"]}
programs = {"predictions": ["x = 1", "x = 2"], "references": ["assert x == 1"] * 2}
answers = {
    "Bleu": hf_metrics.Bleu().compute(**texts),
    "ExactMatch": hf_metrics.ExactMatch().compute(**programs),
    "ExactMatch ast": hf_metrics.ExactMatch().compute(predictions=["x=1  # 1"], references=["x = 1"], form="ast"),
    "Chrf": hf_metrics.Chrf().compute(**texts),
    "CodeBleu": hf_metrics.CodeBleu().compute(**programs),
    "EditSimilarity": hf_metrics.EditSimilarity().compute(**texts),
    "PassAtK": hf_metrics.PassAtK().compute(
        predictions=[["x = 1", "x = 2"], ["x = 1", "x = 1"]], references=["assert x == 1"] * 2, k=2
    ),
    "functions": [evals.chrf(**texts), evals.code_bleu(**programs), evals.edit_similarity(**texts)],
    "PassAtOne": hf_metrics.PassAtOne().compute(**programs),
    "load": evaluate.load(hf_metrics.__file__).compute(**texts),
    "load pass_at_1": evaluate.load(hf_metrics.__file__, "pass_at_1").compute(**programs),
}
try:
    hf_metrics.CodeMetric("rouge")
except ValueError as error:
    answers["error"] = str(error)
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_the_metrics_agree_with_the_functions_and_load_offline(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=PROJECT,
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["Bleu"]["bleu"] == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert answers["Bleu"]["signature"].startswith("nrefs:1|")
    assert answers["load"] == answers["Bleu"]
    assert answers["ExactMatch"] == {"exact_match": 0.0, "signature": "form:stripped"}
    assert answers["ExactMatch ast"]["exact_match"] == 1.0
    by_metric = [answers[name] for name in ("Chrf", "CodeBleu", "EditSimilarity")]
    assert [next(iter(answer.values())) for answer in by_metric] == pytest.approx(answers["functions"])
    assert [list(answer) for answer in by_metric] == [
        [name, "signature"] for name in ("chrf", "code_bleu", "edit_similarity")
    ]
    assert answers["PassAtK"]["pass_at_2"] == 1.0
    assert answers["PassAtK"]["pass_hat_2"] == 0.5
    assert answers["PassAtOne"] == {"pass_at_1": 0.5, "statuses": ["passed", "wrong_answer"]}
    assert answers["load pass_at_1"] == answers["PassAtOne"]
    assert answers["error"] == (
        "There is no scorer 'rouge'; choose one of bleu, chrf, code_bleu, edit_similarity, "
        "exact_match, pass_at_1, pass_at_k."
    )
