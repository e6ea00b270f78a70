"""Training on Ray Train, followed from here: the recorder hears what it would hear of a training in this process."""

import contextlib
import pickle
import signal
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit.checkpoints import ELSEWHERE
from finetune_kit.engine.stopping import StopRequest
from finetune_kit.errors import KitError, TrainingInterrupted
from finetune_kit.example_table import ExampleTable
from finetune_kit.on_ray.board import Board, news
from finetune_kit.on_ray.cluster import on_the_head, require_ray, workers_of
from finetune_kit.on_ray.job import Job
from finetune_kit.prompt import Example
from finetune_kit.recorder import Recorder
from finetune_kit.run import Run

if TYPE_CHECKING:
    from finetune_kit.engine.trackers import Callback

LOOK_EVERY = 0.5
"""Seconds between looks at the board."""


class Helpers:
    """The actors of a training that are there before it: they get ready while the rows do, and end after the block.

    Nothing is killed, since Ray Train frees what its workers hold only when it ends by itself; where the cluster ends
    with the block, that goes with it. What still trains by then stops at its next step.
    """

    def __init__(self) -> None:
        ray = require_ray()
        self.board = ray.remote(Board).options(**on_the_head()).remote()
        self.lead = ray.remote(_Lead).options(**on_the_head()).remote()

    def __enter__(self) -> "Helpers":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):  # the cluster may be gone
            self.board.ask_to_stop.remote(int(signal.SIGINT))


def fit_on_ray(
    helpers: Helpers,
    run: Run,
    train: Sequence[Example],
    validation: Sequence[Example],
    recorder: Recorder,
    callbacks: "Sequence[Callback]" = (),
) -> dict[str, Any]:
    """Train on the cluster that the recipe names, and put what comes of it into the run folder.

    A worker that is lost costs the steps since the last checkpoint; Ray starts the workers again, on the nodes that
    are left where `backend.trainer.min_workers` allows fewer.

    Args:
        helpers: What leads it, and what keeps the news of it.
        run: Whose recipe says what to do.
        train: The training rows.
        validation: The validation rows; may be empty.
        recorder: Hears of every step.
        callbacks: Ludwig's; they travel to the workers.

    Returns:
        What the manifest says of it.

    Raises:
        KitError: If there is no cluster, Ludwig refuses the recipe, or the run can't go on.
        TrainingInterrupted: If it was asked to stop.
    """
    ray = require_ray()
    board, backend = helpers.board, run.recipe.backend
    count, resources = workers_of(backend)
    rows = ray.put((ExampleTable(train), ExampleTable(validation)))
    job = Job(run.recipe, rows, board, list(callbacks))
    storage, name = _place_of_checkpoints(run)
    task = helpers.lead.train.remote(job, count, resources, storage, name)
    try:
        with recorder.view.stage("Starting the workers"):
            pass
        _follow(board, task, run, recorder, f"{storage}\n{name}" if backend.storage else None)
        end = ray.get(board.end.remote())
        failure = "" if end else _failure_of(task)
    except ray.exceptions.RayError as error:
        raise KitError(
            f"The Ray cluster does not answer any more ({_reason(error)}). The same command goes on from the last "
            "checkpoint, where there is one."
        ) from None
    if end is None:
        raise KitError(
            f"Training on Ray ended: {failure or 'what leads it is gone'}. The same command goes on from the "
            "last checkpoint, where there is one."
        )
    how, what = end
    if how == "interrupted":
        raise TrainingInterrupted(*what)
    if how == "mistake":
        raise KitError(what)
    found, files = what
    _keep(run.path, files)
    return dict(found)


