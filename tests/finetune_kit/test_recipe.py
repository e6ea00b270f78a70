import pytest
import yaml

from finetune_kit.devices import Device
from finetune_kit.errors import KitError
from finetune_kit.recipe import SHIPPED_RECIPES, Backend, Recipe
from finetune_kit.recipe_checks import context_problems, device_notes, device_problems
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
        ("trainer.learnin_rate=1", "trainer.learnin_rate: there is no such key. Did you mean 'trainer.learning_rate'?"),
        ("quantisation.bits=4", "quantisation: there is no such key. Did you mean 'quantization'?"),
        ("trainer.epochs=two", "trainer.epochs: this must be a whole number, and is the text 'two'."),
        ("trainer.epochs=0", "trainer.epochs: this must be above 0, and is 0."),
        ("quantization.bits=3", "quantization.bits: this must be 4 or 8, and is 3."),
        ("preprocessing.split.probabilities=[0.5, 0.1, 0.1]", "must sum to 1"),
        ("preprocessing.split.probabilities=[.nan, .nan, .nan]", "must sum to 1"),
        (
            "preprocessing.split.probabilities=[null, 1, 0]",
            "preprocessing.split.probabilities.0: this must be a number, and is empty.",
        ),
        ("trainer", "command line: trainer: this is not of the form key=value"),
        ("=2", "command line: =2: this is not of the form key=value"),
        ("prompt.template=[", "prompt.template: the value is not valid YAML; put it in quotes."),
        ("prompt.template={instruction}", "put the text in quotes"),
        ("base_model.name=x", "'base_model' is a value, not a section"),
        ("input_features.0.name=x", "'input_features' is a list, not a section"),
    ],
)
def test_a_wrong_key_or_value_is_named(override: str, message: str) -> None:
    with pytest.raises(KitError) as caught:
        Recipe.load("smollm2-135m", [override])
    assert message in str(caught.value)


def test_all_problems_are_shown_at_once() -> None:
    with pytest.raises(KitError) as caught:
        Recipe.load("smollm2-135m", ["trainer.epoch=1", "adapter.lora_r=8", "foo=1"])
    first, *lines = str(caught.value).splitlines()
    assert first == "3 things are wrong with the recipe smollm2-135m:"
    assert [line.split(": ")[2] for line in lines] == ["trainer.epoch", "adapter.lora_r", "foo"]


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


def test_a_later_override_replaces_what_an_earlier_one_and_the_file_say(tmp_path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(Recipe.load("smollm2-135m").to_yaml().replace("epochs: 1", "epochs: one"))
    with pytest.raises(KitError, match="is the text 'one'"):
        Recipe.load(str(path))
    assert Recipe.load(str(path), ["trainer.epochs=two", "trainer.epochs=2"]).trainer.epochs == 2


def test_a_section_that_is_empty_takes_keys() -> None:
    recipe = Recipe.load("smollm2-135m", ["quantization=null", "quantization.bits=8"])
    assert recipe.quantization is not None and recipe.quantization.bits == 8


def test_a_word_stands_for_a_section_as_in_ludwig() -> None:
    recipe = Recipe.load("smollm2-135m", ["adapter=lora", "backend=local"])
    assert (recipe.adapter.r, recipe.backend.type) == (8, "local")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["backend=ray"], {"type": "ray"}),
        (["backend=ray://h:10001"], {"type": "ray", "address": "ray://h:10001"}),
        (["backend=ray", "backend.address=ray://h:10001"], {"type": "ray", "address": "ray://h:10001"}),
        (["backend=ray://h:10001", "backend.address=ray://g:1"], {"type": "ray", "address": "ray://g:1"}),
        (["backend=ray://h:10001", "backend.address=null"], {"type": "ray"}),
        (["backend.address=ray://h:10001", "backend.type=ray"], {"type": "ray", "address": "ray://h:10001"}),
        (
            ["backend=ray://h:10001", "backend.max_failures=-1", "backend.trainer.num_workers=2"],
            {"type": "ray", "address": "ray://h:10001", "max_failures": -1, "trainer": {"num_workers": 2}},
        ),
        (
            ["backend.trainer.num_workers=2", "backend.type=ray", "backend.trainer.use_gpu=false"],
            {"type": "ray", "trainer": {"num_workers": 2, "use_gpu": False}},
        ),
        (
            ["backend={type: ray, trainer: {resources_per_worker: {CPU: 2}}}"],
            {"type": "ray", "trainer": {"resources_per_worker": {"CPU": 2.0}}},
        ),
        (["backend=ray", "backend.storage=s3://bucket/runs"], {"type": "ray", "storage": "s3://bucket/runs"}),
        (["backend.trainer.num_workers=2", "backend=ray"], {"type": "ray"}),
        (["backend=ray", "backend=local"], {"type": "local"}),
    ],
)
def test_a_backend_is_a_word_an_address_or_keys(tmp_path, overrides: list[str], expected: dict) -> None:
    """Keys come in any order; a word, as everywhere, replaces what was said of the section before."""
    recipe = Recipe.load("smollm2-135m", overrides)
    assert recipe.backend == Backend.model_validate(expected)
    assert recipe.ludwig_config("float32")["backend"] == {"type": "local"}, "each worker is a Ludwig of its own"
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    assert Recipe.load(str(path)) == recipe


