"""Inputs for a function that nobody wrote tests for, from what its text says about them.

Type hints decide where there are any. Else the kinds of value are put in order of likelihood by examples (calls in
the program, the task's input, doctests), defaults, the parameters' names and what the body does with them, and
inputs are made for each of the likeliest combinations; which combination is right, the function itself decides
when it is run in the sandbox. Hypothesis makes the values, seeded by the program's text.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.literals import literal

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MAX_INPUTS = 30
_ALTERNATIVES = 6
_INPUTS_OF_LATER_ALTERNATIVES = 12
_MAX_EXAMPLES = 6

_WORDS = [
    *("hello", "world", "apple", "banana", "cherry", "level", "noon", "radar", "listen", "silent", "Python", "code"),
    *("data", "abc", "aab", "xyz", "a", "B", "Zebra", "tree", "42", "hello-world", "Anna", "x1", "one", "two", "cat"),
]
_LETTERS = "abcdeABC012 .,!aeiou"

_NAMES = {
    "int": r"n|num|number|x|y|z|k|i|j|a|b|c|m|target|limit|year|age|count|size|start|end|low|high|index|val|value|"
    r"integer|first|second|third|lower|upper|digit|max|min|total|amount|factor|exponent|position|day|month|steps?",
    "float": r"radius|height|width|length|price|rate|celsius|fahrenheit|temp|temperature|base|weight|side|principal|"
    r"time|distance|speed|celcius|f|r",
    "str": r"s|str|string|text|word|sentence|phrase|name|char|character|ch|letter|message|line|pattern|substring|"
    r"paragraph|txt|st|sub|prefix|suffix|password|email|url|expression|binary|roman|needle|haystack|title|strng|input_string",
    "list_int": r"arr|array|nums?_?list|nums|numbers|list|lst|l|li|values|data|seq|sequence|items|elements|integers|"
    r"input_list|my_list|a_list|prices|scores|input_array|ls|list_?\w*|array_?\w*|heights|coins|digits|nos",
    "list_str": r"words|strings|strs|names|sentences|str_list|string_list|list_of_strings|word_list|strings_list",
    "dict": r"dict|dictionary|d|mapping|hash|my_dict|input_dict|counts|dic|dictionary1",
    "matrix": r"matrix|grid|mat|board|matrix1|image|triangle",
    "bool": r"flag|reverse|ascending|descending|verbose",
}
_NEVER_NEGATIVE = re.compile(
    r"(?:\w+_)?(?:n|k|m|num|number|limit|count|size|year|age|index|position|pos|steps?|amount|exponent|digits?|total|terms?|"
    r"rows?|cols?|columns?|length|width|height|radius|side|base|decimal|day|month|hours?|minutes?|seconds|price|weight|"
    r"distance|speed|time|principal|rate|times|integer|upper|depth|capacity)\d*"
)
_NAMED = {kind: re.compile(rf"(?:{pattern})") for kind, pattern in _NAMES.items()}
_PRIOR = {"int": 1.0, "list_int": 0.95, "str": 0.9, "list_str": 0.5, "float": 0.45, "dict": 0.3, "matrix": 0.25}
_METHODS = {
    "str": "lower upper split strip isalpha isdigit isalnum isupper islower isspace startswith endswith title swapcase "
    "capitalize encode splitlines translate isnumeric lstrip rstrip casefold find",
    "list_int": "append sort extend reverse insert",
    "dict": "items keys values get setdefault",
}
_METHOD_OF = {method: kind for kind, methods in _METHODS.items() for method in methods.split()}


@dataclass(frozen=True)
class Alternative:
    """Inputs of one combination of kinds.

    Attributes:
        kinds: What each parameter was taken for.
        calls: The arguments of each call as source of a pair, `((1, 2), {})`.
        certain: Whether type hints or examples say so, not a guess.
    """

    kinds: tuple[str, ...]
    calls: tuple[str, ...]
    certain: bool


def alternatives(
    tree: ast.Module, function: ast.FunctionDef, texts: Iterable[str] = (), max_inputs: int = MAX_INPUTS
) -> list[Alternative]:
    """Make inputs for a function, the likeliest kinds of value first.

    Args:
        tree: The program that defines the function.
        function: The function in it.
        texts: The task's instruction and input, where examples may stand.
        max_inputs: How many inputs the likeliest combination gets.

    Returns:
        One alternative for each combination of kinds, the first of them the likeliest; the same each time for the
        same program and texts. Empty if a parameter's hint names a type that cannot be made.
    """
    arguments = function.args
    required = [*arguments.posonlyargs, *arguments.args]
    optional = required[len(required) - len(arguments.defaults) :] if arguments.defaults else []
    required = required[: len(required) - len(optional)]
    keywords = [
        one for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]
    examples = _examples(tree, function, texts, len(required))
    seed = int.from_bytes(hashlib.sha256(ast.unparse(function).encode("utf-8", "replace")).digest()[:8])
    ranked: list[list[tuple[str, float]]] = []
    strategies: list[dict[str, SearchStrategy[Any]]] = []
    for place, parameter in enumerate([*required, *keywords]):
        shown = [call[place] for call in examples if place < len(call)] if place < len(required) else []
        made = _of_hint(parameter.annotation) if parameter.annotation is not None else None
        natural = _NEVER_NEGATIVE.fullmatch(parameter.arg.lower()) is not None
        if made is not None and natural and _hint_name(parameter.annotation or ast.Constant(0)) in ("int", "float"):
            made = _of_kind(f"natural_{_hint_name(parameter.annotation or ast.Constant(0))}")
        if parameter.annotation is not None and made is None and not _says_nothing(parameter.annotation):
            return []
        if made is not None:
            ranked.append([("hint", 9.0)])
            strategies.append({"hint": made})
        elif shown:
            ranked.append([("example", 9.0)])
            strategies.append({"example": _one_of([_like(value) for value in shown])})
        else:
            likely = _ranked_kinds(parameter.arg, function)[:3]
            ranked.append(likely)
            numbers = {"int": "natural_int", "float": "natural_float"} if natural else {}
            strategies.append({kind: _of_kind(numbers.get(kind, kind)) for kind, _ in likely})
    extra = _of_kind("int") if arguments.vararg is not None else None
    defaults = [_of_default(default) for default in arguments.defaults]
    known: list[str] = []
    for call in examples:
        with contextlib.suppress(TypeError):
            known.append(f"({literal(tuple(call))}, {{}})")
    if not (required or keywords or extra is not None):
        # Nothing to vary but the defaults: the one call says all there is to say.
        return [Alternative((), ("((), {})",), True)]
    ordered = sorted(itertools.product(*ranked), key=lambda parts: -sum(score for _, score in parts))
    combinations = [tuple(kind for kind, _ in parts) for parts in ordered[:_ALTERNATIVES]]
    result = []
    for number, kinds in enumerate(combinations):
        parts = [strategies[place][kind] for place, kind in enumerate(kinds)]
        wanted = max_inputs if number == 0 else _INPUTS_OF_LATER_ALTERNATIVES
        drawn = _drawn(parts, defaults, extra, seed + number, wanted)
        calls = list(known)
        for values, more in drawn:
            positional = (*values[: len(required)], *more)
            named = {one.arg: value for one, value in zip(keywords, values[len(required) :], strict=True)}
            calls.append(f"({literal(positional)}, {literal(named)})")
        certain = all(kind in ("hint", "example") for kind in kinds)
        result.append(Alternative(kinds, tuple(dict.fromkeys(calls))[:wanted], certain))
    return result


def _drawn(
    parts: list[SearchStrategy[Any]],
    defaults: list[SearchStrategy[Any] | None],
    extra: SearchStrategy[Any] | None,
    seed_number: int,
    count: int,
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    import hypothesis
    from hypothesis import strategies as st

    # Parameters with a default are left out more often than not: a program may well do without them.
    usable = list(itertools.takewhile(lambda strategy: strategy is not None, defaults))
    more: SearchStrategy[Any] = st.just(())
    if extra is not None:
        more = st.lists(extra, max_size=4).map(tuple)
    elif usable:
        filled = [st.tuples(*[one for one in usable[: size + 1] if one is not None]) for size in range(len(usable))]
        more = st.one_of(st.just(()), st.just(()), *filled)
    found: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = []

    @hypothesis.seed(seed_number)
    @hypothesis.settings(
        database=None,
        deadline=None,
        max_examples=count,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.tuples(*parts), more)
    def collect(values: tuple[Any, ...], rest: tuple[Any, ...]) -> None:
        found.append((values, rest))

    with _nothing_on_disk():
        collect()
    return found


@contextlib.contextmanager
def _nothing_on_disk() -> Iterator[None]:
    """Keep Hypothesis from leaving its folder `.hypothesis` where the user works; it goes on without."""
    from hypothesis.configuration import set_hypothesis_home_dir, storage_directory

    before = storage_directory(intent_to_write=False).home_directory
    set_hypothesis_home_dir("/dev/null/none")
    try:
        yield
    finally:
        set_hypothesis_home_dir(before)


# Every number that is drawn lies between -100 and 100, and texts and floats are built from such numbers. Hypothesis
# mixes in constants that it reads from whatever modules happen to be loaded, but none so small: so the inputs do not
# depend on what else the process has imported.


def _of_kind(kind: str) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    integers = st.one_of(st.integers(-5, 20), st.integers(-20, 99))
    word = st.sampled_from(_WORDS)
    letters = st.lists(st.sampled_from(_LETTERS), max_size=10).map("".join)
    if kind == "int":
        return integers
    if kind == "natural_int":
        return st.one_of(st.integers(0, 20), st.integers(0, 99))
    if kind == "natural_float":
        return st.one_of(st.integers(0, 99).map(lambda number: number / 4), st.integers(0, 40).map(float))
    if kind == "float":
        return st.one_of(st.integers(-99, 99).map(lambda number: number / 4), st.integers(0, 40).map(float))
    if kind == "bool":
        return st.sampled_from([False, True])
    if kind == "none":
        return st.none()
    if kind == "str":
        return st.one_of(word, letters, st.lists(word, min_size=2, max_size=5).map(" ".join))
    if kind == "bytes":
        return letters.map(str.encode)
    if kind == "complex":
        return st.tuples(st.integers(-9, 9), st.integers(-9, 9)).map(lambda parts: complex(*parts))
    if kind == "list_int":
        return st.lists(integers, max_size=8)
    if kind == "list_str":
        return st.lists(word, max_size=6)
    if kind == "dict":
        return st.dictionaries(word, integers, max_size=5)
    return st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(integers, min_size=width, max_size=width), min_size=1, max_size=4)
    )


def _one_of(strategies: list[SearchStrategy[Any]]) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return strategies[0] if len(strategies) == 1 else st.one_of(*strategies)


def _like(value: Any) -> SearchStrategy[Any]:
    """Values of the same shape as an example."""
    from hypothesis import strategies as st

    for kind, plain in (("bool", bool), ("int", int), ("float", float), ("bytes", bytes), ("complex", complex)):
        if type(value) is plain:
            natural = type(value) in (int, float) and not str(value).startswith("-")
            return _of_kind(f"natural_{kind}" if natural else kind)
    if isinstance(value, str):
        if len(value) == 1:
            return st.sampled_from(_LETTERS)
        if value and set(value) <= set("01"):
            return st.lists(st.sampled_from("01"), min_size=1, max_size=8).map("".join)
        if value.isdigit():
            return st.lists(st.sampled_from("0123456789"), min_size=1, max_size=6).map("".join)
        return _of_kind("str")
    if value is None:
        return st.none()
    if isinstance(value, list):
        # Within a list, negative numbers are worth trying even where the example shows none.
        value = [-1 if type(item) is int and item >= 0 else item for item in value]
        inner = [_like(item) for item in _of_each_type(value)]
        if value and all(isinstance(item, list) for item in value) and len({len(item) for item in value}) == 1:
            width = len(value[0])
            items = [_like(item) for item in _of_each_type([item for row in value for item in row])]
            if items:
                return st.lists(st.lists(_one_of(items), min_size=width, max_size=width), min_size=1, max_size=4)
        return st.lists(_one_of(inner), min_size=1, max_size=8) if inner else _of_kind("list_int")
    if isinstance(value, tuple):
        return st.tuples(*[_like(item) for item in value])
    if isinstance(value, set | frozenset):
        inner = [_like(item) for item in _of_each_type(sorted(value, key=repr))]
        made = st.lists(_one_of(inner), max_size=6) if inner else _of_kind("list_int")
        return made.map(type(value))
    keys, items = _of_each_type(list(value)), _of_each_type(list(value.values()))
    if not keys:
        return _of_kind("dict")
    if all(isinstance(key, str) for key in keys) and len({type(item) for item in value.values()}) > 1:
        return st.fixed_dictionaries({key: _like(item) for key, item in value.items()})
    return st.dictionaries(_one_of([_like(key) for key in keys]), _one_of([_like(item) for item in items]), max_size=5)


def _of_each_type(values: list[Any]) -> list[Any]:
    return list({type(value): value for value in reversed(values)}.values())[:3]


def _of_default(node: ast.expr) -> SearchStrategy[Any] | None:
    from hypothesis import strategies as st

    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    if value is None or type(value) in (list, dict, set):
        return None
    if type(value) is str:
        return st.just(value)
    return st.one_of(st.just(value), _like(value))


_PLAIN_HINTS = {
    "int": "int",
    "float": "float",
    "str": "str",
    "bool": "bool",
    "bytes": "bytes",
    "complex": "complex",
    "None": "none",
    "list": "list_int",
    "List": "list_int",
    "dict": "dict",
    "Dict": "dict",
    "array": "list_int",
}
_SEQUENCES = {"list", "List", "Sequence", "Iterable", "Collection", "MutableSequence", "Iterator"}
_MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping", "DefaultDict", "OrderedDict"}
_SETS = {"set": set, "Set": set, "frozenset": frozenset, "FrozenSet": frozenset, "AbstractSet": set}


def _says_nothing(node: ast.expr) -> bool:
    return _hint_name(node) in ("Any", "object", "T")


def _hint_name(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and node.value is None:
        return "None"
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _of_hint(node: ast.expr, depth: int = 0) -> SearchStrategy[Any] | None:
    """The strategy for a type hint; None if it names a type that cannot be made."""
    from hypothesis import strategies as st

    if depth > 8:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return _of_hint(ast.parse(node.value, mode="eval").body, depth + 1)
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _all_of([_of_hint(side, depth + 1) for side in (node.left, node.right)])
    name = _hint_name(node.value if isinstance(node, ast.Subscript) else node)
    if not isinstance(node, ast.Subscript):
        if name in _PLAIN_HINTS:
            return _of_kind(_PLAIN_HINTS[name])
        if name in _SEQUENCES:
            return _of_kind("list_int")
        if name in _MAPPINGS:
            return _of_kind("dict")
        if name in _SETS:
            return _of_kind("list_int").map(_SETS[name])
        return _of_kind("list_int").map(tuple) if name in ("tuple", "Tuple") else None
    parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        return st.sampled_from(values) if values and len(values) == len(parts) else None
    if name in ("tuple", "Tuple") and len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...:
        inner = _of_hint(parts[0], depth + 1)
        return st.lists(inner, max_size=6).map(tuple) if inner is not None else None
    made = [_of_hint(part, depth + 1) if not _says_nothing(part) else _of_kind("int") for part in parts]
    if any(one is None for one in made):
        return None
    whole = [one for one in made if one is not None]
    if name == "Optional":
        return st.one_of(whole[0], st.none())
    if name == "Union":
        return st.one_of(*whole)
    if name in _SEQUENCES:
        return st.lists(whole[0], max_size=8)
    if name in _SETS:
        kind = _SETS[name]
        return st.lists(whole[0], max_size=6).map(kind)
    if name in ("tuple", "Tuple"):
        return st.tuples(*whole)
    if name in _MAPPINGS and len(whole) == 2:
        return st.dictionaries(whole[0], whole[1], max_size=5)
    return None


def _all_of(made: list[SearchStrategy[Any] | None]) -> SearchStrategy[Any] | None:
    from hypothesis import strategies as st

    whole = [one for one in made if one is not None]
    return st.one_of(*whole) if len(whole) == len(made) else None


def _ranked_kinds(name: str, function: ast.FunctionDef) -> list[tuple[str, float]]:
    scores = dict(_PRIOR)
    plain = re.sub(r"[\d_]+$", "", name.lower()) or name.lower()
    for word, weight in ((plain, 2.0), (plain.rsplit("_", 1)[-1], 1.5)):
        for kind, pattern in _NAMED.items():
            if pattern.fullmatch(word):
                scores[kind] = scores.get(kind, 0.0) + weight
    for kind, weight in _uses(name, function):
        scores[kind] = scores.get(kind, 0.0) + weight
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _uses(name: str, function: ast.FunctionDef) -> set[tuple[str, float]]:
    """What the body does with a parameter, as kinds that allow it; each use counts once."""
    found: set[tuple[str, float]] = set()

    def is_it(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == name

    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and is_it(node.value) and node.attr in _METHOD_OF:
            found.add((_METHOD_OF[node.attr], 3.0))
        elif isinstance(node, ast.BinOp):
            numeric = isinstance(node.op, ast.Mod | ast.FloorDiv | ast.Div | ast.Pow | ast.Sub | ast.Mult)
            if (numeric and is_it(node.left)) or (
                is_it(node.right) and isinstance(node.op, ast.Div | ast.Pow | ast.Sub)
            ):
                found.add(("int", 1.5))
                found.add(("float", 0.8))
            others = (node.left, node.right)
            for one, other in (others, others[::-1]):
                if is_it(one) and isinstance(other, ast.Constant) and type(other.value) in (int, float, str):
                    found.add(("str" if isinstance(other.value, str) else "int", 1.5))
        elif isinstance(node, ast.Compare) and is_it(node.left):
            for other in node.comparators:
                if isinstance(other, ast.Constant) and type(other.value) in (int, float):
                    found.add(("int", 1.5))
                elif isinstance(other, ast.Constant) and isinstance(other.value, str):
                    found.add(("str", 2.0))
        elif isinstance(node, ast.For | ast.comprehension) and is_it(node.iter):
            found |= {("list_int", 1.0), ("str", 0.8), ("list_str", 0.6), ("dict", 0.3), ("matrix", 0.3)}
            if isinstance(node.target, ast.Name):
                found |= {
                    ("list_str" if kind == "str" else "matrix" if kind.startswith("list") else "list_int", 0.7 * weight)
                    for kind, weight in (_uses(node.target.id, function) if node.target.id != name else ())
                    if kind in ("str", "int", "list_int")
                }
                if re.fullmatch(r"char(?:acter)?|ch|c|letter", node.target.id):
                    found.add(("str", 2.5))
                elif re.fullmatch(r"word|string|s|name", node.target.id):
                    found.add(("list_str", 2.5))
                elif re.fullmatch(r"row", node.target.id):
                    found.add(("matrix", 3.0))
        elif isinstance(node, ast.Subscript) and is_it(node.value):
            found |= {("list_int", 1.0), ("str", 0.8), ("list_str", 0.6), ("dict", 0.2)}
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Subscript) and is_it(node.value.value):
            found.add(("matrix", 2.5))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and any(is_it(one) for one in node.args):
            called = node.func.id
            if called == "range":
                found.add(("int", 3.0))
            elif called in ("len", "sorted", "set", "enumerate", "list", "reversed"):
                found |= {("list_int", 1.0), ("str", 0.8), ("list_str", 0.5)}
            elif called in ("sum", "max", "min"):
                found.add(("list_int", 2.0))
            elif called in ("abs", "bin", "hex", "chr", "divmod"):
                found.add(("int", 2.5))
            elif called == "ord":
                found.add(("str", 2.0))
    return found


def _examples(tree: ast.Module, function: ast.FunctionDef, texts: Iterable[str], arity: int) -> list[tuple[Any, ...]]:
    """Calls of the function with arguments that can be read: in the program, in doctests, in the task's texts."""
    names = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = _calls(tree, function.name, names)
    for text in [ast.get_docstring(function) or "", *texts]:
        for source in re.findall(rf"\b{re.escape(function.name)}\([^\n]*\)", text[:4000]):
            with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                end = _closing(source)
                found += _calls(ast.parse(source[:end]), function.name, {})
    if not found:
        values = [value for text in list(texts)[1:] for value in _values_in(text[:2000])]
        if arity and len(values) == arity:
            found.append(tuple(values))
        elif arity == 1:
            found += [(value,) for value in values]
    unique = {repr(call): call for call in found if len(call) >= arity}
    return list(unique.values())[:_MAX_EXAMPLES]


