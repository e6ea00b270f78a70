"""Rows in flat arrays, held against the list that they were made from."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_kit.example_table import ExampleTable, longest_first, token_lengths
from finetune_kit.prompt import Example

row_ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
tokens = st.lists(st.integers(0, 2**31 - 1), max_size=6)
examples = st.lists(st.builds(Example, row_ids, tokens, st.integers(0, 2**31 - 1)), max_size=8)
bounds = st.none() | st.integers(-10, 10)
SOME = [Example("é", [1, 2, 3], 1), Example("", [], 0), Example("row-😀", [4], 1), Example("x" * 40, [5, 6, 7], 2)]


@settings(deadline=None)
@given(rows=examples, start=bounds, stop=bounds, step=bounds.filter(lambda step: step != 0))
def test_a_table_is_the_list_that_it_was_made_from(rows, start, stop, step) -> None:
    table = ExampleTable(rows)
    assert list(table) == rows and len(table) == len(rows) and list(reversed(table)) == rows[::-1]
    assert [table[i] for i in range(-len(rows), len(rows))] == rows * 2
    assert table[start:stop:step] == rows[start:stop:step]
    assert token_lengths(table).tolist() == token_lengths(rows).tolist() == [len(row.input_ids) for row in rows]


@settings(deadline=None)
@given(rows=examples)
def test_the_longest_come_first_and_those_of_one_length_in_their_order(rows) -> None:
    expected = sorted(rows, key=lambda row: -len(row.input_ids))
    assert list(longest_first(ExampleTable(rows))) == list(longest_first(rows)) == expected


def test_what_it_gives_is_plain() -> None:
    """Tokens go into JSON and tensors, ids into sets."""
    for row in ExampleTable(SOME):
        assert type(row) is Example and type(row.row_id) is str and type(row.prompt_length) is int
        assert type(row.input_ids) is list and {type(token) for token in row.input_ids} <= {int}


def test_a_place_that_there_is_not_is_an_error() -> None:
    table = ExampleTable(SOME)
    assert table[np.int64(-1)] == SOME[-1]
    for index in (4, -5):
        with pytest.raises(IndexError):
            table[index]
    with pytest.raises(IndexError):
        ExampleTable([])[0]


@pytest.mark.parametrize("rows", [SOME, []], ids=["some", "none"])
def test_pickled_it_shares_its_arrays_which_nobody_may_write(rows: list[Example]) -> None:
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(ExampleTable(rows), protocol=5, buffer_callback=buffers.append)
    shared = [bytes(buffer.raw()) for buffer in buffers]
    table = pickle.loads(pickled, buffers=shared)
    assert list(table) == rows and list(longest_first(table)) == list(longest_first(rows))
    assert not table.lengths.flags.writeable
    assert list(pickle.loads(pickle.dumps(ExampleTable(rows)))) == rows


def test_the_tokens_go_out_of_band_at_4_bytes_each() -> None:
    rows = [Example(f"{i:016x}", list(range(300)), 10) for i in range(100)]
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(ExampleTable(rows), protocol=5, buffer_callback=buffers.append)
    assert len(pickled) < 2000
    assert sum(len(buffer.raw()) for buffer in buffers) < 100 * (300 * 4 + 40)


def test_a_table_of_a_table_is_the_same() -> None:
    assert list(ExampleTable(ExampleTable(SOME))) == SOME
