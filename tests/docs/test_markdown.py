"""What the README and the pages show in code blocks exists: keys, names, commands, sessions, options."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

DOCS = ROOT / "docs"
OURS = ("finetune_kit", "evals")
_FENCE = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"[A-Z_]+=\S*")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text and where it begins."""

    language: str
    text: str
    where: str


def markdown_files() -> list[Path]:
    pages = (path for path in DOCS.rglob("*.md") if not {"_build", "runs"} & set(path.relative_to(DOCS).parts))
    return [ROOT / "README.md", *sorted(pages)]


def blocks_of(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in _FENCE.finditer(text):
        line = text[: found.start()].count("\n") + 1
        indent = found[1]
        body = "".join(row.removeprefix(indent) for row in found[4].splitlines(keepends=True))
        yield Block(found[3].strip(), body, f"{path.relative_to(ROOT)}:{line}")


BLOCKS = [block for path in markdown_files() for block in blocks_of(path)]


def blocks(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def named(chosen: list[Block]) -> list:
    return [pytest.param(block, id=block.where) for block in chosen]


def test_blocks_are_found() -> None:
    assert len(blocks("console")) > 5
    assert blocks("python") and blocks("yaml") and blocks("{code-cell} ipython3")
    # A block without a language is one that nobody tests.
    assert [block.where for block in BLOCKS if not block.language] == []


# YAML: recipes, parts of recipes, suites.


def is_a_suite(tree: object) -> bool:
    return isinstance(tree, dict) and bool({"gates", "scorers", "predictions", "extends", "rows"} & set(tree))


def is_of_a_recipe(tree: object) -> bool:
    from finetune_kit.recipe import Recipe

    return isinstance(tree, dict) and bool(set(tree) & set(Recipe.model_fields)) and not is_a_suite(tree)


@pytest.mark.parametrize("block", named(blocks("yaml")))
def test_yaml_is_what_it_seems_to_be(block: Block, tmp_path: Path) -> None:
    from evals.suite import Suite
    from finetune_kit.recipe import SHIPPED_RECIPES, Recipe

    if block.text.startswith("---"):
        assert isinstance(yaml.safe_load(block.text.strip("-\n")), dict)
        return
    tree = yaml.safe_load(block.text)
    assert isinstance(tree, dict), block.where
    if is_a_suite(tree):
        path = tmp_path / "shown.eval.yaml"
        path.write_text(block.text)
        Suite.load(path)
    elif is_of_a_recipe(tree):
        shipped = yaml.safe_load((SHIPPED_RECIPES / "smollm2-135m.yaml").read_text())
        Recipe.model_validate(tree if "base_model" in tree else laid_over(shipped, tree))


def laid_over(tree: dict, part: dict) -> dict:
    merged = dict(tree)
    for key, value in part.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged


# Python: it compiles, and what it imports exists; so for cells too, which run only when the site is built.


def is_there(module: str, block: Block) -> bool:
    package = module.partition(".")[0]
    page = (ROOT / block.where.rpartition(":")[0]).read_text()
    # Those that the page itself writes, that hidden cells take from the pages' folder, that every kernel brings, and
    # that a page puts into another environment.
    written = re.search(rf"^%%writefile {package}\.py$", page, re.MULTILINE)
    elsewhere = f"In an environment with `transformers[serving]` and `{package}`:" in page
    return (
        bool(written)
        or elsewhere
        or package == "IPython"
        or (DOCS / f"{package}.py").is_file()
        or find_spec(package) is not None
    )


@pytest.mark.parametrize("block", named(blocks("python", "{code-cell} ipython3")))
def test_python_imports_what_exists(block: Block) -> None:
    code = "\n".join(line for line in block.text.splitlines() if not re.match(r":[\w-]+:|[%!]", line))
    for node in ast.walk(ast.parse(code, block.where)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert is_there(alias.name, block), f"{block.where}: import {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            package = str(node.module).partition(".")[0]
            assert is_there(package, block), f"{block.where}: from {node.module}"
            if package in OURS:
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{block.where}: from {node.module} import {alias.name}"


# Commands.


def commands_of(block: Block) -> Iterator[list[str]]:
    """The commands of a block, in words; what they print is left out where prompts tell it apart."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in lines:
        for part in re.split(r"&&|;|\|", line):
            words = [word for word in shlex.split(part, comments=True)]
            while words and _VARIABLE.fullmatch(words[0]):
                words.pop(0)
            if words:
                words[0] = words[0].rpartition("/")[2]
                yield words


def inline_commands() -> Iterator[tuple[str, list[str]]]:
    """Commands of ours between backticks in the text."""
    for path in markdown_files():
        text = _FENCE.sub("", path.read_text())
        for shown in re.findall(r"(?<!`)`((?:nox -s|finetune-kit|python -m|pytest --) ?[^`]*)`(?!`)", text):
            # Words in capitals and dots stand for something.
            yield f"{path.relative_to(ROOT)}: {shown}", [word for word in shown.split() if word != "..."]


def all_commands() -> list:
    found = [(block.where, words) for block in blocks("console", "bash", "sh", "shell") for words in commands_of(block)]
    found += list(inline_commands())
    ours = ("nox", "finetune-kit", "python", "python3", "pytest")
    return [pytest.param(words, id=f"{where} {words[0]}") for where, words in found if words[0] in ours]


def sessions() -> dict[str, ast.FunctionDef]:
    found = {}
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        for one in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
            if ast.unparse(one).startswith("nox.session"):
                words = {word.arg: word.value for word in one.keywords} if isinstance(one, ast.Call) else {}
                found[ast.literal_eval(words["name"]) if "name" in words else node.name] = node
    return found


def options_of(command) -> set[str]:
    return {"--help", *(option for one in command.params for option in [*one.opts, *one.secondary_opts])}


def check_options(words: list[str], known: set[str]) -> None:
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= known, f"there is no {', '.join(sorted(given - known))}"


def check_nox(words: list[str]) -> None:
    from finetune_kit.recipe import Recipe

    names, _, passed = " ".join(words).partition(" -- ")
    asked = names.split()
    asked = asked[asked.index("-s") + 1 :] if "-s" in asked else []
    assert set(asked) <= set(sessions()), f"nox has no session {set(asked) - set(sessions())}"
    if asked == ["train"] and passed and "[" not in passed:
        recipe, *overrides = passed.split()
        if recipe == recipe.lower():
            Recipe.load(*("smollm2-135m", [recipe, *overrides]) if "=" in recipe else (recipe, overrides))


def check_kit(words: list[str]) -> None:
    import typer

    from finetune_kit.cli import app

    command = typer.main.get_command(app)
    if not words or words[0].startswith("-"):
        return check_options(words, options_of(command))
    verbs = command.commands
    if not words[0].isupper():
        assert words[0] in verbs, f"finetune-kit has no verb {words[0]!r}"
        check_options(words[1:], options_of(verbs[words[0]]))


def check_evals(words: list[str]) -> None:
    import typer

    from evals import __main__ as evals

    app = typer.Typer(add_completion=False)
    app.command()(evals.VERBS.get(words[0] if words else "", evals.main))
    check_options(words, options_of(typer.main.get_command(app)))


def check_pytest(words: list[str], known: set[str]) -> None:
    ours = [word for word in words if word.startswith("--evals")]
    check_options(ours, known)


@pytest.mark.parametrize("words", all_commands())
def test_commands_name_what_exists(words: list[str], pytestconfig: pytest.Config) -> None:
    program, *rest = words
    if program == "nox":
        check_nox(rest)
    elif program == "finetune-kit":
        check_kit(rest)
    elif program == "pytest":
        known = {f"--{name.replace('_', '-')}" for name in vars(pytestconfig.option) if name.startswith("evals_")}
        assert known
        check_pytest(rest, known)
    elif rest[:1] == ["-m"]:
        module, *arguments = rest[1:]
        if module == "evals":
            check_evals(arguments)
        elif module not in ("venv", "pip"):
            assert importlib.util.find_spec(module), module


def test_every_session_says_what_it_does() -> None:
    assert [name for name, node in sessions().items() if not ast.get_docstring(node)] == []


def test_each_page_is_in_a_toctree() -> None:
    """Sphinx warns of it too, but only when the site is built."""
    shown = set()
    for path in markdown_files()[1:]:
        for block in blocks_of(path):
            if block.language == "{toctree}":
                lines = (line.strip() for line in block.text.splitlines())
                shown |= {(path.parent / f"{line}.md").resolve() for line in lines if line and not line.startswith(":")}
    assert {path.resolve() for path in markdown_files()[1:]} - shown == {(DOCS / "index.md").resolve()}
