"""The JSON Schema that editors take: it accepts what the kit accepts, and refuses what an editor should underline."""

import json

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from finetune_kit.cli import app
from finetune_kit.recipe import SHIPPED_RECIPES, Recipe
from finetune_kit.recipe_problems import keys_of
from finetune_kit.recipe_schema import recipe_schema
from tests.conftest import GUIDE_RECIPE

FILES = [*sorted(SHIPPED_RECIPES.glob("*.yaml")), *([GUIDE_RECIPE] if GUIDE_RECIPE.exists() else [])]


@pytest.fixture(scope="module")
def validator():
    result = CliRunner().invoke(app, ["recipes", "--schema"])
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_takes_recipes(path, validator) -> None:
    tree = yaml.safe_load(path.read_text())
    assert list(validator.iter_errors(tree)) == []
    written = yaml.safe_load(Recipe.load(str(path)).to_yaml())
    assert list(validator.iter_errors(written)) == []


def test_it_takes_words_for_sections(validator) -> None:
    tree = yaml.safe_load(FILES[0].read_text())
    assert list(validator.iter_errors({**tree, "data": "rows.jsonl", "adapter": "lora", "backend": "local"})) == []
    on_ray = {"type": "ray", "trainer": {"strategy": "fsdp"}}
    assert list(validator.iter_errors({**tree, "backend": on_ray})) == []


@pytest.mark.parametrize(
    "override",
    [
        "{foo: 1}",
        "{trainer: {type: finetune, learning_rat: 1}}",
        "{trainer: {type: finetune, epochs: two}}",
        "{trainer: {type: finetune, epochs: 0}}",
        "{adapter: {type: qlora}}",
        "{quantization: {bits: 16}}",
        "{preprocessing: {split: {probabilities: [0.5, 0.5]}}}",
        "{input_features: [{name: instruction, column: x}]}",
        "{data: {source: x, split: random}}",
        "{data: 1}",
    ],
)
def test_it_refuses_what_is_wrong(override: str, validator) -> None:
    tree = yaml.safe_load(FILES[0].read_text())
    assert list(validator.iter_errors({**tree, **yaml.safe_load(override)}))


def test_every_key_is_described() -> None:
    """Editors show it, and so does the reference."""
    schema = recipe_schema()

    def resolved(one: dict) -> dict:
        return {**schema["$defs"][one["$ref"].rpartition("/")[2]], **one} if "$ref" in one else one

    def described(section: dict, path: str = "") -> list[str]:
        missing = []
        for name, inner in section["properties"].items():
            key = f"{path}.{name}".lstrip(".")
            kinds = [resolved(one) for one in [inner, *inner.get("anyOf", [])]]
            if not any("description" in one for one in kinds):
                missing.append(key)
            for below in kinds:
                missing += described(below, key) if "properties" in below else []
        return missing

    assert described(schema) == []
    assert len(keys_of(Recipe)) > 60
