"""What is found in rows, where, and what becomes of it; secrets are put together here, so that no file holds one."""

import base64
import io
import json
import random
import string
from pathlib import Path

import pandas as pd
import pytest

from finetune_kit.data import load_placed_rows
from finetune_kit.data_care import Findings, data_report, inspect_rows
from finetune_kit.data_care.answers import claim_of
from finetune_kit.data_care.findings import KINDS
from finetune_kit.data_care.secrets import find_secrets
from finetune_kit.data_care.texts import encoding_faults, unseen_characters
from finetune_kit.errors import KitError
from finetune_kit.recipe import Recipe
from finetune_kit.splits import split_rows
from tests.conftest import REAL_ROWS

ALL_TO_TRAIN = (1.0, 0.0, 0.0)


def code(length: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(random.Random(7).choices(letters, k=length))


def jwt() -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": code(12), "name": "Nobody"})
    told = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*told, code(43)])


def recipe_for(path: Path, *overrides: str) -> Recipe:
    return Recipe.load("smollm2-135m", [f"data={path}", *overrides])


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(instruction: str = "Add.", output: str = "a + b", **more: object) -> dict:
    return {"instruction": instruction, "output": output, **more}


def found_in(tmp_path: Path, *rows: dict, method: str = "hash", near: bool = False) -> Findings:
    placed = load_placed_rows(write(tmp_path / "rows.jsonl", list(rows)))
    splits = split_rows([one.row for one in placed], method, probabilities=ALL_TO_TRAIN)
    return inspect_rows(placed, splits, near=near)


def told(findings: Findings) -> list[tuple[str, str, str]]:
    return [(one.kind, Path(one.place).name, one.detail) for one in findings.found]


def test_rows_without_fault_have_no_finding(tmp_path: Path) -> None:
    findings = found_in(tmp_path, row(), row("Subtract.", "a - b", input=""), row("Tab\tand\nline", "été… «ñ» 日本 😀"))
    assert findings.found == () and findings.told() == ""
    assert findings.lines() == ["3 rows looked at", "Nothing found."]


@pytest.mark.parametrize(
    ("faulty", "kind", "detail"),
    [
        (row("x", ""), "empty", "the answer is empty"),
        (row(" \n", "x"), "empty", "the instruction is white space only"),
        (row(), "duplicates", "the same as rows.jsonl:1"),
        (row(tests="assert True"), "duplicates", "the same as rows.jsonl:1"),
        (row(" ADD. ", "a+b"), "contradictions", "answers otherwise than rows.jsonl:1"),
        (
            row("Write a Python function.", "def f(x) return x"),
            "unparsable",
            "claims to be Python: line 1: expected ':'",
        ),
        (row("Naïve", "cafÃ©"), "encoding", "output: 'Ã©' for 'é' in line 1"),
        (row("x\n\n\ufffd", "y"), "encoding", "instruction: U+FFFD, which stands for a letter that is lost, in line 3"),
        (row("x", "a\r\nb\nc"), "encoding", r"output: line ends of 2 kinds ('\n', '\r\n')"),
        (row("x", "a\x00\nb\x00"), "control_characters", "output: U+0000 NULL in line 1 and 1 times more"),
        (row("x", "y", input="if a:\u202e"), "control_characters", "input: U+202E RIGHT-TO-LEFT OVERRIDE in line 1"),
        (
            row("x", "k\n" + "ghp_" + code(36)),
            "secrets",
            "output: GitHub token (ghp_…, 40 characters) in line 2",
        ),
    ],
)
def test_each_kind_is_found_with_its_place(tmp_path: Path, faulty: dict, kind: str, detail: str) -> None:
    findings = found_in(tmp_path, row(), row("Other.", "b"), faulty)
    assert told(findings) == [(kind, "rows.jsonl:3", detail.replace("rows.jsonl:1", f"{tmp_path}/rows.jsonl:1"))]
    assert findings.counts == dict.fromkeys(KINDS, 0) | {kind: 1}


