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
import evaluate
from evals import hf_metrics
texts = {"predictions": ["the cat sat on the mat"], "references": ["the cat sat on a mat"]}
programs = {"predictions": ["x = 1", "x = 2"], "references": ["assert x == 1"] * 2}
answers = {
    "Bleu": hf_metrics.Bleu().compute(**texts),
    "ExactMatch": hf_metrics.ExactMatch().compute(**programs),
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
    assert answers["ExactMatch"] == {"exact_match": 0.0}
    assert answers["PassAtOne"] == {"pass_at_1": 0.5, "statuses": ["passed", "wrong_answer"]}
    assert answers["load pass_at_1"] == answers["PassAtOne"]
    assert answers["error"] == "There is no scorer 'rouge'; choose one of bleu, exact_match, pass_at_1."
