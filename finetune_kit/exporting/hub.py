"""A folder, onto the Hub."""

from pathlib import Path
from typing import Any

from finetune_kit.data_care.secrets import find_secrets
from finetune_kit.errors import KitError

_TEXTS = {".md", ".json", ".jinja", ".txt"}


def files_to_push(folder: Path) -> list[Path]:
    """What would go up, the largest first.

    Raises:
        KitError: If a text among it holds what looks like a token or a key.
    """
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: -path.stat().st_size)
    for path in files:
        if path.suffix in _TEXTS and path.name != "tokenizer.json":
            found = next(iter(find_secrets(path.read_text(encoding="utf-8"))), None)
            if found:
                raise KitError(
                    f"{path} holds what looks like a {found}; nothing is pushed. Take it out of the recipe's prompt or "
                    "the rows, and train anew."
                )
    return files


def push(folder: Path, repository: str, private: bool = True) -> str:
    """Upload a folder to a model repository, which is made if it is not there.

    The token is the environment's (`HF_TOKEN`) or the Hub's own login's; it is neither shown nor kept.

    Args:
        folder: What goes up.
        repository: `ORG/NAME`.
        private: Of a repository that is made.

    Returns:
        The address of the repository.

    Raises:
        KitError: If there is no token, or the Hub refuses.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HFValidationError

    if get_token() is None:
        raise KitError(
            "There is no token for the Hub: set HF_TOKEN to one that may write, or log in with `hf auth login`."
        )
    api: Any = HfApi()
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message="Upload with finetune_kit")
    except HFValidationError:
        raise KitError(f"--push {repository!r} is no name of a repository; write ORG/NAME.") from None
    except Exception as error:  # Its own, its HTTP library's, and a bare RuntimeError: there is no common kind.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise KitError(
            f"The Hub did not take {repository} ({reason}). Nothing is lost: {folder} is whole, and the same command "
            "tries again. A 401 or 403 means a token that may not write there."
        ) from None
    return str(made)
