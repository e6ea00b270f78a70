"""What generated code may ask of the kernel: a seccomp filter over system calls, Landlock over files and signals."""

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from evals.sandbox.child import kernel
else:
    import kernel

_EPERM, _ENOSYS = 1, 38
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Opcodes of classic BPF: load a word, jump if equal / greater or equal / any bit set, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000

# System calls by their numbers on x86_64 and aarch64 (-1: not there); from 424 on they are the same everywhere.
_REFUSED = {
    # Other processes, and the kernel itself.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "seccomp": (317, 277), "lookup_dcookie": (212, 18), "syslog": (103, 116),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "acct": (163, 89),
    "iopl": (172, -1), "ioperm": (173, -1), "modify_ldt": (154, -1), "vhangup": (153, 58), "uselib": (134, -1),
    "create_module": (174, -1), "get_kernel_syms": (177, -1), "query_module": (178, -1), "_sysctl": (156, -1),
    # Rings that make system calls past this filter.
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_setup": (206, 0), "io_submit": (209, 2),
    # Mounts, roots and namespaces.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "statmount": (457, 457), "listmount": (458, 458), "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "swapon": (167, 224), "swapoff": (168, 225), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    # Names, clocks, keys.
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219),
    # Memory that belongs to no process and no folder, and so would escape the limits and outlive the program.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180),
    "mq_unlink": (241, 181), "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183),
    # Marks on files, which Landlock does not see.
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "setxattrat": (463, 463), "removexattrat": (466, 466),
    # Shares of the machine that belong to others.
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239), "set_mempolicy": (238, 237),
}  # fmt: skip
# glibc falls back to calls that the filter can see through.
_NOT_THERE = {"clone3": (435, 435)}
# A watch tells what happens to files that Landlock hides.
_REFUSED_BESIDE_OTHERS = {"inotify_add_watch": (254, 27)}
_CLONE, _SOCKET, _IOCTL, _PRLIMIT, _PERSONALITY = (56, 220), (41, 198), (16, 29), (302, 261), (135, 92)
_SOCKETPAIR = (53, 199)
_NEW_NAMESPACES = (
    kernel.CLONE_NEWTIME | kernel.CLONE_NEWNS | kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET
)  # fmt: skip
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_BIT_OF_DATAGRAMS = 2  # Set in SOCK_DGRAM and SOCK_RAW, not in SOCK_STREAM and SOCK_SEQPACKET.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_READ_AND_EXECUTE = 0b1101  # Execute, read a file, list a folder.
_OF_FILES = 0b0111 | 1 << 14 | 1 << 15  # Of these rights alone may a rule on a file speak: truncate and ioctl too.


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.c_void_p))


