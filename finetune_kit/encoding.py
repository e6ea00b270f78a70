"""Texts to token ids: in batches, on all cores, and a row's text stays text whatever special tokens it spells.

Only a chat template's own text may hold special tokens. Everything else is split as text where it spells one: a row
with `</s>` in it would otherwise be read as the end.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from finetune_kit.errors import KitError

if TYPE_CHECKING:
    import numpy as np

Turn = dict[str, str]
"""`role` and `content`."""

CHUNK = 256
"""Texts that a thread takes at once."""
ASKS_THE_DAY = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")
A_DAY = datetime(2025, 1, 1)
"""The day that chat templates are told: some write it into the prompt, which must be the same on every day."""


def encode_texts(texts: Sequence[str], tokenizer: Any, as_text: bool = True) -> list[list[int]]:
    """Token ids of texts, without what the tokenizer puts in front of them or behind.

    Args:
        texts: The texts; equal ones are encoded once, and share their list.
        tokenizer: Of transformers, fast or slow.
        as_text: Split special tokens that a text spells as any other text.

    Returns:
        The ids of each text, the same as one by one.

    Raises:
        KitError: If a text spells a special token, and the tokenizer can't but read it as one.
    """
    unique = list(dict.fromkeys(texts))
    found = _by_text(unique, tokenizer, as_text, lambda encoding: encoding.ids)
    if as_text:
        _require_text(unique, found, tokenizer)
    ids = dict(zip(unique, found, strict=True))
    return [ids[text] for text in texts]


def count_tokens(texts: Sequence[str], tokenizer: Any, as_text: bool = True) -> "np.ndarray":
    """How many ids `encode_texts` gives for each text, (texts,), without making them."""
    import numpy as np

    unique = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    counts = np.array(_by_text(list(unique), tokenizer, as_text, len), dtype=np.int64)
    return counts[[unique[text] for text in texts]]


def decode_texts(ids: Sequence[Sequence[int]], tokenizer: Any) -> list[str]:
    """What ids say, special tokens among them, and nothing tidied up."""
    if tokenizer.is_fast:
        texts: list[str] = tokenizer.backend_tokenizer.decode_batch([list(one) for one in ids], False)
        return texts
    return [tokenizer.decode(one, clean_up_tokenization_spaces=False) for one in ids]


def lead_ids(tokenizer: Any) -> list[int]:
    """The special tokens that the tokenizer puts in front of a text, BOS mostly.

    What it puts behind is no part of a prompt: an end token there would tell the model that nothing follows.
    """
    bare = tokenizer("a", add_special_tokens=False).input_ids
    dressed = tokenizer("a").input_ids
    starts = (i for i in range(len(dressed)) if dressed[i : i + len(bare)] == bare)
    return dressed[: next(starts, 0)]


def encode_chats(chats: Sequence[Sequence[Turn]], tokenizer: Any) -> list[list[int]]:
    """Token ids of talks in the tokenizer's chat template, up to where the assistant is to answer.

    Raises:
        KitError: If there is no chat template, it refuses the turns, or a special token that they spell can't be told
            from its own.
    """
    texts = chat_texts(chats, tokenizer)
    ids = encode_texts(texts, tokenizer, as_text=False)
    spelt = _spelt((turn["content"] for turns in chats for turn in turns), tokenizer)
    for place, turns in enumerate(chats):
        if any(token in turn["content"] for token in spelt for turn in turns):
            ids[place] = _encode_apart(turns, texts[place], tokenizer)
    return ids


def chat_texts(chats: Sequence[Sequence[Turn]], tokenizer: Any, generation_prompt: bool = True) -> list[str]:
    """Talks as the tokenizer's chat template writes them, with its special tokens.

    Raises:
        KitError: If there is no chat template, or it refuses the turns.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise KitError(
            "prompt.chat_template is on, and the base model's tokenizer has no chat template; take a base model that "
            "was made for chats, or leave prompt.chat_template out."
        )
    if not chats:
        return []
    try:
        texts: list[str] = tokenizer.apply_chat_template(
            [list(turns) for turns in chats],
            chat_template=ASKS_THE_DAY.sub(lambda asked: repr(A_DAY.strftime(asked[2])), tokenizer.get_chat_template()),
            tokenize=False,
            add_generation_prompt=generation_prompt,
        )
    except (TemplateError, ValueError) as error:
        raise KitError(f"The base model's chat template refuses a row ({' '.join(str(error).split())}).") from None
    return texts


def turn_end_id(tokenizer: Any) -> int:
    """The token that ends an answer in the chat template, and at which generation must stop.

    It is the first special token that the template puts behind an assistant's turn. That is often, and not always,
    the tokenizer's end token, which is taken where the template has none.
    """
    mark = _mark(0)
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": mark}]
    behind = chat_texts([talk], tokenizer, generation_prompt=False)[0].partition(mark)[2]
    ends = _special_pattern(tokenizer).search(behind)
    return tokenizer.convert_tokens_to_ids(ends[0]) if ends else end_id(tokenizer)


def end_id(tokenizer: Any) -> int:
    """The tokenizer's end token.

    Raises:
        KitError: If it has none.
    """
    if tokenizer.eos_token_id is None:
        raise KitError("The base model's tokenizer has no end token (eos_token), so no answer could be taught to end.")
    return tokenizer.eos_token_id


