"""Keys, tokens and passwords in a text, by the shapes that their makers give them; no value is ever repeated.

A shape is looked for only where a word of it stands in the text, which is quick to see. What manuals print as examples
(one character over and over, the alphabet, the word EXAMPLE) is no secret.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Secret:
    """A secret that stands in a text."""

    what: str
    """What it is, e.g. `GitHub token`."""
    at: int
    """Its first character in the text, from 0."""
    length: int
    """In characters."""
    beginning: str
    """The first four characters, where those are the same for all of its kind; else empty."""

    def __str__(self) -> str:
        shown = f"{self.beginning}…, " if self.beginning else ""
        return f"{self.what} ({shown}{self.length} characters)"


@dataclass(frozen=True)
class _Shape:
    what: str
    words: tuple[str, ...]
    """One of them stands in every text that has the secret."""
    pattern: re.Pattern[str]
    """Its last group, or all of it, is the value."""
    prefixed: bool = True
    """Whether the first four characters are no part of the secret itself."""
    holds: Callable[[re.Match[str]], bool] = lambda match: not _is_example(match[match.lastindex or 0])


_RUNS = ("abcdefg", "1234567890123", "0123456789abcdef", "xxxx", "example", "your", "....", "placeholder", "redacted")


def _is_example(value: str) -> bool:
    """Whether it is one of those that manuals print, by its letters."""
    small = value.lower()
    return len(set(small)) < 10 or any(run in small for run in _RUNS)


def _is_key(match: re.Match[str]) -> bool:
    return len(set(match[0])) > 40  # One of thousands of letters holds any run by chance.


def _is_jwt(match: re.Match[str]) -> bool:
    try:
        head, payload = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in match[0].split(".")[:2]
        )
        return "alg" in head and payload.get("sub") != "1234567890"  # The one of all tutorials.
    except (ValueError, TypeError, AttributeError):
        return False


_STAND_INS = re.compile(
    r"(?i)^(?:(?:your|my|the|db|some|super)?[-_]?(?:user|pass|passwd|password|pwd|pw|pass_?word|secret|token|key|api_?key)"
    r"[-_]?(?:here|word|123|1234|name)?|changeme|change_me|[x.*_-]+|foo|bar|admin|root|guest|test|postgres|example|repo|123+4?5?6?)$"
)
_NO_HOST = re.compile(
    r"(?i)^(?:localhost|127\.0\.0\.1|0\.0\.0\.0|host(?:name)?|db|server|(?:[\w-]+\.)*example\.\w+)(?::\w+)?$"
)


def _is_password(match: re.Match[str]) -> bool:
    user, password, host = match["user"], match["password"], match["host"]
    if password.lower() == user.lower() or _STAND_INS.match(password) or _NO_HOST.match(host):
        return False
    return not re.search(r"[{}$<>%\[\]()]", user + password + host)


_SHAPES = tuple(
    _Shape(what, words, re.compile(pattern), *rest)  # type: ignore[arg-type]
    for what, words, pattern, *rest in (
        (
            "private key",
            ("PRIVATE KEY",),
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:(?!-----)[\s\S]){0,400}?[A-Za-z0-9+/=]{40,}"
            r"(?:(?!-----)[\s\S]){0,20000}",
            False,
            _is_key,
        ),
        ("AWS access key id", ("AKIA", "ASIA"), r"(?<![A-Za-z0-9])A(?:K|S)IA[A-Z2-7]{16}(?![A-Za-z0-9])"),
        (
            "AWS secret key",
            ("ecret", "ECRET"),
            r"(?i)aws.{0,30}secret.{0,30}?[=:]\s*[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
            False,
        ),
        (
            "GitHub token",
            ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
            r"(?<![A-Za-z0-9_])gh[pousr]_[A-Za-z0-9]{36,255}(?![A-Za-z0-9_])",
        ),
        ("GitHub token", ("github_pat_",), r"(?<![A-Za-z0-9_])github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?!\w)"),
        ("GitLab token", ("glpat-", "glptt-", "gldt-", "glrt-"), r"(?<![\w-])gl(?:pat|ptt|dt|rt)-[\w.-]{20,}"),
        ("Slack token", ("xox", "xapp-"), r"(?<![\w-])(?:xox[abeoprs]|xapp)-(?=[\w-]*\d)[A-Za-z0-9-]{20,}"),
        (
            "Slack webhook",
            ("hooks.slack.com",),
            r"hooks\.slack\.com/services/(T\w{8,}/B\w{8,}/[A-Za-z0-9]{20,})",
            False,
        ),
        ("Google API key", ("AIza",), r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
        ("Google OAuth token", ("ya29.",), r"(?<![\w-])ya29\.[\w-]{30,}"),
        ("Google OAuth secret", ("GOCSPX-",), r"(?<![\w-])GOCSPX-[\w-]{28}(?![\w-])"),
        ("Anthropic key", ("sk-ant-",), r"(?<![\w-])sk-ant-[\w-]{24,}"),
        (
            "OpenAI key",
            ("sk-",),
            r"(?<![\w-])sk-(?:(?:proj|svcacct|admin|None)-[\w-]{32,}|[A-Za-z0-9]{32,})(?![\w-])",
        ),
        ("Hugging Face token", ("hf_",), r"(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{30,}(?![A-Za-z0-9_])"),
        ("Stripe key", ("k_live_",), r"(?<![A-Za-z0-9_])[sr]k_live_[A-Za-z0-9]{16,}"),
        ("Stripe webhook secret", ("whsec_",), r"(?<![A-Za-z0-9_])whsec_[A-Za-z0-9]{32,}"),
        ("npm token", ("npm_",), r"(?<![A-Za-z0-9_])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9_])"),
        ("PyPI token", ("pypi-AgE",), r"(?<![\w-])pypi-AgE[\w-]{50,}"),
        ("SendGrid key", ("SG.",), r"(?<![\w.-])SG\.[\w-]{22}\.[\w-]{43}(?![\w-])", False),
        ("Telegram bot token", (":AA",), r"(?<![\w:])\d{8,10}:AA[\w-]{33}(?![\w-])", False),
        ("DigitalOcean token", ("dop_v1_", "doo_v1_", "dor_v1_"), r"(?<![A-Za-z0-9_])do[opr]_v1_[a-f0-9]{64}"),
        ("Azure storage key", ("AccountKey=",), r"AccountKey=([A-Za-z0-9+/]{86}==)", False),
        ("JSON web token", ("eyJ",), r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}", True, _is_jwt),
        (
            "password in a URL",
            ("://",),
            r"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}://(?P<user>[^\s:/@\"'`?#,]{1,100}):"
            r"(?P<password>[^\s:/@\"'`?#]{3,200})@(?P<host>[^\s\"'`/?#,]{1,100})",
            False,
            _is_password,
        ),
    )
)

_BY_WORD = tuple((word, shape) for shape in _SHAPES for word in shape.words)


def find_secrets(text: str) -> list[Secret]:
    """Find what looks like a secret.

    Args:
        text: Any text.

    Returns:
        The secrets in their order; no two overlap.
    """
    found: list[Secret] = []
    for shape in dict.fromkeys(shape for word, shape in _BY_WORD if word in text):
        for match in shape.pattern.finditer(text):
            group = "password" if "password" in shape.pattern.groupindex else match.lastindex or 0
            value, at = match[group], match.start(group)
            inside = any(one.at <= at < one.at + one.length for one in found)
            if not inside and shape.holds(match):
                found.append(Secret(shape.what, at, len(value), value[:4] if shape.prefixed else ""))
    return sorted(found, key=lambda secret: secret.at)
