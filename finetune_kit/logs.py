"""What the libraries print, into a file: banners, progress bars, warnings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

NOISY = ("finetune_kit.engine", "ludwig", "transformers", "peft", "torchao", "datasets", "bitsandbytes")


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """Send standard output, standard error and the libraries' loggers to a file.

    Args:
        path: The file; what is in it stays.
    """
    with path.open("a", encoding="utf-8") as file:
        handler = logging.StreamHandler(file)
        loggers = [logging.getLogger(name) for name in NOISY]
        before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
        for logger in loggers:
            logger.handlers, logger.propagate = [handler], False
        try:
            with redirect_stdout(file), redirect_stderr(file):
                yield
        finally:
            for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
                logger.handlers, logger.propagate = handlers, propagate
                logger.setLevel(level)
