"""Ludwig's fine-tuning trainer with a loss weighed by tokens and metrics of our own."""

import logging
import math
from dataclasses import dataclass
from typing import Any

import torch
from ludwig.trainers.trainer_llm import FineTuneTrainer
from ludwig.utils.trainer_utils import append_metrics

from finetune_kit.engine.dataset import ExampleDataset, pack
from finetune_kit.engine.llm import metrics_for_ludwig
from finetune_kit.engine.metrics import TokenMetrics
from finetune_kit.errors import KitError
from finetune_kit.prompt import Example

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
    """Prompt and answer tokens that went through the model; nothing is padded."""


class KitFineTuneTrainer(FineTuneTrainer):
    """Ludwig's trainer type `finetune`: its loop, checkpoints, schedule and early stopping, our step and metrics.

    What Ludwig 0.17.10 does otherwise, and why this class is here:

    * It averages the loss per micro-batch and then over accumulation steps, so that a short answer weighs more than a
      long one. Here every answer token of a step weighs the same, however the step is cut into micro-batches.
    * It throws the gradients of an unfinished accumulation away at the end of an epoch. Here they make a step.
    * Its perplexity, token accuracy and evaluation loss are wrong for fine-tuned LLMs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.optimizer_steps = 0
        self.last_step: OptimizerStep | None = None
        self._batch: list[Example] = []
        self._seen_in_epoch = 0
        self._reset_window()
        # The loss is a sum over tokens, so that its gradients are already larger than those of a mean.
        half = self.model.model.dtype == torch.float16
        self._scaler = torch.amp.GradScaler(self.model.kit_device.type, init_scale=256.0, enabled=half)

    def train(self, training_set: ExampleDataset, *args: Any, **kwargs: Any) -> Any:
        """Train as Ludwig does; the number of rows tells which batch ends an epoch."""
        self._rows_per_epoch = len(training_set)
        return super().train(training_set, *args, **kwargs)

    def set_steps_to_1_or_quit(self, signum: int, frame: Any) -> None:
        """On Ctrl-C: stop. Ludwig would end the run as if it were finished, with whatever checkpoint there is."""
        raise KeyboardInterrupt

    def _batch_to_tensors(self, batch: list[Example]) -> Any:
        self._batch = batch
        return pack(batch, self.device)

    def train_step(
        self, inputs: Any, targets: Any, should_step: bool = True, profiler: Any = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
        """One micro-batch, and a step of the optimiser where it is the last of its accumulation or of the epoch.

        The gradient is that of the loss summed over answer tokens, divided by the number of tokens when the step is
        taken.

        Args:
            inputs: As `pack` makes them.
            targets: As `pack` makes them.
            should_step: Whether Ludwig counts this as the end of an accumulation.
            profiler: torch's profiler, where it runs.

        Returns:
            Mean loss of the micro-batch, the same by feature, and the number of its tokens.

        Raises:
            KitError: If the loss is not finite.
        """
        outputs = self.dist_model((inputs, targets))
        loss, tokens = outputs["loss"], int(outputs["tokens"])
        if not math.isfinite(loss.item()):
            rows = ", ".join(example.row_id for example in self._batch)
            raise KitError(
                f"The loss is {loss.item()} at micro-batch of rows {rows}. Lower trainer.learning_rate, or look for "
                "what is odd in these rows."
            )
        self._scaler.scale(loss).backward()
        self.model.training_metrics.add(loss.item(), tokens)
        self._window.add(loss.item(), tokens)
        self._window_rows += len(self._batch)
        self._window_tokens += inputs["input_ids"].numel()
        self._seen_in_epoch += len(self._batch)
        ends_epoch = self._seen_in_epoch >= self._rows_per_epoch
        if ends_epoch:
            self._seen_in_epoch = 0
        if should_step or ends_epoch:
            self._step_optimizer()
        if profiler:
            profiler.step()
        mean = loss.detach() / tokens
        return mean, {self.model.output_name: mean}, inputs["input_ids"].numel()

    def _step_optimizer(self) -> None:
        parameters = [p for p in self.dist_model.parameters() if p.grad is not None]
        self._scaler.unscale_(self.optimizer)
        for parameter in parameters:
            parameter.grad.div_(self._window.tokens)
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
            self.last_step = OptimizerStep(
                self.optimizer_steps, self._window.loss, norm.item(), self._window_rows, self._window_tokens
            )
        self._reset_window()

    def _reset_window(self) -> None:
        self._window = TokenMetrics()
        self._window_rows = 0
        self._window_tokens = 0

    def evaluation(
        self, dataset: ExampleDataset, dataset_name: str, metrics_log: Any, batch_size: int, progress_tracker: Any
    ) -> Any:
        """Loss, perplexity and token accuracy of a data set, and into Ludwig's tracker."""
        metrics = TokenMetrics()
        self.dist_model.eval()
        with torch.inference_mode(), dataset.initialize_batcher(batch_size, should_shuffle=False) as batcher:
            while not batcher.last_batch():
                outputs = self.dist_model(pack(batcher.next_batch(), self.device))
                metrics.add(outputs["loss"].item(), int(outputs["tokens"]), int(outputs["correct"]))
        self.dist_model.train()
        progress_tracker.llm_eval_examples = {"inputs": [], "targets": [], "outputs": []}
        results = metrics_for_ludwig(self.model.output_name, metrics)
        return append_metrics(self.model, dataset_name, results, metrics_log, progress_tracker)
