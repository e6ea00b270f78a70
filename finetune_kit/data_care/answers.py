"""Answers that do not parse as the language they claim to be; Python and JSON are parsed, nothing is run.

A claim is the word behind an answer's fence, or an instruction that asks for a program in Python or for JSON. What an
instruction asks for is claimed only by answers that are code: words are an answer too.
"""

import ast
import json
import re
from dataclasses import dataclass

from evals.extract import extract
from evals.languages import detect_language
from evals.parsing import MAX_SOURCE, parse_python

LANGUAGES = {"python": "Python", "json": "JSON"}
"""Those that are parsed, with their names: the two for which a parser is at hand that is right about every text."""

LONGEST_INSTRUCTION = 2_000
"""Characters; what stands behind them is rather material than what is asked."""

_NOUNS = "function|program|script|code|class|method|snippet|one-liner|lambda|generator|decorator|module|implementation"
_OTHERS = re.compile(
    r"\b(?:java|javascript|js|typescript|c\+\+|c#|ruby|php|golang|rust|sql|mysql|html|css|bash|shell|perl|swift|kotlin|"
    r"scala|haskell|node(?:\.js)?|jquery|react|xml|matlab|pseudo-?code|python ?2)(?![\w+#])",
    re.IGNORECASE,
)
_MAKES = r"(?:write|create|implement|construct|generate|design|develop|build|make|code|compose)"
_ASKS = rf"(?:{_MAKES}|rewrite|convert|translate|refactor)"
_ASKS_FOR_PYTHON = re.compile(
    rf"\b{_MAKES}\b(?:\s+(?!to\b|from\b|for\b|that\b|which\b|the following\b)[\w-]+){{0,3}}?"
    rf"\s+python(?:\s?3(?:\.\d+)?)?\s+(?:{_NOUNS})\b",
    re.IGNORECASE,
)
_IN_PYTHON = re.compile(rf"\b{_ASKS}\b.*\b(?:in|into|to|using)\s+python(?:\s?3(?:\.\d+)?)?(?![\w'-])", re.IGNORECASE)
_NAMES_PYTHON = re.compile(r"\bpython(?:\s?3(?:\.\d+)?)?(?![\w-])", re.IGNORECASE)
_ASKS_FOR_WORDS = re.compile(r"\b(?:explain|describe|why)\b", re.IGNORECASE)
_ASKS_FOR_JSON = re.compile(
    rf"\b(?:{_ASKS}|format|represent|return|output|give)\b.*\b(?:in|into|to|as)\s+(?:a\s+|valid\s+)*json\b"
    r"|\b(?:edit|add|update|modify|change|fix|correct|complete)\b.*\bjson\b"
    rf"|\b{_ASKS}\s+(?:an?\s+)?(?:valid\s+)?json\s+(?:object|array|document|file|string)\b",
    re.IGNORECASE,
)
_BEGINS_AS_PYTHON = re.compile(r"\s*(?:(?:async )?def \w+\s*\(|class \w+\s*[(:]|import \w+|from [\w.]+ import )")
_PROMPT_LINE = re.compile(r"^>>> ", re.MULTILINE)
_NOTEBOOK_LINE = re.compile(r"^[!%].*$", re.MULTILINE)


@dataclass(frozen=True)
class Claim:
    """The language that an answer claims to be, and whether it is."""

    language: str
    """One of `LANGUAGES`."""
    problem: str
    """Why it does not parse; empty where it does."""


def claim_of(instruction: str, answer: str) -> Claim | None:
    """Parse an answer as what it claims to be.

    Args:
        instruction: What is asked.
        answer: What is answered.

    Returns:
        The claim; None where there is none, or where the answer is longer than `evals.parsing.MAX_SOURCE` characters.

    Examples:
        >>> claim_of("Write a Python function that doubles x.", "def f(x) return 2 * x")
        Claim(language='python', problem="line 1: expected ':'")
        >>> claim_of("What is a lambda in Python?", "A function without a name.") is None
        True
    """
    if not answer.strip() or len(answer) > MAX_SOURCE:
        return None
    instruction = instruction[:LONGEST_INSTRUCTION]
    found = extract(answer)
    if found.language in LANGUAGES:
        return _parsed(found.language, found.code)
    if found.language or not found.found:
        return None
    if _asks_for_python(instruction):
        return _as_python(found.code)
    if _NAMES_PYTHON.search(instruction) and not (_OTHERS.search(instruction) or _ASKS_FOR_WORDS.search(instruction)):
        # It may ask for words, or for a value; what reads as a program is one.
        language = detect_language(found.code)
        return _parsed("python", found.code) if language.is_python and language.confidence >= 0.5 else None
    if _ASKS_FOR_JSON.search(instruction) and found.code.lstrip()[:1] in tuple("{["):
        claim = _parsed("json", found.code)
        # A dict of Python is an answer to many who say JSON.
        return None if claim.problem and _is_python_value(found.code) else claim
    return None


def _asks_for_python(instruction: str) -> bool:
    if _ASKS_FOR_PYTHON.search(instruction):
        return True
    return bool(_IN_PYTHON.search(instruction)) and not _OTHERS.search(instruction)


def _as_python(code: str) -> Claim | None:
    """Without a fence, text that does not parse may be words with some code among them, which claims nothing."""
    claim = _parsed("python", code)
    if claim.problem:
        if _BEGINS_AS_PYTHON.match(code):
            return claim
        language = detect_language(code)
        if language.name == "text" or (language.name == "other" and language.confidence < 0.5):
            return None
        if language.is_other_program and language.confidence >= 0.7:
            return Claim("python", f"it reads as {language.name}; {claim.problem}")
    return claim


def _parsed(language: str, code: str) -> Claim:
    return Claim(language, _python_problem(code) if language == "python" else _json_problem(code))


def _python_problem(code: str) -> str:
    if _PROMPT_LINE.search(code):
        return ""  # A session, with what it printed.
    code = _NOTEBOOK_LINE.sub("", code)
    tree, problem = parse_python(code)
    if tree is None and code[:1] in " \t":
        tree, _ = parse_python("if 1:\n" + code)  # The body of a function, whose head stands in the prompt.
    return "" if tree is not None else problem


def _is_python_value(code: str) -> bool:
    tree, _ = parse_python(code)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return False
    try:
        ast.literal_eval(tree.body[0].value)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _json_problem(code: str) -> str:
    try:
        json.loads(code, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}: {error.msg}"
    except RecursionError:
        return "nested too deeply to be parsed"
    except ValueError as error:
        return str(error)
    return ""


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no value of JSON")
