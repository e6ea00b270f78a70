"""Telling the language of an answer: Python, another programming language, data, or plain words.

What parses as Python is Python, unless it also reads as something else: `Paris`, `42` and `red, green` parse, and
are answers, not programs. What does not parse is weighed by the marks that languages leave in their text
(`#include`, `fn main`, `=>`, `SELECT ... FROM`); where no mark decides, Pygments' own analysis is asked.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from functools import lru_cache

from evals.language_marks import MARKS
from evals.parsing import parse_python

_LOOKED_AT = 20_000
_HINT_WEIGHT = 3.0
_ENOUGH = 2.0

PROGRAMMING_LANGUAGES = frozenset(
    [
        "python",
        "javascript",
        "typescript",
        "java",
        "c",
        "c++",
        "c#",
        "go",
        "rust",
        "sql",
        "html",
        "css",
        "shell",
        "r",
        "php",
        "ruby",
        "swift",
        "kotlin",
        "perl",
    ]
)
"""The languages that are told apart; beside them stand `json`, `yaml`, `text` (words and bare values) and `other`."""

_ALIASES = {
    "bash": "shell",
    "batch": "shell",
    "c#": "c#",
    "console": "shell",
    "cpp": "c++",
    "cs": "c#",
    "csharp": "c#",
    "cxx": "c++",
    "golang": "go",
    "htm": "html",
    "javascript": "javascript",
    "js": "javascript",
    "json5": "json",
    "jsx": "javascript",
    "kt": "kotlin",
    "mysql": "sql",
    "node": "javascript",
    "plaintext": "text",
    "postgresql": "sql",
    "py": "python",
    "py3": "python",
    "python2": "python",
    "python3": "python",
    "rb": "ruby",
    "rs": "rust",
    "sh": "shell",
    "sqlite": "sql",
    "ts": "typescript",
    "tsx": "typescript",
    "txt": "text",
    "xml": "html",
    "yml": "yaml",
    "zsh": "shell",
}
_KNOWN = PROGRAMMING_LANGUAGES | {"json", "yaml", "text"}

_COMPILED = [(language, weight, re.compile("|".join(patterns), re.MULTILINE)) for language, weight, patterns in MARKS]

# Several of these in a Python tree are the work of another language's habits: `true`, `console.log(x);`.
_FOREIGN = re.compile(
    r"\b(?:console\.\w+|document\.\w+|window\.\w+|System\.(?:out|err)\.|Console\.Write|fmt\.Print|alert\(|puts\(|echo\(|"
    r"std::|cout\b|printf\(\"|db\.\w+\.\w+\(|^[\w.]+ <- |JSON\.(?:parse|stringify)|Math\.\w+\()",
    re.MULTILINE,
)
_SHELL_COMMANDS = frozenset(
    [
        "ls",
        "cd",
        "pwd",
        "rm",
        "cp",
        "mv",
        "cat",
        "grep",
        "git",
        "docker",
        "npm",
        "pip",
        "kubectl",
        "chmod",
        "mkdir",
        "whoami",
        "df",
        "du",
        "ps",
        "top",
    ]
)
_FUNCTION_WORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "is",
        "are",
        "of",
        "to",
        "and",
        "in",
        "that",
        "it",
        "for",
        "on",
        "with",
        "as",
        "this",
        "be",
        "by",
        "or",
        "from",
        "can",
        "you",
        "we",
        "i",
        "not",
        "no",
        "yes",
        "will",
        "was",
    ]
)
_YAML_LINE = re.compile(r"\s*(?:- )?[\w.-]+:(?: [^{};]*)?|\s+- [^{};]*|\s*#.*|---")
_WORD = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]+)*")
_VALUE = re.compile(r"[\s\d.,:;%$€+\-*/=()\[\]{}<>^\"'|!?°]*")


@dataclass(frozen=True)
class Language:
    """What an answer is written in.

    Attributes:
        name: One of `PROGRAMMING_LANGUAGES`, or `json`, `yaml`, `text` (words, numbers, bare values) or `other`.
        confidence: 0 to 1; below 0.5 it is little more than a guess.
        reason: What decided, in a few words.
    """

    name: str
    confidence: float
    reason: str

    @property
    def is_python(self) -> bool:
        """Whether it can be run here."""
        return self.name == "python"

    @property
    def is_other_program(self) -> bool:
        """Whether it is a program, in a language that is not run here."""
        return self.name in PROGRAMMING_LANGUAGES - {"python"} or self.name == "other"


def detect_language(code: str, hint: str | None = None) -> Language:
    """Tell the language of an answer, by its text alone; nothing is run.

    Args:
        code: The code taken from an answer, or all of it.
        hint: What the answer or the row says of itself, such as the word behind a fence; it decides where the
            text leaves it open, and adds weight where it does not.

    Returns:
        The language.

    Examples:
        >>> detect_language("def f(x):\\n    return x + 1").name
        'python'
        >>> detect_language("const f = (x) => x + 1;").name
        'javascript'
        >>> detect_language("Paris").name
        'text'
    """
    return _detect(code, _known_name(hint))


@lru_cache(maxsize=4096)
def _detect(code: str, hint: str | None) -> Language:
    text = code.strip()
    if not text:
        return Language("text", 1.0, "there is nothing")
    as_data = _as_json(text)
    if as_data is not None:
        return as_data
    looked_at = text[:_LOOKED_AT]
    # Without blank edges but with its indentation, as `exec` would have it.
    tree, _ = parse_python(code.strip("\n"))
    if tree is None and code.strip("\n") != text:
        tree, _ = parse_python(text)
    if tree is not None:
        if _defines(tree):
            return Language("python", 1.0, "parses as Python")
        found = _of_tree(tree, looked_at, hint)
        if found is not None:
            return found
    return _of_marks(looked_at, hint, _scores(looked_at))


def _known_name(hint: str | None) -> str | None:
    word = (hint or "").strip().lower().lstrip(".")
    word = _ALIASES.get(word, word)
    return word if word in _KNOWN else None


def _as_json(text: str) -> Language | None:
    if text[0] not in "{[" or text[-1] not in "}]":
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) or (value and isinstance(value[0], dict)):
        return Language("json", 1.0, "parses as JSON")
    return Language("text", 0.9, "a list of values")


def _of_tree(tree: ast.Module, text: str, hint: str | None) -> Language | None:
    """Decide on a text that parses as Python and defines nothing; None where its marks must."""
    if not tree.body:
        if hint or any(score >= _ENOUGH for score in _scores(text).values()):
            return None
        return Language("text", 0.6, "comments only")
    if hint not in (None, "python"):
        return Language(hint or "", 0.9, "said so, and the text leaves it open")
    if all(isinstance(node, ast.AnnAssign) and node.value is None for node in tree.body):
        several = len(tree.body) > 1
        return Language("yaml" if several else "text", 0.7, "keys and values" if several else "a word and a value")
    if hint != "python":
        if _FOREIGN.search(text):
            return _of_marks(text, hint, _scores(text))
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if sum(line.rstrip().endswith(";") for line in lines) * 2 > len(lines):
            return _of_marks(text, "javascript", _scores(text))
    if all(isinstance(node, ast.Expr) for node in tree.body):
        found = _of_expressions(tree, text, hint)
        if found is not None:
            return found
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if names & {"true", "false", "null", "undefined"} and hint != "python":
        return Language("javascript", 0.6, "true, false or null as a value")
    return Language("python", 0.9, "parses as Python")


def _defines(tree: ast.Module) -> bool:
    """Whether there is a statement that only Python writes so."""
    strong = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.For | ast.While
    return any(
        isinstance(node, strong | ast.If | ast.With | ast.Try | ast.Lambda | ast.ListComp) for node in ast.walk(tree)
    )


def _of_expressions(tree: ast.Module, text: str, hint: str | None) -> Language | None:
    nodes = list(ast.walk(tree))
    first = next((node for node in nodes if isinstance(node, ast.Name)), None)
    acts = (ast.Call, ast.Subscript, ast.Lambda, ast.Await, ast.JoinedStr, ast.comprehension, ast.Yield, ast.NamedExpr)
    if any(isinstance(node, acts) for node in nodes):
        words = _WORD.findall(text)
        # "Paris (France)" is a call; prose has no argument list right behind the name.
        if (
            any(isinstance(node, ast.Call) for node in nodes)
            and re.fullmatch(r"[A-Z]\w* \([\w ,]+\)\.?", text)
            and words
        ):
            return Language("text", 0.7, "words")
        return None
    if first is not None and first.id in _SHELL_COMMANDS and text.startswith(first.id):
        return Language("shell", 0.8, f"the command {first.id}")
    if hint == "python":
        return Language("python", 0.7, "said so, and it parses")
    arithmetic = [node for node in nodes if isinstance(node, ast.BinOp)]
    if arithmetic and first is not None and re.search(r"\s[-+*/%]\s|[*/%]", text):
        return Language("python", 0.6, "an expression")
    if any(isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.In | ast.Is) for node in nodes):
        return Language("python", 0.6, "an expression") if first is not None else Language("text", 0.8, "a bare value")
    return Language("text", 0.9, "a bare value" if first is None else "a word")


def _scores(text: str) -> dict[str, float]:
    scores: dict[str, float] = {}
    for language, weight, pattern in _COMPILED:
        if pattern.search(text):
            scores[language] = scores.get(language, 0.0) + weight
    if "ruby" in scores and not re.search(r"^[ \t]*end\b|\bputs\b|\|\w+\|", text, re.MULTILINE):
        # Without an `end` it is rather a Python function that lacks its colon.
        scores["ruby"] -= 2.0
    if "html" in scores and re.match(r"\s*<(?!\?php)", text):
        scores["html"] += 3.0
    # What TypeScript, C++ and C# share with their elders is theirs too.
    for younger, elder, share in (("typescript", "javascript", 1.0), ("c++", "c", 1.0), ("c#", "java", 0.6)):
        if scores.get(younger, 0.0) >= _ENOUGH:
            scores[younger] += share * scores.get(elder, 0.0)
    if scores.get("php", 0.0) >= _ENOUGH:
        scores["php"] += 0.5 * scores.get("javascript", 0.0)
    return scores


def _of_marks(text: str, hint: str | None, scores: dict[str, float]) -> Language:
    lines = [line for line in text.splitlines() if line.strip()]
    if hint in (None, "yaml") and len(lines) > 1 and all(_YAML_LINE.fullmatch(line) for line in lines):
        return Language("yaml", 0.8, "keys and values")
    if hint is not None:
        scores = {**scores, hint: scores.get(hint, 0.0) + _HINT_WEIGHT}
    prose = _prose_share(text)
    best, score = max(scores.items(), key=lambda item: item[1], default=("", 0.0))
    second = max((value for name, value in scores.items() if name != best), default=0.0)
    if prose > 0.6 and hint in (None, "text"):
        return Language("text", 0.5 + prose / 2, "words")
    if score >= _ENOUGH - 0.5:
        return Language(best, round(min(1.0, 0.4 + 0.15 * score + 0.1 * (score - second)), 2), "its marks")
    if _VALUE.fullmatch(text):
        return Language("text", 0.9, "a bare value")
    if prose > 0.25 or len(text.split()) < 4 or not re.search(r"[{}();=<>]", text):
        return Language("text", 0.6, "words") if score < 1.0 else Language(best, 0.4, "few marks")
    if score >= 1.0:
        return Language(best, 0.4, "few marks")
    return _of_pygments(text)


def _prose_share(text: str) -> float:
    """How much a text reads as sentences, 0 to 1, by its first line: a program seldom begins with a sentence."""
    line = text.split("\n", 1)[0].split(" //", 1)[0]
    if re.search(r";\s*$", line):
        return 0.0
    words = _WORD.findall(line)
    if len(words) < 3 or line.rstrip()[-1] in ";{" or line.startswith(("//", "/*", "#", "<", "--", "$", "@")):
        return 0.0
    function_words = sum(word.lower() in _FUNCTION_WORDS for word in words) / len(words)
    signs = len(re.findall(r"[{}()\[\]=<>;$#@_|\\]", line)) / len(words)
    sentence = bool(re.match(r"[A-Z][a-z']*[ ,]|[A-Z] [a-z]|\d+[.)] ", line))
    share = max(0.0, min(1.0, 3 * function_words + 0.4 * sentence - 1.0 * signs))
    return share if sentence else share / 2


def _of_pygments(text: str) -> Language:
    from pygments.lexers import get_lexer_by_name

    scores = {}
    for name in ("javascript", "java", "c", "cpp", "csharp", "go", "rust", "sql", "html", "css", "bash", "php", "ruby"):
        value = get_lexer_by_name(name).analyse_text(text)
        scores[_ALIASES.get(name, name)] = float(value or 0.0)
    best, score = max(scores.items(), key=lambda item: item[1])
    if score > 0.1:
        return Language(best, round(0.3 + score / 2, 2), "Pygments' analysis")
    return Language("other", 0.3, "no mark decides")
