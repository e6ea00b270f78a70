"""Packed rows against the same rows one by one through the stock model, for many architectures. Without Ludwig."""

import copy
import gc
import random
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_kit.engine.attention import PACKED_ATTENTION, use_packed_attention
from finetune_kit.engine.lean import kept_bytes_per_token, lean_dropout, recompute_gates
from finetune_kit.engine.loss import answer_loss, batch_loss
from finetune_kit.engine.packing import PackedRows, cut, deal, pack, packed_tokens, pad, padded_tokens, shared_prefix
from finetune_kit.prompt import IGNORE_INDEX, Example

COMMON = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 2,
    "initializer_range": 0.3,
}
PACKS = {
    "llama": ("llama", {}),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral with a window": ("mistral", {"sliding_window": 9}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "gemma": ("gemma", {}),
    "gemma2": ("gemma2", {"sliding_window": 9, "query_pre_attn_scalar": 8}),
    "starcoder2": ("starcoder2", {"sliding_window": 9}),
}
PADS = {
    "bloom": ("bloom", {"n_layer": 2, "n_head": 4}),
    "mamba": ("mamba", {"state_size": 4, "expand": 1}),
}


def make_model(kind: str, settings: dict, dtype=torch.float32):
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**COMMON, **settings})
    return AutoModelForCausalLM.from_config(config).to(dtype).eval()


def make_examples(lengths, prefix=3, prompt=6, seed=0) -> list[Example]:
    draw = random.Random(seed)
    start = [draw.randrange(3, 120) for _ in range(prefix)]
    return [
        Example(str(n), start + [n + 3] + [draw.randrange(3, 120) for _ in range(length - prefix - 1)], prompt)
        for n, length in enumerate(lengths)
    ]


EXAMPLES = make_examples([17, 9, 23, 12, 8])


def reference(model, examples) -> torch.Tensor:
    """Row by row through the model as it is, in plain PyTorch."""
    total = torch.zeros(())
    for example in examples:
        ids = torch.tensor([example.input_ids])
        logits = model(ids).logits[0, example.prompt_length - 1 : -1].float()
        total = total + torch.nn.functional.cross_entropy(logits, ids[0, example.prompt_length :], reduction="sum")
    return total


def with_adapter(model, targets=("q_proj", "k_proj", "v_proj", "o_proj", "down_proj", "c_proj"), dropout=0.0):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    present = [name for name in targets if any(found.endswith(name) for found, _ in model.named_modules())]
    adapted = get_peft_model(
        model, LoraConfig(r=4, target_modules=present, init_lora_weights=False, lora_dropout=dropout)
    )
    return adapted.train()


def gradients(model, loss) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.float().clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
@pytest.mark.parametrize("name", PACKS)
def test_loss_and_gradient_are_those_of_the_rows_alone(name: str, checkpointing: bool) -> None:
    stock = make_model(*PACKS[name])
    packed = copy.deepcopy(stock)
    assert use_packed_attention(packed, longest=23)
    assert recompute_gates(packed) == (0 if name == "starcoder2" else 2)
    stock, packed = with_adapter(stock), with_adapter(packed)
    if checkpointing:
        packed.gradient_checkpointing_enable({"use_reentrant": False})
    batch = pack(EXAMPLES)
    assert batch.inputs["packed_rows"].prefix == 3
    expected = reference(stock, EXAMPLES)
    loss, _, tokens = batch_loss(packed.get_base_model(), batch)
    assert tokens == sum(len(e.input_ids) - e.prompt_length for e in EXAMPLES)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    ours, theirs = gradients(packed, loss), gradients(stock, expected)
    assert ours.keys() == theirs.keys() and len(ours) > 4
    for key, gradient in theirs.items():
        assert (ours[key] - gradient).norm() <= 1e-4 * gradient.norm(), key


