"""Keys of Ludwig's LLM config that the kit has no use for.

Where such a key says what the kit does anyway, it may stand in a recipe and changes nothing; any other value is an
error that says why, and what to do in its place. Ludwig itself drops keys it does not know without a word.
"""

from dataclasses import dataclass
from typing import Any

from finetune_kit.recipe_file import Problem


class _Anything:
    """Equal to every value: for keys that have no effect."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANYTHING = _Anything()
UNSET = (None,)
OFF = (None, False)
EMPTY: tuple[Any, ...] = (None, {}, [])


@dataclass(frozen=True)
class LudwigKey:
    """What becomes of a key."""

    same: tuple[Any, ...]
    """The values that say what the kit does."""
    why: str
    """Why no other is taken, and what to do."""


_NO_MERGE = "the adapter stays apart from the base model, whose quantised weights can't be merged with."
_PLAIN_LORA = "the kit starts and trains adapters in the plain way."
_SAMPLING = "the kit takes the likeliest token, or samples by temperature, top_k and top_p."
_ANSWER_END = "max_new_tokens, stop_strings and the end token decide where an answer ends."
_TOKENIZER = "it comes with the base model's tokenizer."
_EVERY_EPOCH = "the kit evaluates and keeps a checkpoint after every epoch, or as trainer.checkpoints_per_epoch says."
_SCHEDULE = "the schedules are a warm-up, and linear, exponential or cosine decay."
_BATCHES = "the size of a step is batch_size x gradient_accumulation_steps, all through the run."
_ALL_ROWS = "the kit trains on rows as they are; data.limit and data.train_limit take fewer."
_ONE_CAP = "preprocessing.global_max_sequence_length is the one cap; this one would cut the end of the prompt off."
_TEXT = "the text goes to the base model's tokenizer as it is."
_LLM = "a fine-tuned LLM has none of its own."
_NO_CACHE = "the kit keeps rows in memory and caches none."
_MEMORY = "the kit chooses what is computed in by the device; quantization.bnb_4bit_compute_dtype sets it."
_ONE_LOSS = "there is one loss, the cross entropy of the answer's tokens, and it decides which weights are kept."

_CHECKPOINTING = "trainer.enable_gradient_checkpointing turns it on."

_TABLE: dict[str, list[tuple[str, tuple[Any, ...], str]]] = {
    "": [
        ("ludwig_version", (ANYTHING,), ""),
        ("trust_remote_code", OFF, "the kit runs no code from the Hub."),
        ("is_multimodal", OFF, "the kit trains on text alone."),
        ("adapters", UNSET, "a run has one adapter, in the section adapter."),
        ("defaults", EMPTY, "there are no defaults by type; the keys of the two features' columns are all there is."),
        ("hyperopt", EMPTY, "the kit does not search; start a run for each value, e.g. with adapter.r=16 behind it."),
        ("model_parameters", EMPTY, "the base model is taken as it is, without RoPE scaling or added noise."),
    ],
    "model_parameters": [
        ("rope_scaling neftune_noise_alpha", (None, 0, {}), "the base model is taken as it is."),
    ],
    "prompt": [
        ("task", UNSET, "write the task into prompt.template."),
        ("retrieval", EMPTY, "the kit retrieves no other rows; what the model is to see must be in the row."),
    ],
    "prompt.retrieval": [
        ("type k index_name model_name", (None, 0), "the kit retrieves no other rows."),
    ],
    "preprocessing": [
        ("sample_ratio", (None, 1), _ALL_ROWS),
        ("sample_size", UNSET, _ALL_ROWS),
        ("oversample_minority undersample_majority", UNSET, "rows of text have no classes to balance."),
    ],
    "preprocessing.split": [
        ("column", UNSET, "the split goes by all of a row's text; data.split: column takes the column split."),
    ],
    "generation": [
        ("max_length", (ANYTHING,), ""),
        ("min_new_tokens min_length", (None, 0), _ANSWER_END),
        ("max_time forced_eos_token_id exponential_decay_length_penalty", OFF, _ANSWER_END),
        ("num_beams num_beam_groups typical_p length_penalty encoder_repetition_penalty", (None, 1), _SAMPLING),
        ("penalty_alpha epsilon_cutoff eta_cutoff diversity_penalty no_repeat_ngram_size min_p", (None, 0), _SAMPLING),
        (
            "early_stopping bad_words_ids force_words_ids renormalize_logits suppress_tokens begin_suppress_tokens "
            "forced_decoder_ids sequence_bias guidance_scale remove_invalid_values forced_bos_token_id "
            "prompt_lookup_num_tokens",
            OFF,
            _SAMPLING,
        ),
        ("use_cache", (None, True), "the kit always keeps the keys and values of earlier tokens."),
        ("pad_token_id bos_token_id eos_token_id", UNSET, _TOKENIZER),
    ],
    "adapter": [
        ("bias_type", (None, "none"), "no bias is trained."),
        ("pretrained_adapter_weights", UNSET, "an adapter starts anew; training on from another one is not supported."),
        ("postprocessor", EMPTY, _NO_MERGE),
        ("init_lora_weights", ("default", True), _PLAIN_LORA),
        ("eva_config loftq_config layer_replication loraplus_lr_ratio", EMPTY, _PLAIN_LORA),
        ("rank_pattern alpha_pattern", EMPTY, "adapter.r and adapter.alpha hold for all layers."),
    ],
    "adapter.postprocessor": [
        ("merge_adapter_into_base_model", OFF, _NO_MERGE),
        ("progressbar", (ANYTHING,), ""),
    ],
    "quantization": [
        ("backend", (None, "bitsandbytes"), "bitsandbytes does the quantisation."),
        ("mode qat", OFF, "bitsandbytes does the quantisation."),
        ("llm_int8_has_fp16_weight", OFF, "the frozen weights are kept in 8 bits alone."),
    ],
    "trainer": [
        ("train_steps eval_steps", (None, 0), _EVERY_EPOCH),
        ("skip_all_evaluation", OFF, _EVERY_EPOCH),
        ("evaluate_training_set", OFF, "the loss of every training step is in train_log.jsonl."),
        ("validation_metric", (None, "loss"), _ONE_LOSS),
        ("validation_field", (None, "output"), _ONE_LOSS),
        ("loss_balancing", (None, "none"), _ONE_LOSS),
        (
            "loss_balancing_alpha loss_balancing_lr loss_balancing_preference_vector "
            "loss_balancing_tchebycheff_weight model_soup_top_k max_batch_size learning_rate_scaling "
            "regularization_type increase_batch_size_on_plateau_patience increase_batch_size_on_plateau_rate "
            "increase_batch_size_eval_metric increase_batch_size_eval_split profiler "
            "contrastive_pretrain_temperature contrastive_pretrain_projection_dim "
            "contrastive_pretrain_learnable_temperature",
            (ANYTHING,),
            "",
        ),
        ("model_soup", UNSET, "the weights of the best validation loss are kept."),
        ("effective_batch_size", (None, "auto"), _BATCHES),
        ("increase_batch_size_on_plateau", (None, 0), _BATCHES),
        ("regularization_lambda", (None, 0), "trainer.optimizer.weight_decay keeps weights small."),
        ("base_learning_rate", (None, 0), "trainer.learning_rate is the one that is used."),
        ("bucketing_field", UNSET, "rows are packed, so that their lengths cost nothing."),
        ("use_mixed_precision", OFF, _MEMORY),
        ("compile", OFF, "the kit does not compile models."),
        (
            "layers_to_freeze_regex",
            UNSET,
            "the base model is frozen; adapter.target_modules says which layers are adapted.",
        ),
        ("enable_profiling", OFF, "the kit has no profiler."),
        ("contrastive_pretrain_epochs modality_dropout", (None, 0), "the kit fine-tunes and nothing else."),
    ],
    "trainer.learning_rate_scheduler": [
        ("decay_rate", (None, 0.96), _SCHEDULE),
        ("decay_steps", (None, 10000), _SCHEDULE),
        ("staircase reduce_on_plateau warmup_evaluations eta_min", OFF, _SCHEDULE),
        ("t_mult", (None, 1), _SCHEDULE),
        ("t_0", UNSET, "a cosine falls once over the whole run."),
        (
            "reduce_on_plateau_patience reduce_on_plateau_rate reduce_eval_metric reduce_eval_split max_lr pct_start "
            "div_factor final_div_factor inverse_sqrt_warmup_steps polynomial_power polynomial_end_lr "
            "wsd_warmup_fraction wsd_stable_fraction wsd_decay_fraction",
            (ANYTHING,),
            "",
        ),
    ],
    "trainer.optimizer": [
        ("betas", (None, [0.9, 0.999]), "the optimiser runs with its usual constants."),
        ("eps", (None, 1e-08), "the optimiser runs with its usual constants."),
        ("amsgrad momentum nesterov dampening", OFF, "the optimiser runs with its usual constants."),
    ],
    "trainer.gradient_clipping": [
        ("clipnorm clipvalue", UNSET, "gradients are clipped by their norm over all weights, clipglobalnorm."),
    ],
    "backend": [
        ("cache_dir cache_credentials cache_format cache_encoder_embeddings", EMPTY, _NO_CACHE),
        ("processor loader", EMPTY, "the kit reads the rows itself."),
    ],
    "backend.trainer.strategy": [
        ("mixed_precision", (None, "no"), _MEMORY),
        ("gradient_accumulation_steps", (None, 1), _BATCHES),
    ],
    # Accelerate's; FsdpConfig has the others.
    "backend.trainer.strategy.fsdp_config": [
        ("sharding_strategy", (None, "FULL_SHARD"), "reshard_after_forward: false is what SHARD_GRAD_OP is."),
        ("activation_checkpointing activation_checkpointing_offload", OFF, _CHECKPOINTING),
        ("mixed_precision_policy", UNSET, "the base model computes in what the device likes, the adapter in float32."),
        ("cpu_offload", OFF, "the workers' pieces stay on their devices; more workers have smaller ones."),
        ("cpu_ram_efficient_loading", OFF, "every worker reads the base model by itself."),
        ("state_dict_type", (None, "FULL_STATE_DICT"), "checkpoints and adapters hold whole tensors."),
        ("state_dict_config optim_state_dict_config", UNSET, "checkpoints and adapters hold whole tensors."),
        ("min_num_params", UNSET, "decoder layers are shards, whatever their size."),
        ("ignored_modules param_init_fn", UNSET, "all weights are cut."),
        ("use_orig_params sync_module_states limit_all_gathers", (None, True), "with version 2 there is no choice."),
        ("forward_prefetch", OFF, "with version 2 there is no choice."),
        ("backward_prefetch", (None, "NO_PREFETCH", "BACKWARD_PRE"), "with version 2 there is no choice."),
    ],
    "backend.trainer.strategy.deepspeed_config": [
        ("train_batch_size train_micro_batch_size_per_gpu", (None, "auto"), _BATCHES),
        ("gradient_accumulation_steps", (None, "auto", 1), _BATCHES),
        ("gradient_clipping", (None, "auto"), "trainer.gradient_clipping.clipglobalnorm bounds the gradient."),
        ("optimizer", EMPTY, "the optimiser is that of trainer.optimizer."),
        ("scheduler", EMPTY, "the schedule is that of trainer.learning_rate_scheduler."),
        ("activation_checkpointing", EMPTY, _CHECKPOINTING),
        ("zero_allow_untested_optimizer steps_per_print wall_clock_breakdown", (ANYTHING,), ""),
    ],
    "backend.trainer.strategy.deepspeed_config.zero_optimization": [
        ("cpu_offload cpu_offload_params", OFF, "DeepSpeed calls it offload_optimizer and offload_param now."),
        ("zero_quantized_weights zero_quantized_gradients", OFF, "what is sent is not quantised."),
        ("elastic_checkpoint load_from_fp32_weights", (ANYTHING,), ""),
    ],
    "input_features": [
        ("column proc_column", UNSET, "data.columns says what a column is called in the data."),
        ("active", (None, True), "take a feature out that is not to be used."),
        ("preprocessing augmentation", EMPTY, _TEXT),
        ("encoder", (None, {}, {"type": "passthrough"}), _LLM),
        ("tied", UNSET, _LLM),
    ],
    "output_features": [
        ("column proc_column", UNSET, "data.columns says what a column is called in the data."),
        ("active", (None, True), "take a feature out that is not to be used."),
        ("preprocessing", EMPTY, _TEXT),
        ("decoder", (None, {}, {"type": "text_extractor"}), _LLM),
        ("loss", (None, {}, {"type": "next_token_softmax_cross_entropy"}), _ONE_LOSS),
        ("default_validation_metric", (None, "loss"), _ONE_LOSS),
        ("dependencies class_similarities", EMPTY, _LLM),
        ("reduce_input reduce_dependencies input_size num_classes", (ANYTHING,), ""),
    ],
    "input_features.preprocessing": [
        ("max_sequence_length sequence_length", UNSET, _ONE_CAP),
        ("prompt", EMPTY, "the prompt is the recipe's, in the section prompt."),
    ],
    "output_features.preprocessing": [
        ("max_sequence_length sequence_length", UNSET, _ONE_CAP),
    ],
}
"""Ludwig's keys by section: names, the values that are the same, and why no other is taken."""

