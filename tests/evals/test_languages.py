"""The language detector: a list of snippets, and the cases where text, data and several languages look alike."""

from __future__ import annotations

import json

import pytest

from evals.languages import PROGRAMMING_LANGUAGES, detect_language

SNIPPETS: dict[str, list[str]] = {
    "python": [
        "def add(a, b):\n    return a + b",
        "a = 1",
        "print('hello')",
        "import os\nprint(os.getcwd())",
        "squares = [n * n for n in range(10)]",
        "class Dog:\n    def __init__(self, name):\n        self.name = name",
        "x = {'a': 1, 'b': 2}\nfor key, value in x.items():\n    print(key, value)",
        "lambda x: x + 1",
        "with open('f') as file:\n    data = file.read()",
        "def broken(a, b:\n    return a",
        "def broken(a, b)\n    return a + b",
        "for i in range(3)\n    print(i)",
        'print "python two"\nfor i in xrange(3):\n    print i',
        "    return x + 1\n\ndef helper():\n    pass",
        "@decorator\ndef f(): ...",
        "my_list[::-1]",
        "sorted(words, key=len)",
        "async def main():\n    await asyncio.sleep(1)",
        "from math import sqrt\nroot = sqrt(2)",
        "while True:\n    try:\n        n = int(input())\n    except ValueError:\n        break",
        "total = sum(numbers) / len(numbers)",
    ],
    "javascript": [
        "const add = (a, b) => a + b;",
        "function greet(name) {\n  return `Hello ${name}`;\n}",
        "console.log('hi');",
        "let x = 5;\nx += 1;",
        "var names = ['a', 'b'];",
        "document.getElementById('x').innerHTML = 'y';",
        "for (let i = 0; i < 3; i++) {\n  total += i;\n}",
        "const express = require('express');\nconst app = express();",
        "if (a === b) { alert('same'); }",
        "class Point {\n  constructor(x, y) {\n    this.x = x;\n  }\n}",
        "export default function App() { return null; }",
    ],
    "typescript": [
        "function add(a: number, b: number): number {\n  return a + b;\n}",
        "interface User {\n  name: string;\n  age: number;\n}",
        "const names: string[] = ['a', 'b'];",
        "type Pair = [number, number];\nconst p: Pair = [1, 2];",
        "export class Shop {\n  private items: Item[] = [];\n  add(item: Item): void {}\n}",
    ],
    "java": [
        'public class Main {\n  public static void main(String[] args) {\n    System.out.println("hi");\n  }\n}',
        "public static int add(int a, int b) {\n    return a + b;\n}",
        "import java.util.ArrayList;\nArrayList<String> list = new ArrayList<>();",
        'String name = "Ada";\nint length = name.length();',
        "public boolean isEven(int n) {\n  return n % 2 == 0;\n}",
        'class Dog extends Animal {\n  @Override\n  public void speak() { System.out.println("woof"); }\n}',
    ],
    "c": [
        '#include <stdio.h>\n\nint main(void) {\n    printf("hi\\n");\n    return 0;\n}',
        "int add(int a, int b) {\n    return a + b;\n}",
        "void swap(int *a, int *b) {\n    int t = *a;\n    *a = *b;\n    *b = t;\n}",
        "struct node {\n    int value;\n    struct node *next;\n};",
        "char *copy = malloc(strlen(s) + 1);\nstrcpy(copy, s);",
    ],
    "c++": [
        '#include <iostream>\nusing namespace std;\nint main() {\n    cout << "hi" << endl;\n}',
        "std::vector<int> v = {1, 2, 3};",
        "template <typename T>\nT largest(T a, T b) { return a > b ? a : b; }",
        "int total(const vector<int>& v) {\n    int sum = 0;\n    for (int x : v) sum += x;\n    return sum;\n}",
        "class Shape {\npublic:\n    virtual double area() = 0;\n};",
    ],
    "c#": [
        'using System;\n\nclass Program {\n    static void Main() {\n        Console.WriteLine("hi");\n    }\n}',
        "public string Name { get; set; }",
        "foreach (var item in items)\n{\n    Console.WriteLine(item);\n}",
        "var adults = people.Where(p => p.Age > 17).ToList();\nList<string> names = new List<string>();",
        "public static bool IsEven(int n)\n{\n    return n % 2 == 0;\n}",
    ],
    "go": [
        'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hi")\n}',
        "func add(a int, b int) int {\n\treturn a + b\n}",
        'm := make(map[string]int)\nm["a"] = 1',
        "type User struct {\n\tName string\n}\n\nfunc (u User) Greet() string {\n\treturn u.Name\n}",
    ],
    "rust": [
        'fn main() {\n    println!("hi");\n}',
        "fn add(a: i32, b: i32) -> i32 {\n    a + b\n}",
        "let mut v = vec![1, 2, 3];\nv.push(4);",
        "impl Shape for Circle {\n    fn area(&self) -> f64 { 3.14 }\n}",
    ],
    "sql": [
        "SELECT name FROM users WHERE age > 18;",
        "select count(*)\nfrom orders\ngroup by day",
        "INSERT INTO t (a, b) VALUES (1, 2);",
        "UPDATE users SET name = 'x' WHERE id = 1",
        "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20));",
        "DELETE FROM t;",
    ],
    "html": [
        "<!DOCTYPE html>\n<html><body><p>hi</p></body></html>",
        '<a href="https://example.com">link</a>',
        '<input type="text" name="a">',
        "<ul>\n  <li>one</li>\n</ul>",
        "<html><script>let x = 1; console.log(x);</script></html>",
    ],
    "css": [
        "body {\n  color: red;\n}",
        ".button { background-color: #fff; border: none; }",
        "h1 { font-size: 12px }",
        "@media (max-width: 600px) {\n  p { display: none; }\n}",
    ],
    "shell": [
        "#!/bin/bash\necho hello",
        "ls -la | grep txt",
        "mkdir -p build && cd build",
        'for f in *.txt; do\n  echo "$f"\ndone',
        'if [ -d "$1" ]; then\n  echo yes\nfi',
        "sudo apt-get install git",
        "rm -rf build",
    ],
    "r": [
        "x <- c(1, 2, 3)\nmean(x)",
        "square <- function(n) {\n  n * n\n}",
        "library(dplyr)\ndf %>% filter(a > 1)",
    ],
    "php": [
        "<?php\necho 'hi';\n?>",
        "function add($a, $b) {\n    return $a + $b;\n}",
        "$names = array('a', 'b');\nforeach ($names as $name) {\n    echo $name;\n}",
    ],
    "ruby": [
        "def add(a, b)\n  a + b\nend",
        "puts 'hi'",
        "[1, 2, 3].each do |n|\n  puts n\nend",
        "class Dog\n  attr_reader :name\nend",
    ],
    "swift": ["func add(a: Int, b: Int) -> Int {\n    return a + b\n}"],
    "kotlin": ["fun add(a: Int, b: Int): Int {\n    return a + b\n}"],
    "perl": ["use strict;\nmy @names = ('a', 'b');\nprint join(',', @names);"],
    "json": ['{"a": 1, "b": [true, null]}', '[{"a": 1}, {"a": 2}]', "{}"],
    "yaml": ["name: test\nsteps:\n  - run: make\n  - run: make test", "host: localhost\nport: local"],
    "text": [
        "",
        "   \n",
        "Paris",
        "42",
        "3.14",
        "True",
        "red, green, blue",
        "[1, 2, 3]",
        "The capital of France is Paris.",
        "Yes",
        "The function returns the sum of its two arguments.",
        "To solve this, sort the list (in place) and take the first. For example:\n\nitems.sort()\nprint(items[0])",
        "not found",
        "Answer: 42",
        "1, 2, 3",
        "An array is a data structure that holds elements of the same type; its length is fixed.",
        "'hello'",
        "well-known",
        "# nothing but a comment",
        "10%",
    ],
}
ALL = [(language, code) for language, codes in SNIPPETS.items() for code in codes]


