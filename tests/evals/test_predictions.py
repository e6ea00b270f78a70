"""Reading predictions, and every way in which a file can be wrong."""

import json

import pytest

from evals.errors import EvalError
from evals.predictions import read_predictions, read_run


def test_good_rows_are_read_in_order_and_paired(make_run, row):
    run = make_run(
        [row("a", completion="one"), "", row(7, group=None, tests=None)],
        [row(7, group=None, tests=None), row("a", completion="two")],
    )
    base, tuned = read_run(run)
    assert [prediction.row_id for prediction in base] == ["a", 7]
    assert [prediction.row_id for prediction in tuned] == ["a", 7]
    assert [prediction.completion for prediction in (base[0], tuned[0])] == ["one", "two"]
    assert (base[1].group, base[1].tests) == (None, "")


def test_the_group_may_be_absent_and_blank_tests_are_no_tests(make_run, row):
    line = row(tests=" \n")
    del line["group"]
    base, _ = read_run(make_run([line], [line]))
    assert (base[0].group, base[0].tests) == (None, "")


def test_separators_that_only_python_knows_do_not_end_a_line(make_run, row):
    line = json.dumps(row(completion="a\u2028b\x0cc"), ensure_ascii=False)
    base, _ = read_run(make_run([line], [line]))
    assert base[0].completion == "a\u2028b\x0cc"


BAD_LINES = {
    "broken JSON": ('{"row_id": ', r"base\.jsonl:2: the line is not valid JSON .*finetune-kit predict"),
    "deep JSON": ("[" * 100_000, r"base\.jsonl:2: the line is not valid JSON"),
    "a list": ("[1]", r"base\.jsonl:2: the line holds a JSON array, not an object; write an object with"),
    "null": ("null", r"base\.jsonl:2: the line holds a JSON null, not an object"),
    "not UTF-8": (b'{"row_id": "\xff"}', r"base\.jsonl:2: the line is not UTF-8 \(byte 13 of the line\)"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_named(make_run, row, name):
    line, message = BAD_LINES[name]
    with pytest.raises(EvalError, match=message):
        read_run(make_run([row("a"), line], [row("a")]))


KEYS = ["row_id", "instruction", "input", "output", "tests", "completion", "settings_hash"]


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(make_run, row, key):
    line = row()
    del line[key]
    with pytest.raises(EvalError, match=rf"base\.jsonl:1: the key is missing: {key}; add it"):
        read_run(make_run([line], [row()]))


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [*((key, 1.5, "number") for key in KEYS), ("row_id", True, "boolean"), ("completion", None, "null"),
     ("output", ["x"], "array"), ("group", 3, "number"), ("tests", {}, "object")],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_named(make_run, row, key, value, kind):
    with pytest.raises(EvalError, match=rf"base\.jsonl:1: the key '{key}' holds a JSON {kind}; it must hold"):
        read_run(make_run([row(**{key: value} if key != "row_id" else {}) | {key: value}], [row()]))


def test_a_row_id_that_comes_twice_is_named_with_both_lines(make_run, row):
    with pytest.raises(EvalError, match=r"base\.jsonl:3: row_id 'a' stands on line 1 already"):
        read_run(make_run([row("a"), row("b"), row("a")], [row("a"), row("b")]))


def test_an_empty_file_is_named(make_run, row):
    with pytest.raises(EvalError, match=r"tuned\.jsonl: the file holds no prediction; .*finetune-kit predict RUN"):
        read_run(make_run([row()], ["", " "]))


def test_a_missing_run_folder_is_named(tmp_path):
    with pytest.raises(EvalError, match="nowhere: there is no such run folder"):
        read_run(tmp_path / "nowhere")


def test_a_missing_file_says_which_command_makes_it(make_run, row):
    run = make_run([row()], [row()])
    (run / "predictions" / "tuned.jsonl").unlink()
    with pytest.raises(EvalError, match=rf"tuned\.jsonl: .* is missing; make it with `finetune-kit predict {run}`"):
        read_run(run)


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(EvalError, match="cannot be read"):
        read_predictions(tmp_path)


@pytest.mark.parametrize("key", ["output", "tests", "group", "instruction", "input"])
def test_rows_that_differ_between_the_sides_are_named(make_run, row, key):
    with pytest.raises(EvalError, match=rf"tuned\.jsonl: row_id 'b' has another '{key}' than in .*base\.jsonl"):
        read_run(make_run([row("a"), row("b")], [row("a"), row("b", **{key: "other"})]))


@pytest.mark.parametrize(("base", "tuned", "short"), [("ab", "a", "tuned"), ("a", "ab", "base")])
def test_a_row_that_one_side_lacks_is_named(make_run, row, base, tuned, short):
    with pytest.raises(EvalError, match=rf"{short}\.jsonl: row_id 'b' of .* is missing; predict both sides"):
        read_run(make_run([row(name) for name in base], [row(name) for name in tuned]))
