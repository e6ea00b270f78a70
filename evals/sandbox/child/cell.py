"""Where the programs of one warden run: what they see, what they may use, how all of it is made anew for the next.

There are three kinds, one a tier. A `FullCell` is a root of its own in namespaces of its own. A `ConfinedCell` is a
private folder, held by Landlock and seccomp, under a user of its own where the caller is root. A `LimitedCell` is the
folder with resource limits alone.
"""

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from evals.sandbox.child import filters, folder, kernel, own_root, processes
else:
    import filters
    import folder
    import kernel
    import own_root
    import processes

_SPARE_MEMORY = 64 * 2**20


class Settings:
    """What a worker's programs run under, as the harness tells it at the start.

    Attributes:
        tier: `full`, `confined` or `limited`.
        uid: The user that programs become; -1 to stay the caller.
        library: Folders of the interpreter.
        packages: What may be imported beyond the standard library: paths of folders and modules.
        temporary: The folder for temporary files.
    """

    def __init__(self, told: "dict[str, Any]") -> None:
        self.tier: str = told["tier"]
        self.uid: int = told["uid"]
        self.library: list[str] = told["library"]
        self.packages: list[str] = told["packages"]
        self.temporary: str = told["temporary"]


class LimitedCell:
    """A private folder and resource limits.

    Attributes:
        home: The program's working folder.
        temporary: Where it makes temporary files.
        bytes_are_bounded: Whether the disk holds a program's bytes within the limits by itself.
        descriptors: What `enter` needs open.
    """

    bytes_are_bounded = False
    descriptors: "tuple[int, ...]" = ()

    def __init__(self, settings: Settings) -> None:
        """Make the cell.

        Raises:
            OSError: If something that the tier needs is not there.
        """
        self.settings = settings
        self._warden = os.getpid()
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        self._base = folder.make_private(settings.temporary, settings.uid)
        self.home = os.path.join(self._base, "home")
        self.temporary = os.path.join(self._base, "tmp")
        os.mkdir(os.path.join(self._base, "packages"), 0o755)
        for path in settings.packages:
            os.symlink(path, os.path.join(self._base, "packages", os.path.basename(path)))

    def renew(self, limits: "dict[str, float]") -> None:
        """Make the folders anew for the next program."""
        for path in (self.home, self.temporary):
            folder.remove_tree(path)
            os.mkdir(path, 0o700)
            if self.settings.uid >= 0:
                os.chown(path, self.settings.uid, self.settings.uid)

    def kill_all(self) -> None:
        """Kill every process that the program started."""
        if self.settings.uid >= 0:
            processes.kill_user(self.settings.uid)
        processes.kill_tree(self._warden)

    def after_program(self) -> None:
        """Remove what the program left outside its folders; all of its processes are dead."""
        if self.settings.uid >= 0:
            folder.sweep_shared_folders(self.settings.uid)

    def end(self) -> None:
        """Remove the cell."""
        folder.remove_tree(self._base)

    def disk_used(self, limits: "dict[str, float]") -> "tuple[int, int]":
        """Return the bytes and the entries in the program's folders."""
        return folder.size_of_tree(self._base, int(limits["disk_files"]))

    def environment(self) -> "dict[str, str]":
        """Return the program's environment variables."""
        return {
            "HOME": self.home,
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": self.temporary,
        }

    def package_folder(self) -> str:
        """Return the folder that packages are imported from."""
        return os.path.join(self._base, "packages")

    def enter(self, limits: "dict[str, float]") -> None:
        """Become a program's process: give up every right that it shall not have.

        Args:
            limits: What it may use.

        Raises:
            OSError: If a right cannot be given up.
        """
        os.setsid()
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        _set_limits(limits, self._tasks_there_already())
        kernel.use_one_arena()
        os.chdir(self.home)
        self._change_user()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, kernel.SIGKILL)
        if os.getppid() != self._warden:
            raise ChildProcessError("the warden ended before the program began")
        self._enter_filters()

    def _change_user(self) -> None:
        uid = self.settings.uid
        if uid < 0:
            return
        library = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in self._import_folders()]
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        _keep_library_in_reach(library)

    def _import_folders(self) -> "list[str]":
        import sys

        return [path for path in sys.path if os.path.isdir(path)]

    def _tasks_there_already(self) -> int:
        """The limit on processes counts those that the user has already, unless nobody else is that user."""
        return _tasks_of(os.getuid()) if self.settings.uid < 0 else 0

    def _enter_filters(self) -> None:
        """Nothing at this tier."""


