import pytest
import yaml

from finetune_kit.asked_used import Difference, differences
from finetune_kit.recipe import Recipe

RENDERED = {
    "model_type": "llm",
    "input_features": [{"name": "input", "type": "text"}, {"name": "instruction", "type": "text", "column": "x"}],
    "adapter": {"type": "lora", "r": 8, "alpha": 16, "target_modules": ["q_proj", "v_proj"], "dropout": 0.05},
    "trainer": {"learning_rate": 0.001, "early_stop": 5.0, "gradient_clipping": {"clipglobalnorm": 0.5}, "epochs": 3},
    "quantization": None,
}


@pytest.mark.parametrize(
    "asked",
    [
        {"trainer": {"early_stop": 5, "learning_rate": 1e-3}},
        {"adapter": {"alpha": None, "target_modules": None}},
        {"adapter": {"target_modules": ("q_proj", "v_proj")}},
        {"quantization": None, "no_such_key": None},
        {"input_features": [{"name": "instruction", "type": "text"}]},
        {"trainer": {"gradient_clipping": {}}},
    ],
)
def test_what_is_used_as_asked_is_no_difference(asked) -> None:
    assert differences(asked, RENDERED) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"trainer": {"epochs": 1}}, Difference("trainer.epochs", 1, 3, known=True)),
        ({"trainer": {"epoch": 1}}, Difference("trainer.epoch", 1, None, known=False)),
        (
            {"trainer": {"gradient_clipping": {"clipglobalnorm": None}}},
            Difference("trainer.gradient_clipping.clipglobalnorm", None, 0.5, known=True),
        ),
        (
            {"adapter": {"target_modules": ["q_proj"]}},
            Difference("adapter.target_modules", ["q_proj"], ["q_proj", "v_proj"], known=True),
        ),
        ({"quantization": {"bits": 4}}, Difference("quantization", {"bits": 4}, None, known=True)),
        (
            {"input_features": [{"name": "input", "type": "category"}]},
            Difference("input_features.input.type", "category", "text", known=True),
        ),
        (
            {"input_features": [{"name": "question"}]},
            Difference("input_features.question", {"name": "question"}, None, known=False),
        ),
    ],
)
def test_what_is_used_otherwise_is_one(asked, expected: Difference) -> None:
    assert differences(asked, RENDERED) == [expected]


def test_a_difference_says_what_it_is() -> None:
    dropped, other = differences({"trainer": {"epoch": 1, "epochs": 1}}, RENDERED)
    assert str(dropped) == "Ludwig does not know trainer.epoch and trains without it (1 was asked for)."
    assert str(other) == "Ludwig uses 3 for trainer.epochs, and 1 was asked for."


def test_ludwig_does_what_the_default_recipe_asks_for(tiny_run) -> None:
    assert tiny_run.manifest["differences"] == []
    recipe = tiny_run.recipe
    rendered = yaml.safe_load((tiny_run.path / "ludwig_config.yaml").read_text())
    dtype, rows = tiny_run.manifest["device"]["compute_dtype"], len(tiny_run.rows("train"))
    asked = recipe.ludwig_config(dtype, rows)
    assert asked["trainer"]["batch_size"] == 8 and asked["trainer"]["learning_rate_scheduler"]["t_0"] > 1
    assert differences(asked, rendered) == []
    asked["trainer"]["learning_rat"] = 0.1
    asked["adapter"]["r"] = 9
    assert [difference.key for difference in differences(asked, rendered)] == ["adapter.r", "trainer.learning_rat"]


def test_what_ludwig_drops_is_said_before_training_and_kept(tmp_path, tiny_recipe, exercise_rows, monkeypatch) -> None:
    """A key that the kit hands over and Ludwig does not know, as a new version of Ludwig may have it."""
    import io

    import pandas as pd

    from finetune_kit.progress import View
    from finetune_kit.training import train

    whole = Recipe.ludwig_config
    monkeypatch.setattr(
        Recipe, "ludwig_config", lambda *a: {**whole(*a), "trainer": {**whole(*a)["trainer"], "new": 1}}
    )
    shown = io.StringIO()
    run = train(
        tiny_recipe(f"run.folder={tmp_path}", "run.name=new"), pd.DataFrame(exercise_rows[:8]), view=View(shown)
    )
    assert run.manifest["differences"] == [{"key": "trainer.new", "asked": 1, "used": None, "known": False}]
    said = shown.getvalue()
    assert said.index("Note        Ludwig does not know trainer.new") < said.index("Training ...")


def test_ludwigs_rendered_config_is_a_recipe(tiny_run, tmp_path) -> None:
    """Every key that Ludwig writes is ours, or says what the kit does anyway; but for what its features imply."""
    tree = yaml.safe_load((tiny_run.path / "ludwig_config.yaml").read_text())
    del tree["defaults"]
    del tree["trainer"]["learning_rate_scheduler"]["t_0"]  # the kit's own: the length of a cosine
    for feature in (*tree["input_features"], *tree["output_features"]):
        for name in ("column", "proc_column", "preprocessing", "encoder", "decoder", "loss"):
            feature.pop(name, None)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(tree))
    recipe, asked = Recipe.load(str(path)), tiny_run.recipe
    assert recipe.adapter == asked.adapter
    assert recipe.prompt == asked.prompt
    assert recipe.trainer.optimizer == asked.trainer.optimizer
