"""The HTML report: what it says, that nothing untrusted gets through, and that it stays small."""

import itertools
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from benchmarks.evaluation_report import made
from evals import html_report
from evals.html_chart import interval_plot, score_line, shares
from evals.html_code import MAX_CHARACTERS, MAX_LINES, code_html
from evals.html_report import LISTED, SHOWN_IN_FULL, render_html, rows_of
from evals.plain_text import cut, one_line, visible
from tests.conftest import ROOT

HOSTILE = [
    "</script><script>alert(1)</script>",
    "</style></pre></code><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "'><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "null \x00 byte, escape \x1b[2J, C1 \x9b, delete \x7f",
    "lone \ud800 surrogates \udfff, \ufffe",
    "right \u202e to left, \u2066 isolate",
    "<!-- ]]> &amp; &#x3c;",
]
VOID = {"meta", "img", "br", "hr", "input", "link"}
INSIDE_SVG = {"line", "circle", "rect", "path"}


class Document(HTMLParser):
    """The parts of a page that the tests look at; a tag that is not closed where it must be is an error."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.headings, self.ids, self.text = [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append([int(tag[1]), ""])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in INSIDE_SVG
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings[-1][1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def _text(html):
    return re.sub(r"\s+", " ", " ".join(Document(html).text))


def _check(html):
    """What holds for every report."""
    html.encode("utf-8")
    document = Document(html)
    assert html.startswith("<!doctype html>")
    assert document.all("html") == [{"lang": "en"}]
    assert not {tag for tag, _ in document.tags} & {"script", "img", "link", "iframe", "object", "form", "base"}
    for _, attributes in document.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "style")]
        assert attributes.get("href", "#").startswith("#")
    assert len(document.ids) == len(set(document.ids))
    links = {attributes["href"][1:] for attributes in document.all("a")}
    assert links <= set(document.ids)
    levels = [level for level, _ in document.headings]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(document.all("caption")) == len(document.all("table"))
    assert all(attributes.get("scope") for attributes in document.all("th"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)
    css = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"url\(|@import|expression", css)
    return document


def _sample(row_id="r1", side="tuned", status="passed", **changes):
    known = {
        "row_id": row_id,
        "group": "seen",
        "side": side,
        "instruction": "Add two numbers.",
        "input": "",
        "reference": "def add(a, b):\n    return a + b",
        "tests": "assert add(1, 2) == 3",
        "completion": "def add(a, b):\n    return a + b",
        "code": "def add(a, b):\n    return a + b",
        "extraction": {"reason": "whole text", "alternatives": [], "language": "python"},
        "language": "python",
        "status": status,
        "detail": "" if status == "passed" else "assert add(1, 2) == 3",
        "rung": None,
        "cpu_seconds": 0.1234,
        "wall_seconds": 0.2,
        "memory_bytes": 9 * 2**20,
        "relied_on_program": False,
        "tier": "confined",
    }
    return {**known, **changes}


def _pair(row_id, base, tuned, **changes):
    return [_sample(row_id, "base", base, **changes), _sample(row_id, "tuned", tuned, **changes)]


def _summary(**changes):
    return {**made(12)[0], **changes}


def test_a_report_says_the_verdict_first_and_all_that_was_found():
    summary, samples = made(60, ("base", "prompted", "tuned"), seed=3)
    summary["warnings"] = ["Two rows are duplicates."]
    summary["duplicates"] = {"near": ["a", "b"], "without_duplicates": {"pass@1": summary["metrics"]["pass@1"]}}
    html = render_html(summary, samples)
    document = _check(html)
    titles = [title.strip() for level, title in document.headings if level <= 2]
    assert titles[0] == "▲ The tuned model is better"
    fixed = [row for row in rows_of(samples) if row.change == "fixed"]
    broke = [row for row in rows_of(samples) if row.change == "broke"]
    assert fixed and broke
    assert titles[1:] == [
        "Before you quote a number",
        "Scores",
        "Over the base model prompted at its best",
        f"Fixed: {len(fixed)} rows",
        f"Broke: {len(broke)} rows",
        "How programs ended",
        "All rows",
        "How it was made",
    ]
    text = _text(html)
    finding = summary["metrics"]["pass@1"]
    for part in (
        summary["verdict"]["sentence"],
        "prompted base",
        f"{finding['prompted']:.3f}",
        f"[{finding['interval'][0]:+.3f}, {finding['interval'][1]:+.3f}]",
        "Two rows are duplicates.",
        "tier confined",
        "✗ disk bounded",
        "nrefs:1|case:mixed",
        summary["settings_hash"]["tuned"],
        "CPU ",
        "MiB",
        "without duplicates",
        f"{finding['wins']} / {finding['losses']} / {finding['ties']}",
    ):
        assert part in text
    assert text.index(summary["verdict"]["sentence"]) < text.index("Before you quote") < text.index("Each bar")
    section = html[html.index('id="over-prompted"') : html.index('id="fixed"')]
    over = summary["over_prompted"]["pass@1"]
    assert f"{over['difference']:+.3f}" in section and f"{finding['difference']:+.3f}" not in section
    assert '<th scope="col" class="figure">base</th>' not in section


def test_the_cards_hold_both_codes_the_failing_assertion_and_the_reference():
    wrong = "def add(a, b):\n    return a - b"
    base = _sample("r9", "base", "wrong_answer", code=wrong, completion=wrong)
    html = render_html(_summary(), [base, _sample("r9")])
    document = _check(html)
    card = html[html.index('<details class="card fixed" open>') :]
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", card))
    assert "return a - b" in text
    assert text.count("return a + b") == 2  # tuned and reference
    assert text.index("r9 seen wrong_answer → then passed") < text.index("Add two numbers.")
    assert "CPU 0.12 s memory 9 MiB extraction: whole text" in text
    assert card.count('class="line changed"') == 2
    assert [title for level, title in document.headings if level == 4] == [
        "Instruction",
        "Base ",
        "Tuned ",
        "Tests",
        "Reference",
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(text):
    changes = dict.fromkeys(("instruction", "input", "reference", "completion", "code", "detail", "group"), text)
    changes |= {"tests": text, "extraction": {"reason": text}, "language": text, "tier": text}
    samples = [
        _sample(text, "base", "wrong_answer", **{**changes, "completion": "other " + text}),
        _sample(text, "tuned", "passed", **changes),
        *_pair(7, text, text),
    ]
    summary = _summary(
        verdict={"word": text, "sentence": text, "metric": text},
        groups={text: {"rows": 2, "metrics": _summary()["metrics"]}},
        verdicts={"base": {text: 1}, "tuned": {text: 1}},
        rungs={"base": {text: 1}},
        signatures={text: text},
        settings_hash={"base": text},
        sandbox={"limits": {text: text}, "protections": {text: text, "tier": text, "other": False}},
        versions={text: text},
        duplicates={text: [text], "x": {text: {"difference": 0.1}}},
        warnings=[text],
    )
    summary["metrics"] = {text: {**summary["metrics"]["pass@1"], "word": text}, **summary["metrics"]}
    document = _check(render_html(summary, samples))
    shown = "".join(document.text)
    expected = visible(text)
    assert shown.count(expected.split("\n")[0]) >= 10


def test_lines_of_a_megabyte_are_cut_and_counted():
    long = "x = '" + "a" * 1_000_000 + "'"
    samples = [_sample("r", "base", "wrong_answer", code=long, completion=long * 2), _sample("r")]
    html = render_html(_summary(), samples)
    _check(html)
    assert len(html) < 200_000
    assert "more characters" in _text(html)


def test_large_evaluations_show_some_rows_in_full_and_name_the_rest():
    summary, samples = made(400)
    rows = rows_of(samples)
    html = render_html(summary, samples)
    document = _check(html)
    for name in ("fixed", "broke"):
        count = sum(row.change == name for row in rows)
        assert count > SHOWN_IN_FULL
        assert html.count(f'<details class="card {name}"') == SHOWN_IN_FULL
        assert f"{SHOWN_IN_FULL} of {count} are shown with their code." in _text(html)
        assert html.count(f">{name}</b>") == count
    assert len(document.all("tr")) > 400


def test_code_past_the_budget_is_left_to_the_samples(monkeypatch):
    monkeypatch.setattr(html_report, "CODE_BUDGET", 6_000)
    html = render_html(_summary(), [sample for i in range(9) for sample in _pair(i, "exception", "passed")])
    _check(html)
    shown = html.count('<details class="card fixed"')
    assert 1 <= shown < 9
    assert f"{shown} of 9 are shown with their code." in _text(html)


def test_the_worst_texts_stay_under_ten_megabytes():
    dense = "(" * MAX_CHARACTERS
    samples = [one for i in range(2 * LISTED) for one in _pair(f"row-{i}" * 9, "exception", "passed", group="g" * 99)]
    for sample in samples[:200]:
        sample |= {"code": dense, "reference": dense, "tests": dense, "completion": dense * 2}
    html = render_html(_summary(), samples)
    assert len(html.encode()) < 10e6
    assert f"{LISTED:,} more rows are in samples.jsonl" in _text(html)


def test_where_nothing_failed_the_sections_say_so():
    html = render_html(_summary(), [sample for i in range(3) for sample in _pair(i, "passed", "passed")])
    _check(html)
    text = _text(html)
    assert "Fixed: 0 rows" in text and "Broke: 0 rows" in text
    assert text.count("There is none.") == 2


def test_without_tests_the_ladder_says_what_changed():
    ladder = {"status": None, "tests": "", "cpu_seconds": None, "memory_bytes": None}
    samples = [
        _sample("up", "base", **ladder | {"rung": 1}),
        _sample("up", "tuned", **ladder | {"rung": 4}),
        _sample("down", "base", **ladder | {"rung": 3}),
        _sample("down", "tuned", **ladder | {"rung": 0}),
        _sample("same", "base", **ladder | {"rung": 2}),
        _sample("same", "tuned", **ladder | {"rung": 2}),
    ]
    metrics = {name: finding for name, finding in _summary()["metrics"].items() if name != "pass@1"}
    summary = _summary(
        verdict={"word": "no measurable difference", "sentence": "No difference.", "metric": "code_bleu"},
        metrics=metrics,
        rows=3,
        rows_with_tests=0,
        verdicts={},
        rungs={"base": {"1": 1, "2": 1, "3": 1}, "tuned": {"4": 1, "0": 1, "2": 1}},
        sandbox={},
    )
    html = render_html(summary, samples)
    titles = [title for level, title in _check(html).headings if level == 2]
    assert titles[1:3] == ["Climbed the ladder: 1 row", "Fell down the ladder: 1 row"]
    text = _text(html)
    assert "rung 4: behaves like the reference" in text
    assert "No row has tests, so there is no pass@1." in text
    assert "No program was run." in text
    assert [row.change for row in rows_of(samples)] == ["climbed", "fell", ""]


@pytest.mark.parametrize(
    ("base", "tuned", "change"),
    [
        ("wrong_answer", "passed", "fixed"),
        ("passed", "timeout_cpu", "broke"),
        ("passed", "passed", ""),
        ("exception", "crashed", ""),
        ("harness_error", "passed", ""),
        ("passed", "inconclusive", ""),
        ("passed", "not_executed", ""),
        (None, "passed", ""),
    ],
)
def test_a_row_is_fixed_or_broke_only_where_both_sides_were_judged(base, tuned, change):
    (row,) = rows_of(_pair("r", base, tuned))
    assert row.change == change


def _climbed(count=2):
    """A summary with languages and rungs, whose verdicts are corrected."""
    summary = _summary()
    finding = {**summary["metrics"]["exact_match"], "p_value": 0.02, "p_adjusted": 0.06, "rows": 9}
    parts = {f"language-{number}": {"rows": 9, "metrics": {"exact_match": finding}} for number in range(count)}
    parts["c#"] = {"rows": 2, "metrics": {"exact_match": {**finding, "rows": 2, "p_adjusted": None}}}
    reached = {"parses": finding, "behaves": {**finding, "interval": [0.25, 0.75], "difference": 0.5}}
    return {**summary, "languages": parts, "rungs_reached": reached, "rungs": {"base": {"4": 9}, "tuned": {"4": 9}}}


def test_languages_and_rungs_have_their_sections_where_there_are_any():
    document = _check(render_html(_climbed(), _pair("r", "passed", "passed")))
    titles = [title for level, title in document.headings if level == 2]
    assert titles[:3] == ["Scores", "By language", "Rungs reached"]
    assert {"#languages", "#rungs"} <= {link["href"] for link in document.all("a")}
    text = re.sub(r"\s+", " ", " ".join(document.text))
    for words in ("corrected for the number of languages (Holm)", "corrected for the number of rungs (Holm)",
                  "0.02 Holm 0.06", "behaves like the reference 9 rows +0.500 [+0.250, +0.750]"):  # fmt: skip
        assert words in text
    assert "number of groups" not in text
    without = _check(render_html(_summary(), _pair("r", "passed", "passed")))
    titles = [title for level, title in without.headings if level == 2]
    assert not {"By language", "Rungs reached"} & set(titles)


def test_languages_of_few_rows_are_in_the_table_only():
    summary = _climbed(14)
    plot = interval_plot("exact_match", summary["metrics"]["exact_match"], summary["languages"], fewest=6)
    assert [bar.label for bar in plot.bars][:2] == ["all rows", "language-0"]
    assert (len(plot.bars), plot.left_out) == (13, 3)
    assert interval_plot("exact_match", {}, {"c#": summary["languages"]["c#"]}).left_out == 0
    text = _text(render_html(summary, _pair("r", "passed", "passed")))
    assert "The 3 smallest languages are in the table only." in text


def test_a_report_of_one_row_without_groups_prompted_side_or_interval():
    finding = {
        **dict.fromkeys(("interval", "p_value", "wins", "losses", "ties", "word", "rows_needed")),
        **{"base": 0.0, "tuned": 0.0, "difference": 0.0, "rows": 1},
    }
    summary = _summary(
        verdict={"word": None, "sentence": "Not tested.", "metric": "pass@1"},
        metrics={"pass@1": finding},
        groups={},
        rows=1,
        rows_with_tests=1,
    )
    html = render_html(summary, _pair("only", "exception", "exception", group=None))
    _check(html)
    assert "Not tested for significance" in _text(html)
    assert "prompted" not in _text(html)
    assert "pass@1 on 1 row." in _text(html)
    assert "No interval was computed" in _text(html)


def test_a_summary_with_nothing_in_it_still_makes_a_page():
    _check(render_html({"metrics": {}}, []))


def test_each_missing_protection_and_the_reason_for_the_tier_are_named():
    protections = {
        "tier": "limited",
        "user": "the same as the harness",
        "network_blocked": False,
        "files_hidden": False,
        "no_new_privileges": True,
        "no_full": "user namespaces are switched off",
    }
    text = _text(render_html(_summary(sandbox={"limits": {"memory_bytes": 2**29}, "protections": protections}), []))
    assert "Sandbox: tier limited Not tier full: user namespaces are switched off Missing protections:" in text
    assert "✗ network blocked ✗ files hidden In place: ✓ user: the same as the harness ✓ no new privileges" in text
    assert "memory 512 MiB" in text


def test_null_scores_are_shown_as_missing():
    summary = _summary()
    summary["metrics"]["pass@1"] = {
        **summary["metrics"]["pass@1"],
        "base": None,
        "difference": None,
        "interval": [None, 0.5],
    }
    _check(render_html(summary, _pair("r", "passed", "passed")))


def test_the_template_and_the_schema_are_in_the_package():
    names = {"templates/report.html.jinja", "templates/report.css", "summary.schema.json"}
    assert {name for name in names if not (ROOT / "evals" / name).is_file()} == set()
    assert 'packages = ["finetune_kit", "evals"]' in (ROOT / "pyproject.toml").read_text()


def test_reading_evals_loads_neither_jinja_nor_pygments():
    code = "import sys, evals; evals.Summary; print([name for name in ('jinja2', 'pygments') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- text --


def test_line_ends_are_line_feeds_and_code_shows_what_has_no_width():
    assert visible("a\r\nb\rc\n\td") == "a\nb\nc\n\td"
    assert visible("zero\u200bwidth \u200f", code=True) == "zero⟨U+200B⟩width ⟨U+200F⟩"
    assert visible("family \U0001f468\u200d\U0001f469") == "family \U0001f468\u200d\U0001f469"
    assert visible(12) == "12"


def test_text_is_cut_by_characters_and_by_lines():
    assert cut("abcdef", 4, 9) == ("abcd", 2)
    assert cut("a\nb\nc", 99, 2) == ("a\nb", 2)
    assert cut("", 4, 9) == ("", 0)
    assert one_line(" a\n b " + "c" * 300, 10) == "a b cccccc"[:9] + "…"


# -- code --


def test_code_is_highlighted_line_by_line_and_changes_are_marked():
    html, left_off = code_html("def f():\n    '''a\n    <b>'''\n    return 2", "python", "def f():\n    return 1")
    lines = html.split("\n</span>")
    assert len(lines) == 5 and left_off == 0
    assert '<span class="k">def</span>' in lines[0] and "changed" not in lines[0]
    assert all('class="line changed"' in line for line in lines[1:4])
    assert "&lt;b&gt;" in lines[2]
    assert all(line.count("<span") == line.count("</span>") + 1 for line in lines[:4])


def test_an_unknown_language_is_plain_and_long_code_is_cut():
    assert code_html("x < y", "no such language")[0] == '<span class="line">x &lt; y\n</span>'
    html, left_off = code_html("\n".join(str(i) for i in range(MAX_LINES + 5)))
    assert html.count('class="line"') == MAX_LINES
    assert left_off == len("".join(f"\n{i}" for i in range(MAX_LINES, MAX_LINES + 5)))


# -- charts --


def _places(plot):
    return [(bar.low, bar.at, bar.high) for bar in plot.bars]


def test_the_interval_plot_spans_what_it_shows_and_zero():
    plot = interval_plot("pass@1", {"difference": 0.2, "interval": [0.1, 0.3], "rows": 9}, {})
    assert [(tick.at, tick.label) for tick in plot.ticks] == [
        (0.0, "0"),
        (33.333, "+0.1"),
        (66.667, "+0.2"),
        (100.0, "+0.3"),
    ]
    assert (plot.zero, _places(plot)) == (0.0, [(33.333, 66.667, 100.0)])
    negative = interval_plot("bleu", {"difference": -5, "interval": [-10, 0], "rows": 9}, {})
    assert (negative.zero, _places(negative)) == (100.0, [(0.0, 50.0, 100.0)])
    assert negative.ticks[0].label == "\u221210"
    nothing = interval_plot("bleu", {"difference": 0.0, "interval": None, "rows": 1}, {})
    assert (nothing.zero, _places(nothing)) == (50.0, [(None, 50.0, None)])


def test_the_interval_plot_has_the_usual_groups_first_and_the_largest_only():
    finding = {"difference": 0.1, "interval": [0.0, 0.2], "rows": 3, "word": "better"}
    groups = {f"g{i}": {"rows": i, "metrics": {"m": finding}} for i in range(20)}
    groups |= {"unseen": {"rows": 90, "metrics": {"m": finding}}, "seen": {"rows": 91, "metrics": {"m": finding}}}
    groups["without"] = {"rows": 1_000, "metrics": {}}
    plot = interval_plot("m", finding, groups)
    assert [bar.label for bar in plot.bars] == ["all rows", "seen", "unseen", *(f"g{i}" for i in range(10, 20))]
    assert plot.left_out == 10


def test_scores_stand_on_an_axis_from_nothing_to_all():
    assert score_line("pass@1", {"base": 0.25, "tuned": 0.5}).marks == {"base": 25.0, "tuned": 50.0}
    line = score_line("bleu", {"base": 40, "tuned": 60.0, "prompted": None})
    assert line.marks == {"base": 40.0, "tuned": 60.0}
    assert [tick.label for tick in line.ticks] == ["0", "25", "50", "75", "100"]


def test_shares_put_passed_first_and_then_the_most_common():
    rows = shares({"tuned": {"exception": 3, "passed": 1}, "base": {"crashed": 1, "exception": 3}})
    assert [row["name"] for row in rows] == ["passed", "exception", "crashed"]
    assert rows[1]["shares"] == {"base": 75.0, "tuned": 75.0}
    assert rows[0]["counts"] == {"base": 0, "tuned": 1}


# -- colours --


def _luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one, other):
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_has_the_contrast_of_wcag_aa(scheme):
    css = (ROOT / "evals" / "templates" / "report.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme]))
    tokens = [name for name in colours if name.startswith("t-")]
    assert len(tokens) == 8
    pairs = [(token, ground) for token in tokens for ground in ("code", "changed")]
    pairs += [(text, ground) for text in ("ink", "dim", "link") for ground in ("page", "card")]
    pairs += [(tone, ground) for tone in ("good", "bad", "even") for ground in ("card", "page", f"{tone}-soft")]
    pairs += [("ink", ground) for ground in ("good-soft", "bad-soft", "even-soft", "warn-soft")]
    assert {pair: ratio for pair in pairs if (ratio := _contrast(*(colours[name] for name in pair))) < 4.5} == {}
    marks = [(name, "card") for name in ("base", "prompted", "tuned", "warn-edge", "changed-edge")]
    assert {pair for pair in marks if _contrast(*(colours[name] for name in pair)) < 3} == set()
