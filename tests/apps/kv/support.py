"""What the tests that drive kv from outside share: a server of their own, a client of a few lines, skips in words.

A server runs on a free port with a data directory of its own below the build folder, which is on a disk. Its output is
kept and shown when something fails; reports of sanitizers in it fail the test. SHALE_KV_PEER=redis-server runs the same
tests against Debian's server instead: what fails there is a wrong test.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from kv_testing import free_port

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("SHALE_BUILD") or os.path.join(HERE, "../../../build/release"))
KV = os.path.join(BUILD, "bin/kv")
SANITIZED = bool(os.environ.get("SHALE_SANITIZE"))
PEER = os.environ.get("SHALE_KV_PEER", "")
PATIENCE_S = 300 if SANITIZED else 120  # for a machine that is slow and busy; a test that passes waits for none of it
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|[Aa]ssertion")


def need(*programs):
    """Skips the test when a program is missing, and says which."""
    for program in programs:
        if shutil.which(program) is None:
            raise unittest.SkipTest(f"{program} is missing; scripts/test installs it")


def need_server():
    if PEER:
        need(PEER)
    elif not os.path.exists(KV):
        raise unittest.SkipTest(f"{KV} is not built")


class Folder:
    """A scratch folder on the build's disk: .data for --dir, .logs for what servers print."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="kv-test-", dir=BUILD if os.path.isdir(BUILD) else None)
        self.data = os.path.join(self.path, "data")
        os.mkdir(self.data)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Server:
    """A kv process. `data` is its directory; `shards` and `options` may differ from one start to the next."""

    def __init__(self, data, shards=1, options=(), prefix=()):
        self.data, self.shards, self.options, self.prefix = data, shards, list(options), list(prefix)
        self.process, self.port, self.starts = None, None, 0
        self.output = data + ".log"

    def command(self):
        if PEER:
            self.port = free_port()
            return [PEER, "--port", str(self.port), "--dir", self.data, "--appendonly", "yes", "--appendfsync",
                    "always", "--save", "", "--proto-max-bulk-len", "64mb"]
        return [KV, "--port", "0", "--dir", self.data, "--smp", str(self.shards)]

    def launch(self):
        """Starts the process and returns at once."""
        self.starts += 1
        with open(self.output, "ab") as output:
            self.begins = output.tell()
            self.process = subprocess.Popen([*self.prefix, *self.command(), *self.options], stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT)
        return self

    def start(self):
        """Starts the process and waits until it serves. An end before that is an AssertionError with its output."""
        self.launch()
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if not PEER:
                found = re.search(r"\S+:(\d+)\b", self.ready_line())
                self.port = int(found.group(1)) if found else None
            if self.port and self.answers():
                return self
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended at once with {self.process.returncode}:\n{self.text()}")
            time.sleep(0.005)
        self.kill()
        raise AssertionError(f"the server did not serve within {PATIENCE_S} s:\n{self.text()}")

    def ready_line(self):
        """Empty until it is there to its end: half a line has half a port."""
        return next((line for line in self.text().split("\n")[:-1] if "ready on" in line), "")

    def answers(self):
        try:
            with Client(self.port) as client:
                return client.call("PING") == "PONG"
        except (OSError, RespError):
            return False

    def text(self):
        """What it has printed since it was started last."""
        with open(self.output, errors="replace") as output:
            output.seek(self.begins)
            return output.read()

    def stop(self):
        """SIGTERM; gives the exit code. Reports of sanitizers are an AssertionError."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end within {PATIENCE_S} s:\n{self.text()}") from None
        self.check_output()
        return code

    def kill(self):
        """kill -9."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def check_output(self):
        if SANITIZER_REPORT.search(self.text()):
            raise AssertionError(self.text()[-20000:])

    def connect(self, timeout=PATIENCE_S):
        return Client(self.port, timeout)


class RespError(Exception):
    """An error reply."""


class Client:
    """RESP2 over one socket: commands out, replies in; pipelining is send() as often as wanted, then receive()."""

    def __init__(self, port, timeout=PATIENCE_S):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    @staticmethod
    def encode(*words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            parts += (b"$%d\r\n" % len(word), word, b"\r\n")
        return b"".join(parts)

    def send(self, *words):
        self.socket.sendall(self.encode(*words))

    def receive(self):
        """A reply; an error reply is returned (not raised) as a RespError. ConnectionError when the server is gone."""
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RespError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            body = self.file.read(size + 2)
            if len(body) != size + 2:
                raise ConnectionError("the server closed the connection within a reply")
            return body[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self.receive() for _ in range(int(rest))]
        raise AssertionError(f"not RESP2: {line!r}")

    def call(self, *words):
        self.send(*words)
        reply = self.receive()
        if isinstance(reply, RespError):
            raise reply
        return reply

    def pipeline(self, commands):
        """All replies, errors among them. Sends while it receives nothing: for replies that fit into the buffers."""
        self.socket.sendall(b"".join(self.encode(*words) for words in commands))
        return [self.receive() for _ in commands]


def fill(client, count, value, batch=500, prefix="key"):
    """SETs <prefix>:<i> to value(i) for all i below count."""
    for first in range(0, count, batch):
        replies = client.pipeline([("SET", f"{prefix}:{i}", value(i)) for i in range(first, min(first + batch, count))])
        wrong = [reply for reply in replies if reply != "OK"]
        if wrong:
            raise AssertionError(f"SET said {wrong[0]!r}")


def folder_bytes(path):
    """What the files of a folder take on the disk."""
    total = 0
    for where, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(where, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


class ServerTest(unittest.TestCase):
    """A test case with a scratch folder and servers that do not outlive it; their output is shown when it fails."""

    def setUp(self):
        need_server()
        self.folder = Folder()
        self.addCleanup(self.folder.remove)
        self.servers = []
        self.addCleanup(self.end_servers)

    def server(self, shards=1, options=(), data=None, prefix=()):
        server = Server(data or self.folder.data, shards, options, prefix)
        self.servers.append(server)
        return server

    def end_servers(self):
        for server in self.servers:
            if server.process and server.process.poll() is None:
                server.kill()
            if server.process and any(error for _, error in getattr(self._outcome, "errors", []) or []):
                print(server.text()[-4000:])

    def stop(self, server):
        self.assertEqual(server.stop(), 0, server.text())
