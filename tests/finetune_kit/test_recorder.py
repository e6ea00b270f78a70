"""What a run's steps leave in the log and on the screen. Without Ludwig."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from finetune_kit.progress import View
from finetune_kit.recorder import MEASURED_STEPS, Recorder


@dataclass
class Step:
    """As `finetune_kit.engine.trainer.OptimizerStep`, whose module imports Ludwig."""

    number: int
    loss: float = 1.0
    gradient_norm: float = 0.5
    rows: int = 2
    tokens: int = 100
    memory_bytes: int = 10**9


@pytest.mark.parametrize("planned", [50, MEASURED_STEPS])
def test_after_twenty_steps_the_time_is_told_by_what_they_took(planned: int, tmp_path: Path, monkeypatch) -> None:
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr("finetune_kit.recorder.time.monotonic", lambda: next(clock))
    shown = io.StringIO()
    with Recorder(tmp_path / "log.jsonl", View(file=shown)) as recorder:
        recorder.on_start(planned)
        for number in range(1, MEASURED_STEPS + 1):
            recorder.on_step(Step(number), 0, 0.001)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, MEASURED_STEPS + 1))
    each = lines[0]["seconds"]
    assert each > 0 and recorder.tokens == 100 * MEASURED_STEPS
    if planned == MEASURED_STEPS:
        assert recorder.seconds_forecast is None and "Forecast" not in shown.getvalue()
    else:
        assert recorder.seconds_forecast == pytest.approx(
            sum(line["seconds"] for line in lines) / MEASURED_STEPS * planned
        )
        assert f"for all {planned} steps, by the first {MEASURED_STEPS}" in shown.getvalue()


def test_what_another_process_tells_is_timed_by_its_clock(tmp_path: Path) -> None:
    """Heard late and all at once, a step still took what it took; a clock that starts anew comes with a new start."""
    with Recorder(tmp_path / "log.jsonl", View(quiet=True)) as recorder:
        for number, (start, end) in enumerate([(1000.0, 1002.5), (7.0, 8.25)]):
            recorder.told_at = start
            recorder.on_start(50, number)
            recorder.told_at = end
            recorder.on_step(Step(number + 1), 0, 0.001)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["seconds"] for line in lines] == [2.5, 1.25]
    assert recorder.busy == pytest.approx(3.75)
