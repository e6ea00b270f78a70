"""Files that are there whole or not at all."""

import pytest

from evals.errors import EvalError
from evals.files import write_lines, write_text


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old\n")

    def lines():
        yield "new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(path, lines())
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(EvalError, match=r"missing/file: the file cannot be written \(No such file"):
        write_text(tmp_path / "missing" / "file", "")
