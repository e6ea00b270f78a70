"""The decoding loop: batches sorted by length, a cache that grows in place, rows that leave when they are done.

`transformers.generate` keeps a row in the batch until its last neighbour is done, copies the whole cache for every
token, and repeats keys and values for every query head: on a CPU much of the time goes there and not into the model.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    DynamicCache,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from finetune_kit.devices import attention_of_any_length, free_memory
from finetune_kit.recipe import Generation

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ATTENTION = "finetune_kit_grouped"
MAX_BATCH = 64
SHARED_TOKENS = 32
"""A beginning that all prompts have in common goes through the model once, where it is at least as long as this."""


@dataclass(frozen=True)
class Completion:
    """What a model answered."""

    text: str
    """Without the end token, and without the stop string."""
    tokens: int
    """How many were generated, the end token among them."""
    finish_reason: str
    """`end` token, `stop` string, or `length`: it was cut at `max_new_tokens`."""


def decode(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Sequence[int]],
    settings: Generation,
    seed: int = 0,
    max_batch: int = MAX_BATCH,
    on_done: Callable[[], None] = lambda: None,
    end_id: int | None = None,
) -> list[Completion]:
    """Complete prompts.

    Args:
        model: A causal language model, with or without an adapter.
        tokenizer: Its tokenizer.
        prompts: Token ids of each prompt.
        settings: How to choose tokens and when to stop.
        seed: Of the sampling; each prompt has a generator of its own, seeded by its tokens too, so that neither its
            neighbours nor its place matter.
        max_batch: Most rows of a batch; fewer where memory does not allow for their keys and values.
        on_done: Called when a row is finished.
        end_id: Another token that ends a completion, beside those that the tokenizer and the model name.

    Returns:
        The completions, in the order of the prompts.
    """
    if not prompts:
        return []
    longest = max(map(len, prompts)) + settings.max_new_tokens
    grouped = _attends_to_everything(model.config, longest)
    before = model.config._attn_implementation
    if grouped:
        model.set_attn_implementation(ATTENTION)
    try:
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        batch_size = _batch_size(model, longest, max_batch)
        completions: dict[int, Completion] = {}
        with torch.inference_mode(), attention_of_any_length():
            shared = _shared_beginning(model, prompts) if grouped else None
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                batch = _Batch(model, tokenizer, [prompts[i] for i in chosen], chosen, settings, seed, grouped, shared)
                batch.end_ids |= set() if end_id is None else {end_id}
                completions |= batch.run(on_done)
        return [completions[place] for place in range(len(prompts))]
    finally:
        model.set_attn_implementation(before)


class _Batch:
    """One batch on its way; row i of every tensor is the prompt `places[i]`."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        prompts: list[Sequence[int]],
        places: list[int],
        settings: Generation,
        seed: int,
        grouped: bool,
        shared: "_Beginning | None",
    ) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        self.places = places
        device = model.get_input_embeddings().weight.device
        width = max(map(len, prompts))
        self.ids = torch.full((len(prompts), width), tokenizer.eos_token_id, device=device)
        self.mask = torch.zeros((len(prompts), width), dtype=torch.long, device=device)
        # The beginning that all share stands first, then the padding, then the rest of each prompt.
        self.known = len(shared.ids) if shared else 0
        for row, prompt in enumerate(prompts):
            self.ids[row, width - len(prompt) + self.known :] = torch.tensor(prompt[self.known :], device=device)
            self.mask[row, width - len(prompt) + self.known :] = 1
        self.width = width
        self.cache = (
            growing_cache(model.config, settings.max_new_tokens) if grouped else DynamicCache(config=model.config)
        )
        if shared:
            self.ids[:, : self.known] = torch.tensor(shared.ids, device=device)
            self.mask[:, : self.known] = 1
            shared.fill(self.cache, len(prompts), width - self.known + settings.max_new_tokens)
        self.end_ids = end_token_ids(model, tokenizer)
        seeds = [prompt_seed(seed, prompt) for prompt in prompts]
        self.choose = _Chooser(settings, seeds, device)
        self.stop_window = max(map(len, settings.stop_strings), default=0) + 8

    def run(self, on_done: Callable[[], None]) -> dict[int, Completion]:
        finished: dict[int, Completion] = {}
        positions = (self.mask.cumsum(1) - 1).clamp(min=0)[:, self.known :]
        inputs = self.ids[:, self.known :]
        stops = self.settings.stop_strings
        while self.places:
            logits = self.model(
                input_ids=inputs,
                attention_mask=self.mask,
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            tokens = self.choose(self.ids, logits)
            self.ids = torch.cat([self.ids, tokens[:, None]], dim=1)
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
            positions = positions[:, -1:] + 1
            alive = []
            # In one go: on a GPU each look at a number waits for all that was asked of it before.
            last = tokens.tolist()
            tails = self.ids[:, max(self.width, self.ids.shape[1] - self.stop_window) :].tolist() if stops else last
            for row in range(len(self.places)):
                if self.choose.is_done[row]:
                    continue
                completion = self._finished(row, last[row], self.tokenizer.decode(tails[row]) if stops else "")
                if completion is not None:
                    self.choose.is_done[row] = True
                    finished[self.places[row]] = completion
                    on_done()
                else:
                    alive.append(row)
            # Taking rows out copies the cache, so it waits until a quarter of the batch is done.
            if len(alive) <= 0.75 * len(self.places):
                keep = torch.tensor(alive, dtype=torch.long, device=self.ids.device)
                self.places = [self.places[row] for row in alive]
                self.ids, self.mask, positions = self.ids[keep], self.mask[keep], positions[keep]
                self.choose.keep(alive)
                if alive:
                    self.cache.batch_select_indices(keep)
            inputs = self.ids[:, -1:]
        return finished

    def _finished(self, row: int, last: int, tail: str) -> Completion | None:
        """The completion of a row where it is done, else None.

        Args:
            row: Its place in the batch.
            last: The token that was chosen last.
            tail: The end of the text so far, where there are stop strings.
        """
        count = self.ids.shape[1] - self.width
        ended = last in self.end_ids
        stops = self.settings.stop_strings
        stopped = any(stop in tail for stop in stops)
        if not ended and not stopped and count < self.settings.max_new_tokens:
            return None
        generated = self.ids[row, self.width :]
        text = self.tokenizer.decode(generated[:-1] if ended else generated, skip_special_tokens=True)
        for stop in stops:
            text = text.split(stop, 1)[0]
        return Completion(text, count, "end" if ended else "stop" if stopped else "length")


@dataclass(frozen=True)
class _Beginning:
    """The beginning of all prompts, and its keys and values in each layer, (1, heads, tokens, head size)."""

    ids: list[int]
    states: list[tuple[Any, Any]]

    def fill(self, cache: DynamicCache, rows: int, room: int) -> None:
        """Put it into the empty cache of a batch, with room for more tokens behind it."""
        for layer, (keys, values) in zip(cache.layers, self.states, strict=True):
            layer.new_tokens = room
            layer.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1))


