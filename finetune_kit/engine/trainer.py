"""Ludwig's fine-tuning trainer with a step, a loss and metrics of our own."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from ludwig.trainers.trainer_llm import FineTuneTrainer
from ludwig.utils.trainer_utils import append_metrics

from finetune_kit.devices import free_memory, release_memory
from finetune_kit.engine.dataset import ExampleDataset
from finetune_kit.engine.lean import kept_bytes_per_token
from finetune_kit.engine.llm import metrics_for_ludwig
from finetune_kit.engine.metrics import TokenMetrics
from finetune_kit.engine.rehearsal import Rehearsal, rehearse
from finetune_kit.errors import KitError
from finetune_kit.prompt import Example
from finetune_kit.recipe import TokenBudget

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptimizerStep:
    """What is known after a step of the optimiser."""

    number: int
    loss: float
    """Cross entropy in nats per answer token, over all rows of the step."""
    gradient_norm: float
    rows: int
    tokens: int
    """Prompt and answer tokens of the rows; padding is not counted, and a beginning that rows share is, for each."""


class KitFineTuneTrainer(FineTuneTrainer):
    """Ludwig's trainer type `finetune`: its loop, checkpoints, schedule and early stopping, our step and metrics.

    One batch of Ludwig's is all rows of a step of the optimiser; it is cut here into batches that fit the token
    budget, and the gradients of these are added up.

    What Ludwig 0.17.10 does otherwise, and why this class is here:

    * It averages the loss per micro-batch and then over accumulation steps, so that a short answer weighs more than a
      long one. Here every answer token of a step weighs the same, however the step is cut.
    * It divides the gradients of an unfinished accumulation as if it were whole (or throws them away, where no
      checkpoint falls on it), and steps the learning rate's schedule with every micro-batch. Here it sees whole steps.
    * Its perplexity, token accuracy and evaluation loss are wrong for fine-tuned LLMs.
    * On Ctrl-C it ends the run as if it were finished.

    Each has a test on Ludwig's own code in `tests/finetune_kit/test_ludwig_faults.py`.

    Args:
        budget: How many tokens may go through the model at once.
        args: What Ludwig passes.
        kwargs: What Ludwig passes.
    """

    def __init__(self, *args: Any, budget: TokenBudget, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.budget = budget
        self.notices: list[str] = []
        self.rehearsal: Rehearsal | None = None
        self.forget_steps()
        # The loss is a sum over tokens, so that its gradients are already larger than those of a mean.
        half = self.model.model.dtype == torch.float16
        self._scaler = torch.amp.GradScaler(self.model.kit_device.type, init_scale=256.0, enabled=half)

    def train(self, training_set: ExampleDataset, *args: Any, **kwargs: Any) -> Any:
        """Train as Ludwig does, after it is settled what has to be computed twice to fit into memory."""
        if not self.model.packs:
            self.notices.append(
                "This model can't tell packed rows apart, so that rows are padded to the longest of their batch."
            )
        if self._wants_checkpointing(training_set.examples):
            self.model.model.gradient_checkpointing_enable({"use_reentrant": False})
        validation = kwargs.get("validation_set")
        self.rehearsal = rehearse(
            self, training_set.examples, validation.examples if validation else [], Path(kwargs["save_path"])
        )
        logger.info("Rehearsed a step, an evaluation and a checkpoint: %s", self.rehearsal)
        return super().train(training_set, *args, **kwargs)

    def forget_steps(self) -> None:
        """As before the first step."""
        self.optimizer_steps = 0
        self.last_step: OptimizerStep | None = None
        self.model.reset_metrics()
        self.distributed.zero_grad(self.optimizer)

    def _wants_checkpointing(self, examples: Sequence[Example]) -> bool:
        """As the recipe says, or else where what is kept for the gradient would not fit."""
        if self.budget.gradient_checkpointing is not None:
            return self.budget.gradient_checkpointing
        short = [replace(e, input_ids=e.input_ids[:512], prompt_length=min(e.prompt_length, 511)) for e in examples[:4]]
        batch = self.model.collate(self.model.cut(short, 512)[0])
        self.model.train()
        per_token = kept_bytes_per_token(lambda: self.model.hidden_states(batch), batch.tokens, self.model)
        release_memory()
        step = sorted(examples, key=lambda example: -len(example.input_ids))[: self.batch_size]
        longest = len(step[0].input_ids)  # a row over the budget is a batch of its own
        most = max(longest, min(self.budget.train, self.model.batch_size_of(step)))
        needed, free = per_token * most, free_memory(self.model.curr_device)
        logger.info("A token keeps %.2f MB for its gradient.", per_token / 1e6)
        if needed <= 0.6 * free:
            return False
        self.notices.append(
            f"Gradient checkpointing is on: without it, {most:,} tokens would keep {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free. It costs about a third of the speed; trainer.max_tokens_per_batch sets "
            "the tokens."
        )
        return True

    def set_steps_to_1_or_quit(self, signum: int, frame: Any) -> None:
        """On Ctrl-C: stop. Ludwig would end the run as if it were finished, with whatever checkpoint there is."""
        raise KeyboardInterrupt

    def _batch_to_tensors(self, batch: list[Example]) -> Any:
        """The rows as they are: they become tensors when the step is cut."""
        return batch, None

    def train_step(
        self, inputs: list[Example], targets: Any, should_step: bool = True, profiler: Any = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
        """One step of the optimiser.

        The gradient is that of the loss summed over the answer tokens of all rows, divided by their number.

        Args:
            inputs: The rows.
            targets: Not used.
            should_step: Not used; Ludwig is told of no accumulation.
            profiler: torch's profiler, where it runs.

        Returns:
            Mean loss of the step, the same by feature, and the number of its tokens.

        Raises:
            KitError: If the loss is not finite.
        """
        metrics = TokenMetrics()
        for examples, outputs in self._forward(inputs, self.budget.train):
            loss = outputs["loss"]
            if not math.isfinite(loss.item()):
                rows = ", ".join(example.row_id for example in examples)
                raise KitError(
                    f"The loss is {loss.item()} at the batch of rows {rows}. Lower trainer.learning_rate, or look for "
                    "what is odd in these rows."
                )
            self._scaler.scale(loss).backward()
            metrics.add(loss.item(), int(outputs["tokens"]))
        tokens = sum(len(example.input_ids) for example in inputs)
        self._step_optimizer(metrics, len(inputs), tokens)
        if profiler:
            profiler.step()
        mean = torch.tensor(metrics.loss)
        return mean, {self.model.output_name: mean}, tokens

    def _forward(
        self, examples: Sequence[Example], max_tokens: int
    ) -> Iterator[tuple[list[Example], dict[str, torch.Tensor]]]:
        """Batches of the rows, and what the model says to each."""
        for part in self.model.cut(examples, max_tokens):
            yield part, self.dist_model(self.model.collate(part))

    def _step_optimizer(self, metrics: TokenMetrics, rows: int, tokens: int) -> None:
        self.model.training_metrics.add(metrics.loss_sum, metrics.tokens)
        parameters = [p for p in self.dist_model.parameters() if p.grad is not None]
        self._scaler.unscale_(self.optimizer)
        for parameter in parameters:
            parameter.grad.div_(metrics.tokens)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
        self.clip_grads(parameters)
        self._scaler.step(self.optimizer)
        scale = self._scaler.get_scale()
        self._scaler.update()
        self.distributed.zero_grad(self.optimizer)
        if self._scaler.get_scale() < scale:
            logger.warning("A float16 gradient overflowed; the step is skipped and the loss scaled less from here on.")
        else:
            self.optimizer_steps += 1
            self.last_step = OptimizerStep(self.optimizer_steps, metrics.loss, norm.item(), rows, tokens)

    def evaluation(
        self, dataset: ExampleDataset, dataset_name: str, metrics_log: Any, batch_size: int, progress_tracker: Any
    ) -> Any:
        """Loss, perplexity and token accuracy of a data set, and into Ludwig's tracker."""
        metrics = self.evaluate_rows(dataset.examples)
        progress_tracker.llm_eval_examples = {"inputs": [], "targets": [], "outputs": []}
        results = metrics_for_ludwig(self.model.output_name, metrics)
        return append_metrics(self.model, dataset_name, results, metrics_log, progress_tracker)

    def evaluate_rows(self, examples: Sequence[Example]) -> TokenMetrics:
        """Loss and token accuracy of rows; the model is in training mode before and after."""
        metrics = TokenMetrics()
        self.dist_model.eval()
        with torch.inference_mode():
            for _, outputs in self._forward(examples, self.budget.evaluation):
                metrics.add(outputs["loss"].item(), int(outputs["tokens"]), int(outputs["correct"]))
        self.dist_model.train()
        return metrics
