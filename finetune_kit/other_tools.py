"""What other fine-tuning tools call the keys of a recipe, for people who look for a key by such a name."""

from dataclasses import dataclass

_HF = "the Hugging Face Trainer"
_AXOLOTL = "Axolotl"
_FACTORY = "LLaMA-Factory"
_TRL = "TRL"
_UNSLOTH = "Unsloth"
_LITGPT = "LitGPT"
_TORCHTUNE = "torchtune"
_PEFT = "PEFT"

_CAP = "It counts prompt, answer and end token together, and longer rows are left out whole."
_MEMORY_ONLY = "Multiplied by gradient_accumulation_steps it is the rows of a step."
_FRACTION = "It is the share of all steps, from 0 to 1, not a number of them."
_FROM_BITS = "Write quantization: {bits: 4}, or leave the section out for 16 bits."
_RUN_FOLDER = "A run gets a folder of its own in there."
_SPLIT = "It holds three shares: training, validation, test."
_SOURCE = "It is a file, a data set's id on the Hub, or builtin:python-exercises."
_DTYPE = "Without it the kit computes in what the device is fast in."
_ALWAYS_PACKS = "The kit always packs rows, each attending to itself alone; leave it out."
_ANSWER_ONLY = "The kit always trains on the answer's tokens alone; leave it out."
_ONE_DEVICE = "The kit trains on one device; leave it out."
_LOGGING = "Every step is logged, and every epoch is evaluated and kept; leave it out."
_NO_REPORTS = "The kit reports to no service; tensorboard/ in the run folder holds TensorBoard's files. Leave it out."
_BY_EPOCHS = "A run is as long as its epochs; data.train_limit takes fewer rows."
_ATTENTION = "The kit chooses the attention by itself; leave it out."
_TOKENIZER = "The base model's own tokenizer is taken; leave it out."
_NO_CODE = "No code from the Hub is run; leave it out."
_CONSTANTS = "The optimiser runs with its usual constants; leave it out."


@dataclass(frozen=True)
class Word:
    """A key of another tool."""

    tool: str
    ours: str | None
    """Our key with dots; None where the kit has none."""
    remark: str = ""
    """How ours differs, or why there is none."""