def test_a_leak_is_the_row_that_is_less_held_out(tmp_path: Path) -> None:
    leaky = [
        row("One.", split=0),
        row(" one. ", split=2),
        row("Two.", "x", split=0),
        row("Two.", "y", split=1),
        row("Three.", split=1),
        row("Three.", split=2),
        row("Four.", input="with", split=0),
        row("Four.", input="without", split=2),
        *(row("Five.", split=split) for split in (1, 0, 2)),
    ]
    findings = found_in(tmp_path, *leaky, method="column")
    assert [(kind, place, detail.replace(str(tmp_path), "")) for kind, place, detail in told(findings)] == [
        ("leaks", "rows.jsonl:1", "the same row as /rows.jsonl:2, a test row"),
        ("leaks", "rows.jsonl:3", "the same prompt as /rows.jsonl:4, a validation row"),
        ("leaks", "rows.jsonl:5", "the same row as /rows.jsonl:6, a test row"),
        ("leaks", "rows.jsonl:9", "the same row as /rows.jsonl:11, a test row"),
        ("leaks", "rows.jsonl:10", "the same row as /rows.jsonl:11, a test row"),
        ("contradictions", "rows.jsonl:4", "answers otherwise than /rows.jsonl:3"),
    ]


def test_near_leaks_are_told_where_they_are_asked_for(tmp_path: Path) -> None:
    long = " ".join(f"word{i}" for i in range(60))
    rows = [row(long + " please.", split=0), row(long + " now.", split=2), row("Other.", split=0)]
    assert told(found_in(tmp_path, *rows, method="column")) == []
    ((kind, place, detail),) = told(found_in(tmp_path, *rows, method="column", near=True))
    assert (kind, place) == ("near_leaks", "rows.jsonl:1") and detail.endswith("rows.jsonl:2, a test row")


def test_a_few_places_or_every_one(tmp_path: Path) -> None:
    findings = found_in(tmp_path, *[row(str(i), "") for i in range(5)], row("x", "y"), row("x", "y"))
    assert findings.lines()[0] == "7 rows looked at"
    assert [" ".join(line.split()) for line in findings.lines() if line.startswith("empty")] == [
        "empty 5 no instruction, or no answer"
    ]
    assert "  and 2 more" in findings.lines()
    assert not any("rows.jsonl:5" in line for line in findings.lines())
    assert any("rows.jsonl:5: the answer is empty" in line for line in findings.lines(every=True))
    assert not any("more" in line for line in findings.lines(every=True))
    assert findings.told() == "5 empty rows, 1 duplicate"
    as_json = json.loads(json.dumps(findings.as_dict()))
    assert as_json["rows"] == 7 and as_json["counts"]["empty"] == 5 and len(as_json["findings"]) == 6


# What is left out.

FAULTY = [
    row("One.", ""),
    row("Two.", "x", split=0),
    row("Two.", "x", split=2),
    row("Three.", "b\x00"),
    row("Four.", "Ã©"),
    row("Five.", "hf_" + code(34)),
    row("Write a Python function.", "def f("),
    row("Six.", "six"),
    row("Six.", "six"),
]


@pytest.mark.parametrize(
    ("kind", "lines"),
    [
        ("empty", [1]),
        ("leaks", [2]),
        ("control_characters", [4]),
        ("encoding", [5]),
        ("secrets", [6]),
        ("unparsable", [7]),
        ("duplicates", [9]),
    ],
)
def test_what_a_recipe_drops_is_left_out_and_named(tmp_path: Path, kind: str, lines: list[int]) -> None:
    path = write(tmp_path / "rows.jsonl", [{"split": 0, **one} for one in FAULTY])
    kept = data_report(recipe_for(path, "data.split=column"))
    report = data_report(recipe_for(path, "data.split=column", f"data.drop=[{kind}]"))
    assert list(report.dropped[kind].values()) == [f"{path}:{line}" for line in lines]
    gone = set(report.dropped[kind])
    for name in ("train", "validation", "test"):
        before = getattr(kept.splits, name)
        assert getattr(report.splits, name) == [one for one in before if one["row_id"] not in gone]
    assert len(kept.splits.train) == 8 and len(report.splits.train) == 8 - len(lines)
    assert report.findings == kept.findings
    assert report.line().startswith("left out 1 ") and "(kept; `finetune-kit check` lists them)" in report.line()
    told = {"source": str(path), "data_findings": kept.findings.counts, "dropped": report.dropped}
    assert report.manifest() == told


