"""Completions from an OpenAI-compatible server, as vLLM is: the prompts and settings of `decoding`, another engine.

The server runs in an environment of its own, on this machine or another; it serves the base model under the name
`base` and the adapter under the name `tuned`.
"""

import json
import os
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx

from finetune_kit.decoding import Completion, prompt_seed
from finetune_kit.errors import KitError
from finetune_kit.recipe import Generation
from finetune_kit.run import Run

CONCURRENT = 64
"""Requests on their way at once: the server puts them into batches."""
VLLM_RANKS = (16, 32, 64, 128, 256, 320, 512)
"""Of those that vLLM makes room for, the ones from its default on."""
PAUSES = (1.0, 4.0)
"""Seconds before a request that the server could not take just now is sent again."""


class Server:
    """A server that speaks OpenAI's completions API.

    The key, where the server wants one, is the environment's `OPENAI_API_KEY`.

    Args:
        url: With or without `/v1`.
        run: The run that it is to serve; used for the command that starts it.
        base: Path or Hub id of the base model.
    """

    def __init__(self, url: str, run: Run, base: str) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not key.isascii() or not key.isprintable():
            raise KitError("OPENAI_API_KEY holds characters that no key has; set it anew.")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            valid = httpx.URL(self.url).scheme in {"http", "https"}
        except httpx.InvalidURL:
            valid = False
        if not valid:
            raise KitError(f"The server's address must be one as http://localhost:8000, and is {url!r}.")
        self.command = vllm_command(run, base)
        self.stopped = threading.Event()

    def complete(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Generation,
        model: str,
        seed: int = 0,
        on_done: Callable[[], None] = lambda: None,
        end_id: int | None = None,
    ) -> list[Completion]:
        """Complete prompts.

        Args:
            prompts: Token ids of each prompt: the server tokenises nothing.
            settings: How to choose tokens and when to stop.
            model: `base` or `tuned`.
            seed: Of the sampling; each prompt is sent with one of its own.
            on_done: Called when a row is finished.
            end_id: A token that ends a completion, where it is not the tokenizer's end token.

        Returns:
            The completions, in the order of the prompts.

        Raises:
            KitError: If the server is not there, does not serve that model, or refuses a request.
        """
        timeout = httpx.Timeout(600, connect=10)
        with httpx.Client(base_url=f"{self.url}/v1/", headers=self.headers, timeout=timeout) as client:
            served = self._ask(client, _served)
            if model not in served:
                raise KitError(
                    f"The server at {self.url} serves {', '.join(served) or 'nothing'}, and not {model!r}. vLLM serves "
                    f"it when it is started with: {self.command}"
                )
            more = {} if end_id is None else {"stop_token_ids": [end_id]}
            bodies = [{"model": model, **_body(prompt, settings, seed), **more} for prompt in prompts]
            pool = ThreadPoolExecutor(CONCURRENT)
            try:
                futures = [pool.submit(self._ask, client, _completion, body) for body in bodies]
                for future in as_completed(futures):
                    future.result()
                    on_done()
                return [future.result() for future in futures]
            finally:
                # After an error: what has not been sent is not, and what failed is not tried again.
                self.stopped.set()
                pool.shutdown(cancel_futures=True)
                self.stopped.clear()

    def _ask[T](self, client: httpx.Client, read: Callable[[Any], T], body: dict[str, Any] | None = None) -> T:
        """What the server serves, or where there is a body, its completion."""
        method, path = ("GET", "models") if body is None else ("POST", "completions")
        for pause in (*PAUSES, None):
            last = pause is None or self.stopped.is_set()
            try:
                answer = client.request(method, path, json=body)
            except httpx.TransportError as error:
                if last or isinstance(error, httpx.ConnectError):
                    raise KitError(
                        f"The server at {self.url} can't be reached ({error}). vLLM is started with: {self.command}"
                    ) from None
            else:
                if answer.status_code not in {429, 500, 502, 503, 504} or last:
                    return self._read(answer, read)
            time.sleep(pause or 0)
        raise AssertionError("the last try returns or raises")

    def _read[T](self, answer: httpx.Response, read: Callable[[Any], T]) -> T:
        """What is wanted of an answer, or an error that says what the server said."""
        if not answer.is_success:
            hint = " Set OPENAI_API_KEY in the environment." if answer.status_code in {401, 403} else ""
            said = _message(answer).rstrip(".")
            raise KitError(f"The server at {self.url} answers {answer.status_code}: {said}.{hint}")
        try:
            return read(answer.json())
        except (ValueError, KeyError, IndexError, TypeError):
            raise KitError(f"{answer.url} answers with something that is not OpenAI's: {answer.text[:80]!r}.") from None


def vllm_command(run: Run, base: str) -> str:
    """The command that serves a run's two models with vLLM."""
    words = ["vllm", "serve", base, "--served-model-name", "base", "--enable-lora"]
    words += ["--lora-modules", f"tuned={run.adapter_path}"]
    rank = next((rank for rank in VLLM_RANKS if rank >= run.recipe.adapter.r), VLLM_RANKS[-1])
    words += ["--max-lora-rank", str(rank)]
    if run.recipe.quantization is not None and run.recipe.quantization.bits == 4:
        words += ["--quantization", "bitsandbytes"]
    return shlex.join(words)


def _body(prompt: Sequence[int], settings: Generation, seed: int) -> dict[str, Any]:
    """A request that leaves nothing to the server: where a setting is missing, vLLM takes the model's own."""
    body: dict[str, Any] = {
        "prompt": list(prompt),
        "max_tokens": settings.max_new_tokens,
        "temperature": 0.0,
        "repetition_penalty": settings.repetition_penalty,
    }
    if settings.stop_strings:
        body["stop"] = settings.stop_strings
    if not settings.is_greedy:
        body |= {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k or -1,  # vLLM's word for all
            "seed": prompt_seed(seed, prompt),
        }
    return body


def _served(answer: dict[str, Any]) -> list[str]:
    return [entry["id"] for entry in answer["data"]]


def _completion(answer: dict[str, Any]) -> Completion:
    choice = answer["choices"][0]
    ended_by = choice["finish_reason"]
    # vLLM says which stop string it was; a server that does not say can't tell it from the end token.
    reason = "length" if ended_by == "length" else "stop" if isinstance(choice.get("stop_reason"), str) else "end"
    return Completion(choice["text"], answer["usage"]["completion_tokens"], reason)


def _message(answer: httpx.Response) -> str:
    """What a server says of an error: OpenAI's form, vLLM's older one, or the text itself."""
    try:
        body = answer.json()
        return str((body.get("error") or body).get("message") or body)
    except (json.JSONDecodeError, AttributeError):
        return answer.text[:200]
