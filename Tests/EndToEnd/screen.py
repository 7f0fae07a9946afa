"""A terminal of our own: a pseudo-terminal with a program in it, and pyte, which shows what a
person would see."""

import fcntl
import os
import pty
import select
import signal
import site
import struct
import termios
import time

import programs

_packages = list((programs.ROOT / ".build/test-venv/lib").glob("python3*/site-packages"))
assert _packages, "pyte is missing: run scripts/setup test"
site.addsitedir(str(_packages[0]))

import pyte  # noqa: E402

ALTERNATE, CURSOR, PASTE = 1049 << 5, 25 << 5, 2004 << 5
CTRL_C, CTRL_Z, UP, DOWN, PAGE_DOWN, END, ESC = (
    "\x03", "\x1a", "\x1b[A", "\x1b[B", "\x1b[6~", "\x1b[F", "\x1b")


class Terminal:
    """A program in a terminal of so many columns and rows."""

    def __init__(self, arguments, columns=120, rows=30, environment=None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.status = None
        environment = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
        environment = {key: value for key, value in environment.items() if value is not None}
        # Kept open here: what the terminal is set to can be asked for after the program's end.
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows, is_told=False)
        self.before = termios.tcgetattr(self.slave)
        self.pid = os.fork()
        if self.pid == 0:
            os.login_tty(self.slave) if hasattr(os, "login_tty") else _login(self.slave)
            os.execve(arguments[0], [str(word) for word in arguments], environment)

    def resize(self, columns, rows, is_told=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if is_told:
            self.screen.resize(rows, columns)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds=0.05):
        """Takes in what the program has written."""
        end = time.monotonic() + seconds
        while select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            self.raw += data
            self.stream.feed(data)

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait(self, condition, what):
        """Until `condition` of the shown text is true; a text: until it is shown."""
        if isinstance(condition, str):
            words, condition = condition, lambda text: words in text

        def is_so():
            self.read()
            return condition(self.text)

        try:
            return programs.wait_for(is_so, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None

    def line(self, start):
        """The first line with this text in it; empty where half of a picture has none."""
        return next((line for line in self.lines if start in line), "")

    def chosen(self):
        """The text of the line that is shown inverse; empty where half of a picture has none."""
        for y in range(self.screen.lines):
            if self.screen.buffer[y][0].reverse:
                return self.lines[y]
        return ""

    def colours(self):
        return {cell.fg for row in self.screen.buffer.values() for cell in row.values()} - {
            "default"}

    @property
    def is_alternate(self):
        return self.raw.rfind(b"\x1b[?1049h") > self.raw.rfind(b"\x1b[?1049l")

    def ended(self):
        """The exit status, once the program has ended."""
        def is_over():
            self.read()
            if self.status is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.status = status if pid else None
            return self.status is not None
        programs.wait_for(is_over, "the program to end")
        self.read(0.2)
        return os.waitstatus_to_exitcode(self.status)

    def stopped(self):
        """Waits until the program is stopped, as by Ctrl-Z."""
        def is_stopped():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            return pid and os.WIFSTOPPED(status)
        programs.wait_for(is_stopped, "the program to be stopped")
        self.read(0.2)

    def settings(self):
        return termios.tcgetattr(self.slave)

    def kill(self, number):
        os.kill(self.pid, number)

    def stop(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


def _login(slave):
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)


def top(stage, steelyard, *options, **terminal):
    host, port = steelyard.admin
    return stage.keep(Terminal(
        [str(programs.BINARY), "top", "--admin", f"{host}:{port}", *options], **terminal))
