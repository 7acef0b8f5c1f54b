#!/usr/bin/python3
"""What kv keeps and how it starts and stops: restarts, other numbers of shards, time to live, disk use, refusals.

Crashes have a test of their own (crash_test.py); here every stop is in order.
"""
import os
import random
import socket
import subprocess
import time
import unittest

from support import KV, PATIENCE_S, PEER, SANITIZED, Folder, ServerTest, fill, folder_bytes

MIB = 1 << 20


def value_of(i):
    return f"value of {i} ".encode() * (1 + i % 40)


def run_kv(*options, timeout=PATIENCE_S):
    """A kv that is expected to end by itself: (exit code, its output)."""
    run = subprocess.run([KV, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, timeout=timeout)
    return run.returncode, run.stdout


class Restart(ServerTest):
    def check_values(self, client, count, gone=()):
        for first in range(0, count, 500):
            some = range(first, min(first + 500, count))
            replies = client.pipeline([("GET", f"key:{i}") for i in some])
            for i, reply in zip(some, replies):
                self.assertEqual(reply, None if i in gone else value_of(i), f"key:{i}")

    def test_keeps_what_was_written_and_deleted(self):
        count = 1000 if SANITIZED else 5000
        server = self.server(2).start()
        with server.connect() as client:
            fill(client, count, lambda i: b"first")
            fill(client, count, value_of)
            gone = set(range(0, count, 7))
            self.assertEqual(client.call("DEL", *[f"key:{i}" for i in gone]), len(gone))
        self.stop(server)
        for _ in range(2):
            server.start()
            with server.connect() as client:
                self.assertEqual(client.call("DBSIZE"), count - len(gone))
                self.check_values(client, count, gone)
            self.stop(server)

    def test_flushall_is_kept_too(self):
        server = self.server(2).start()
        with server.connect() as client:
            fill(client, 300, value_of)
            client.call("FLUSHALL")
            client.call("SET", "key:5", value_of(5))
        self.stop(server)
        server.start()
        with server.connect() as client:
            self.assertEqual(client.call("DBSIZE"), 1)
            self.check_values(client, 6, gone={0, 1, 2, 3, 4})
        self.stop(server)

    @unittest.skipIf(PEER, "the peer has no shards")
    def test_number_of_shards_may_change(self):
        count = 600 if SANITIZED else 3000
        server = self.server().start()
        with server.connect() as client:
            fill(client, count, lambda i: b"old")
        self.stop(server)
        gone = set()
        for step, shards in enumerate((4, 2, 3, 1, 2)):
            server.shards = shards
            server.start()
            with server.connect() as client:
                if step > 0:
                    self.check_values(client, count, gone)
                fill(client, count, value_of)
                gone = set(range(step, count, 11))
                client.call("DEL", *[f"key:{i}" for i in gone])
                self.assertEqual(client.call("DBSIZE"), count - len(gone))
            self.stop(server)
        server.start()
        with server.connect() as client:
            self.assertEqual(client.call("DBSIZE"), count - len(gone))
            self.check_values(client, count, gone)
        self.stop(server)

    def test_time_to_live_is_kept(self):
        server = self.server(2).start()
        with server.connect() as client:
            client.call("SET", "long", "x", "EX", 1000)
            client.call("SET", "at", "x", "PXAT", 4_000_000_000_123)
            client.call("SET", "set later", "x")
            client.call("EXPIRE", "set later", 500)
            client.call("SET", "persists", "x", "EX", 1000)
            client.call("PERSIST", "persists")
            for i in range(50):
                client.call("SET", f"short:{i}", "x", "PX", 200)
        self.stop(server)
        time.sleep(0.25)
        server.shards = 1 if PEER else 3
        server.start()
        with server.connect() as client:
            self.assertTrue(0 < client.call("TTL", "long") <= 1000)
            self.assertEqual(client.call("PEXPIRETIME", "at"), 4_000_000_000_123)
            self.assertTrue(0 < client.call("TTL", "set later") <= 500)
            self.assertEqual(client.call("TTL", "persists"), -1)
            self.assertEqual([client.call("GET", f"short:{i}") for i in range(50)], [None] * 50)
            end = time.monotonic() + PATIENCE_S
            while client.call("DBSIZE") != 4 and time.monotonic() < end:
                time.sleep(0.02)
            self.assertEqual(client.call("DBSIZE"), 4)
        self.stop(server)

    @unittest.skipIf(PEER, "the peer holds everything in memory")
    def test_values_outside_the_cache_are_read_from_disk(self):
        count, size = (300, 40_000) if SANITIZED else (1000, 40_000)
        noise = random.Random(2).randbytes(2 * MIB)
        server = self.server(2, ["--cache-size", "1M"]).start()
        for _ in range(2):
            with server.connect() as client:
                if server.starts == 1:
                    fill(client, count, lambda i: noise[i * 7:i * 7 + size], batch=20)
                order = list(range(count))
                random.Random(3).shuffle(order)
                for i in order:
                    self.assertTrue(client.call("GET", f"key:{i}") == noise[i * 7:i * 7 + size], i)
                info = client.call("INFO", "shale").decode()
                reads = int(info.split("log_reads:")[1].split()[0])
                self.assertGreater(reads, count // 2, info)
            self.stop(server)
            server.start()
        self.stop(server)

    @unittest.skipIf(PEER, "the peer rewrites when it thinks best")
    def test_disk_use_is_bounded_under_overwrites(self):
        # 8 MiB are live and each round writes them again; twice the live bytes and seven segments are the limit.
        keys, size, segment, rounds = 128, 65536, 4 * MIB, 8 if SANITIZED else 30
        limit = 2 * keys * size + 8 * segment
        noise = random.Random(4).randbytes(size)
        server = self.server(1, ["--cache-size", "4M", "--segment-size", "4M"]).start()
        with server.connect() as client:
            peak = 0
            for version in range(rounds):
                fill(client, keys, lambda i: b"%d:%d " % (version, i) + noise, batch=32)
                peak = max(peak, folder_bytes(self.folder.data))
            end = time.monotonic() + PATIENCE_S
            while folder_bytes(self.folder.data) > limit and time.monotonic() < end:
                time.sleep(0.1)
            self.assertLessEqual(folder_bytes(self.folder.data), limit, f"the peak was {peak // MIB} MiB")
            self.assertLess(peak, 2 * limit)
            for i in range(keys):
                self.assertTrue(client.call("GET", f"key:{i}") == b"%d:%d " % (rounds - 1, i) + noise, i)
        self.stop(server)
        server.start()
        with server.connect() as client:
            self.assertEqual(client.call("DBSIZE"), keys)
            for i in range(keys):
                self.assertTrue(client.call("GET", f"key:{i}") == b"%d:%d " % (rounds - 1, i) + noise, i)
        self.stop(server)

    @unittest.skipIf(PEER, "the peer has no such limit")
    def test_an_mset_that_cannot_be_kept_whole_is_refused_and_nothing_of_it_is_done(self):
        server = self.server(1, ["--segment-size", "1M"]).start()
        large = [word for i in range(64) for word in (f"large:{i}", bytes(MIB))]
        with server.connect() as client:
            for command in ("MSET", "MSETNX"):
                client.send(command, *large)
                self.assertRegex(str(client.receive()), r"ERR .*63 MiB")
                self.assertEqual(client.call("DBSIZE"), 0)
            self.assertEqual(client.call("MSET", *large[:-4]), "OK")
        server.kill()
        server.start()
        with server.connect() as client:
            self.assertEqual(client.call("DBSIZE"), 62)
            for i in range(62):
                self.assertEqual(client.call("STRLEN", f"large:{i}"), MIB)
            self.assertEqual(client.call("DEL", *[f"large:{i}" for i in range(70)]), 62)
        self.stop(server)

    @unittest.skipIf(PEER, "the peer has another way to do it")
    def test_bgrewriteaof_gives_space_back(self):
        server = self.server(1, ["--segment-size", "4M"]).start()
        with server.connect() as client:
            fill(client, 128, lambda i: bytes(65536), batch=32)
            client.call("DEL", *[f"key:{i}" for i in range(126)])
            self.assertIn("started", client.call("BGREWRITEAOF"))
            end = time.monotonic() + PATIENCE_S
            while folder_bytes(self.folder.data) > 20 * MIB and time.monotonic() < end:
                time.sleep(0.05)
            self.assertLessEqual(folder_bytes(self.folder.data), 20 * MIB)
            self.assertEqual(client.call("MGET", "key:125", "key:126", "key:127"), [None, bytes(65536), bytes(65536)])
        self.stop(server)

    def test_other_modes_of_appendfsync_keep_data_over_an_orderly_stop(self):
        for mode in ("everysec", "no"):
            with self.subTest(mode=mode):
                folder = Folder()
                self.addCleanup(folder.remove)
                server = self.server(2, ["--appendfsync", mode], data=folder.data).start()
                with server.connect() as client:
                    self.assertEqual(client.call("CONFIG", "GET", "appendfsync"), [b"appendfsync", mode.encode()])
                    fill(client, 500, value_of)
                self.stop(server)
                server.start()
                with server.connect() as client:
                    self.check_values(client, 500)
                self.stop(server)


@unittest.skipIf(PEER, "of kv alone")
class StartAndStop(ServerTest):
    def refused(self, code, *options, words=()):
        """kv with these options ends with this code and one line that has these words."""
        ended, output = run_kv(*options)
        self.assertEqual(ended, code, output)
        said = [line for line in output.splitlines() if line and not line.startswith("INFO")]
        self.assertEqual(len(said), 1, output)
        for word in words:
            self.assertIn(word, said[0])

    def test_help_and_version(self):
        code, output = run_kv("--help")
        self.assertEqual(code, 0)
        for option in ("--dir", "--port", "--bind", "--appendfsync", "--smp", "--cache-size"):
            self.assertIn(option, output)
        code, output = run_kv("--version")
        self.assertEqual(code, 0)
        self.assertRegex(output, r"^kv \d+\.\d+")

    def test_wrong_options_end_with_64_and_one_line(self):
        for options in (["--nonsense"], ["--port", "70000"], ["--smp", "0"], ["--appendfsync", "sometimes"],
                        ["--bind", "nowhere"], ["--bind", ""], ["--bind", "*"], ["--bind", "/tmp/kv.sock"]):
            with self.subTest(options=options):
                self.refused(64, "--dir", self.folder.data, *options, words=[options[0].lstrip("-")])

    def test_start_page_says_what_there_is(self):
        server = self.server(2).start()
        with server.connect() as client:
            fill(client, 123, value_of)
        self.stop(server)
        server.start()
        page = server.text()
        for words in ("kv 0.", "2 shards", self.folder.data, "123 keys", str(server.port), "redis-cli"):
            self.assertIn(words, page)
        self.stop(server)

    def test_a_busy_port_is_one_line(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.refused(78, "--dir", self.folder.data, "--port", str(port), "--smp", "2",
                         words=[str(port), "in use", "--port"])

    def test_another_kv_on_the_port_is_one_line(self):
        server = self.server(2).start()
        other = Folder()
        self.addCleanup(other.remove)
        self.refused(78, "--dir", other.data, "--port", str(server.port), "--smp", "2",
                     words=[str(server.port), "in use"])
        self.stop(server)

    def test_another_kv_on_the_directory_is_one_line(self):
        server = self.server(2).start()
        self.refused(78, "--dir", self.folder.data, "--port", "0", "--smp", "1", words=[self.folder.data])
        with server.connect() as client:
            self.assertEqual(client.call("SET", "still", "serves"), "OK")
        self.stop(server)

    def test_a_directory_that_cannot_be_had_is_one_line(self):
        file = os.path.join(self.folder.path, "file")
        with open(file, "w"):
            pass
        self.refused(78, "--dir", file, "--port", "0", "--smp", "1", words=[file])
        self.refused(78, "--dir", "/proc/nothing/here", "--port", "0", "--smp", "1", words=["/proc/nothing"])

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_directory_without_rights_is_one_line(self):
        os.chmod(self.folder.data, 0o500)
        self.refused(78, "--dir", self.folder.data, "--port", "0", "--smp", "1", words=[self.folder.data])
        os.chmod(self.folder.data, 0o700)

    def test_stops_in_order_with_clients_connected(self):
        server = self.server(2).start()
        idle, busy = server.connect(), server.connect()
        busy.socket.sendall(busy.encode("SET", "half", "sent")[:-4])
        self.stop(server)
        self.assertEqual(idle.file.read(), b"")
        try:
            self.assertEqual(busy.file.read(), b"")
        except ConnectionResetError:
            pass  # half a request was left unread, and the kernel says so
        for client in (idle, busy):
            client.close()

    def test_a_stop_finishes_what_it_acknowledged(self):
        server = self.server(2).start()
        client = server.connect()
        batch = [("SET", f"key:{i}", value_of(i)) for i in range(2000)]
        client.socket.sendall(b"".join(client.encode(*words) for words in batch))
        acknowledged = 0
        try:
            self.assertEqual(client.receive(), "OK")
            acknowledged += 1
            server.process.terminate()
            while True:
                self.assertEqual(client.receive(), "OK")
                acknowledged += 1
        except ConnectionError:
            pass
        self.assertEqual(server.wait(), 0)
        server.start()
        with server.connect() as again:
            replies = again.pipeline([("GET", f"key:{i}") for i in range(acknowledged)])
            self.assertEqual(replies, [value_of(i) for i in range(acknowledged)])
        self.stop(server)


if __name__ == "__main__":
    unittest.main()