def special_tokens(tokenizer: Any) -> list[str]:
    """The tokens that mean something else than their text, the longest first."""
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return sorted({*tokenizer.all_special_tokens, *added}, key=lambda token: (-len(token), token))


def find_special_tokens(
    rows: Sequence[Mapping[str, str]], tokenizer: Any, columns: Sequence[str]
) -> dict[str, dict[str, list[str]]]:
    """Which rows spell a special token of the tokenizer in their text; the kit trains on it as text.

    Args:
        rows: Rows with `row_id`.
        tokenizer: The base model's.
        columns: Where to look.

    Returns:
        For each column that holds any: the tokens of each such row, by its id.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for column in columns:
        spelt = _spelt((row.get(column, "") for row in rows), tokenizer)
        for row in rows if spelt else ():
            tokens = [token for token in spelt if token in row.get(column, "")]
            if tokens:
                found.setdefault(column, {})[row["row_id"]] = tokens
    return found


def _spelt(texts: Iterator[str], tokenizer: Any) -> list[str]:
    """The special tokens that some of the texts spell."""
    together = "\n".join(texts)
    return [token for token in special_tokens(tokenizer) if token in together]


def _special_pattern(tokenizer: Any) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(token) for token in special_tokens(tokenizer)) or r"(?!)")


def _require_text(texts: Sequence[str], ids: Sequence[list[int]], tokenizer: Any) -> None:
    spelt = _spelt(iter(texts), tokenizer)
    if not spelt:
        return
    wrong = dict(zip(tokenizer.convert_tokens_to_ids(spelt), spelt, strict=True))
    for text, own in zip(texts, ids, strict=True):
        token = next((wrong[i] for i in own if i in wrong), None)
        if token is not None and token in text:
            raise KitError(
                f"A row holds {token!r} in {text[:60]!r}, and the base model's tokenizer can't but read it as a "
                "special token; take it out of the row."
            )


def _mark(number: int) -> str:
    """A text that stands for a turn's content, of characters for private use, which no template holds."""
    return f"\ue000{number}\ue001"


def _encode_apart(turns: Sequence[Turn], text: str, tokenizer: Any) -> list[int]:
    """A talk whose turns spell special tokens: those of the template become ids, and all between them is text."""
    marked = [{**turn, "content": _mark(number)} for number, turn in enumerate(turns)]
    pieces = re.split("\ue000(\\d+)\ue001", chat_texts([marked], tokenizer)[0])
    contents = [turn["content"] for turn in turns]
    for shown in (contents, [content.strip() for content in contents]):
        # The odd pieces are the numbers of the turns whose contents stood there.
        filled = [shown[int(piece)] if place % 2 else piece for place, piece in enumerate(pieces)]
        if "".join(filled) == text:
            break
    else:
        raise KitError(
            f"A row holds a special token of the base model's tokenizer in {contents[-1][:60]!r}, and the chat "
            "template changes the text around it, so that it can't be kept as text; take it out of the row."
        )
    special = _special_pattern(tokenizer)
    ids: list[int] = []
    between = ""
    for place, piece in enumerate(filled):
        start = 0
        for own in special.finditer(piece) if place % 2 == 0 else ():
            ids += encode_texts([between + piece[start : own.start()]], tokenizer)[0]
            ids.append(tokenizer.convert_tokens_to_ids(own[0]))
            between, start = "", own.end()
        between += piece[start:]
    return ids + encode_texts([between], tokenizer)[0]


def _by_text[T](texts: list[str], tokenizer: Any, as_text: bool, take: Callable[[Any], T]) -> list[T]:
    """What `take` makes of each text's encoding (of its list of ids, where the tokenizer is slow)."""
    if not tokenizer.is_fast:
        options = {"add_special_tokens": False, "split_special_tokens": as_text, "verbose": False}
        return [take(_SlowEncoding(tokenizer(text, **options).input_ids)) for text in texts]
    with _bare_backend(tokenizer, as_text) as backend:

        def encode(start: int) -> list[T]:
            chunk = texts[start : start + CHUNK]
            return [take(one) for one in backend.encode_batch_fast(chunk, add_special_tokens=False)]

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return [one for chunk in pool.map(encode, range(0, len(texts), CHUNK)) for one in chunk]


class _SlowEncoding:
    """Ids in the form of a fast tokenizer's encoding."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)


@contextmanager
def _bare_backend(tokenizer: Any, as_text: bool) -> Iterator[Any]:
    """The Rust tokenizer without cutting and padding, one thread to a call; afterwards all is as it was.

    Its own pool of threads would outlive the call, and a process that has one can't be forked safely.
    """
    backend = tokenizer.backend_tokenizer
    before = backend.encode_special_tokens, backend.truncation, backend.padding
    setting = os.environ.get("TOKENIZERS_PARALLELISM")
    backend.encode_special_tokens = as_text
    backend.no_truncation()
    backend.no_padding()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield backend
    finally:
        backend.encode_special_tokens, truncation, padding = before
        if truncation is not None:
            backend.enable_truncation(**truncation)
        if padding is not None:
            backend.enable_padding(**padding)
        if setting is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = setting
