"""The shape of a base model, from its `config.json`: of a folder, of the Hub's cache, or of those kept here.

Those kept here hold the numbers that a model's shape depends on, for the recipes that ship, so that their memory can be
forecast with no network.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.base_models import EMBEDDED, resolve_base_model
from finetune_kit.errors import KitError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

KEPT = Path(__file__).parent / "model_configs.json"


def model_config(base_model: str) -> "PretrainedConfig":
    """The config of a base model; nothing but `config.json` is ever downloaded.

    Args:
        base_model: As in a recipe.

    Returns:
        The config as transformers reads it.

    Raises:
        KitError: If there is no such model, or it can't be reached and is none of those kept here.
    """
    from transformers import AutoConfig

    if base_model == EMBEDDED or base_model.startswith("pypi:") or Path(base_model).is_dir():
        return _read(resolve_base_model(base_model).path)
    kept = json.loads(KEPT.read_text(encoding="utf-8")).get(base_model)
    if kept is not None:
        return AutoConfig.for_model(**kept)
    return _read(_config_from_hub(base_model).parent)


def _config_from_hub(base_model: str) -> Path:
    from huggingface_hub import hf_hub_download

    from finetune_kit.base_models import explain_hub_errors

    with explain_hub_errors(base_model):
        return Path(hf_hub_download(base_model, "config.json"))


def _read(folder: Any) -> "PretrainedConfig":
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        first = str(error).strip().split("\n", 1)[0]
        raise KitError(f"The config.json of {folder} can't be read: {first}") from None
