import pytest
import yaml

from finetune_kit.errors import KitError
from finetune_kit.recipe import SHIPPED_RECIPES, Recipe
from tests.conftest import GUIDE_RECIPE

SHIPPED = sorted(path.stem for path in SHIPPED_RECIPES.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_load_and_say_how_they_are_run(name: str) -> None:
    Recipe.load(name)
    assert f"finetune-kit train {name}" in (SHIPPED_RECIPES / f"{name}.yaml").read_text()


def test_the_zephyr_recipe_has_the_guides_values() -> None:
    recipe = Recipe.load("zephyr-7b-t4")
    assert recipe.base_model == "HuggingFaceH4/zephyr-7b-beta"
    assert recipe.quantization is not None and recipe.quantization.bits == 4
    assert recipe.adapter.type == "lora"
    assert recipe.preprocessing.global_max_sequence_length == 256
    assert recipe.preprocessing.split.probabilities == (0.9, 0.05, 0.05)
    assert (recipe.trainer.batch_size, recipe.trainer.eval_batch_size) == (1, 2)
    assert recipe.trainer.gradient_accumulation_steps == 16
    assert (recipe.trainer.epochs, recipe.trainer.learning_rate) == (1, 0.0004)
    assert recipe.trainer.learning_rate_scheduler.warmup_fraction == 0.03
    assert (recipe.generation.temperature, recipe.generation.max_new_tokens) == (0.1, 256)


@pytest.mark.skipif(not GUIDE_RECIPE.exists(), reason="the guide's own file is not beside this checkout")
def test_the_zephyr_recipe_is_the_guides_file_key_for_key() -> None:
    guide = yaml.safe_load(GUIDE_RECIPE.read_text())
    ours = yaml.safe_load((SHIPPED_RECIPES / "zephyr-7b-t4.yaml").read_text())
    assert {key: value for key, value in ours.items() if key != "data"} == guide
    assert Recipe.load(str(GUIDE_RECIPE)).trainer == Recipe.load("zephyr-7b-t4").trainer


def test_overrides_are_typed_and_reach_into_sections() -> None:
    recipe = Recipe.load("smollm2-135m", ["trainer.learning_rate=1e-4", "trainer.epochs=3", "data.limit=7"])
    assert recipe.trainer.learning_rate == 1e-4
    assert recipe.trainer.epochs == 3
    assert recipe.data is not None and recipe.data.limit == 7 and recipe.data.train_limit is not None


def test_data_as_a_word_replaces_the_section() -> None:
    data = Recipe.load("smollm2-135m", ["data=rows.jsonl"]).data
    assert data is not None and (data.source, data.train_limit) == ("rows.jsonl", None)
    data = Recipe.load("smollm2-135m", ["data=rows.jsonl", "data.limit=5"]).data
    assert data is not None and (data.source, data.limit) == ("rows.jsonl", 5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.learnin_rate=1", "trainer.learnin_rate: there is no such key. Did you mean 'learning_rate'?"),
        ("adapter.rank=8", "adapter.rank: there is no such key."),
        ("quantisation.bits=4", "quantisation: there is no such key. Did you mean 'quantization'?"),
        ("trainer.epochs=two", "trainer.epochs: should be a valid integer (it is 'two')."),
        ("trainer.epochs=0", "trainer.epochs: should be greater than 0 (it is 0)."),
        ("quantization.bits=3", "quantization.bits: should be 4 or 8 (it is 3)."),
        ("preprocessing.split.probabilities=[0.5, 0.1, 0.1]", "must sum to 1"),
        ("preprocessing.split.probabilities=[.nan, .nan, .nan]", "must sum to 1"),
        (
            "preprocessing.split.probabilities=[null, 1, 0]",
            "preprocessing.split.probabilities.0: should be a valid number",
        ),
        ("trainer.train_steps=9", "trainer.train_steps: there is no such key."),
        ("trainer", "'trainer' is not of the form key=value"),
        ("base_model.name=x", "'base_model' is a value, not a section"),
    ],
)
def test_a_wrong_key_or_value_is_named(override: str, message: str) -> None:
    with pytest.raises(KitError) as caught:
        Recipe.load("smollm2-135m", [override])
    assert message in str(caught.value)


def test_all_problems_are_shown_at_once() -> None:
    with pytest.raises(KitError) as caught:
        Recipe.load("smollm2-135m", ["trainer.epoch=1", "adapter.lora_r=8", "foo=1"])
    assert all(key in str(caught.value) for key in ("trainer.epoch:", "adapter.lora_r:", "foo:"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_type: llm\nmodel_type: llm\n", "stands twice"),
        ("model_type: [", "not valid YAML"),
        ("- a\n- b\n", "must hold keys and values"),
        ("model_type: llm\n", "base_model: this key is missing."),
    ],
)
def test_a_broken_file_is_an_error(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(KitError, match=message):
        Recipe.load(str(path))


def test_an_unknown_recipe_is_answered_with_those_that_ship() -> None:
    with pytest.raises(KitError, match="Did you mean 'smollm2-135m'"):
        Recipe.load("smollm-135m")


def test_a_recipe_survives_its_own_yaml(tmp_path) -> None:
    path = tmp_path / "recipe.yaml"
    for name in SHIPPED:
        recipe = Recipe.load(name)
        path.write_text(recipe.to_yaml())
        assert Recipe.load(str(path)) == recipe


def test_ludwigs_config_holds_what_was_asked_and_the_devices_dtype() -> None:
    config = Recipe.load("zephyr-7b-t4").ludwig_config("float16")
    assert config["quantization"] == {"bits": 4, "bnb_4bit_compute_dtype": "float16"}
    assert "data" not in config and "run" not in config
    asked = Recipe.load("zephyr-7b-t4", ["quantization.bnb_4bit_compute_dtype=bfloat16"]).ludwig_config("float16")
    assert asked["quantization"]["bnb_4bit_compute_dtype"] == "bfloat16"
