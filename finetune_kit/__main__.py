"""``finetune-kit`` and ``python -m finetune_kit``: checks the Python version, then hands over to the CLI.

The check stands before every other import, and this file keeps to syntax that older versions can read.
"""

import os
import sys


def main():  # type: ignore[no-untyped-def]
    """Run the command line."""
    if sys.version_info < (3, 12):  # noqa: UP036 - this is the place where older versions are told
        sys.stderr.write(
            "finetune_kit needs Python 3.12 or later (Ludwig does); this is Python {}.{}. "
            "Make an environment with: python3.12 -m venv .venv\n".format(*sys.version_info[:2])
        )
        sys.exit(2)
    # With a GPU, torch would print that something which Ludwig sets is new in torch.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from finetune_kit.cli import app

    app()


if __name__ == "__main__":
    main()