def test_an_adapter_on_the_head_is_trained() -> None:
    stock = make_model(*PACKS["llama"])
    packed = copy.deepcopy(stock)
    assert use_packed_attention(packed, longest=23)
    stock, packed = (with_adapter(model, ["q_proj", "lm_head"]) for model in (stock, packed))
    loss, *_ = batch_loss(packed.get_base_model(), pack(EXAMPLES))
    ours, theirs = gradients(packed, loss), gradients(stock, reference(stock, EXAMPLES))
    assert ours.keys() == theirs.keys() and any("lm_head" in key for key in ours)
    for key, gradient in theirs.items():
        assert (ours[key] - gradient).norm() <= 1e-4 * gradient.norm(), key


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float16, 0.003)])
@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_half_precision_agrees_to_its_own_precision(name: str, dtype: torch.dtype, tolerance: float) -> None:
    stock = make_model(*PACKS[name], dtype=dtype)
    packed = copy.deepcopy(stock)
    assert use_packed_attention(packed, longest=23)
    loss, *_ = batch_loss(packed, pack(EXAMPLES))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(reference(stock, EXAMPLES).item(), rel=tolerance)


@pytest.mark.parametrize("name", PADS)
def test_a_model_that_can_not_be_packed_is_found_out_and_padded(name: str) -> None:
    model = make_model(*PADS[name])
    before = model.config._attn_implementation
    assert not use_packed_attention(model, longest=23)
    assert model.config._attn_implementation == before
    loss, correct, tokens = batch_loss(model, pad(EXAMPLES))
    assert loss.item() == pytest.approx(reference(model, EXAMPLES).item(), rel=1e-5)
    assert tokens == sum(len(e.input_ids) - e.prompt_length for e in EXAMPLES) and 0 <= correct <= tokens


def test_attention_that_leaks_between_rows_is_found_out(monkeypatch) -> None:
    """The check is worth something: rows that see their neighbours do not pass it."""
    from finetune_kit.engine import attention

    leaking = lambda *arguments, rows, **options: stock(  # noqa: E731
        *arguments, rows=PackedRows(0, [rows.prefix + sum(rows.lengths)]), **options
    )
    stock = attention._attend
    monkeypatch.setattr(attention, "_attend", leaking)
    for name in ("llama", "gemma", "qwen2"):
        assert not use_packed_attention(make_model(*PACKS[name]), longest=23)


def test_a_model_that_does_not_tell_of_its_window_is_found_out(monkeypatch) -> None:
    """Also where the numbers would not show it: in half precision, and by few tokens of many."""
    from transformers import AttentionInterface

    from finetune_kit.engine.attention import packed_attention

    def silent(*arguments, sliding_window, **options):
        return packed_attention(*arguments, **options)

    model = make_model(*PACKS["mistral with a window"], dtype=torch.bfloat16)
    assert use_packed_attention(copy.deepcopy(model), longest=23)
    monkeypatch.setitem(AttentionInterface._global_mapping, PACKED_ATTENTION, silent)
    monkeypatch.setattr("finetune_kit.engine.attention._tolerance", lambda model: 10.0)
    assert not use_packed_attention(model, longest=23)
    assert use_packed_attention(model, longest=9)


def test_padding_is_masked_whatever_the_pad_id(tokenizer_factory) -> None:
    """Padded and packed rows have one loss, also where token 0, the filling, and the end token stand in the rows."""
    examples = [Example("a", [0, 2, 5, 2, 0, 2], 3), Example("b", [0, 2, 6, 7, 8, 9, 0, 0, 2], 4)]
    model = make_model(*PACKS["llama"])
    padded, correct, _ = batch_loss(model, pad(examples))
    assert use_packed_attention(model, longest=9)
    packed, also_correct, _ = batch_loss(model, pack(examples))
    assert padded.item() == pytest.approx(packed.item(), rel=1e-6)
    assert correct == also_correct