def test_the_list_has_a_use():
    assert len(ALL) >= 120
    assert set(SNIPPETS) >= PROGRAMMING_LANGUAGES


@pytest.mark.parametrize(("language", "code"), ALL, ids=[f"{name}-{at}" for at, (name, _) in enumerate(ALL)])
def test_the_language_of_a_snippet(language: str, code: str):
    assert detect_language(code).name == language


@pytest.mark.parametrize(
    ("hint", "expected"),
    [("python", "python"), ("py", "python"), ("js", "javascript"), ("Ruby", "ruby"), ("no such thing", "python")],
)
def test_a_hint_decides_what_the_text_leaves_open(hint: str, expected: str):
    assert detect_language("total = 1", hint).name == expected


def test_a_hint_does_not_make_another_language_of_a_function():
    assert detect_language("def f(x):\n    return x", "javascript").name == "python"
    assert detect_language("SELECT name FROM users WHERE age > 18 ORDER BY name;", "python").name == "sql"


@pytest.mark.parametrize(
    "code",
    [
        "(" * 100_000,
        "-" * 100_000 + "1",
        "x" + ".a" * 100_000,
        "x = '\0'",
        "x = '\ud800'",
        "1" * 50_000,
        "{" * 50_000,
        "<a " * 30_000,
        "a {" * 20_000,
        "SELECT " * 20_000,
        "\\" * 50_000,
        "$" * 50_000,
        "word " * 20_000,
    ],
    ids=range(13),
)
def test_what_is_meant_to_break_parsers_gets_an_answer(code: str):
    assert detect_language(code).name in PROGRAMMING_LANGUAGES | {"text", "other", "json", "yaml"}


def test_python_code_with_words_of_other_languages_stays_python():
    code = 'QUERY = "SELECT name FROM users"\n\ndef page():\n    """<html></html>"""\n    return "console.log(1);"\n'
    assert detect_language(code).name == "python"


def test_json_is_what_json_reads():
    assert detect_language(json.dumps({"def": "f()"}, indent=2)).name == "json"
    assert detect_language("{'single': 'quotes'}").name == "text"


def test_a_language_says_whether_it_is_run():
    assert detect_language("def f(): pass").is_python
    assert detect_language('fn main() { println!(""); }').is_other_program
    assert not detect_language("Paris").is_other_program
    assert not detect_language("Paris").is_python