class SystemCallFilter:
    """A seccomp filter, assembled once and entered by each program.

    System calls of another architecture, which go by other numbers, end the process; those that are refused
    answer EPERM. A filter is inherited, and cannot be taken off.
    """

    def __init__(self, *, own_network: bool) -> None:
        """Assemble the filter.

        Args:
            own_network: Whether there is a network namespace with nothing but a loopback device; only then may
                a program have sockets of the internet's families.

        Raises:
            OSError: If this machine's architecture is not known here.
        """
        machine = os.uname().machine
        if machine not in _ARCHITECTURES:
            raise OSError(_ENOSYS, f"no seccomp filter for {machine}")
        here = list(_ARCHITECTURES).index(machine)
        code = [
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
            (_RETURN, 0, 0, _KILL),
            (_LOAD, 0, 0, _NUMBER),
        ]
        if machine == "x86_64":
            code += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
        refused = _REFUSED if own_network else {**_REFUSED, **_REFUSED_BESIDE_OTHERS}
        for names, number in ((refused, _EPERM), (_NOT_THERE, _ENOSYS)):
            for numbers in names.values():
                if numbers[here] >= 0:
                    code += [(_EQUAL, 0, 1, numbers[here]), (_RETURN, 0, 0, _ERRNO | number)]
        families = [_AF_UNIX, _AF_INET, _AF_INET6] if own_network else []
        code += _unless_first_argument(_SOCKET[here], families)
        if not own_network:
            # A socket for datagrams that has its partner may still be turned to any other that has a path.
            code += [
                (_EQUAL, 0, 4, _SOCKETPAIR[here]),
                (_LOAD, 0, 0, _FIRST_ARGUMENT + 8),
                (_ANY_BIT, 0, 1, _BIT_OF_DATAGRAMS),
                (_RETURN, 0, 0, _ERRNO | _EPERM),
                (_LOAD, 0, 0, _NUMBER),
            ]
        code += _unless_first_argument(_SOCKETPAIR[here], [_AF_UNIX])
        # prlimit of itself only; personality only to ask for it.
        code += _unless_first_argument(_PRLIMIT[here], [0])
        code += _unless_first_argument(_PERSONALITY[here], [0, 0xFFFFFFFF])
        code += [
            (_EQUAL, 0, 4, _CLONE[here]),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
            (_RETURN, 0, 0, _ERRNO | _EPERM),
            (_RETURN, 0, 0, _ALLOW),
            (_EQUAL, 0, 4, _IOCTL[here]),
            (_LOAD, 0, 0, _FIRST_ARGUMENT + 8),
            (_EQUAL, 1, 0, _TIOCSTI),
            (_EQUAL, 0, 1, _TIOCLINUX),
            (_RETURN, 0, 0, _ERRNO | _EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ]
        self._instructions = (_Instruction * len(code))(*(_Instruction(*line) for line in code))
        self._program = _Program(len(code), ctypes.addressof(self._instructions))

    def enter(self) -> None:
        """Put this process, and all that it will start, under the filter; needs no-new-privileges.

        Raises:
            OSError: If the kernel has no seccomp.
        """
        # The kernel reads the program while it is being installed only.
        libc = ctypes.CDLL(None, use_errno=True)
        nothing = ctypes.c_ulong(0)
        mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
        if libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(self._program), nothing, nothing):
            raise OSError(ctypes.get_errno(), "seccomp is not there")


def _unless_first_argument(number: int, allowed: "list[int]") -> "list[tuple[int, int, int, int]]":
    """Refuse a system call unless its first argument is one of these; leaves the number loaded."""
    refused = [(_RETURN, 0, 0, _ERRNO | _EPERM)]
    if not allowed:
        return [(_EQUAL, 0, 1, number), *refused]
    tests = [(_EQUAL, len(allowed) - place, 0, value) for place, value in enumerate(allowed)]
    body = [(_LOAD, 0, 0, _FIRST_ARGUMENT), *tests, *refused, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def landlock_version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none."""
    try:
        return kernel.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


class FileRules:
    """A Landlock ruleset, made once and entered by each program.

    Attributes:
        version: The kernel's version of Landlock: 4 adds TCP, 6 signals and abstract sockets.
        ruleset: The descriptor that holds the rules.
    """

    def __init__(self, readable: "list[str]", writable: "list[str]", *, own_network: bool) -> None:
        """Make the ruleset.

        Args:
            readable: Files and folders to read, list and execute; those that are not there are passed over.
            writable: Files and folders to do anything with.
            own_network: Whether a program may use TCP, within a network namespace of its own.

        Raises:
            OSError: If the kernel has no Landlock.
        """
        self.version = landlock_version()
        if not self.version:
            raise OSError(_ENOSYS, "the kernel has no Landlock")
        files = {1: 13, 2: 14, 3: 15, 4: 15}.get(self.version, 16)
        everything = (1 << files) - 1
        network = 0b11 if self.version >= 4 and not own_network else 0
        scoped = 0b11 if self.version >= 6 else 0
        attributes = _RulesetAttributes(everything, network, scoped)
        size = 24 if self.version >= 6 else 16 if self.version >= 4 else 8
        self.ruleset = kernel.syscall(_LANDLOCK_CREATE_RULESET, attributes, size, 0)
        for paths, rights in ((readable, _READ_AND_EXECUTE), (writable, everything)):
            for path in paths:
                self._allow(path, rights)

    def _allow(self, path: str, rights: int) -> None:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            allowed = rights if os.path.isdir(path) else rights & _OF_FILES
            kernel.syscall(_LANDLOCK_ADD_RULE, self.ruleset, 1, _PathBeneath(allowed, place), 0)
        finally:
            os.close(place)

    def enter(self) -> None:
        """Put this process, and all that it will start, under the rules; needs no-new-privileges.

        Raises:
            OSError: If the kernel refuses.
        """
        kernel.syscall(_LANDLOCK_RESTRICT_SELF, self.ruleset, 0)
        # Left open, a program could add rules for the next one.
        os.close(self.ruleset)