def test_labels_are_the_tokens_of_the_answer_and_their_end() -> None:
    for batch, ids in (
        (pack(EXAMPLES), pack(EXAMPLES).inputs["input_ids"][0]),
        (pad(EXAMPLES), pad(EXAMPLES).inputs["input_ids"].flatten()),
    ):
        trained = batch.labels[batch.labels != IGNORE_INDEX].tolist()
        assert trained == [token for e in EXAMPLES for token in e.input_ids[e.prompt_length :]]
        at = torch.nonzero(batch.labels != IGNORE_INDEX)[:, 0]
        follows = at[batch.labels[at] == ids[(at + 1).clamp(max=len(ids) - 1)]]
        assert len(follows) == len(at)  # what is foretold stands right behind


def test_positions_count_on_from_the_prefix() -> None:
    batch = pack(make_examples([8, 7]))
    assert batch.inputs["position_ids"][0].tolist() == [0, 1, 2, *range(3, 8), *range(3, 7)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["aabbx", "aabcx"], 3),
        (["aab", "aab"], 2),
        (["abc", "xbc"], 0),
        (["abcde"], 0),
        (["abcd", "abce", "abxx"], 2),
        (["a", "a"], 0),
    ],
)
def test_the_shared_prefix_leaves_every_row_a_token_of_its_prompt(ids: list[str], expected: int) -> None:
    examples = [Example(str(n), [ord(c) for c in text + "yy"], len(text)) for n, text in enumerate(ids)]
    assert shared_prefix(examples) == expected


@pytest.mark.parametrize("size", [packed_tokens, padded_tokens])
@pytest.mark.parametrize("budget", [1, 25, 60, 100, 10_000])
def test_a_cut_keeps_every_row_once_and_the_budget(size, budget: int) -> None:
    examples = make_examples([random.Random(n).randrange(8, 40) for n in range(50)])
    batches = cut(examples, budget, size)
    assert sorted(e.row_id for batch in batches for e in batch) == sorted(e.row_id for e in examples)
    assert all(batch and (size(batch) <= budget or len(batch) == 1) for batch in batches)
    if budget == 10_000:
        assert len(batches) == 1
    if budget == 100 and size is packed_tokens:
        sizes = [size(batch) for batch in batches]
        assert max(sizes) - min(sizes) <= 15
        assert len(batches) <= 1.2 * sum(len(e.input_ids) - 3 for e in examples) / 97 + 1


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 300), max_size=40), count=st.integers(1, 9))
def test_rows_are_dealt_once_each_in_parts_of_about_one_weight(lengths: list[int], count: int) -> None:
    examples = [Example(str(n), [1] * length, 0) for n, length in enumerate(lengths)]
    parts = deal(examples, count)
    assert len(parts) == count
    assert sorted(e.row_id for part in parts for e in part) == sorted(e.row_id for e in examples)
    weights = [sum(len(e.input_ids) for e in part) for part in parts]
    assert max(weights) - min(weights) <= max(lengths, default=0)
    assert deal(examples, count) == parts


def test_rows_are_dealt_the_longest_first_and_to_the_lightest() -> None:
    """Every worker deals for itself, so that who gets what is settled to the last row."""
    parts = deal([Example(str(n), [1] * length, 0) for n, length in enumerate([5, 9, 5, 2, 2, 2])], 3)
    assert [[e.row_id for e in part] for part in parts] == [["1"], ["0", "3", "5"], ["2", "4"]]
    few = deal(EXAMPLES[:2], 4)
    assert [[e.row_id for e in part] for part in few] == [["0"], ["1"], [], []]


def test_the_window_and_the_prefix_are_in_the_mask() -> None:
    mask = PackedRows(2, [3]).mask(3, None)
    assert mask.int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    windowed = PackedRows(2, [3]).mask(3, 2)
    assert windowed.int().tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]
    assert PackedRows(0, [3]).mask(3, None) is None and PackedRows(0, [3]).mask(3, 3) is None