class ConfinedCell(LimitedCell):
    """A private folder, Landlock and seccomp."""

    def __init__(self, settings: Settings) -> None:
        """Make the cell.

        Raises:
            OSError: If the kernel lacks what the tier needs.
        """
        version = filters.landlock_version()
        if not version:
            raise OSError("the kernel has no Landlock, which files are hidden by")
        if settings.uid < 0 and version < 6:
            raise OSError(
                "programs run as the harness's own user, and the kernel's Landlock "
                f"(version {version}) keeps no signals from it, only version 6 does"
            )
        super().__init__(settings)
        shown = [*own_root.SYSTEM, *own_root.SYSTEM_FILES, *settings.library, *settings.packages]
        try:
            self._rules = filters.FileRules(
                [*shown, self.package_folder()],
                [*own_root.DEVICES, self._base],
                own_network=False,
            )
            self.descriptors = (self._rules.ruleset,)
            self._filter = filters.SystemCallFilter(own_network=False)
        except BaseException:
            self.end()
            raise

    def _enter_filters(self) -> None:
        self._rules.enter()
        self._filter.enter()


class FullCell(LimitedCell):
    """A root of its own, in namespaces of its own, with all that the other tiers have."""

    bytes_are_bounded = True

    def __init__(self, settings: Settings) -> None:
        """Make the cell; this process must be the first of the namespaces that `leave_namespaces` made.

        Raises:
            OSError: If something that the tier needs is not there.
        """
        self.settings = settings
        self._warden = os.getpid()
        if self._warden != 1:
            raise OSError("the warden is not the first process of its namespace")
        own_root.keep_buffers_small()
        own_root.build(settings)
        kernel.bring_up_loopback()
        kernel.empty_bounding_set()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        self.home, self.temporary = f"{own_root.DISK}/home", f"{own_root.DISK}/tmp"
        self._mounted = False
        self._rules = None
        if filters.landlock_version():
            self._rules = filters.FileRules(["/"], ["/box", *own_root.DEVICES], own_network=True)
            self.descriptors = (self._rules.ruleset,)
        self._filter = filters.SystemCallFilter(own_network=True)

    def renew(self, limits: "dict[str, float]") -> None:
        """Put a fresh file system in memory where the program writes."""
        if self._mounted:
            kernel.unmount(own_root.DISK)
        size = f"size={int(limits['disk_bytes'])},nr_inodes={int(limits['disk_files'])},mode=755"
        kernel.mount("disk", own_root.DISK, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, size)
        self._mounted = True
        for path in (self.home, self.temporary, f"{own_root.DISK}/shm"):
            os.mkdir(path, 0o700)
            if self.settings.uid >= 0:
                os.chown(path, self.settings.uid, self.settings.uid)

    def kill_all(self) -> None:
        """Kill every other process of the namespace, in one step."""
        try:
            os.kill(-1, kernel.SIGKILL)
        except ProcessLookupError:
            return

    def after_program(self) -> None:
        """Nothing is left outside the file system that goes with the program."""

    def end(self) -> None:
        """The kernel takes the namespaces down with their first process."""

    def package_folder(self) -> str:
        """Return the folder that packages are imported from."""
        return own_root.PACKAGES

    def _change_user(self) -> None:
        uid = self.settings.uid
        if uid < 0:
            kernel.drop_capabilities()
        else:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)

    def _tasks_there_already(self) -> int:
        return 0

    def _enter_filters(self) -> None:
        if self._rules is not None:
            self._rules.enter()
        self._filter.enter()


def _set_limits(limits: "dict[str, float]", tasks: int) -> None:
    memory, cpu, files = int(limits["memory_bytes"]), -int(-limits["cpu_seconds"] // 1), int(limits["open_files"])
    wanted = {
        # The spare memory lets the outcome be told once the program has used up its own.
        resource.RLIMIT_AS: (memory, memory + _SPARE_MEMORY),
        # The first sends SIGXCPU, the second SIGKILL.
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (int(limits["file_bytes"]),) * 2,
        resource.RLIMIT_NOFILE: (files,) * 2,
        resource.RLIMIT_NPROC: (tasks + int(limits["processes"]),) * 2,
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
    }
    for kind, (soft, most) in wanted.items():
        ceiling = resource.getrlimit(kind)[1]
        hard = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(kind, (min(soft, hard), hard))


def _tasks_of(uid: int) -> int:
    """Count the processes and threads of a user."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/status", "rb") as file:
                    lines = dict(line.split(b":\t", 1) for line in file if b":\t" in line)
            except OSError:
                continue
            if int(lines[b"Uid"].split()[0]) == uid:
                total += int(lines[b"Threads"])
    return total


def _keep_library_in_reach(library: "list[tuple[str, int]]") -> None:
    """Let imports go on where the interpreter lies in a folder that the new user may not enter, such as root's home.

    A folder that was opened before the rights went stays open, and is imported from as `/proc/self/fd/N`.
    """
    import sys

    moved = {}
    for path, descriptor in library:
        if os.access(path, os.R_OK | os.X_OK):
            os.close(descriptor)
        else:
            moved[path] = f"/proc/self/fd/{descriptor}"
    if not moved:
        return
    packages = [module.__path__ for module in list(sys.modules.values()) if hasattr(module, "__path__")]
    for paths in (sys.path, *packages):
        paths[:] = [_moved(path, moved) for path in paths]
    sys.path_importer_cache.clear()


def _moved(path: str, moved: "dict[str, str]") -> str:
    for old, new in moved.items():
        if path == old or path.startswith(old + "/"):
            return new + path[len(old) :]
    return path
