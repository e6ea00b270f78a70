"""Ludwig's fine-tuning trainer with a step, a loss and metrics of our own."""

import inspect
import itertools
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from ludwig.constants import TRAINING, VALIDATION
from ludwig.trainers import trainer as ludwig_trainer
from ludwig.trainers.trainer_llm import FineTuneTrainer
from ludwig.utils.checkpoint_utils import Checkpoint as LudwigCheckpoint
from ludwig.utils.checkpoint_utils import CheckpointManager
from ludwig.utils.trainer_utils import append_metrics
from torch.utils.tensorboard import SummaryWriter

from finetune_kit.checkpoints import Checkpoints, Interval
from finetune_kit.devices import clear_cache, free_memory, is_out_of_memory, used_memory
from finetune_kit.engine.dataset import ExampleBatcher, ExampleDataset
from finetune_kit.engine.faults import NotFiniteError
from finetune_kit.engine.lean import kept_bytes_per_token
from finetune_kit.engine.listener import Listener, OptimizerStep, SkippedStep
from finetune_kit.engine.llm import metrics_for_ludwig
from finetune_kit.engine.metrics import TokenMetrics
from finetune_kit.engine.random_state import random_state, set_random_state
from finetune_kit.engine.rehearsal import Rehearsal, rehearse
from finetune_kit.engine.sharded import ShardedWorkers, Shards
from finetune_kit.engine.stopping import StopRequest
from finetune_kit.engine.training_state import put_back, tracker_of, training_state
from finetune_kit.engine.workers import Workers
from finetune_kit.errors import KitError, TrainingInterrupted
from finetune_kit.example_table import longest_first, token_lengths
from finetune_kit.prompt import Example
from finetune_kit.recipe import TokenBudget

logger = logging.getLogger(__name__)

_LOOP = inspect.signature(FineTuneTrainer._train_loop)
_EVALUATION = inspect.signature(FineTuneTrainer._eval_and_checkpoint)


@dataclass(frozen=True)
class Safeguards:
    """What keeps a run from being lost."""

    checkpoints: Checkpoints
    """Where the state is kept, and found again."""
    checkpoint_every: Interval
    """How often, besides after each evaluation."""
    max_skipped_steps: int
    """After more steps without a finite loss the run ends."""