def test_nothing_is_left_out_unasked(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"split": 0, **one} for one in FAULTY])
    report = data_report(recipe_for(path, "data.split=column"))
    assert report.dropped == {} and sum(len(part) for part in vars(report.splits).values()) == len(FAULTY)
    assert report.line().startswith("1 empty row, 1 duplicate, 1 leak, ")


def test_the_guides_places_stay_when_rows_are_left_out(tmp_path: Path) -> None:
    rows = [row(f"Row {i}.", "" if i % 3 == 0 else "x") for i in range(60)]
    path = write(tmp_path / "rows.jsonl", rows)
    kept, less = (
        data_report(recipe_for(path, "data.split=guide", *more)).splits for more in ([], ["data.drop=[empty]"])
    )
    for name in ("train", "validation", "test"):
        assert getattr(less, name) == [one for one in getattr(kept, name) if one["output"]]


def test_rows_that_are_not_used_are_not_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [row("One."), row("Two."), row("Three.", "")])
    section = f"data={{source: {path}, limit: 2}}"
    recipe = Recipe.load("smollm2-135m", [section, "preprocessing.split.probabilities=[1, 0, 0]"])
    assert data_report(recipe).findings.rows == 2
    assert data_report(recipe, path).findings.counts["empty"] == 1


def test_what_can_be_dropped_is_what_is_found_but_for_what_need_not_be_wrong() -> None:
    from typing import get_args

    from finetune_kit.recipe import Data

    (names,) = get_args(Data.model_fields["drop"].annotation)
    assert set(get_args(names)) == set(KINDS) - {"contradictions", "near_leaks"}


def test_a_split_that_is_none_is_named_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [row("1", split=0), row("2", split=7), row("3"), row("4", split=7)])
    with pytest.raises(KitError, match=r"rows.jsonl:2: the split is '7'; it must be 0 [\s\S]*:3: the split is None"):
        data_report(recipe_for(path, "data.split=column"))


def test_no_row_left_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [row(str(i), "") for i in range(9)])
    with pytest.raises(KitError, match=r"No training row is left without those of data.drop=\['empty'\]"):
        data_report(recipe_for(path, "data.drop=[empty]"))


