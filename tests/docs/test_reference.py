"""What the reference says by hand, against the real thing."""

import json
import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference" / "run_folder.md").read_text()


def keys_of(heading: str, column: int = 0) -> set[str]:
    """The names in one column of the tables below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [row.split(" | ")[column] for row in section.splitlines() if row.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_key_of_a_manifest_is_on_the_page(tiny_run) -> None:
    on_ray = {"workers"}
    assert keys_of("manifest.json") == set(tiny_run.manifest) | on_ray


def test_every_key_of_the_log_is_on_the_page(tiny_run) -> None:
    steps = [line for line in tiny_run.train_log() if line["type"] == "step"]
    assert keys_of("train_log.jsonl") == set(steps[0]) - {"type"}


def test_every_file_of_a_run_is_on_the_page(tiny_run) -> None:
    named = {re.sub("/.*", "/", name) for name in keys_of("Files")}
    found = {path.name + ("/" if path.is_dir() else "") for path in tiny_run.path.iterdir()}
    assert "manifest.json" in found
    assert found <= named


def test_every_key_of_a_line_of_predictions_is_on_the_page(tiny_run, tmp_path) -> None:
    import shutil

    from finetune_kit import Run
    from finetune_kit.generation import predict_test_rows

    copy = shutil.copytree(tiny_run.path, tmp_path / "run")
    path = predict_test_rows(Run.load(copy), sides=["tuned"])["tuned"]
    line = json.loads(path.read_text().splitlines()[0])
    assert set(line) == keys_of("A line of predictions")