@pytest.mark.parametrize("said", ["ray", "ray://h:10001", "{type: ray, address: 'ray://h:10001'}"])
def test_a_backend_in_the_file_takes_keys_from_the_command_line(tmp_path, said: str) -> None:
    path = tmp_path / "recipe.yaml"
    tree = Recipe.load("smollm2-135m").to_yaml()
    path.write_text(tree[: tree.index("backend:")] + f"backend: {said}\n" + tree[tree.index("data:") :])
    backend = Recipe.load(str(path), ["backend.trainer.num_workers=3"]).backend
    assert (backend.type, backend.trainer.num_workers) == ("ray", 3)
    assert backend.address == (None if said == "ray" else "ray://h:10001")


def test_the_cluster_is_named_where_there_is_one() -> None:
    assert Backend().cluster is None and Backend(address="ray://h:10001").cluster is None
    assert Backend(type="ray").cluster == ""
    assert Backend(type="ray", address="ray://h:10001").cluster == "ray://h:10001"


@pytest.mark.parametrize(
    ("same", "other"),
    [
        ("generation.num_beams=1", "generation.num_beams=4"),
        ("generation.pad_token_id=null", "generation.pad_token_id=0"),
        ("adapter.bias_type=none", "adapter.bias_type=all"),
        (
            "adapter.postprocessor={merge_adapter_into_base_model: false, progressbar: true}",
            "adapter.postprocessor={merge_adapter_into_base_model: true, progressbar: true}",
        ),
        ("preprocessing.sample_ratio=1.0", "preprocessing.sample_ratio=0.1"),
        ("prompt.task=null", "prompt.task=Solve it"),
        ("prompt.retrieval={type: null, k: 0}", "prompt.retrieval={type: random, k: 2}"),
        ("trainer.train_steps=null", "trainer.train_steps=100"),
        ("trainer.optimizer.betas=[0.9, 0.999]", "trainer.optimizer.betas=[0.8, 0.9]"),
        ("trust_remote_code=false", "trust_remote_code=true"),
        (
            "input_features=[{name: instruction, preprocessing: {max_sequence_length: null}}]",
            "input_features=[{name: instruction, preprocessing: {max_sequence_length: 100}}]",
        ),
        (
            "output_features=[{name: output, decoder: {type: text_extractor}}]",
            "output_features=[{name: output, decoder: {type: category_extractor}}]",
        ),
    ],
)
def test_ludwigs_other_keys_may_say_what_the_kit_does_anyway(same: str, other: str) -> None:
    assert Recipe.load("smollm2-135m", [same]) == Recipe.load("smollm2-135m")
    with pytest.raises(KitError, match=": Ludwig has this key, and the kit does not take it: "):
        Recipe.load("smollm2-135m", [other])