def _closing(source: str) -> int:
    depth = 0
    for place, character in enumerate(source):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character == ")":
            return place + 1
    return len(source)


def _calls(tree: ast.Module, name: str, names: dict[str, ast.expr]) -> list[tuple[Any, ...]]:
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == name
            and not node.keywords
        ):
            arguments = [names.get(one.id, one) if isinstance(one, ast.Name) else one for one in node.args]
            with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                values = tuple(ast.literal_eval(one) for one in arguments)
                if all(_is_small(value) for value in values):
                    found.append(values)
    return found


def _values_in(text: str) -> list[Any]:
    """The values that a task's input shows: `arr = [1, 2]`, `3, 4, 10`, `String: hello`."""
    found: list[Any] = []
    whole = _value(text)
    if whole is not None:
        return list(whole) if isinstance(whole, tuple) else [whole]
    for line in text.splitlines():
        part = re.sub(r"^[\w ]{0,40}[=:](?!=)", "", line.strip()).strip().rstrip(";")
        value = _value(part)
        if value is None and re.match(r"(?i)\s*(?:string|str|text|word|sentence|name|input)\w*\s*[:=]", line):
            value = part.strip("\"'")
        if isinstance(value, tuple):
            found += value
        elif value is not None:
            found.append(value)
    return found


def _value(text: str) -> Any:
    if not text.strip() or not re.match(r"\s*[\[({\"'\d-]", text):
        return None
    with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = ast.literal_eval(text.strip())
        return value if _is_small(value) else None
    return None


def _is_small(value: Any) -> bool:
    try:
        return len(literal(value)) <= 500
    except TypeError:
        return False
