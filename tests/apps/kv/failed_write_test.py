#!/usr/bin/python3
"""A write or a flush that fails ends the server: exit code 74, one line with file and error, nothing acknowledged after
it, nobody left waiting; and the next start has all that was acknowledged.

A write is made to fail by taking the running server the right to write to files (RLIMIT_FSIZE, which every user may
lower), a flush by strace, which hands out EIO in place of the system call. Where ptrace is forbidden the flush is
skipped.
"""
import resource
import subprocess
import threading
import time
import unittest

from support import PATIENCE_S, PEER, Folder, ServerTest, need

IO_ERROR = 74
FIRST_BYTES = 65536  # of a file: the server's output has fewer, the log of each shard has more from the beginning
# The limit's signal would end the process before the write's error could; ignored, it stays so over exec.
WITHOUT_SIGNAL = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]


class Writer(threading.Thread):
    """SETs <name>:0, :1 and so on until the connection ends; `acknowledged` of them were."""

    def __init__(self, server, name):
        super().__init__()
        self.client, self.name, self.acknowledged, self.said = server.connect(), name, 0, None
        self.start()

    def run(self):
        try:
            with self.client:
                while True:
                    self.client.send("SET", f"{self.name}:{self.acknowledged}", f"value {self.acknowledged}")
                    self.said = self.client.receive()
                    if self.said != "OK":
                        return
                    self.acknowledged += 1
        except ConnectionError as ended:
            self.said = ended
        except OSError as hung:  # a timeout, as a rule
            self.said = AssertionError(f"{self.name} was left waiting: {hung}")


class Reader(threading.Thread):
    """GETs what is there, from memory and from the disk, until the connection ends."""

    def __init__(self, server, keys):
        super().__init__()
        self.client, self.keys, self.failure, self.reads = server.connect(), keys, None, 0
        self.start()

    def run(self):
        try:
            with self.client:
                while True:
                    i = self.reads % self.keys
                    self.client.send("GET", f"first:{i}")
                    if self.client.receive() != b"%d " % i + bytes(5000):
                        raise AssertionError(f"first:{i} is wrong")
                    self.reads += 1
        except ConnectionError:
            pass
        except (OSError, AssertionError) as wrong:
            self.failure = wrong


@unittest.skipIf(PEER, "of kv's exit code")
class FailedWrite(ServerTest):
    keys = 300

    def start(self, mode, shards=2, options=()):
        """A server in a folder of its own, with the first keys."""
        folder = Folder()
        self.addCleanup(folder.remove)
        server = self.server(shards, ["--cache-size", "512K", "--appendfsync", mode, *options], data=folder.data,
                             prefix=WITHOUT_SIGNAL).start()
        with server.connect() as client:
            replies = client.pipeline([("SET", f"first:{i}", b"%d " % i + bytes(5000)) for i in range(self.keys)])
            self.assertEqual(set(replies), {"OK"})
        return server

    def check_end(self, server, *words):
        self.assertEqual(server.wait(), IO_ERROR, server.text())
        said = [line for line in server.text().splitlines() if line.startswith("kv: stopped")]
        self.assertEqual(len(said), 1, server.text())
        for word in (".log", *words):
            self.assertIn(word, said[0])

    def check_restart(self, server, acknowledged):
        """All that was acknowledged is there: the first keys, and so many of each name."""
        server.start()
        with server.connect() as client:
            for i in range(self.keys):
                self.assertEqual(client.call("GET", f"first:{i}"), b"%d " % i + bytes(5000))
            for name, count in acknowledged.items():
                for i in range(count):
                    self.assertEqual(client.call("GET", f"{name}:{i}"), b"value %d" % i, f"{name}:{i} of {count}")
            self.assertEqual(client.call("SET", "again", "x"), "OK")
        self.stop(server)

    def test_a_failed_write_ends_the_server_in_every_mode(self):
        for mode in ("always", "everysec", "no"):
            with self.subTest(mode=mode):
                server = self.start(mode)
                writers = [Writer(server, f"w{i}") for i in range(4)]
                readers = [Reader(server, self.keys) for _ in range(2)]
                end = time.monotonic() + PATIENCE_S
                while min(w.acknowledged for w in writers) < 20 and time.monotonic() < end:
                    time.sleep(0.01)
                self.fail_writes(server, FIRST_BYTES)
                self.check_end(server, "write", "EFBIG")
                for one in (*writers, *readers):
                    one.join()
                for one in writers:
                    self.assertGreaterEqual(one.acknowledged, 20)
                    # It was told that its last write failed, or the connection ended.
                    self.assertNotIsInstance(one.said, AssertionError)
                    self.assertNotEqual(one.said, "OK")
                for one in readers:
                    self.assertIsNone(one.failure)
                    self.assertGreater(one.reads, 0)
                self.check_restart(server, {one.name: one.acknowledged for one in writers})

    def test_ends_though_its_last_line_cannot_be_written_either(self):
        # As when its output goes to the disk that fails.
        server = self.start("always")
        self.fail_writes(server, 0)
        with server.connect() as client:
            with self.assertRaises(ConnectionError):
                for i in range(100):
                    self.assertNotEqual(client.call("SET", f"lost:{i}", "x"), "OK")
        self.assertEqual(server.wait(), IO_ERROR, server.text())
        self.check_restart(server, {})

    def fail_writes(self, server, limit):
        """From now on every write behind so many bytes of a file fails with EFBIG."""
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def fail_flush(self, server):
        """From now on the second call of io_submit and all after it fail with EIO: the first is a write's."""
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=io_submit", "-e",
                                   "inject=io_submit:error=EIO:when=2+", "-o", server.output + ".strace", "-p",
                                   str(server.process.pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(tracer.communicate)
        self.addCleanup(lambda: tracer.poll() is None and tracer.kill())
        status = f"/proc/{server.process.pid}/status"
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with open(status) as file:
                if f"TracerPid:\t{tracer.pid}\n" in file.read():
                    return
            if tracer.poll() is not None:
                self.skipTest(f"no flush can be made to fail here: {tracer.stderr.read().decode().strip()}")
            time.sleep(0.01)
        self.fail("strace did not attach")

    def test_a_failed_flush_ends_the_server(self):
        need("strace")
        # A shard that never sleeps has nothing but its disk to call io_submit for.
        server = self.start("everysec", shards=1, options=["--poll"])
        self.stop(server)
        server.start()  # so that no flush is due until something is written
        self.fail_flush(server)
        with server.connect() as client:
            self.assertEqual(client.call("SET", "last:0", "value 0"), "OK")
            with self.assertRaises(ConnectionError):
                client.receive()
        self.check_end(server, "flush", "EIO")
        self.check_restart(server, {"last": 1})


if __name__ == "__main__":
    unittest.main()
