"""Starting kv and redis-server for tests, and speaking RESP to them over a raw socket."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

PATIENCE_S = 300


def build_dir():
    return os.path.abspath(os.environ.get("SHALE_BUILD") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "build", "release"))


def free_port():
    """For servers that cannot be told to choose one. It lies below those that the kernel gives to connections and to
    servers that ask for any, so that none of these takes it before the server does."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        end = max(int(file.read().split()[0]), 20_000)
    while True:
        port = random.SystemRandom().randrange(10_000, end)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass  # taken; another


class Server:
    """A server in a directory of its own, ready when the constructor returns; kill() or stop() ends it."""

    def __init__(self, command, directory=None):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="kv-test-")
        self.port = free_port()
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(
            [part.format(port=self.port, dir=self.directory) for part in command],
            stdout=self.log, stderr=self.log, cwd=self.directory)
        # A recovery, a sanitizer and a busy machine may all take their time.
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with Client(self.port) as client:
                    if client.call("PING").startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        output = self.output()
        self.kill()
        raise RuntimeError("the server did not start: %s" % output)

    def output(self):
        with open(os.path.join(self.directory, "log"), "rb") as log:
            return log.read().decode("utf-8", "replace")

    def stop(self, expected=0):
        """Ends it with SIGTERM and checks that it ended as asked."""
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        output = self.output()
        self.kill()
        assert code == expected, "exit code %d\n%s" % (code, output)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.kill()


def kv(*options, directory=None):
    binary = os.path.join(build_dir(), "bin", "kv")
    return Server([binary, "--port", "{port}", "--dir", "{dir}/data", *options], directory)


def redis():
    return Server(["redis-server", "--port", "{port}", "--save", "", "--appendonly", "no", "--dir", "{dir}"])


def encode(*arguments):
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Client:
    """One connection. call() gives the raw bytes of the reply."""

    def __init__(self, port, timeout=PATIENCE_S):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        """The bytes of one reply, with all that is nested in it; empty when the server has closed."""
        line = self.file.readline()
        if not line:
            return b""
        kind, count = line[:1], line[1:-2]
        if kind in b"$=" and int(count) >= 0:
            return line + self.file.read(int(count) + 2)
        if kind in b"*~>":
            return line + b"".join(self.read() for _ in range(max(int(count), 0)))
        if kind == b"%":
            return line + b"".join(self.read() for _ in range(2 * int(count)))
        return line

    def call(self, *arguments):
        self.send(encode(*arguments))
        return self.read()
