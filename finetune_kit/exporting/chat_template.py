"""A recipe's prompt as a chat template, so that other tools ask as the training did."""

import json
from collections.abc import Mapping
from string import Formatter
from typing import TYPE_CHECKING

from finetune_kit.encoding import lead_ids
from finetune_kit.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def chat_template(prompt: Prompt, tokenizer: "PreTrainedTokenizerBase") -> str:
    """A Jinja template that renders a row's messages as `Prompt.render` renders the row.

    The first message of the user is the prompt's first column (the instruction), the next its second (the input), and
    so on; a message that is not there is an empty column. Other roles are refused: the model was trained on single
    questions.

    Args:
        prompt: One without `chat_template`; where it has that, the tokenizer's own template stays.
        tokenizer: The base model's, for what it puts in front.
    """
    lead = "".join(tokenizer.convert_ids_to_tokens(lead_ids(tokenizer)))
    lines = [
        "{%- for message in messages if message['role'] != 'user' -%}",
        "{{- raise_exception('This model was trained on single questions: it takes messages of the user alone, and got "
        "one of the role ' + message['role']) -}}",
        "{%- endfor -%}",
        f"{{%- if messages | length > {len(prompt.columns)} -%}}",
        f"{{{{- raise_exception('This model takes at most {len(prompt.columns)} message(s): "
        f"{', '.join(prompt.columns)}') -}}}}",
        "{%- endif -%}",
        *(
            f"{{%- set {_variable(place)} = messages[{place}]['content'] if messages | length > {place} else '' -%}}"
            for place in range(len(prompt.columns))
        ),
    ]
    text = _set_text(prompt.template, prompt)
    if prompt.template_without_input is not None:
        empty = "true"
        if "input" in prompt.columns:
            empty = f"not {_variable(prompt.columns.index('input'))}.strip()"
        without = _set_text(prompt.template_without_input, prompt)
        text = f"{{%- if {empty} -%}}{without}{{%- else -%}}{text}{{%- endif -%}}"
    ending = "" if prompt.chat_template else "{%- if not rendered.text[-1:].isspace() -%}{{- '\\n' -}}{%- endif -%}"
    lines += [
        "{%- set rendered = namespace(text='') -%}",
        text,
        f"{{{{- {_literal(lead)} + rendered.text -}}}}",
        ending,
    ]
    return "".join(lines)


def messages(prompt: Prompt, row: Mapping[str, str]) -> list[dict[str, str]]:
    """A row as the messages that the template takes; empty columns at the end need none."""
    values = [row.get(column, "") for column in prompt.columns]
    while len(values) > 1 and not values[-1]:
        values.pop()
    return [{"role": "user", "content": value} for value in values]


def _set_text(template: str, prompt: Prompt) -> str:
    parts = []
    for text, column, _, _ in Formatter().parse(template):
        parts += [_literal(text)] if text else []
        parts += [_variable(prompt.columns.index(column))] if column is not None else []
    return f"{{%- set rendered.text = {' + '.join(parts)} -%}}"


def _variable(place: int) -> str:
    return f"column_{place}"


def _literal(text: str) -> str:
    """Jinja reads escapes as Python does, and characters beyond ASCII as they are."""
    return json.dumps(text, ensure_ascii=False)