def test_conflicts_are_found_in_python_too() -> None:
    tree = Recipe.load("smollm2-135m").model_dump()
    tree["adapter"]["target_modules"] = []
    with pytest.raises(ValueError, match=r"adapter\.target_modules: it names no layer"):
        Recipe.model_validate(tree)


@pytest.mark.parametrize(
    ("overrides", "note"),
    [
        ("trainer.max_tokens_per_batch=100", "a longer row goes through alone"),
        ("trainer.learning_rate=0.5", "trainer.learning_rate 0.5 is high"),
        ("preprocessing.split.probabilities=[1,0,0]", "trainer.early_stop (5) has nothing to watch"),
        ("preprocessing.split.probabilities=[1,0,0] trainer.early_stop=-1", "the last weights are kept, not the best."),
        ("data.split=column", "preprocessing.split.probabilities is not used: data.split is column."),
        ("generation.temperature=0.7 generation.top_p=0.9", "generation.temperature and generation.top_p are not used"),
        ("backend.address=ray://h:10001", "backend.address is not used: backend.type is local."),
        (
            "backend.trainer.num_workers=2 backend.max_failures=1",
            "backend.max_failures and backend.trainer are not used: backend.type is local.",
        ),
    ],
)
def test_what_is_perhaps_not_meant_is_a_note(overrides: str, note: str) -> None:
    notes = Recipe.load("smollm2-135m", overrides.split()).notes()
    assert len(notes) == 1 and note in notes[0]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_give_no_note(name: str) -> None:
    assert Recipe.load(name).notes() == []


CPU = Device("cpu", "some CPU", "float32", "this CPU lacks bfloat16 instructions")
T4 = Device("cuda", "Tesla T4", "float16", "capability 7.5 lacks bfloat16 units")


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ("trainer.optimizer.type=paged_adamw", "trainer.optimizer.type"),
        ("trainer.optimizer.type=adamw_8bit", "trainer.optimizer.type"),
        ("adapter.use_dora=true quantization.bits=8", "adapter.use_dora"),
    ],
)
def test_what_a_cpu_cannot_do(overrides: str, key: str) -> None:
    recipe = Recipe.load("smollm2-135m", overrides.split())
    assert [problem.key for problem in device_problems(recipe, CPU)] == [key]
    assert device_problems(recipe, T4) == []
    assert device_problems(Recipe.load("smollm2-135m"), CPU) == []


def test_a_dtype_that_the_device_is_slow_in_is_a_note() -> None:
    asked = Recipe.load("smollm2-135m", ["quantization.bnb_4bit_compute_dtype=bfloat16"])
    for device in (CPU, T4):
        (note,) = device_notes(asked, device)
        assert device.name in note and f"leave it out for {device.compute_dtype}" in note
    assert device_notes(asked, Device("cuda", "A100", "bfloat16", "")) == []
    assert device_notes(Recipe.load("smollm2-135m"), T4) == []


def test_a_recipe_with_every_default_written_out_gives_no_note(tmp_path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(Recipe.load("smollm2-135m").to_yaml())
    assert Recipe.load(str(path)).notes() == []
    assert Recipe.load("smollm2-135m", ["backend=ray://h:10001", "backend.trainer.num_workers=2"]).notes() == []


def test_what_does_not_fit_into_the_models_context() -> None:
    recipe = Recipe.load("smollm2-135m", ["generation.max_new_tokens=512"])
    assert [one.key for one in context_problems(recipe, 512)] == ["generation.max_new_tokens"]
    assert [one.key for one in context_problems(recipe, 256)] == [
        "preprocessing.global_max_sequence_length",
        "generation.max_new_tokens",
    ]
    assert context_problems(recipe, 2048) == []


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