def test_the_chunked_loss_is_that_of_all_logits(monkeypatch) -> None:
    from finetune_kit.engine import loss as module

    monkeypatch.setitem(module.CHUNK_BYTES, "cpu", 4 * 120 * 7)
    head = torch.nn.Linear(32, 120)
    hidden = torch.randn(23, 32, requires_grad=True)
    labels = torch.randint(120, (23,))
    labels[::3] = head(hidden).argmax(-1)[::3]
    expected = torch.nn.functional.cross_entropy(head(hidden), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(3 * expected, hidden)
    largest = []
    watched = lambda part: largest.append(len(part)) or head(part)  # noqa: E731
    total, _ = answer_loss(hidden, labels, watched, 120)
    (ours,) = torch.autograd.grad(3 * total, hidden)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(ours, gradient)
    assert max(largest) == 7 and sum(largest) == 23
    with torch.no_grad():
        total, correct = answer_loss(hidden.detach(), labels, head, 120)
    assert 8 <= correct == (head(hidden).argmax(-1) == labels).sum()
    torch.testing.assert_close(total, expected.detach())


def test_less_is_kept_than_by_the_stock_model() -> None:
    stock = make_model("llama", {"intermediate_size": 256})
    lean = copy.deepcopy(stock)
    use_packed_attention(lean, longest=23)
    recompute_gates(lean)
    stock, lean = (with_adapter(model, ["q_proj", "v_proj"]) for model in (stock, lean))
    ids = torch.tensor([EXAMPLES[2].input_ids])
    theirs = kept_bytes_per_token(lambda: stock(ids, labels=ids).loss, 23, stock)
    ours = kept_bytes_per_token(lambda: batch_loss(lean.get_base_model(), pack(EXAMPLES[2:3])), 23, lean)
    assert 0 < ours < 0.75 * theirs


def test_nothing_stays_when_the_kept_bytes_are_counted() -> None:
    nodes = []

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx, states: torch.Tensor) -> torch.Tensor:
            nodes.append(weakref.ref(ctx))
            return states.clone()

        @staticmethod
        def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
            return gradient

    layer = torch.nn.Linear(64, 64)
    layer.device = torch.device("cpu")
    assert kept_bytes_per_token(lambda: Watched.apply(layer(torch.ones(3, 64))).exp().sum(), 3, layer) > 64 * 4
    gc.collect()
    assert [node() for node in nodes] == [None]


def test_lean_dropout_drops_at_random_what_it_should_and_keeps_a_byte_a_number() -> None:
    model = with_adapter(make_model(*PACKS["llama"]), ["q_proj"], dropout=0.25)
    lean_dropout(model)
    dropout = model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj.lora_dropout.default")
    states = torch.ones(3, 20_001, requires_grad=True)
    assert dropout.eval()(states) is states
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t.detach(), lambda t: t):
        dropped = dropout.train()(states)
    assert sorted(dropped.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)  # 8 standard deviations
    assert not torch.equal(dropped[0], dropped[1]) and not torch.equal(dropout(states), dropped)
    assert [tensor.dtype for tensor in kept] == [torch.bool]
    (gradient,) = torch.autograd.grad(dropped.sum(), states)
    assert torch.equal(gradient, dropped)


def test_a_layer_that_only_looks_gated_is_left_alone() -> None:
    model = make_model(*PACKS["llama"])
    odd = model.model.layers[1].mlp
    forward = type(odd).forward
    odd.forward = lambda hidden: 2 * forward(odd, hidden)
    assert recompute_gates(model) == 1
    hidden = torch.ones(1, 1, 32)
    assert torch.equal(odd(hidden), 2 * forward(odd, hidden))


def test_the_attention_has_a_name_of_its_own() -> None:
    model = make_model(*PACKS["llama"])
    assert use_packed_attention(model, longest=23)
    assert model.config._attn_implementation == PACKED_ATTENTION
