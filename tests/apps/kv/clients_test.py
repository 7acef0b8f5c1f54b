#!/usr/bin/python3
"""Real Redis clients drive kv: redis-cli, redis-benchmark and python3-redis, with one, two and four shards.

What the clients wrote is read back by another of them. Numbers are small: this shows that it works, not how fast.
"""
import os
import pty
import random
import re
import select
import subprocess
import time
import unittest

from support import PATIENCE_S, PEER, SANITIZED, Client, RespError, ServerTest, need

try:
    import redis
except ImportError:
    redis = None

MIB = 1 << 20


def redis_cli(port, *arguments, input=None):
    """What redis-cli prints; an exit code other than 0 fails."""
    need("redis-cli")
    run = subprocess.run(["redis-cli", "-p", str(port), *arguments], input=input, capture_output=True,
                         timeout=PATIENCE_S)
    if run.returncode != 0:
        raise AssertionError(f"redis-cli {arguments}: exit {run.returncode}: {run.stdout!r} {run.stderr!r}")
    return run.stdout.decode(errors="surrogateescape")


class Clients:
    """The cases; a class below for each number of shards."""

    shards = 1

    def setUp(self):
        super().setUp()
        self.running = self.server(self.shards).start()
        self.port = self.running.port

    def tearDown(self):
        self.stop(self.running)
        super().tearDown()

    def cli(self, *arguments, input=None):
        return redis_cli(self.port, *arguments, input=input)

    def test_redis_cli_one_command_at_a_time(self):
        self.assertEqual(self.cli("PING"), "PONG\n")
        self.assertEqual(self.cli("SET", "greeting", "hello world"), "OK\n")
        self.assertEqual(self.cli("GET", "greeting"), "hello world\n")
        self.assertEqual(self.cli("GET", "missing"), "\n")
        self.assertEqual(self.cli("APPEND", "greeting", "!"), "12\n")
        self.assertEqual(self.cli("INCRBY", "n", "41"), "41\n")
        self.assertEqual(self.cli("INCR", "n"), "42\n")
        self.assertEqual(self.cli("MSET", "a", "1", "b", "2", "c", "3"), "OK\n")
        self.assertEqual(self.cli("MGET", "a", "b", "none", "c"), "1\n2\n\n3\n")
        self.assertEqual(self.cli("DEL", "a", "b", "none"), "2\n")
        self.assertEqual(self.cli("DBSIZE"), "3\n")
        self.assertEqual(self.cli("EXPIRE", "c", "100"), "1\n")
        self.assertIn(int(self.cli("TTL", "c")), range(1, 101))  # a second may pass between two programs
        self.assertEqual(self.cli("TYPE", "c"), "string\n")
        self.assertEqual(self.cli("-x", "SET", "binary", input=bytes(range(256))), "OK\n")
        with Client(self.port) as client:
            self.assertEqual(client.call("GET", "binary"), bytes(range(256)))
        self.assertIn("# Server", self.cli("INFO"))
        self.assertEqual(self.cli("CONFIG", "GET", "appendonly").split(), ["appendonly", "yes"])
        self.assertEqual(self.cli("FLUSHALL"), "OK\n")
        self.assertEqual(self.cli("DBSIZE"), "0\n")

    def test_redis_cli_speaks_resp3(self):
        self.assertEqual(self.cli("-3", "SET", "key", "value"), "OK\n")
        self.assertEqual(self.cli("-3", "GET", "key"), "value\n")
        self.assertEqual(self.cli("-3", "GET", "missing"), "\n")
        self.assertIn("proto\n3", self.cli("-3", "HELLO").replace(" ", "\n"))
        # A map, which only RESP3 has.
        self.assertEqual(self.cli("-3", "--no-raw", "CONFIG", "GET", "appendonly"), '1# "appendonly" => "yes"\n')

    def test_redis_cli_reads_commands_from_a_pipe(self):
        lines = "".join(f"SET line:{i} {i}\n" for i in range(50)) + "MGET line:0 line:49\nDBSIZE\n"
        self.assertEqual(self.cli(input=lines.encode()).split(), ["OK"] * 50 + ["0", "49", "50"])

    def test_redis_cli_at_a_terminal(self):
        need("redis-cli")
        master, slave = pty.openpty()
        shell = subprocess.Popen(["redis-cli", "-p", str(self.port)], stdin=slave, stdout=slave, stderr=slave,
                                 env={**os.environ, "TERM": "dumb", "HOME": self.folder.path})
        os.close(slave)
        seen = b""

        def until(what):
            nonlocal seen
            end = time.monotonic() + PATIENCE_S
            while what not in seen:
                self.assertGreater(end, time.monotonic(), seen)
                if select.select([master], [], [], 1)[0]:
                    seen += os.read(master, 65536)

        try:
            until(b"> ")
            os.write(master, b"SET typed \"by hand\"\r")
            until(b"OK")
            os.write(master, b"GET typed\r")
            until(b'"by hand"\r\n')
            os.write(master, b"quit\r")
            self.assertEqual(shell.wait(PATIENCE_S), 0)
        finally:
            shell.kill()
            shell.wait()
            os.close(master)

    def test_redis_cli_loads_by_pipe_and_scans(self):
        count = 500 if SANITIZED else 3000
        data = b"".join(Client.encode("SET", f"pipe:{i}", f"value {i}") for i in range(count))
        self.assertIn(f"errors: 0, replies: {count}", self.cli("--pipe", input=data))
        self.assertEqual(sorted(self.cli("--scan", "--pattern", "pipe:*").split()),
                         sorted(f"pipe:{i}" for i in range(count)))
        self.assertEqual(self.cli("--scan", "--pattern", "pipe:77").split(), ["pipe:77"])
        self.assertEqual(self.cli("GET", f"pipe:{count - 1}"), f"value {count - 1}\n")
        self.assertIn(f"Sampled {count} keys", self.cli("--bigkeys"))

    def test_redis_benchmark(self):
        need("redis-benchmark")
        requests = 400 if SANITIZED else 4000
        names = {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"}
        for pipeline in (1, 16):
            for connections in (1, 50):
                with self.subTest(pipeline=pipeline, connections=connections):
                    run = subprocess.run(
                        ["redis-benchmark", "-p", str(self.port), "-t", "ping_inline,ping_mbulk,set,get,incr,mset",
                         "-P", str(pipeline), "-c", str(connections), "-n", str(requests), "-r", "1000", "-d", "100",
                         "--csv"], capture_output=True, text=True, timeout=4 * PATIENCE_S)
                    self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                    self.assertNotIn("rror", run.stdout + run.stderr)
                    # A test that is over within one tick of its clock ran at the rate inf.
                    rates = dict(re.findall(r'^"([^"]+)","([\d.]+|inf)"', run.stdout, re.MULTILINE))
                    self.assertEqual({name for name in rates if float(rates[name]) > 0}, names, run.stdout)
        with Client(self.port) as client:
            keys = client.call("KEYS", "key:*")
            self.assertGreater(len(keys), 100)
            self.assertEqual({len(value) for value in client.call("MGET", *keys)}, {100})
            counters = client.call("MGET", *client.call("KEYS", "counter:*"))
            self.assertGreaterEqual(sum(map(int, counters)), 4 * requests)

    @unittest.skipIf(redis is None, "python3-redis is missing; scripts/test installs it")
    def test_python_redis(self):
        client = redis.Redis(port=self.port)
        self.assertTrue(client.set("k", b"\x00\xff\r\n"))
        self.assertEqual(client.get("k"), b"\x00\xff\r\n")
        self.assertIsNone(client.set("k", "other", nx=True))
        self.assertEqual(client.set("k", "new", get=True), b"\x00\xff\r\n")
        self.assertTrue(client.set("short", "x", px=100_000))
        self.assertTrue(0 < client.pttl("short") <= 100_000)
        self.assertTrue(client.persist("short"))
        self.assertEqual(client.ttl("short"), -1)
        self.assertEqual(client.ttl("missing"), -2)
        self.assertTrue(client.mset({f"m:{i}": i for i in range(100)}))
        self.assertEqual(client.mget([f"m:{i}" for i in range(100)]), [b"%d" % i for i in range(100)])
        self.assertTrue(client.msetnx({"n:1": 1, "n:2": 2}))
        self.assertFalse(client.msetnx({"n:2": 1, "n:3": 2}))
        self.assertEqual(client.exists("n:1", "n:2", "n:3"), 2)
        self.assertEqual(client.incrbyfloat("f", 1.5), 1.5)
        self.assertEqual(client.decr("d", 3), -3)
        self.assertEqual(client.setrange("r", 3, "abc"), 6)
        self.assertEqual(client.getrange("r", 2, 4), b"\x00ab")
        self.assertEqual(client.strlen("r"), 6)
        self.assertEqual(client.getdel("r"), b"\x00\x00\x00abc")
        self.assertEqual(sorted(client.scan_iter("m:1*")), sorted([b"m:1", *(b"m:%d" % i for i in range(10, 20))]))
        self.assertEqual(client.delete(*client.keys("m:*")), 100)
        with client.pipeline(transaction=False) as pipe:
            for i in range(1000):
                pipe.set(f"p:{i}", i).get(f"p:{i}").incr("count")
            self.assertEqual(pipe.execute(), [x for i in range(1000) for x in (True, b"%d" % i, i + 1)])
        self.assertEqual(client.info("server")["redis_mode"], "standalone")
        self.assertEqual(client.info("keyspace")["db0"]["keys"], client.dbsize())
        self.assertEqual(client.config_get("maxclients"), {"maxclients": "10000"})
        with self.assertRaisesRegex(redis.ResponseError, "value is not an integer or out of range"):
            client.incr("k")
        client.client_setname("tester")
        self.assertEqual(client.client_getname(), "tester")
        self.assertTrue(client.flushall())
        self.assertEqual(client.dbsize(), 0)
        client.close()

    def test_errors_are_in_the_words_of_redis(self):
        with Client(self.port) as client:
            client.call("SET", "text", "abc")
            for words, text in [
                (("NOSUCH", "a", "b"), "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' "),
                (("GET",), "ERR wrong number of arguments for 'get' command"),
                (("MSET", "a"), "ERR wrong number of arguments for 'mset' command"),
                (("SET", "a", "b", "FOO"), "ERR syntax error"),
                (("SET", "a", "b", "EX", "0"), "ERR invalid expire time in 'set' command"),
                (("SET", "a", "b", "EX", "x"), "ERR value is not an integer or out of range"),
                (("INCR", "text"), "ERR value is not an integer or out of range"),
                (("INCRBYFLOAT", "text", "1"), "ERR value is not a valid float"),
                (("SETRANGE", "text", "-1", "x"), "ERR offset is out of range"),
                (("EXPIRE", "text", "1", "NX", "XX"),
                 "ERR NX and XX, GT or LT options at the same time are not compatible"),
                (("SCAN", "x"), "ERR invalid cursor"),
                (("SELECT", "99"), "ERR DB index is out of range"),
                (("CONFIG", "GRAB"), "ERR unknown subcommand 'GRAB'. Try CONFIG HELP."),
                (("HELLO", "9"), "NOPROTO unsupported protocol version"),
            ]:
                with self.subTest(words=words):
                    client.send(*words)
                    self.assertEqual(str(client.receive()), text)
        with Client(self.port) as client:
            client.socket.sendall(b"*1\r\n$x\r\n")
            self.assertEqual(str(client.receive()), "ERR Protocol error: invalid bulk length")
            with self.assertRaises(ConnectionError):
                client.receive()

    def test_inline_commands_and_empty_lines(self):
        with Client(self.port) as client:
            client.socket.sendall(b"\r\n\r\nPING\r\nset inline 'two words'\r\n\r\nGET inline\n")
            self.assertEqual([client.receive() for _ in range(3)], ["PONG", "OK", b"two words"])

    def test_values_up_to_64_mib(self):
        sizes = [0, 1, 4095, 4096, 4097, 65536, MIB, 3 * MIB + 1] + ([8 * MIB] if SANITIZED else [64 * MIB])
        pool = random.Random(1).randbytes(MIB + 4093)
        values = {f"large:{size}": (pool * (size // len(pool) + 1))[:size] for size in sizes}
        with Client(self.port) as client:
            for key, value in values.items():
                self.assertEqual(client.call("SET", key, value), "OK")
            for key, value in values.items():
                self.assertTrue(client.call("GET", key) == value, key)
            self.assertEqual(client.call("STRLEN", f"large:{sizes[-1]}"), sizes[-1])
            self.assertEqual(client.call("GETRANGE", f"large:{sizes[-1]}", "-10", "-1"),
                             values[f"large:{sizes[-1]}"][-10:])
        with Client(self.port) as client:
            client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (64 * MIB + 1))
            self.assertEqual(str(client.receive()), "ERR Protocol error: invalid bulk length")
        self.stop(self.running)
        self.running.start()
        with Client(self.running.port) as client:
            for key, value in values.items():
                self.assertTrue(client.call("GET", key) == value, key)

    def test_a_client_that_does_not_read_is_no_trouble_to_others(self):
        with Client(self.port) as slow, Client(self.port) as other:
            other.call("SET", "big", b"x" * MIB)
            slow.socket.setblocking(False)
            request = Client.encode("GET", "big") * 64
            try:
                slow.socket.send(request)
            except BlockingIOError:
                pass
            for _ in range(100):
                self.assertEqual(other.call("PING"), "PONG")
                self.assertEqual(other.call("STRLEN", "big"), MIB)
            slow.socket.settimeout(PATIENCE_S)
            for _ in range(64):
                self.assertEqual(len(slow.receive()), MIB)

    def test_expired_keys_are_gone(self):
        with Client(self.port) as client:
            client.call("SET", "stays", "x")
            replies = client.pipeline([("SET", f"goes:{i}", "x", "PX", "50") for i in range(200)])
            self.assertEqual(set(replies), {"OK"})
            end = time.monotonic() + PATIENCE_S
            while client.call("DBSIZE") != 1 and time.monotonic() < end:
                time.sleep(0.02)
            self.assertEqual(client.call("DBSIZE"), 1)
            self.assertIsNone(client.call("GET", "goes:7"))
            self.assertEqual(client.call("GET", "stays"), b"x")

    def test_shutdown_command_ends_the_server(self):
        with Client(self.port) as client:
            client.call("SET", "last", "words")
            client.send("SHUTDOWN")
            try:
                reply = client.receive()
                self.assertNotIsInstance(reply, RespError, reply)
            except ConnectionError:
                pass
        self.assertEqual(self.running.wait(), 0)
        self.running.start()
        with Client(self.running.port) as client:
            self.assertEqual(client.call("GET", "last"), b"words")


class OneShard(Clients, ServerTest):
    shards = 1


@unittest.skipIf(PEER, "the peer has no shards")
class TwoShards(Clients, ServerTest):
    shards = 2


@unittest.skipIf(PEER, "the peer has no shards")
class FourShards(Clients, ServerTest):
    shards = 4


if __name__ == "__main__":
    unittest.main()
