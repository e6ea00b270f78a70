"""The JSON Schema of a recipe, by which editors complete its keys and underline what is wrong."""

from typing import Any

from finetune_kit.recipe import Recipe
from finetune_kit.recipe_file import WORDS_FOR_SECTIONS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> dict[str, Any]:
    """The schema, made from the sections: descriptions are the texts that stand below their keys.

    Example:
        >>> recipe_schema()["properties"]["base_model"]["type"]
        'string'
    """
    schema = Recipe.model_json_schema()
    properties = schema["properties"]
    for section, key in WORDS_FOR_SECTIONS.items():
        text = f"The same as a section with `{key}` alone."
        properties[section] = {"anyOf": [properties[section], {"type": "string", "description": text}]}
    texts = {
        ("BackendTrainer", "strategy"): "The same as a section with `type` alone.",
        ("Strategy", "deepspeed_config"): "The path of a JSON file that holds it.",
    }
    for (section, key), text in texts.items():
        below = schema["$defs"][section]["properties"]
        below[key] = {"anyOf": [below[key], {"type": "string", "description": text}]}
    about = {"title": "A recipe of finetune-kit", "description": (Recipe.__doc__ or "").partition("\n")[0]}
    return {"$schema": DIALECT, **schema, **about}
