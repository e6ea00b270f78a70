"""Everything that the next step of a run depends on, as a checkpoint holds it."""

import json
from collections import defaultdict
from functools import partial
from typing import Any

from ludwig.utils.trainer_utils import ProgressTracker, TrainerMetric

from finetune_kit.engine.metrics import TokenMetrics
from finetune_kit.engine.random_state import random_state, set_random_state

_OF_THIS_PROCESS = {"steps_per_epoch", "total_steps", "training_start_time", "llm_eval_examples"}
_METRICS = ("train_metrics", "validation_metrics", "test_metrics")


def training_state(trainer: Any, tracker: ProgressTracker, batcher: Any, evaluation_pending: bool) -> dict[str, Any]:
    """The state between two steps; all workers ask for it, and it is the same for each.

    Args:
        trainer: The kit's trainer.
        tracker: Ludwig's account of the run: steps, epoch, metrics, early stopping.
        batcher: Where the run is in its rows.
        evaluation_pending: Whether the rows are to be evaluated before the next step.

    Returns:
        Tensors, numbers, texts, lists, tuples and dicts of them.
    """
    tracked = {name: value for name, value in vars(tracker).items() if name not in _OF_THIS_PROCESS}
    counted = trainer.model.training_metrics
    return {
        **trainer.workers.state_of(trainer.model, trainer.optimizer),
        "schedule": trainer.scheduler.state_dict(),
        "scaler": trainer._scaler.state_dict(),
        "random": trainer.workers.gather(random_state()),
        "tracker": json.dumps(tracked),
        # After the last batch of an epoch Ludwig's tracker is at the next one already.
        "rows_taken": 0 if batcher.last_batch() else batcher.next,
        "evaluation_pending": evaluation_pending,
        "training_metrics": (counted.loss_sum, counted.tokens),
        "steps_tried": trainer.steps_tried,
        "optimizer_steps": trainer.optimizer_steps,
        "skipped": trainer.skipped_steps,
        "best_step": trainer.best_step,
        "budget": (trainer.budget.train, trainer.budget.evaluation),
        "gradient_checkpointing": trainer.gradient_checkpointing,
        "notices": trainer.notices,
        "seconds": trainer.seconds,
    }


def tracker_of(state: dict[str, Any]) -> ProgressTracker:
    """Ludwig's account of the run as it was."""
    tracked = json.loads(state["tracker"])
    for kind in _METRICS:
        # As Ludwig makes them: it looks for metrics that are not there yet.
        metrics: dict[str, Any] = defaultdict(partial(defaultdict, list))
        for feature, by_metric in tracked[kind].items():
            for name, values in by_metric.items():
                metrics[feature][name] = [TrainerMetric(*value) for value in values]
        tracked[kind] = metrics
    return ProgressTracker(**tracked)


def put_back(state: dict[str, Any], trainer: Any, batcher: Any) -> None:
    """Make the trainer what it was, but for its token budget and gradient checkpointing, which come first.

    Args:
        state: As `training_state` gave it.
        trainer: The kit's trainer, with a model, an optimiser and a schedule that are new.
        batcher: At the beginning of the epoch that the tracker is in.
    """
    trainer.workers.put_back(state, trainer.model, trainer.optimizer)
    trainer.scheduler.load_state_dict(state["schedule"])
    if state["scaler"]:
        trainer._scaler.load_state_dict(state["scaler"])
    trainer.model.training_metrics = TokenMetrics(*state["training_metrics"])
    trainer.steps_tried, trainer.optimizer_steps = state["steps_tried"], state["optimizer_steps"]
    batcher.next = state["rows_taken"]
    # With other workers than there were, whose numbers are whose is lost; none are drawn twice by one of them.
    set_random_state(state["random"][trainer.workers.rank % len(state["random"])])