def common_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with; one at least is left to each."""
    # In the order of lists, what the first and the last have in common all have.
    first, last = min(map(list, prompts)), max(map(list, prompts))
    most = min(map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def _shared_beginning(model: Any, prompts: Sequence[Sequence[int]]) -> _Beginning | None:
    """Compute what all prompts begin with; None where that is too short to pay."""
    length = common_length(prompts)
    if len(prompts) < 2 or length < SHARED_TOKENS:
        return None
    ids = list(prompts[0][:length])
    cache = growing_cache(model.config, 0)
    device = model.get_input_embeddings().weight.device
    model(input_ids=torch.tensor([ids], device=device), past_key_values=cache, use_cache=True, logits_to_keep=1)
    return _Beginning(ids, [(layer.keys, layer.values) for layer in cache.layers])


class _Chooser:
    """Chooses the next token of each row: the likeliest, or one by chance from a generator of the row's own."""

    def __init__(self, settings: Generation, seeds: list[int], device: Any) -> None:
        self.greedy = settings.is_greedy
        self.is_done = [False] * len(seeds)
        self.processors = LogitsProcessorList()
        if settings.repetition_penalty != 1.0:
            self.processors.append(RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
        self.generators = []
        if not self.greedy:
            self.processors.append(TemperatureLogitsWarper(settings.temperature))
            if settings.top_k:
                self.processors.append(TopKLogitsWarper(settings.top_k))
            if settings.top_p < 1:
                self.processors.append(TopPLogitsWarper(settings.top_p))
            self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        scores = self.processors(ids, logits.float())
        if self.greedy:
            return scores.argmax(-1)
        chances = scores.softmax(-1)
        drawn = [torch.multinomial(row, 1, generator=g) for row, g in zip(chances, self.generators, strict=True)]
        return torch.cat(drawn)

    def keep(self, rows: list[int]) -> None:
        """Drop the other rows."""
        self.is_done = [self.is_done[row] for row in rows]
        self.generators = [self.generators[row] for row in rows] if self.generators else []


def prompt_seed(seed: int, prompt: Sequence[int]) -> int:
    """A seed of a prompt's own, so that neither its neighbours nor its place matter."""
    return zlib.crc32(repr((seed, list(prompt))).encode())


def end_token_ids(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end a completion: the tokenizer's, and those of the model's generation config."""
    configured = model.generation_config.eos_token_id
    more = configured if isinstance(configured, list) else [] if configured is None else [configured]
    return {tokenizer.eos_token_id, *more}


def growing_cache(config: Any, new_tokens: int) -> DynamicCache:
    """A cache with room for the prompt and the new tokens, so that a step writes one column instead of copying all."""
    cache = DynamicCache()
    cache.layers = [_GrowingLayer(new_tokens) for _ in range(config.get_text_config().num_hidden_layers)]
    return cache


class _GrowingLayer(DynamicLayer):
    """Keys and values as views, (batch, heads, tokens, head size), of buffers that are longer than they are."""

    def __init__(self, new_tokens: int) -> None:
        super().__init__()
        self.new_tokens = new_tokens
        self.length = 0

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.buffers = [self._roomy(key_states), self._roomy(value_states)]
        start, self.length = self.length, self.length + key_states.shape[-2]
        self.buffers[0][:, :, start : self.length] = key_states
        self.buffers[1][:, :, start : self.length] = value_states
        return self._views()

    def batch_select_indices(self, indices: Any) -> None:
        """Keep these rows."""
        self.buffers = [buffer[indices] for buffer in self.buffers]
        self._views()

    def _roomy(self, states: Any) -> Any:
        batch, heads, tokens, size = states.shape
        return states.new_empty(batch, heads, tokens + self.new_tokens, size)

    def _views(self) -> tuple[Any, Any]:
        self.keys, self.values = (buffer[:, :, : self.length] for buffer in self.buffers)
        return self.keys, self.values


def _grouped_attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **kwargs: Any
) -> tuple[Any, None]:
    """Attention of one new token without repeating keys and values: the heads of a group stand as its queries.

    Args:
        module: The attention layer.
        query: (batch, heads, tokens, head size).
        key: (batch, groups, all tokens, head size).
        value: As `key`.
        attention_mask: (batch, 1, tokens, all tokens), or None.
        scaling: Of the scores.
        kwargs: For other lengths, those of SDPA.

    Returns:
        (batch, tokens, heads, head size), and no weights.
    """
    batch, heads, tokens, size = query.shape
    groups = key.shape[1]
    if tokens != 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    output = torch.nn.functional.scaled_dot_product_attention(
        query.view(batch, groups, heads // groups, size), key, value, attn_mask=attention_mask, scale=scaling
    )
    return output.reshape(batch, 1, heads, size), None


AttentionInterface.register(ATTENTION, _grouped_attention)
AttentionMaskInterface.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


def _attends_to_everything(config: Any, tokens: int) -> bool:
    """Whether every layer is plain attention over all tokens; other kinds keep the cache transformers gives them."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    window = getattr(text, "sliding_window", None)
    if window is not None and window >= tokens:
        kinds.discard("sliding_attention")
        window = None
    return kinds <= {"full_attention"} and window is None and not getattr(text, "attn_logit_softcapping", None)


def _batch_size(model: Any, tokens: int, most: int) -> int:
    """Rows whose keys and values fit into a quarter of the free memory."""
    text = model.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    row_bytes = 2 * text.num_hidden_layers * heads * size * tokens * model.dtype.itemsize
    device = model.get_input_embeddings().weight.device
    return max(1, min(most, int(free_memory(device) / 4 / row_bytes)))