_OWNERS = {"fsdp_config": "Accelerate", "deepspeed_config": "DeepSpeed"}
"""Whose keys those are that Ludwig hands on, by the section."""

LUDWIG_KEYS = {
    f"{section}.{name}".lstrip("."): LudwigKey(same, why)
    for section, rows in _TABLE.items()
    for names, same, why in rows
    for name in names.split()
}
"""By the key with dots; items of lists have no number."""


def without_ludwigs_own(tree: Any, path: str = "") -> Any:
    """A recipe's tree without the keys that say what the kit does anyway; sections that hold nothing else go too."""
    if isinstance(tree, list):
        return [without_ludwigs_own(item, path) for item in tree]
    if not isinstance(tree, dict):
        return tree
    kept = {}
    for name, value in tree.items():
        inner = f"{path}.{name}".lstrip(".")
        key = LUDWIG_KEYS.get(inner)
        left = without_ludwigs_own(value, inner)
        if key is None or left not in key.same:
            kept[name] = left
    return kept


def ludwigs_own(key: str, value: Any) -> list[Problem]:
    """What is wrong with a key that only Ludwig has, or with those in a section that only Ludwig has.

    Args:
        key: With dots and the numbers of items, as `input_features.0.encoder`.
        value: What it holds, without what `without_ludwigs_own` takes away.

    Returns:
        A problem for each key; none where Ludwig has no such key either.
    """
    path = ".".join(part for part in key.split(".") if not part.isdigit())
    below = [one for one in LUDWIG_KEYS if one.startswith(f"{path}.")]
    if isinstance(value, dict) and below:
        found = [problem for name, inner in value.items() for problem in ludwigs_own(f"{key}.{name}", inner)]
        if found:
            return found
    known = LUDWIG_KEYS.get(path)
    owner = next((owner for part, owner in _OWNERS.items() if f".{part}." in f".{path}."), "Ludwig")
    return [Problem(key, f"{owner} has this key, and the kit does not take it: {known.why}")] if known else []
