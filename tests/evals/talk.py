"""What the tests of the talk between a program and its tests share."""

from inspect import cleandoc

PASSED = {"status": "passed", "line": 0, "detail": "", "relied_on_program": False}
# What every forgery has to answer.
ANSWER = "assert answer(3) == 9\nassert answer(4) == 16\n"
POINT = """
class Point:
    "A point."
    made = 0
    def __init__(self, x, y=0):
        self.x, self.y = x, y
        Point.made += 1
    def moved(self, by):
        return Point(self.x + by, self.y)
    def __repr__(self):
        return f"Point({self.x}, {self.y})"
    @property
    def size(self):
        return abs(self.x) + abs(self.y)
    @classmethod
    def origin(cls):
        return cls(0, 0)
    @staticmethod
    def add(a, b):
        return a + b
"""
STACK = """
class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
        return self
    def pop(self):
        if not self.items:
            raise IndexError("pop from empty stack")
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    def __contains__(self, item):
        return item in self.items
    def __getitem__(self, place):
        return self.items[place]
    def __iter__(self):
        return iter(self.items)
"""
ERRORS = """
class Base(Exception):
    pass
class Poor(Base, ValueError):
    def __init__(self, need, have):
        super().__init__(f"need {need}, have {have}")
        self.need, self.have = need, have
def pay(need, have):
    if need > have:
        raise Poor(need, have)
    return have - need
def fail(kind, *args):
    raise kind(*args)
def chained():
    try:
        {}["a"]
    except KeyError as error:
        raise ValueError("no") from error
"""
LINKED = """
class Node:
    def __init__(self, value, next=None):
        self.value, self.next = value, next
def build(values):
    head = None
    for value in reversed(values):
        head = Node(value, head)
    return head
def reverse(head):
    last = None
    while head:
        head.next, last, head = last, head, head.next
    return last
"""


def cleaned(table):
    """Take the indentation off the texts of a table."""
    return {name: tuple(cleandoc(x) if type(x) is str else x for x in row) for name, row in table.items()}