WORDS: dict[str, Word] = {
    # Adapter.
    "lora_r": Word(_AXOLOTL, "adapter.r"),
    "lora_rank": Word(_FACTORY, "adapter.r"),
    "rank": Word(_TORCHTUNE, "adapter.r"),
    "lora_alpha": Word(_PEFT, "adapter.alpha"),
    "lora_dropout": Word(_PEFT, "adapter.dropout"),
    "lora_target_modules": Word(_AXOLOTL, "adapter.target_modules", "It is a list of layers' names."),
    "lora_target": Word(_FACTORY, "adapter.target_modules", "It is a list of layers' names."),
    "lora_attn_modules": Word(_TORCHTUNE, "adapter.target_modules", "It is a list of layers' names."),
    "peft_use_dora": Word(_AXOLOTL, "adapter.use_dora"),
    "peft_use_rslora": Word(_AXOLOTL, "adapter.use_rslora"),
    "finetuning_type": Word(_FACTORY, "adapter.type", "It must be lora."),
    "peft_type": Word(_PEFT, "adapter.type", "It must be lora."),
    "bias": Word(_PEFT, None, "No bias is trained; leave it out."),
    "lora_bias": Word(_PEFT, None, "No bias is trained; leave it out."),
    "task_type": Word(_PEFT, None, "The kit fine-tunes causal language models; leave it out."),
    "modules_to_save": Word(_PEFT, None, "Only the adapter is trained; leave it out."),
    "init_lora_weights": Word(_PEFT, None, "Adapters start in the plain way; leave it out."),
    # Quantisation.
    "load_in_4bit": Word(_HF, "quantization.bits", _FROM_BITS),
    "load_in_8bit": Word(_HF, "quantization.bits", "Write quantization: {bits: 8}."),
    "quantization_bit": Word(_FACTORY, "quantization.bits", _FROM_BITS),
    "quantize": Word(_LITGPT, "quantization.bits", _FROM_BITS),
    "quantization_method": Word(_FACTORY, None, "bitsandbytes does it; leave it out."),
    "double_quantization": Word(_FACTORY, "quantization.bnb_4bit_use_double_quant"),
    "quant_type": Word("the QLoRA script", "quantization.bnb_4bit_quant_type"),
    "compute_dtype": Word(_HF, "quantization.bnb_4bit_compute_dtype", _DTYPE),
    "torch_dtype": Word(_HF, "quantization.bnb_4bit_compute_dtype", _DTYPE),
    "dtype": Word(_TORCHTUNE, "quantization.bnb_4bit_compute_dtype", _DTYPE),
    "precision": Word(_LITGPT, "quantization.bnb_4bit_compute_dtype", _DTYPE),
    "fp16": Word(_HF, "quantization.bnb_4bit_compute_dtype", f"Its value would be float16. {_DTYPE}"),
    "bf16": Word(_HF, "quantization.bnb_4bit_compute_dtype", f"Its value would be bfloat16. {_DTYPE}"),
    "tf32": Word(_HF, None, "Leave it out."),
    # Batches and lengths.
    "per_device_train_batch_size": Word(_HF, "trainer.batch_size", _MEMORY_ONLY),
    "micro_batch_size": Word(_AXOLOTL, "trainer.batch_size", _MEMORY_ONLY),
    "train_batch_size": Word(_HF, "trainer.batch_size", _MEMORY_ONLY),
    "global_batch_size": Word(
        _LITGPT, "trainer.gradient_accumulation_steps", "Multiplied by trainer.batch_size it is the rows of a step."
    ),
    "per_device_eval_batch_size": Word(_HF, "trainer.eval_batch_size"),
    "cutoff_len": Word(_FACTORY, "preprocessing.global_max_sequence_length", _CAP),
    "sequence_len": Word(_AXOLOTL, "preprocessing.global_max_sequence_length", _CAP),
    "max_seq_length": Word(_UNSLOTH, "preprocessing.global_max_sequence_length", _CAP),
    "max_seq_len": Word(_TORCHTUNE, "preprocessing.global_max_sequence_length", _CAP),
    "max_length": Word(_TRL, "preprocessing.global_max_sequence_length", _CAP),
    "model_max_length": Word(_HF, "preprocessing.global_max_sequence_length", _CAP),
    "max_sequence_length": Word("Ludwig", "preprocessing.global_max_sequence_length", _CAP),
    "max_prompt_length": Word(_TRL, "preprocessing.global_max_sequence_length", _CAP),
    "packing": Word(_TRL, None, _ALWAYS_PACKS),
    "sample_packing": Word(_AXOLOTL, None, _ALWAYS_PACKS),
    "eval_sample_packing": Word(_AXOLOTL, None, _ALWAYS_PACKS),
    "pad_to_sequence_len": Word(_AXOLOTL, None, "Rows are packed and not padded; leave it out."),
    "group_by_length": Word(_HF, None, _ALWAYS_PACKS),
    "train_on_inputs": Word(_AXOLOTL, None, _ANSWER_ONLY),
    "train_on_input": Word(_TORCHTUNE, None, _ANSWER_ONLY),
    "train_on_prompt": Word(_FACTORY, None, _ANSWER_ONLY),
    "mask_prompt": Word(_LITGPT, None, _ANSWER_ONLY),
    "completion_only_loss": Word(_TRL, None, _ANSWER_ONLY),
    "gradient_checkpointing": Word(
        _HF, "trainer.enable_gradient_checkpointing", "Without it the kit decides by memory."
    ),
    "use_gradient_checkpointing": Word(
        _UNSLOTH, "trainer.enable_gradient_checkpointing", "Without it the kit decides by memory."
    ),
    "enable_activation_checkpointing": Word(
        _TORCHTUNE, "trainer.enable_gradient_checkpointing", "Without it the kit decides by memory."
    ),
    # The loop.
    "num_epochs": Word(_AXOLOTL, "trainer.epochs"),
    "num_train_epochs": Word(_HF, "trainer.epochs", "It is a whole number."),
    "max_steps": Word(_HF, "trainer.epochs", _BY_EPOCHS),
    "max_steps_per_epoch": Word(_TORCHTUNE, "trainer.epochs", _BY_EPOCHS),
    "lr": Word(_TORCHTUNE, "trainer.learning_rate"),
    "warmup_ratio": Word(_HF, "trainer.learning_rate_scheduler.warmup_fraction"),
    "warmup_steps": Word(_HF, "trainer.learning_rate_scheduler.warmup_fraction", _FRACTION),
    "num_warmup_steps": Word(_TORCHTUNE, "trainer.learning_rate_scheduler.warmup_fraction", _FRACTION),
    "lr_warmup_steps": Word(_LITGPT, "trainer.learning_rate_scheduler.warmup_fraction", _FRACTION),
    "lr_scheduler_type": Word(_HF, "trainer.learning_rate_scheduler.decay", "Without it the rate stays as it is."),
    "lr_scheduler": Word(_AXOLOTL, "trainer.learning_rate_scheduler.decay", "Without it the rate stays as it is."),
    "optim": Word(_HF, "trainer.optimizer.type", "E.g. adamw, or paged_adamw_8bit."),
    "max_grad_norm": Word(_HF, "trainer.gradient_clipping.clipglobalnorm"),
    "clip_grad_norm": Word(_TORCHTUNE, "trainer.gradient_clipping.clipglobalnorm"),
    "max_norm": Word(_LITGPT, "trainer.gradient_clipping.clipglobalnorm"),
    "adam_beta1": Word(_HF, None, _CONSTANTS),
    "adam_beta2": Word(_HF, None, _CONSTANTS),
    "adam_epsilon": Word(_HF, None, _CONSTANTS),
    "early_stopping_patience": Word(_AXOLOTL, "trainer.early_stop", "It counts evaluations; -1 never stops."),
    "neftune_noise_alpha": Word(_TRL, None, "The kit adds no noise; leave it out."),
    # Model and data.
    "model_name_or_path": Word(_TRL, "base_model"),
    "pretrained_model_name_or_path": Word(_HF, "base_model"),
    "base_model_name": Word("the Hub", "base_model"),
    "base_model_name_or_path": Word(_PEFT, "base_model"),
    "model_name": Word(_UNSLOTH, "base_model"),
    "model": Word("TRL's SFTTrainer", "base_model"),
    "model_id": Word("the Hub", "base_model"),
    "checkpoint_dir": Word(_LITGPT, "base_model"),
    "dataset": Word(_FACTORY, "data.source", _SOURCE),
    "datasets": Word(_AXOLOTL, "data.source", f"{_SOURCE} There is one."),
    "dataset_name": Word(_TRL, "data.source", _SOURCE),
    "dataset_path": Word(_HF, "data.source", _SOURCE),
    "data_path": Word("Alpaca's script", "data.source", _SOURCE),
    "data_files": Word(_HF, "data.source", f"{_SOURCE} There is one."),
    "train_file": Word(_HF, "data.source", _SOURCE),
    "max_samples": Word(_FACTORY, "data.limit"),
    "val_set_size": Word(_AXOLOTL, "preprocessing.split.probabilities", _SPLIT),
    "val_size": Word(_FACTORY, "preprocessing.split.probabilities", _SPLIT),
    "val_split_fraction": Word(_LITGPT, "preprocessing.split.probabilities", _SPLIT),
    "dataset_text_field": Word(_TRL, "prompt.template", "It is the text around a row's columns."),
    "prompt_template": Word("XTuner", "prompt.template", "It is the text around a row's columns."),
    "instruction_template": Word(_TRL, "prompt.template", "It is the text around a row's columns."),
    "lora_target_linear": Word(_AXOLOTL, "adapter.target_modules", "It is a list of layers' names."),
    "use_peft": Word(_TRL, None, "The kit always trains an adapter; leave it out."),
    "eos_token": Word(_TRL, None, _TOKENIZER),
    "tokenizer": Word(_TORCHTUNE, None, _TOKENIZER),
    "tokenizer_name": Word(_HF, None, _TOKENIZER),
    "tokenizer_type": Word(_AXOLOTL, None, _TOKENIZER),
    "special_tokens": Word(_AXOLOTL, None, _TOKENIZER),
    "trust_remote_code": Word(_HF, None, _NO_CODE),
    # The run.
    "output_dir": Word(_HF, "run.folder", _RUN_FOLDER),
    "out_dir": Word(_LITGPT, "run.folder", _RUN_FOLDER),
    "run_name": Word(_HF, "run.name"),
    "random_state": Word(_UNSLOTH, "run.seed"),
    "data_seed": Word(_HF, "run.seed", "There is one for everything."),
    "max_tokens": Word("vLLM", "generation.max_new_tokens"),
    "stop": Word("vLLM", "generation.stop_strings", "It is a list."),
    "flash_attention": Word(_AXOLOTL, None, _ATTENTION),
    "flash_attn": Word(_FACTORY, None, _ATTENTION),
    "attn_implementation": Word(_HF, None, _ATTENTION),
    "logging_steps": Word(_HF, None, _LOGGING),
    "save_steps": Word(_HF, None, "run.checkpoint_every says it, as '200 steps' or '10 min'."),
    "eval_steps": Word(_HF, "trainer.steps_per_checkpoint"),
    "save_strategy": Word(_HF, None, _LOGGING),
    "eval_strategy": Word(_HF, None, _LOGGING),
    "evaluation_strategy": Word(_HF, None, _LOGGING),
    "save_total_limit": Word(_HF, "run.keep_last"),
    "log_every_n_steps": Word(_TORCHTUNE, None, _LOGGING),
    "report_to": Word(_HF, None, _NO_REPORTS),
    "logging_dir": Word(_HF, None, _NO_REPORTS),
    "wandb_project": Word(_AXOLOTL, None, _NO_REPORTS),
    "push_to_hub": Word(_HF, None, "The kit uploads nothing; the folder adapter/ of a run can be. Leave it out."),
    "hub_model_id": Word(_HF, None, "The kit uploads nothing; the folder adapter/ of a run can be. Leave it out."),
    "deepspeed": Word(_HF, None, _ONE_DEVICE),
    "fsdp": Word(_HF, None, _ONE_DEVICE),
    "ddp": Word(_HF, None, _ONE_DEVICE),
    "device": Word(_TORCHTUNE, None, "The kit takes the first CUDA device, or the CPU; leave it out."),
    "devices": Word(_LITGPT, None, _ONE_DEVICE),
    "dataloader_num_workers": Word(_HF, None, "Rows are in memory; leave it out."),
    "remove_unused_columns": Word(_HF, None, "Only the recipe's columns are read; leave it out."),
    "resume_from_checkpoint": Word(_HF, None, "The same command goes on with an interrupted run; leave it out."),
    "overwrite_output_dir": Word(_HF, None, "No run is overwritten; leave it out."),
    "do_train": Word(_HF, None, "finetune-kit train trains; leave it out."),
    "do_eval": Word(_HF, None, "finetune-kit eval evaluates; leave it out."),
    "stage": Word(_FACTORY, None, "The kit does supervised fine-tuning; leave it out."),
    "rl": Word(_AXOLOTL, None, "The kit does supervised fine-tuning; leave it out."),
    "torch_compile": Word(_HF, None, "The kit does not compile models; leave it out."),
}
"""By the key's last word, in small letters."""
