"""The proof that training and use see the same prompts, made on every run before the model is loaded.

The tokenizer and the recipe are in the run folder by then. They are read back as generation reads them, every row's
prompt is encoded anew from what was read, and compared with what is about to be trained on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune_kit.encoding import decode_texts, encode_texts, lead_ids
from finetune_kit.errors import KitError
from finetune_kit.generation import asking
from finetune_kit.recipe import Recipe
from finetune_kit.run import Run
from finetune_kit.truncation import Fitted

PROBE = " a\n\n\tb  c \u00e9 e\u0301 \ufb01 \u4e2d\U0001f600\ue000 ### {x}.\n"
"""What tokenizers lose, if any: runs of white space, accents in two forms, ligatures, rare characters."""
SHOWN = 60
"""Characters of each side that an error shows."""


def prove_prompts(run: Run, fitted: Mapping[str, Fitted]) -> int:
    """Compare the prompts that are trained on with those that the run folder will give.

    Args:
        run: Its folder holds the recipe, the rows, and the tokenizer in `adapter/`.
        fitted: By split, the rows as they are trained on; one that was cut is compared as it is then.

    Returns:
        How many rows were compared.

    Raises:
        KitError: If the tokens of a row differ, or do not decode to its text where the tokenizer loses nothing.
    """
    prompt, tokenizer = asking(Run(run.path, Recipe.load(str(run.recipe_path))))
    rows = [row for split, one in fitted.items() for row in _as_kept(run, split, one)]
    examples = [example for one in fitted.values() for example in one.examples]
    asked = prompt.encode_all(rows, tokenizer)
    for example, ids in zip(examples, asked, strict=True):
        trained_on = example.input_ids[: example.prompt_length]
        if ids != trained_on:
            texts = decode_texts([trained_on, ids], tokenizer)
            at = next((i for i, (a, b) in enumerate(zip(trained_on, ids, strict=False)) if a != b), None)
            place = "their number" if at is None else f"token {at + 1}, {trained_on[at]} and {ids[at]}"
            raise KitError(_differs(example.row_id, place, *texts))
    if decode_texts(encode_texts([PROBE], tokenizer), tokenizer) == [PROBE]:
        # A chat template's text has the tokens in it that are otherwise put in front.
        lead = 0 if prompt.chat_template else len(lead_ids(tokenizer))
        decoded = decode_texts([ids[lead:] for ids in asked], tokenizer)
        for example, said, text in zip(examples, prompt.texts(rows, tokenizer), decoded, strict=True):
            if said.encode() != text.encode():
                raise KitError(_differs(example.row_id, "the text and what its tokens say", said, text))
    return len(rows)


def _as_kept(run: Run, split: str, fitted: Fitted) -> Sequence[Mapping[str, Any]]:
    """The rows as the folder has them, with the `input` of those that were cut."""
    kept = {row["row_id"]: row for row in run.rows(split)}
    cut = set(fitted.trimmed)
    return [
        {**kept[row["row_id"]], "input": row.get("input", "")} if row["row_id"] in cut else kept[row["row_id"]]
        for row in fitted.rows
    ]


def _differs(row_id: str, place: str, trained_on: str, asked: str) -> str:
    start = next((i for i, (a, b) in enumerate(zip(trained_on, asked, strict=False)) if a != b), 0)
    start = max(0, start - SHOWN // 2)
    one, other = (text[start : start + SHOWN] for text in (trained_on, asked))
    return (
        f"Training and use would see two prompts of the row {row_id} ({place}): {one!r} in training, {other!r} in use. "
        "The tokenizer does not survive being saved and loaded, or encodes a text in two ways; take another base model."
    )