def _place_of_checkpoints(run: Run) -> tuple[str, str]:
    """Ray's storage, and the name of this run in it, which no other run has.

    Ray goes on with whatever it finds under a name: in a storage that outlives the run folder a new run of the same
    name must not find the old one's checkpoints.
    """
    if run.recipe.backend.storage is None:
        return str(run.checkpoints_path.resolve()), "ray"
    elsewhere = run.checkpoints_path / ELSEWHERE
    if elsewhere.exists():
        return run.recipe.backend.storage, elsewhere.read_text(encoding="utf-8").split("\n")[1]
    return run.recipe.backend.storage, f"{run.path.name}-{uuid.uuid4().hex[:12]}"


def _follow(board: Any, task: Any, run: Run, recorder: Recorder, elsewhere: str | None) -> None:
    """Hand the workers' news to the recorder until they are done, and the user's signals to them.

    Args:
        board: Where the news are.
        task: What leads the training.
        run: Gets the files.
        recorder: Hears of the rest.
        elsewhere: What the run folder says of where the checkpoints are, if they are not in it.
    """
    import ray

    stop, asked = StopRequest(recorder.on_notice), False
    with stop.listening():
        over = ended = False
        while not (over or ended):
            over = bool(ray.wait([task], timeout=LOOK_EVERY)[0])
            # What is known of the end is enough: Ray Train takes seconds to put its processes away.
            told, ended = ray.get(board.take.remote())
            for name, pickled in told:
                recorder.told_at, args = pickle.loads(pickled)
                if name == "on_files":
                    where = {f"checkpoints/{ELSEWHERE}": elsewhere.encode()} if elsewhere else {}
                    _keep(run.path, {**args[0], **where})
                else:
                    getattr(recorder, name)(*args)
            if stop.signal and not asked:
                board.ask_to_stop.remote(int(stop.signal))
                asked = True


def _keep(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files into the run folder; a file that was there is replaced as a whole, the config of the adapter last."""
    for name in sorted(files, key=lambda name: name.endswith(".json")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(files[name])
        partial.replace(path)


def _failure_of(task: Any) -> str:
    """Why the training ended, in a line; empty where it ended well."""
    import ray

    try:
        ray.get(task)
    except Exception as error:  # Ray wraps what it was in several kinds
        return _reason(error)
    return ""


def _reason(error: BaseException) -> str:
    """The last line that says something of an error that Ray brings from elsewhere."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return (lines[-1] if lines else type(cause).__name__)[:300]


# What follows runs in the cluster.


class _Lead:
    """Has Ray Train do it, which wants its caller within the cluster and takes a while to load."""

    def __init__(self) -> None:
        import ray.train.torch  # noqa: F401

    def train(self, job: Job, count: int, resources: dict[str, float], storage: str, name: str) -> None:
        _train(job, count, resources, storage, name)


def _train(job: Job, count: int, resources: dict[str, float], storage: str, name: str) -> None:
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from finetune_kit.on_ray.network import MeetOnTheNodesInterface

    asked = job.recipe.backend.trainer
    least = asked.min_workers
    workers: Any = (least, count) if least and least < count else count
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job},
        torch_config=MeetOnTheNodesInterface(),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=bool(resources.get("GPU")),
            resources_per_worker=resources,
        ),
        run_config=RunConfig(
            storage_path=storage,
            name=name,
            failure_config=FailureConfig(max_failures=job.recipe.backend.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=job.recipe.run.keep_last),
            callbacks=[_losses(job.board)],
        ),
    )
    trainer.fit()


def _work(config: dict[str, Any]) -> None:
    # Not above: Ray's controller loads this module too, and Ludwig takes half a minute.
    from finetune_kit.engine.ray_worker import work

    work(config["job"])


def _losses(board: Any) -> Any:
    """Tells the board which workers were lost, and why."""
    from ray.train import UserCallback

    class Losses(UserCallback):
        def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:
            import ray

            if ray.get(board.has_ended.remote()):
                return
            for rank, error in worker_exceptions.items():
                board.tell.remote("on_notice", news(f"Worker {rank} was lost: {_reason(error)}"))

    return Losses()
