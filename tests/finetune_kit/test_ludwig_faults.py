"""What Ludwig does wrong, shown on its own code: when one of these fails, the workaround can go.

Each fault has its workaround in `finetune_kit/engine`, where the class says what it mends.
"""

import pytest
import torch


@pytest.fixture(scope="module")
def stock_llm(tiny_llama, tiny_recipe):
    """Ludwig's own model type on the tiny model in 4 bits, ready for training."""
    from ludwig.features.feature_registries import update_config_with_metadata
    from ludwig.models.llm import LLM
    from ludwig.schema.model_types.base import ModelConfig

    from finetune_kit.engine.fit import _metadata
    from finetune_kit.prompt import Example

    config = {**tiny_recipe().ludwig_config("float32"), "base_model": str(tiny_llama)}
    rendered = ModelConfig.from_dict(config)
    update_config_with_metadata(rendered, _metadata(config, [Example("r", [1, 2, 3], 1)]))
    model = LLM(rendered, random_seed=0)
    model.prepare_for_training()
    return model


def test_4_bit_weights_can_not_be_loaded_back(stock_llm) -> None:
    """Mended by `KitLLM.state_dict`."""
    _, unexpected = stock_llm.load_state_dict(stock_llm.state_dict(), strict=False)
    assert any("absmax" in key for key in unexpected)


def test_padding_is_not_masked(stock_llm) -> None:
    """Mended by packing: Ludwig pads with 0 and masks the tokenizer's pad id, which is another one."""
    from ludwig.utils.llm_utils import generate_merged_ids

    rows = torch.tensor([[5, 6, 7], [2, 2, 8]]), torch.tensor([[9, 10], [2, 11]])
    ids, masks = generate_merged_ids(*rows, stock_llm.tokenizer, 16)
    short, mask = ids[1], masks[1]
    assert mask[short == 0].sum() > 0


def test_loading_takes_eager_attention(stock_llm) -> None:
    """Mended by `finetune_kit.loading`."""
    assert stock_llm.model.config._attn_implementation == "eager"