def test_training_says_it_and_the_manifest_keeps_it(tmp_path: Path, tiny_recipe, exercise_rows) -> None:
    from finetune_kit.progress import View
    from finetune_kit.training import train

    secret = "gl" + "pat-" + code(20)
    rows = [*exercise_rows[:6], exercise_rows[0], {**exercise_rows[1], "output": f"key = '{secret}'"}]
    recipe = tiny_recipe(f"run.folder={tmp_path}", "run.name=care", "data.drop=[secrets]", "data.split=column")
    said = io.StringIO()
    frame = pd.DataFrame(rows).assign(split=0)
    run = train(recipe, frame, view=View(said))
    assert "Data        left out 1 secret; 1 duplicate, 1 contradiction (kept;" in said.getvalue()
    assert run.manifest["data_findings"] == dict.fromkeys(KINDS, 0) | {
        "secrets": 1,
        "duplicates": 1,
        "contradictions": 1,
    }
    assert list(run.manifest["dropped"]) == ["secrets"]
    assert list(run.manifest["dropped"]["secrets"].values()) == ["row 8"]
    assert len(run.rows("train")) == run.manifest["rows"]["train"]["rows"] == 7
    kept = [path for path in run.path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert secret not in said.getvalue() and kept == []


# Secrets.

UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
HEAD = "-----BEGIN {} KEY-----"
SECRETS = {
    "private key": HEAD.format("RSA PRIVATE") + "\n" + code(64) + "\n" + code(40) + "\n-----END RSA PRIVATE KEY-----",
    "AWS access key id": "AK" + "IA" + code(16, UPPER),
    "AWS secret key": code(40),
    "GitHub token": "github" + "_pat_" + code(22) + "_" + code(59),
    "GitLab token": "gl" + "pat-" + code(20),
    "Slack token": "xox" + "b-" + code(12, string.digits) + "-" + code(24),
    "Slack webhook": "T" + code(10, UPPER) + "/B" + code(10, UPPER) + "/" + code(24),
    "Google API key": "AI" + "za" + code(35),
    "Google OAuth token": "ya" + "29." + code(60),
    "Google OAuth secret": "GOC" + "SPX-" + code(28),
    "Anthropic key": "sk-" + "ant-api03-" + code(80),
    "OpenAI key": "sk-" + "proj-" + code(48),
    "Hugging Face token": "hf" + "_" + code(34),
    "Stripe key": "sk_" + "live_" + code(24),
    "Stripe webhook secret": "wh" + "sec_" + code(32),
    "npm token": "np" + "m_" + code(36),
    "PyPI token": "pypi-" + "AgE" + code(60),
    "SendGrid key": "S" + "G." + code(22) + "." + code(43),
    "Telegram bot token": code(9, string.digits) + ":A" + "A" + code(33),
    "DigitalOcean token": "dop" + "_v1_" + code(64, "0123456789abcdef"),
    "Azure storage key": code(86) + "==",
    "JSON web token": jwt(),
    "password in a URL": "s3cr" + "et" + code(6),
}
AROUND = {
    "AWS secret key": "aws_secret_access_key = {}",
    "Slack webhook": "https://hooks.slack.com/services/{}",
    "Azure storage key": "AccountName=a;AccountKey={};",
    "password in a URL": "postgresql://reader:{}@db.internal.net:5432/sales",
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_found_and_not_repeated(tmp_path: Path, what: str) -> None:
    value = SECRETS[what]
    text = "before\n" + AROUND.get(what, "key = '{}'").format(value) + "\nafter"
    (secret,) = find_secrets(text)
    assert (secret.what, secret.at) == (what, text.index(value)) and secret.length >= len(value) - 30
    assert secret.beginning in ("", value[:4])
    findings = found_in(tmp_path, row("x", text))
    assert findings.counts["secrets"] == 1
    everything = repr(findings) + json.dumps(findings.as_dict()) + "\n".join(findings.lines(every=True))
    assert what in everything
    assert not any(value[start : start + 6] in everything for start in range(4, len(value) - 6))


@pytest.mark.parametrize(
    "text",
    [
        "key = 'AKIA" + "IOSFODNN7EXAMPLE'",
        "token = 'ghp_" + "x" * 36 + "'",
        "token = 'hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH'",
        "key = 'sk-" + "your-key-goes-here-and-nowhere-else'",
        "sk-learn and task-" + "a" * 40,
        HEAD.format("PRIVATE") + "\n...\n-----END PRIVATE KEY-----",
        HEAD.format("PUBLIC") + "\n" + code(64),
        "postgres://user:password@localhost/db",
        "postgres://admin:" + code(12) + "@localhost:5432/db",
        "mysql://{user}:{password}@{host}/db",
        "https://example.com:8080/path?mail=a@b.c",
        "ssh://git@host.net:22/repo.git and http://host.net/a:b@c",
        "eyJ" + code(20) + ".eyJ" + code(20) + "." + code(43),
        "sha256 = '" + code(64, "0123456789abcdef") + "'",
        "commit " + code(40, "0123456789abcdef"),
    ],
)
def test_what_only_looks_like_a_secret_is_none(text: str) -> None:
    assert find_secrets(text) == []


# Letters.

WORDS = [
    "naïve café",
    "Straße",
    "¿Qué?",
    "It\u2019s “so” — 5 €",
    "100 °C",
    "Привет, мир",
    "Καλημέρα",
    "日本語のテキスト",
    "한국어",
    "done ✓",
    "ship 🚀",
    "a → b",
    "ação",
]


@pytest.mark.parametrize("text", WORDS)
def test_a_wrong_encoding_is_seen_and_the_right_one_is_not(text: str) -> None:
    assert encoding_faults(text) == []
    assert encoding_faults(text.encode().decode("latin-1")), "read as Latin-1"
    spoilt = "".join(bytes([byte]).decode("cp1252", "ignore") for byte in text.encode())
    if len(spoilt) == len(text.encode()):
        assert encoding_faults(spoilt), "read as Windows-1252"


@pytest.mark.parametrize(
    "text", ["«L\u2019été…»", "NÃO", "â…” ä» é… É«", "Ä“ Å«", "á\u00a0»", "Æ³ Ð", "São Paulo, Ærø"]
)
def test_letters_of_many_languages_are_no_fault(text: str) -> None:
    assert encoding_faults(text) == []


@pytest.mark.parametrize(
    "text",
    ["👩\u200d💻", "❤\ufe0f\u200d🔥", "\u0645\u06cc\u200c\u062e\u0648\u0627", "क\u094d\u200dष", "plain\ttext\r\n"],
)
def test_joiners_of_emoji_and_scripts_are_no_fault(text: str) -> None:
    assert unseen_characters(text) == []


@pytest.mark.parametrize("character", "\x00\x08\x0b\x1b\x7f\x85\x9f\u200b\u200e\u2028\u202e\u2066\u2060\ufeff")
def test_what_cannot_be_seen_is_named(character: str) -> None:
    (found,) = unseen_characters(f"a\nb{character}c")
    assert found.startswith(f"U+{ord(character):04X} ") and found.endswith("in line 2")


# Answers.


@pytest.mark.parametrize(
    ("instruction", "answer", "problem"),
    [
        ("Anything.", "```python\nx = (1\n```", "line 1: '(' was never closed"),
        ("Anything.", "```json\n{'a': 1}\n```", "line 1: Expecting property name"),
        ("Create a JSON object.", '{"a": NaN}', "NaN is no value of JSON"),
        ("Convert the table to JSON.", "[" * 100_000, "nested too deeply"),
        ("Write a Python function.", "def f():\nreturn 1", "line 2: expected an indented block"),
        ("Implement a stack in Python.", "class S {\n  push(x) { this.a.push(x); }\n}", "line 1"),
        ("Using Python, print a list.", "for x in y:\n  print(x) // all of them\n  }", "line 3: unmatched '}'"),
        ("Write a Python program.", "```python\n" + "(" * 5000 + ")" * 5000 + "\n```", "too many nested"),
        ("Write a Python program.", "```python\nx = " + "9" * 5000 + "\n```", "Exceeds the limit"),
    ],
)
def test_an_answer_that_is_not_what_it_claims(instruction: str, answer: str, problem: str) -> None:
    claim = claim_of(instruction, answer)
    assert claim is not None and problem in claim.problem


@pytest.mark.parametrize(
    ("instruction", "answer"),
    [
        ("Write a Python function.", "```python\ndef f():\n    return 1\n```"),
        ("Write a Python function.", "    x = 1\n    return x"),
        ("Write a Python script.", "```python\n!pip install x\n%matplotlib inline\nx = 1\n```"),
        ("Show it in Python.", "```python\n>>> 1 + 1\n2\n```"),
        ("Create a JSON object.", '{"a": [1, null]}'),
        ("Create a JSON object in Python.", "{'a': None}"),
    ],
)
def test_an_answer_that_is_what_it_claims(instruction: str, answer: str) -> None:
    claim = claim_of(instruction, answer)
    assert claim is not None and claim.problem == ""


@pytest.mark.parametrize(
    ("instruction", "answer"),
    [
        ("What is a lambda in Python?", "A function without a name: it is written in one line."),
        ("Write a Python program to find the longest word.", "oot is the longest"),
        ("Convert this Python function to JavaScript.", "function f(x) { return x; }"),
        ("Write a C++ program.", "int main() { return 0 }"),
        ("Add one.", "x + "),
        ("Create a JSON object from a dictionary.", "import json\nprint(json.dumps({}))"),
        ("Explain the error in this Python code.", "Error: a name is missing.\nFixed:\ndef f(x): return x +"),
        ("Write a Python function.", "```javascript\nfunction f( {\n```"),
        ("Write a Python program.", "```python\n" + "x = 1\n" * 40_000 + "(\n```"),
        ("Write a Python program.", ""),
    ],
)
def test_an_answer_that_claims_nothing_that_can_be_parsed(instruction: str, answer: str) -> None:
    assert claim_of(instruction, answer) is None


@pytest.mark.skipif(not REAL_ROWS.exists(), reason="the Code Alpaca rows are not beside this checkout")
def test_what_is_found_in_real_rows() -> None:
    report = data_report(recipe_for(REAL_ROWS), near=True)
    assert {kind: count for kind, count in report.findings.counts.items() if count} == {"empty": 2, "unparsable": 18}
    assert report.findings.claims == {"python": 252, "json": 4}
    lines = REAL_ROWS.read_text().split("\n")
    for finding in report.findings.found:
        assert lines[int(finding.place.rpartition(":")[2]) - 1].strip() == "{"
