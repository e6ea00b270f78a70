"""Files that are not what their name says: archives, web pages, pointers, other encodings than UTF-8."""

import codecs
import re
import shlex
from pathlib import Path

from finetune_kit.errors import KitError

_PARQUET = b"PAR1"
_ARCHIVES = (
    (b"\x1f\x8b", "gzip", "gunzip -c"),
    (b"BZh", "bzip2", "bunzip2 -c"),
    (b"\xfd7zXZ\x00", "xz", "xz -dc"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -dc"),
)
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_POINTER = b"version https://git-lfs.github.com/spec/"
HEAD = 4096
"""Bytes that tell what a file is."""
MOST_LINES = 10
"""How many broken lines a message names."""


def refuse_other_kinds(path: Path, data: bytes) -> None:
    """Raise for content that another program wrote under this name.

    Args:
        path: The file; its suffix says what it should be.
        data: What it holds.

    Raises:
        KitError: For compressed files, archives, web pages, Git LFS pointers, and Parquet under another name.
    """
    head = data[:HEAD]
    for magic, kind, command in _ARCHIVES:
        if data.startswith(magic):
            raise KitError(f"{path} is compressed ({kind}); unpack it: {redirected(command, path, 'unpacked')}")
    if data.startswith(b"PK\x03\x04"):
        raise KitError(f"{path} is a zip archive or an Excel file; unpack it, or save its sheet as CSV.")
    if data.startswith(_POINTER):
        raise KitError(f"{path} is a pointer of Git LFS, not the file itself; fetch it: git lfs pull")
    if _PAGE.match(head):
        raise KitError(f"{path} is a web page (HTML), not a file of rows; download the raw file.")
    if data.startswith(_PARQUET) and path.suffix != ".parquet":
        raise KitError(f"{path} is a Parquet file; name it .parquet.")


def decode(path: Path, data: bytes) -> str:
    """The text of a file.

    Args:
        path: The file.
        data: What it holds: UTF-8, with or without a byte order mark.

    Raises:
        KitError: If it is not UTF-8; it names the byte, the line, and the likely encoding.
    """
    # UTF-16 without a mark: every other byte of a Latin text is zero.
    zeros = data[:HEAD].count(0) > len(data[:HEAD]) // 3
    wide = next((name for mark, name in _ENCODINGS if data.startswith(mark)), None)
    if wide or zeros:
        little = data[1:2] == b"\0"
        wide = wide or ("UTF-16LE" if little else "UTF-16BE")
        raise KitError(f"{path}:1: not UTF-8, it is {wide} by its first bytes. {_convert(path, wide)}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # With a byte order mark, offsets are counted behind it.
        at = error.start + (len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0)
        ends_early = error.reason == "unexpected end of data"
    line = data.count(b"\n", 0, at) + 1
    found = f"{path}:{line}: not UTF-8: byte {at} is {data[at]:#04x}."
    if ends_early:
        raise KitError(f"{found} The file ends in the middle of a character; was it cut off?")
    elsewhere = data.decode("utf-8", "ignore")
    if not elsewhere.isascii():
        others = "".join(f", and line {number}" for number in _broken_lines(data)[1:MOST_LINES])
        raise KitError(f"{found} The rest has letters in UTF-8, so mend that line{others}.")
    # Between 0x80 and 0x9f Latin-1 has control characters, and Windows quotes and dashes.
    encoding = "WINDOWS-1252" if any(0x80 <= byte < 0xA0 for byte in data) else "ISO-8859-1"
    raise KitError(f"{found} It is likely {encoding}. {_convert(path, encoding)}")


def _convert(path: Path, encoding: str) -> str:
    return f"Convert it: {redirected(f'iconv -f {encoding} -t UTF-8', path, 'utf8')}"


def redirected(command: str, path: Path, word: str) -> str:
    """A shell's line that writes what a command makes of a file into another beside it."""
    other = path.with_name(f"{path.stem}-{word}{path.suffix}")
    return f"{command} {shlex.quote(str(path))} > {shlex.quote(str(other))}"


def _broken_lines(data: bytes) -> list[int]:
    broken = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            broken.append(number)
    return broken
