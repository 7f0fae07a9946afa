"""A root that is thrown away: this machine's files below an overlay in memory, in namespaces of its
own (mounts, processes, network), with systemd as its init where wished. Nothing of it is left."""

import os
import shutil
import subprocess
from pathlib import Path

from programs import _prepare_child, wait_for

# Bash, because what is set up has to be there before init is.
_SETUP = r"""
set -e
room=$1; init=$2
mount -t tmpfs tmpfs "$room"
mkdir "$room"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$room/upper,workdir=$room/work" "$room/root"
root=$room/root
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
rm -f "$root/usr/sbin/policy-rc.d"
printf '[Unit]\nAllowIsolate=yes\n' >"$root/etc/systemd/system/throwaway.target"
/usr/bin/python3 - <<'END'
import fcntl, socket, struct
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sH14s", b"lo", 1, b""))  # SIOCSIFFLAGS, IFF_UP
END
touch "$room/is-ready"
if [ "$init" = systemd ]; then
  set -- /lib/systemd/systemd --system --unit=throwaway.target --log-target=console --show-status=no
else
  set -- /bin/sleep infinity
fi
exec chroot "$root" /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""
_SPACES = ["--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup"]


def refusal(directory):
    """Why there can be no such root here; None where there can."""
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("systemctl"):
        return "systemd is missing: run scripts/setup test"
    try:
        Root(directory).stop()
    except AssertionError as error:
        return f"this machine refuses namespaces or overlays: {error}"
    return None


class Root:
    """`run` runs programs in it."""

    def __init__(self, directory, init="none"):
        self.room = Path(directory) / f"root-{init}"
        self.room.mkdir(parents=True)
        self.log = self.room.with_suffix(".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", *_SPACES, "--fork", "--kill-child", "bash", "-c", _SETUP, "setup",
                 str(self.room), init],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_prepare_child)
        try:
            wait_for(self._is_up, "the root")
            if init == "systemd":
                wait_for(lambda: self.run("systemctl", "is-system-running").stdout.strip()
                         in ("running", "degraded"), "systemd")
        except AssertionError:
            self.stop()
            raise

    def _is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        if not children:
            return False
        self.pid = int(children.split()[0])
        command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        return command.startswith((b"/lib/systemd", b"/bin/sleep"))

    def command(self, *arguments):
        """The command that runs this one inside."""
        return ["nsenter", f"--target={self.pid}", *_SPACES, "chroot", str(self.room / "root"),
                "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
                *map(str, arguments)]

    def run(self, *arguments, timeout=60):
        return subprocess.run(
            self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout)

    def check(self, *arguments):
        """What a command that has to succeed said."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def path(self, name):
        """A file of it as this process sees it: through the init's own root."""
        return Path(f"/proc/{self.pid}/root") / name.lstrip("/")

    def upper(self):
        """What differs from this machine's files."""
        return set(self.outside("find", self.room / "upper", "-printf", "%P\n").split("\n"))

    def outside(self, *arguments):
        """In its mounts, but above its root."""
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", *map(str, arguments)],
            capture_output=True, text=True, check=True, timeout=60).stdout

    def stop(self):
        """The init's end is everybody's, and that of the mounts."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
