"""`finetune-kit check`: what it says of a recipe, its rows and its memory, and how it ends. No weights are loaded."""

import json
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune_kit import Recipe, check
from finetune_kit.cli import app


@pytest.fixture(autouse=True)
def no_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune_kit.loading.load_model", lambda *_: pytest.fail("a model was loaded"))


def run_check(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["check", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def tiny(tiny_llama: Path, rows_file: Path) -> list[str]:
    """The default recipe on the tiny model and 60 rows."""
    return ["smollm2-135m", f"base_model={tiny_llama}", f"data={rows_file}", "adapter.r=4"]


def test_a_7b_recipe_without_rows_and_network_fits_a_t4() -> None:
    code, output, _ = run_check("zephyr-7b-t4", "--gpu", "T4")
    assert code == 0
    assert "Memory      fits: 6.7 GB of 15.6 GB (T4)" in output
    assert "is not in the Hub's cache" in output
    assert "The cap, 256 tokens, stands for the longest row." in output
    for part in (
        "quantised weights",
        "embeddings and head",
        "adapter gradients",
        "optimiser",
        "activations",
        "overhead",
    ):
        assert part in output


def test_the_table_is_in_one_order_and_fits_a_narrow_terminal() -> None:
    from types import SimpleNamespace

    from rich.console import Console

    from finetune_kit.check_view import memory_table

    def one(checkpointing: bool, **parts: int) -> SimpleNamespace:
        sums = {"activations": 1, "logits": 1, "unpacked": 1, "total": sum(parts.values())}
        return SimpleNamespace(parts=parts, checkpointing=checkpointing, **sums)

    console = Console(width=60, file=StringIO())
    less = one(True, weights=1, logits=2, overhead=3, **{"gradients of activations": 4})
    console.print(memory_table(SimpleNamespace(estimate=one(False, weights=1, overhead=3), other=less)))
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    heads = [
        "GB at",
        "weights",
        "gradients of",
        "logits",
        "overhead",
        "sum",
        "activations,",
        "logits,",
        "unpacked weights,",
    ]
    assert len(lines) == len(heads) and all(line.startswith(head) for line, head in zip(lines, heads, strict=True))


def test_as_json_the_parts_add_up() -> None:
    code, output, _ = run_check("zephyr-7b-t4", "--gpu", "T4", "--json")
    memory = json.loads(output)["memory"]
    assert code == 0 and memory["verdict"] == "fits"
    assert memory["total"] == sum(memory["parts"].values()) == pytest.approx(6.67e9, rel=0.02)
    assert (
        memory["with_checkpointing"]["total"] == sum(memory["with_checkpointing"]["parts"].values()) < memory["total"]
    )
    assert memory["parameters"] == 7_241_732_096 and memory["trainable"] == 3_407_872
    # 4.127 bits for each weight of the layers, and their tables.
    assert memory["parts"]["quantised weights"] == pytest.approx((7_241_732_096 - 262_410_240) * 4.127 / 8, rel=1e-3)
    assert memory["parts"]["optimiser"] == 8 * 3_407_872


def test_what_does_not_fit_ends_with_1_and_says_what_would() -> None:
    code, output, _ = run_check("zephyr-7b-t4", "quantization=null", "--gpu", "RTX 3080")
    assert code == 1
    assert "does not fit: 1" in output and "there are 10.4 GB (RTX 3080)" in output
    assert "What makes it fit, the cheapest first:\n  quantization.bits=4   5.5 GB; costs" in output


def test_advice_can_be_pasted_and_is_not_left_out_where_there_is_none(monkeypatch) -> None:
    from types import SimpleNamespace

    from finetune_kit.forecast.fitting import Change
    from finetune_kit.outlook import Outlook

    def advice(*changes: Change) -> list[str]:
        found = SimpleNamespace(verdict="does not fit", changes=changes)
        return list(Outlook(None, None, [], found, None).advice())  # type: ignore[arg-type]

    shown = advice(Change(("adapter.target_modules=[q_proj,v_proj]",), "much", 10**9, True))
    assert shown[1] == "  'adapter.target_modules=[q_proj,v_proj]'   1.0 GB; costs much", (
        "brackets are a shell's pattern"
    )
    assert advice() == ["No key of the recipe makes it fit; take a smaller base model, or a device with more memory."]


def test_a_gpu_that_is_not_known_is_said_before_anything_is_counted(tiny: list[str], monkeypatch) -> None:
    monkeypatch.setattr("finetune_kit.checking.data_report", lambda *_, **__: pytest.fail("rows were read"))
    assert run_check(*tiny, "--gpu", "T5")[0] == 2


def test_rows_are_looked_at_with_their_places(tiny: list[str], rows_file: Path) -> None:
    lines = rows_file.read_text().splitlines()
    broken = {**json.loads(lines[0]), "row_id": "", "output": " "}
    rows_file.write_text("\n".join([*lines, lines[4], json.dumps(broken)]) + "\n")
    code, output, _ = run_check(*tiny)
    assert code == 0
    assert "62 rows looked at" in output
    assert f"{rows_file}:61" in output and f"{rows_file}:62" in output
    assert "Tokens      the longest row has" in output and "Time        about" in output


def test_a_cap_is_held_against_the_rows(tiny: list[str]) -> None:
    _, output, _ = run_check(*tiny, "preprocessing.global_max_sequence_length=150")
    assert "the cap is 150: " in output and "rows are longer and left out" in output
    lengths = check(Recipe.load(tiny[0], [*tiny[1:], "preprocessing.global_max_sequence_length=150"])).tokens
    assert lengths is not None
    count = int((lengths.all.total > 150).sum())
    assert f"{count} rows are longer" in output and count > 0


def test_one_row_is_shown_as_the_model_sees_it(tiny: list[str], exercise_rows) -> None:
    code, output, _ = run_check(*tiny, "--row", "3")
    assert code == 0
    assert "trained" in output and "masked" in output and "</s>" in output
    by_id = run_check(*tiny, "--row", exercise_rows[2]["row_id"])[1]
    assert by_id == output != run_check(*tiny, "--row", "4")[1]


def test_nothing_of_the_libraries_is_heard_when_a_row_is_shown(tiny: list[str], monkeypatch) -> None:
    import warnings

    from finetune_kit.forecast import meta_model

    def warns(*_: object) -> meta_model.Shape:
        warnings.warn("of our own parts", SyntaxWarning, stacklevel=1)
        return meta_model.Shape(True, ())

    monkeypatch.setattr(meta_model, "probe", warns)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        assert run_check(*tiny, "--row", "3")[0] == 0
    monkeypatch.setattr("finetune_kit.checking.packs", lambda _: pytest.fail("a model was made for no row"))
    assert run_check(*tiny, "--row", "99")[0] == 2


def test_a_row_over_the_cap_is_shown_as_it_is_cut(tiny: list[str]) -> None:
    cap = "preprocessing.global_max_sequence_length=60"
    left_out = run_check(*tiny, cap, "--row", "1")[1]
    assert "more than the cap of 60: it is left out of training." in left_out
    cut = run_check(*tiny, cap, "preprocessing.on_truncation=trim_answer", "--row", "1")[1]
    assert "more than the cap of 60: it is cut to this." in cut or "it is left out of training." in cut


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--row", "61"], "--row 61: there are 60 rows; name one by its number, from 1, or its row_id."),
        (["--gpu", "T5"], "--gpu 'T5': the kit knows T4, "),
        (["preprocessing.global_max_sequence_length=4096"], "2048 tokens at most"),
        (["adapter.target_modules=[query]"], "The linear layers here are: "),
        (["trainer.optimizer.type=paged_adamw"], "needs a CUDA device"),
        (["prompt.template='{instruction} </s>'"], "</s>"),
    ],
)
def test_a_mistake_ends_with_2(tiny: list[str], words: list[str], message: str) -> None:
    code, _, errors = run_check(*tiny, *words)
    assert code == 2 and message in errors and "Traceback" not in errors


def test_a_model_whose_step_cannot_be_counted_is_told_of(tiny: list[str], monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise NotImplementedError("no such operation on meta")

    monkeypatch.setattr("finetune_kit.forecast.step.count_all_layers", broken)
    code, output, _ = run_check(*tiny)
    assert code == 0
    assert "The memory is not forecast: a step of this kind of model can't be counted (no such operation" in output


def test_rows_of_a_model_that_does_not_pack_are_padded(tmp_path: Path, tokenizer_factory, rows_file: Path) -> None:
    from transformers import BloomConfig, BloomForCausalLM

    config = BloomConfig(vocab_size=400, hidden_size=32, n_layer=2, n_head=4, eos_token_id=2, pad_token_id=2)
    BloomForCausalLM(config).save_pretrained(tmp_path / "bloom")
    tokenizer_factory().save_pretrained(tmp_path / "bloom")
    words = [f"base_model={tmp_path / 'bloom'}", f"data={rows_file}", "adapter.target_modules=[query_key_value]"]
    code, output, _ = run_check("smollm2-135m", *words)
    assert code == 0 and "padded, since this model can't tell packed rows apart" in output
    assert "padding" in run_check("smollm2-135m", *words, "--row", "1")[1]