class KitFineTuneTrainer(FineTuneTrainer):
    """Ludwig's trainer type `finetune`: its loop, checkpoints, schedule and early stopping, our step and metrics.

    One batch of Ludwig's is all rows of a step of the optimiser; it is cut here into batches that fit the token
    budget, and the gradients of these are added up. Several processes each take a share of the step's rows, and the
    gradients are added over them.

    What Ludwig 0.17.10 does otherwise, and why this class is here:

    * It averages the loss per micro-batch and then over accumulation steps, so that a short answer weighs more than a
      long one. Here every answer token of a step weighs the same, however the step is cut.
    * It divides the gradients of an unfinished accumulation as if it were whole (or throws them away, where no
      checkpoint falls on it), and steps the learning rate's schedule with every micro-batch. Here it sees whole steps.
    * Its perplexity, token accuracy and evaluation loss are wrong for fine-tuned LLMs.
    * On Ctrl-C it ends the run as if it were finished.
    * With an 8-bit optimiser it trains the embedding too, which is not saved. Here the adapter alone is trained.
    * Going on with a run, it begins the epoch, the schedule and the random numbers anew. Here all that the next step
      depends on is kept.

    Each has a test on Ludwig's own code in `tests/finetune_kit/test_ludwig_faults.py`.

    Args:
        budget: How many tokens may go through the model at once.
        safeguards: Checkpoints, and what is done about faults.
        listener: Hears of what happens.
        tensorboard: The folder of TensorBoard's files.
        args: What Ludwig passes.
        kwargs: What Ludwig passes.
    """

    def __init__(
        self,
        *args: Any,
        budget: TokenBudget,
        safeguards: Safeguards,
        listener: Listener,
        tensorboard: Path,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.budget = budget
        self.safeguards = safeguards
        self.listener = listener
        self.tensorboard = tensorboard
        workers = ShardedWorkers if isinstance(self.distributed, Shards) else Workers
        self.workers = workers(self.distributed, self.model.curr_device)
        self.notices: list[str] = []
        self.rehearsal: Rehearsal | None = None
        self.gradient_checkpointing = False
        self.best_step = -1
        """The step whose weights are the best so far."""
        self.best_weights: Mapping[str, torch.Tensor] = {}
        """Those of the end, on the worker that saves them: whole, by their names in the model."""
        self._stand_in: list[Example] = []
        """A short row, for a batch that is run for the others' sake."""
        self.skipped_steps: list[tuple[int, list[str], str]] = []
        """Number, rows and reason of each step that was skipped."""
        self.forget_steps()
        self._stop = StopRequest(listener.on_notice)
        self._resumed: dict[str, Any] | None = None
        self._saved = (0, False)
        """The step of the last checkpoint, and whether its evaluation was still to come."""
        self._saved_time = self._began = time.monotonic()
        # The loss is a sum over tokens, so that its gradients are already larger than those of a mean.
        half = self.model.model.dtype == torch.float16
        self._scaler = torch.amp.GradScaler(self.model.kit_device.type, init_scale=256.0, enabled=half)

    def prepare(self) -> None:
        """Make the optimiser, as Ludwig does, and leave the embedding as it is.

        For an 8-bit optimiser Ludwig puts another embedding in its place, which is trained: in float16 the run ends at
        the first step, and otherwise what was learnt there is not in the adapter.
        """
        with patch.object(ludwig_trainer, "update_embedding_layer", lambda model, config: model):
            super().prepare()

    def train(self, training_set: ExampleDataset, *args: Any, **kwargs: Any) -> Any:
        """Train as Ludwig does, from the newest checkpoint on where there is one.

        Raises:
            TrainingInterrupted: If Ctrl-C or SIGTERM asked for it; the state is saved.
            KitError: If the run can't go on; what to do is said, and the last checkpoint is kept.
        """
        # Before a first step is rehearsed: Ludwig does it after that.
        self.distributed.sync_model(self.dist_model)
        # What follows may fail as it would without checkpoints, and has none of its own to lose.
        self._resumed = state = self.safeguards.checkpoints.newest()
        validation = kwargs.get("validation_set")
        if state is not None:
            self.budget = replace(self.budget, train=state["budget"][0], evaluation=state["budget"][1])
            self.notices, self.skipped_steps = state["notices"], state["skipped"]
            self.best_step = state["best_step"]
            self._began -= state["seconds"]
        elif not self.model.packs:
            self.note("This model can't tell packed rows apart, so that rows are padded to the longest of their batch.")
        if self.workers.shards:
            self._stand_in = [training_set.examples[int(token_lengths(training_set.examples).argmin())]]
        if self._wants_checkpointing(training_set.examples):
            self._turn_checkpointing_on()
        self.rehearsal = rehearse(
            self, training_set.examples, validation.examples if validation else [], self.safeguards.checkpoints
        )
        logger.info("Rehearsed a step, an evaluation and a checkpoint: %s", self.rehearsal)
        self.listener.on_rehearsal(self.rehearsal)
        steps = self.epochs * -(-len(training_set) // self.batch_size)
        if state is not None:
            self.steps_tried, self.optimizer_steps = state["steps_tried"], state["optimizer_steps"]
        with self._stop.listening():
            self.listener.on_start(steps, self.steps_tried)
            return super().train(training_set, *args, **kwargs)

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before the run was gone on with among them."""
        return time.monotonic() - self._began

    def callback(self, fn: Callable[[Any], Any], coordinator_only: bool = True) -> None:
        """Tell Ludwig's callbacks; what several workers decide together, each of them hears of."""
        for callback in self.callbacks:
            if self.is_coordinator() or not coordinator_only or getattr(callback, "on_every_worker", False):
                fn(callback)

    def note(self, text: str) -> None:
        """Keep what the user should know of, and tell it."""
        self.notices.append(text)
        self.listener.on_notice(text)

    def forget_steps(self) -> None:
        """As before the first step."""
        self.steps_tried = 0
        self.optimizer_steps = 0
        self.last_step: OptimizerStep | None = None
        self.model.reset_metrics()
        self.distributed.zero_grad(self.optimizer)

    def _turn_checkpointing_on(self) -> None:
        self.gradient_checkpointing = True
        self.model.model.gradient_checkpointing_enable({"use_reentrant": False})

    def _wants_checkpointing(self, examples: Sequence[Example]) -> bool:
        """As the recipe says, or else where what is kept for the gradient would not fit."""
        if self._resumed is not None:
            return bool(self._resumed["gradient_checkpointing"])
        if self.budget.gradient_checkpointing is not None:
            return self.budget.gradient_checkpointing
        if self.workers.shards:
            self.note(
                "Gradient checkpointing is on, as memory is short where the model is shared out among workers. It "
                "costs about a third of the speed; trainer.enable_gradient_checkpointing: false turns it off."
            )
            return True
        short = [replace(e, input_ids=e.input_ids[:512], prompt_length=min(e.prompt_length, 511)) for e in examples[:4]]
        batch = self.model.collate(self.model.cut(short, 512)[0])
        self.model.train()
        per_token = kept_bytes_per_token(lambda: self.model.hidden_states(batch), batch.tokens, self.model)
        clear_cache()
        step = list(itertools.islice(longest_first(examples), -(-self.batch_size // self.workers.count)))
        longest = len(step[0].input_ids)  # a row over the budget is a batch of its own
        most = max(longest, min(self.budget.train, self.model.batch_size_of(step)))
        needed, free = per_token * most, free_memory(self.model.curr_device)
        logger.info("A token keeps %.2f MB for its gradient.", per_token / 1e6)
        if needed <= 0.6 * free:
            return False
        self.note(
            f"Gradient checkpointing is on: without it, {most:,} tokens would keep {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free. It costs about a third of the speed; trainer.max_tokens_per_batch sets "
            "the tokens."
        )
        return True

    def set_steps_to_1_or_quit(self, signum: int, frame: Any) -> None:
        """On Ctrl-C: stop after the step. Ludwig would then end the run as if it were finished."""
        self._stop.receive(signum)

    def stop(self, number: signal.Signals) -> None:
        """Stop after the step, as if this process had got the signal."""
        self._stop.signal = self._stop.signal or number

    # Checkpoints: Ludwig says when one is due and which is the best; what is in them and where they are is ours.

    def create_checkpoint_handle(self) -> "LudwigCheckpoint":
        """What Ludwig takes its checkpoints for."""
        return _BestOnly(self)

    def _create_or_resume_progress_tracker(self, *args: Any) -> Any:
        """Ludwig's account of the run, as it was or new."""
        if self._resumed is None:
            return super()._create_or_resume_progress_tracker(*args)
        tracker = tracker_of(self._resumed)
        self._saved = tracker.steps, self._resumed["evaluation_pending"]
        if self.best_step > 0 and self.safeguards.checkpoints.of_step(self.best_step) is None:
            self.note(
                f"The checkpoint of step {self.best_step}, with the best weights so far, is torn or gone; those of "
                f"step {tracker.steps} stand for it until an evaluation is made."
            )
            self.best_step, tracker.best_eval_metric_value = tracker.steps, math.inf
        # Ludwig enters its loop only if a step is left, and after the last one an evaluation may be.
        tracker.steps -= self._resumed["evaluation_pending"]
        return tracker

    def _create_summary_writers(self, folder: str, validation_set: Any, test_set: Any) -> tuple[Any, Any, None]:
        """TensorBoard's files in the run folder; what is there of steps that are done again is hidden."""
        if self.skip_save_log or not self.is_coordinator():
            return None, None, None
        purge = self._resumed["steps_tried"] if self._resumed else None
        training, validation = (
            SummaryWriter(str(self.tensorboard / name), purge_step=purge) for name in (TRAINING, VALIDATION)
        )
        return training, validation, None

    @classmethod
    def write_step_summary(
        cls,
        train_summary_writer: Any,
        combined_loss: torch.Tensor,
        all_losses: Mapping[str, torch.Tensor],
        step: int,
        used_tokens: int,
        total_tokens_used: int,
        learning_rate: float | None = None,
    ) -> None:
        """A step's figures for TensorBoard, without Ludwig's fifteen of every GPU.

        For one of these it asks NVIDIA's management library at each step, which does not answer everywhere: on a part
        of a GPU (MIG) the run would end there.
        """
        if not train_summary_writer:
            return
        figures = {
            "tokens/tokens": used_tokens,
            "tokens/total_tokens_used": total_tokens_used,
            "combined/step_training_loss": combined_loss,
            **{f"{feature}/step_training_loss": loss.detach().float() for feature, loss in all_losses.items()},
        }
        if learning_rate:
            figures["combined/step_learning_rate"] = learning_rate
        if torch.cuda.is_initialized():
            figures["memory/gpu_gb"] = used_memory() / 1e9
        for tag, figure in figures.items():
            train_summary_writer.add_scalar(tag, figure, global_step=step)
        train_summary_writer.flush()

    def _train_loop(self, batcher: ExampleBatcher, progress_tracker: Any, *args: Any) -> tuple[bool, bool]:
        """Ludwig's loop over an epoch; the first time from where the run was."""
        words = _LOOP.bind(self, batcher, progress_tracker, *args).arguments
        self._batcher = batcher
        self._steps_per_evaluation = words["final_steps_per_checkpoint"]
        state, self._resumed = self._resumed, None
        if state is not None:
            put_back(state, self, batcher)
            progress_tracker.steps += state["evaluation_pending"]
            if state["evaluation_pending"]:
                loss = torch.tensor(math.nan)  # of the step before; Ludwig does not look at it
                mine = {
                    name: value for name, value in words.items() if name in _EVALUATION.parameters and name != "self"
                }
                stop, broken = self._eval_and_checkpoint(loss=loss, all_losses={self.model.output_name: loss}, **mine)
                if stop or broken or progress_tracker.steps >= self.total_steps:
                    return stop, broken
            elif 0 < words["early_stopping_steps"] <= progress_tracker.last_improvement_steps:
                return True, False
        outcome: tuple[bool, bool] = super()._train_loop(batcher, progress_tracker, *args)
        return outcome

    def after_step(self, progress_tracker: Any) -> None:
        """Save if it is time or the run was asked to stop, unless Ludwig comes to that itself now."""
        evaluated_now = progress_tracker.steps % self._steps_per_evaluation == 0
        if evaluated_now or self._batcher.last_batch():
            return
        steps, seconds = progress_tracker.steps - self._saved[0], time.monotonic() - self._saved_time
        due = self._stop.signal is not None or self.safeguards.checkpoint_every.is_over(steps, seconds)
        if self.workers.any(due):
            self._save(progress_tracker)

    def _eval_and_checkpoint(self, *, progress_tracker: Any, **words: Any) -> tuple[bool, bool]:
        """Save, evaluate, save: an evaluation may take long, and be interrupted."""
        self._save(progress_tracker, evaluation_pending=True)
        outcome: tuple[bool, bool] = super()._eval_and_checkpoint(progress_tracker=progress_tracker, **words)
        return outcome

    def save_checkpoint(self, progress_tracker: Any, save_path: str, checkpoint_manager: CheckpointManager) -> None:
        """Save after an evaluation, or at the end of an epoch."""
        progress_tracker.increment_checkpoint()
        self._save(progress_tracker)
        self.callback(lambda callback: callback.on_checkpoint(self, progress_tracker))

    def _save(self, tracker: Any, evaluation_pending: bool = False) -> None:
        """Write a checkpoint, unless this step has one; then stop, if that was asked for.

        Raises:
            TrainingInterrupted: If the run was asked to stop.
            KitError: If it can't be written, or the weights are not finite.
        """
        checkpoints = self.safeguards.checkpoints
        if self._saved != (tracker.steps, evaluation_pending):
            state = training_state(self, tracker, self._batcher, evaluation_pending)
            if not all(torch.isfinite(weight).all() for weight in state["weights"].values()):
                raise KitError(
                    f"The adapter's weights are not finite after step {tracker.steps}. {checkpoints.how_to_go_on()} "
                    "Lower trainer.learning_rate for a new run."
                )
            checkpoints.save(state, tracker.steps, {self.best_step})
            self._saved = tracker.steps, evaluation_pending
            self._saved_time = time.monotonic()
        if asked := next(filter(None, self.workers.gather(self._stop.signal)), None):
            raise TrainingInterrupted(asked, tracker.steps, self.total_steps)

    # The step.

    def _batch_to_tensors(self, batch: list[Example]) -> Any:
        """The rows as they are: they become tensors when the step is cut."""
        return batch, None

    def train_step(
        self, inputs: list[Example], targets: Any, should_step: bool = True, profiler: Any = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
        """One step of the optimiser; it is skipped where its loss or gradient is not finite.

        Args:
            inputs: The rows.
            targets: Not used.
            should_step: Not used; Ludwig is told of no accumulation.
            profiler: torch's profiler, where it runs.

        Returns:
            Mean loss of the step (NaN if it was skipped), the same by feature, and the number of its tokens.

        Raises:
            KitError: If too many steps were skipped.
        """
        self.last_step = None
        self.steps_tried += 1
        loss = math.nan
        try:
            loss = self.step(inputs)
        except NotFiniteError as error:
            self._skip(error)
        if profiler:
            profiler.step()
        mean = torch.tensor(loss)
        return mean, {self.model.output_name: mean}, sum(len(example.input_ids) for example in inputs)

    def step(self, rows: Sequence[Example], mine: Sequence[Example] | None = None) -> float:
        """A step of the optimiser: by the loss summed over the answer tokens of all rows, divided by their number.

        Args:
            rows: Those of the step.
            mine: Those of them that this worker takes; its share without it.

        Returns:
            Its mean loss.

        Raises:
            NotFiniteError: If the loss or the gradient is not finite; the weights are what they were.
            KitError: If the memory is not enough, however little is done at once.
        """
        share = self.workers.share(rows) if mine is None else mine
        here, fault = TokenMetrics(), None
        try:
            here = self._with_less_memory("train", share, lambda: self._add_gradients(share))
        except NotFiniteError as error:
            fault = error
        loss_sum, tokens, faults = self.workers.sum(here.loss_sum, here.tokens, fault is not None)
        if faults:
            self.distributed.zero_grad(self.optimizer)
            raise next(filter(None, self.workers.gather(fault)))
        metrics = TokenMetrics(loss_sum, int(tokens))
        self._step_optimizer(metrics, rows)
        return metrics.loss

    def _add_gradients(self, rows: Sequence[Example]) -> TokenMetrics:
        metrics, fault = TokenMetrics(), None
        for examples, outputs in self._forward(rows, self.budget.train):
            loss = outputs["loss"]
            if not math.isfinite(loss.item()):
                fault = fault or NotFiniteError(f"loss is {loss.item()}", _ids(examples))
                if not self.workers.shards:  # else the others need this one until the step is over
                    break
            self._scaler.scale(loss).backward()
            metrics.add(loss.item(), int(outputs["tokens"]))
        if fault:
            raise fault
        return metrics

    def _skip(self, error: NotFiniteError) -> None:
        """Keep what was skipped and tell it.

        Raises:
            KitError: If it is too much.
        """
        self.skipped_steps.append((self.steps_tried, error.rows, str(error)))
        self.listener.on_skipped(SkippedStep(self.steps_tried, error.rows, str(error)))
        most, count = self.safeguards.max_skipped_steps, len(self.skipped_steps)
        if count > most:
            raise KitError(
                f"Step {self.steps_tried} is skipped: {error}. That makes {count} skipped steps, and "
                f"trainer.max_skipped_steps allows {most}. Lower trainer.learning_rate, or look for what is odd in "
                f"these rows, and begin anew with --fresh. {self.safeguards.checkpoints.kept()}"
            )
        self.note(f"Step {self.steps_tried} is skipped: {error}.")

    def _with_less_memory[T](self, use: str, rows: Sequence[Example], work: Callable[[], T]) -> T:
        """Do some work on rows, and where the memory is not enough again with half as many tokens at once.

        The random numbers are the same again.

        Args:
            use: `train` or `evaluation`, whose token budget is halved.
            rows: What the work is on.
            work: Leaves nothing but gradients.

        Raises:
            KitError: If the memory is not enough for one row.
        """
        before = random_state()
        while True:
            try:
                return work()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.workers.shards:  # the others are in the midst of a batch that this one can't go on with
                    raise KitError(
                        f"The memory of worker {self.workers.rank} was not enough, and the model is shared out among "
                        f"the workers, so that it can't do less alone. Set trainer.max_tokens_per_batch below "
                        f"{getattr(self.budget, use):,}, or trainer.enable_gradient_checkpointing: true. "
                        f"{self.safeguards.checkpoints.kept()}".strip()
                    ) from None
            # Only here the error is gone, and with it what its frames held.
            self.distributed.zero_grad(self.optimizer)
            clear_cache()
            self._ask_for_less(use, rows)
            set_random_state(before)

    def _ask_for_less(self, use: str, rows: Sequence[Example]) -> None:
        batches = self.model.cut(rows, getattr(self.budget, use))
        largest = max(batches, key=self.model.batch_size_of)
        tokens = self.model.batch_size_of(largest)
        kind = "training" if use == "train" else "evaluation"
        if len(largest) > 1:
            half = tokens // 2
            self.budget = replace(self.budget, **{use: half})
            key = "max_tokens_per_batch" if use == "train" else "eval_batch_size"
            self.note(
                f"The memory was not enough for {tokens:,} tokens at once; in {kind} it is at most {half:,} from step "
                f"{self.steps_tried} on, with the same rows in a step. trainer.{key} sets it beforehand."
            )
        elif use == "train" and not self.gradient_checkpointing and self.budget.gradient_checkpointing is None:
            self._turn_checkpointing_on()
            self.note(
                f"The memory was not enough for a row of {tokens:,} tokens; gradient checkpointing is on from step "
                f"{self.steps_tried} on. It costs about a third of the speed."
            )
        else:
            raise KitError(
                f"The memory is not enough for {len(largest)} row of {tokens:,} tokens, {largest[0].row_id}. "
                "`finetune-kit check` says what makes it fit: a lower preprocessing.global_max_sequence_length, "
                "trainer.enable_gradient_checkpointing, or a smaller base model. "
                f"{self.safeguards.checkpoints.kept()}".strip()
            )

    def _forward(
        self, examples: Sequence[Example], max_tokens: int
    ) -> Iterator[tuple[list[Example], dict[str, torch.Tensor]]]:
        """Batches of the rows, and what the model says to each; empty ones, of no weight, where others have more."""
        parts = self.model.cut(examples, max_tokens)
        empty = self.workers.most(len(parts)) - len(parts)
        for part in parts:
            yield part, self.dist_model(self.model.collate(part))
        for _ in range(empty):
            outputs = self.dist_model(self.model.collate(self._stand_in))
            yield [], {name: value * 0 for name, value in outputs.items()}

    def _step_optimizer(self, metrics: TokenMetrics, rows: Sequence[Example]) -> None:
        trained = [p for p in self.dist_model.parameters() if p.requires_grad]
        self.workers.add_gradients(trained)
        parameters = [p for p in trained if p.grad is not None]
        self._scaler.unscale_(self.optimizer)
        for parameter in parameters:
            parameter.grad.div_(metrics.tokens)
        norm = self.workers.norm([p.grad for p in parameters])
        # In float16 the scaler sees to it.
        if not self._scaler.is_enabled() and not math.isfinite(norm.item()):
            self.distributed.zero_grad(self.optimizer)
            raise NotFiniteError(f"gradient is {norm.item()}", _ids(rows))
        self.model.training_metrics.add(metrics.loss_sum, metrics.tokens)
        self.clip_grads(parameters)
        self._scaler.step(self.optimizer)
        scale = self._scaler.get_scale()
        self._scaler.update()
        self.distributed.zero_grad(self.optimizer)
        if self._scaler.get_scale() < scale:
            logger.warning("A float16 gradient overflowed; the step is skipped and the loss scaled less from here on.")
            return
        self.optimizer_steps += 1
        tokens = sum(len(example.input_ids) for example in rows)
        self.last_step = OptimizerStep(self.steps_tried, metrics.loss, norm.item(), len(rows), tokens, used_memory())

    def evaluation(
        self, dataset: ExampleDataset, dataset_name: str, metrics_log: Any, batch_size: int, progress_tracker: Any
    ) -> Any:
        """Loss, perplexity and token accuracy of a data set, and into Ludwig's tracker."""
        metrics = self.evaluate_rows(dataset.examples)
        progress_tracker.llm_eval_examples = {"inputs": [], "targets": [], "outputs": []}
        results = metrics_for_ludwig(self.model.output_name, metrics)
        return append_metrics(self.model, dataset_name, results, metrics_log, progress_tracker)

    def evaluate_rows(self, examples: Sequence[Example], mine: Sequence[Example] | None = None) -> TokenMetrics:
        """Loss and token accuracy of rows; the model is in training mode before and after.

        Args:
            examples: The rows.
            mine: Those of them that this worker takes; its share without it.

        Raises:
            TrainingInterrupted: If the run was asked to stop; what was saved before is not evaluated yet.
        """
        share = self.workers.share(examples) if mine is None else mine
        self.dist_model.eval()
        try:
            here = self._with_less_memory("evaluation", share, lambda: self._evaluate(share))
        finally:
            self.dist_model.train()
        loss_sum, tokens, correct = self.workers.sum(here.loss_sum, here.tokens, here.correct or 0)
        return TokenMetrics(loss_sum, int(tokens), int(correct))

    def _evaluate(self, examples: Sequence[Example]) -> TokenMetrics:
        metrics = TokenMetrics()
        with self.workers.evaluating(self.dist_model):
            for _, outputs in self._forward(examples, self.budget.evaluation):
                metrics.add(outputs["loss"].item(), int(outputs["tokens"]), int(outputs["correct"]))
                # One of several can't leave the others alone: they stop when all are done.
                if self._stop.signal and self.workers.count == 1:
                    raise TrainingInterrupted(self._stop.signal, self._saved[0], self.total_steps)
        return metrics


def _ids(examples: Sequence[Example]) -> list[str]:
    return [example.row_id for example in examples]


class _BestOnly(LudwigCheckpoint):
    """What Ludwig takes its checkpoints for: it hears which step is the best, and is asked for its weights.

    Args:
        trainer: Whose checkpoints they are.
    """

    def __init__(self, trainer: KitFineTuneTrainer) -> None:
        super().__init__(trainer.distributed, trainer.model)
        self.trainer = trainer

    def prepare(self, directory: str) -> None:
        """Nothing: Ludwig's folder stays empty."""

    def save(self, save_path: str, global_step: int) -> None:
        """Note the best step; its weights were saved before it was evaluated."""
        self.trainer.best_step = global_step

    def load(self, save_path: str, device: torch.device | None = None) -> bool:
        """The trainer has put back what there is."""
        return True

    def get_state_for_inference(self, save_path: str, device: torch.device | None = None) -> Mapping[str, Any]:
        """The best weights."""
        checkpoints = self.trainer.safeguards.checkpoints
        state = checkpoints.of_step(self.trainer.best_step)
        if state is None:
            raise KitError(
                f"The checkpoint of step {self.trainer.best_step}, which has the best weights, is torn or gone from "
                f"{checkpoints.folder}."
            )
        self.trainer.best_weights = state["weights"]
        return self.trainer.workers.parts(state["weights"], self.trainer.model)
