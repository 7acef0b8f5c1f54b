"""kv against redis-server: the same commands to both, and the same bytes back.
# check: allow long-line, a row of commands reads as it is sent

Run by differential_test.py, or by hand: SHALE_BUILD=build/release differential.py [shards]. Where kv differs on
purpose, the command stands in ALLOWED with the reason.
"""

import itertools
import random
import re
import sys

from kv_testing import Client, encode, kv, redis

# (pattern of the command, reason). Both replies must still be of the same kind unless they are errors.
ALLOWED = [
    (r"^SELECT ([1-9]|1[0-5])$", "one database only"),
    (r"^DEBUG ", "DEBUG has few subcommands"),
    (r"^(CLUSTER|READONLY|READWRITE|ASKING)", "always on"),
    (r"^CLIENT SETINFO", "known since 7.2 only, harmless to older clients"),
    (r"^(SCAN|RANDOMKEY|KEYS|TIME|LASTSAVE)", "order, cursors and time are a server's own; compared by content"),
    (r"^(INFO|CONFIG GET \*|CLIENT LIST|CLIENT INFO|CLIENT ID|CLIENT KILL ID|HELLO|MEMORY USAGE)", "a server's own"),
    (r"^COMMAND$|^COMMAND (COUNT|DOCS|LIST|INFO [a-z]*\|)", "fewer commands; no arguments in DOCS"),
    (r"^COMMAND INFO (client|config|command|cluster|memory|debug|function|script|slowlog|latency)",
     "no subcommands listed"),
    (r"^(BGREWRITEAOF|SLOWLOG|LATENCY|FUNCTION|SCRIPT|MEMORY) HELP", "no HELP"),
]

INTEGERS = ["0", "1", "-1", "7", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.5", "", "abc",
            " 1", "1 ", "01", "-0", "+1", "0x10", "1e3"]
FLOATS = ["0", "1.5", "-2.25", "1e3", "0.1", "0.2", "3.0e3", "inf", "-inf", "nan", "abc", "", " 1", "1e400", "1e-400", "5.0e-2",
          "3.14159265358979323846", "100000000000000000000", "0x1p3"]


def strings():
    yield from [("GET", "nope"), ("SET", "a", "1"), ("GET", "a"), ("get", "a"), ("gEt", "a"), ("SET", "a"), ("GET",),
                ("GET", "a", "b"), ("SET", "", ""), ("GET", ""), ("SET", b"\x00\xff\r\n", b"\r\n\x00"),
                ("GET", b"\x00\xff\r\n"), ("STRLEN", "a"), ("STRLEN", "nope"), ("TYPE", "a"), ("TYPE", "nope")]
    yield from [("SET", "big", "x" * 100000), ("STRLEN", "big"), ("GET", "big"), ("GETRANGE", "big", "99990", "-1")]
    yield from [("GETSET", "gs", "1"), ("GETSET", "gs", "2"), ("GET", "gs"), ("GETDEL", "gs"), ("GETDEL", "gs"),
                ("GETSET", "gs"), ("SETNX", "n", "1"), ("SETNX", "n", "2"), ("GET", "n"), ("SETNX", "n")]
    yield from [("MSET", "m1", "1", "m2", "2"), ("MGET", "m1", "m2", "m3"), ("MSET", "m1"), ("MSET", "m1", "1", "m2"),
                ("MGET",), ("MSETNX", "m3", "3", "m4", "4"), ("MSETNX", "m4", "5", "m5", "6"), ("MGET", "m4", "m5"),
                ("MSETNX", "m9"), ("MSETNX", "m9", "1", "m8"), ("MSET", "d", "1", "d", "2"), ("GET", "d"),
                ("MGET", "m1", "m1", "m1"), ("MSETNX", "q", "1", "q", "2"), ("GET", "q")]
    yield from [("APPEND", "ap", "abc"), ("APPEND", "ap", "def"), ("GET", "ap"), ("APPEND", "ap", ""), ("APPEND", "ap")]


def set_options():
    options = [("EX", "100"), ("PX", "100000"), ("EXAT", "9999999999"), ("PXAT", "9999999999000"), ("KEEPTTL",), ("NX",), ("XX",),
               ("GET",), ("EX",), ("EX", "0"), ("EX", "-1"), ("EX", "abc"), ("PX", "9223372036854775807"),
               ("EX", "9223372036854775807"), ("EXAT", "1"), ("PXAT", "1"), ("BOGUS",), ("nx",), ("ex", "100")]
    for count in (0, 1, 2):
        for chosen in itertools.permutations(options, count):
            yield ("SET", "so", "v") + tuple(itertools.chain(*chosen))
            yield ("EXPIRETIME", "so") if any(o[0] in ("EXAT",) for o in chosen) else ("EXISTS", "so")
    for chosen in itertools.permutations(options[:5] + [("PERSIST",), ("EX", "abc"), ("EXAT", "1"), ("BOGUS",)], 2):
        yield ("SET", "ge", "v")
        yield ("GETEX", "ge") + tuple(itertools.chain(*chosen))
        yield ("GETEX", "ge") + chosen[0]
        yield ("EXISTS", "ge")
    yield from [("GETEX", "nope", "EX", "10"), ("GETEX",), ("SETEX", "k", "10", "v"), ("SETEX", "k", "0", "v"), ("SETEX", "k", "-1", "v"),
                ("SETEX", "k", "x", "v"), ("PSETEX", "k", "10000", "v"), ("PSETEX", "k", "0", "v"), ("SETEX", "k", "10"),
                ("TTL", "k"), ("PSETEX", "k", "9223372036854775807", "v"), ("SETEX", "k", "9223372036854775807", "v")]


def ranges():
    edges = ["0", "1", "-1", "4", "5", "6", "-5", "-6", "-100", "100", "9223372036854775807", "-9223372036854775808", "x"]
    for key in ("rg", "nope"):
        yield ("SET", "rg", "Hello")
        for first, last in itertools.product(edges, edges):
            yield ("GETRANGE", key, first, last)
        yield ("SUBSTR", key, "0", "2")
    for offset in edges[:7] + ["536870912", "536870911", "9223372036854775807"]:
        for value in ("", "XY"):
            if offset != "536870911":
                yield ("SET", "sr", "Hello")
                yield ("SETRANGE", "sr", offset, value)
                yield ("GET", "sr")
            yield ("DEL", "sr2")
            yield ("SETRANGE", "sr2", offset if offset != "536870911" else "20", value)
            yield ("GET", "sr2")
    yield ("SETRANGE", "sr", "1")
    yield ("GETRANGE", "sr", "1")


def counters():
    for start in INTEGERS:
        for command in (("INCR",), ("DECR",), ("INCRBY", "5"), ("DECRBY", "5"), ("INCRBYFLOAT", "0.5")):
            yield ("SET", "c", start)
            yield (command[0], "c") + command[1:]
            yield ("GET", "c")
    for amount in INTEGERS:
        for command in ("INCRBY", "DECRBY"):
            yield ("DEL", "c")
            yield (command, "c", amount)
            yield (command, "c", amount)
    for start, amount in itertools.product(FLOATS, FLOATS):
        yield ("SET", "f", start)
        yield ("INCRBYFLOAT", "f", amount)
        yield ("GET", "f")
    yield from [("DEL", "f"), ("INCRBYFLOAT", "f", "3.0"), ("INCRBYFLOAT", "f", "1.1"), ("INCR",), ("INCRBY", "c")]
    yield from [("SET", "t", "5", "EX", "1000"), ("INCR", "t"), ("TTL", "t"), ("APPEND", "t", "1"), ("TTL", "t"),
                ("SETRANGE", "t", "0", "9"), ("TTL", "t"), ("GETSET", "t", "1"), ("TTL", "t")]


def keys():
    yield from [("DEL", "a"), ("DEL",), ("DEL", "x", "y", "z"), ("MSET", "x", "1", "y", "2"), ("DEL", "x", "x", "y", "w"),
                ("UNLINK", "x"), ("MSET", "x", "1", "y", "2"), ("EXISTS", "x", "x", "y", "w"), ("TOUCH", "x", "w", "y"), ("UNLINK", "x", "y"),
                ("EXISTS",), ("TOUCH",), ("TYPE",), ("TYPE", "x", "y"), ("DBSIZE",), ("FLUSHALL",), ("DBSIZE",), ("DBSIZE", "x"),
                ("FLUSHALL", "ASYNC"), ("FLUSHALL", "SYNC"), ("FLUSHALL", "BOGUS"), ("FLUSHDB", "async"), ("FLUSHDB", "SYNC", "ASYNC"),
                ("RANDOMKEY",), ("PERSIST", "nope"), ("TTL", "nope"), ("PTTL", "nope"), ("EXPIRETIME", "nope"), ("PEXPIRETIME", "nope")]
    far = ["9999999999", "9999999000", "9999999990"]
    flags = [(), ("NX",), ("XX",), ("GT",), ("LT",), ("NX", "XX"), ("GT", "LT"), ("NX", "GT"), ("XX", "GT"), ("XX", "LT"), ("BOGUS",),
             ("gt",), ("NX", "NX")]
    for before in (None, far[1]):
        for time, flag in itertools.product(far, flags):
            yield ("SET", "e", "v") if before is None else ("SET", "e", "v", "EXAT", before)
            yield ("EXPIREAT", "e", time) + flag
            yield ("EXPIRETIME", "e")
            yield ("PEXPIREAT", "e", time + "000") + flag
            yield ("PEXPIRETIME", "e")
    for command, time in itertools.product(("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"), INTEGERS + ["9223372036854775", "-9223372036854775"]):
        yield ("SET", "e", "v")
        yield (command, "e", time)
        if command.endswith("AT") or time not in ("1", "7"):  # else it ends at some moment between the two servers
            yield ("EXISTS", "e")
        yield (command, "nope", time)
    yield from [("SET", "e", "v"), ("TTL", "e"), ("EXPIRE", "e", "100"), ("TTL", "e"), ("PERSIST", "e"), ("PERSIST", "e"), ("TTL", "e"),
                ("EXPIRE", "e"), ("EXPIRE", "e", "100", "LT"), ("TTL", "e"), ("EXPIRE", "e", "50", "GT"), ("TTL", "e"), ("PEXPIRE", "e", "-5"),
                ("EXISTS", "e")]


def connection():
    yield from [("PING",), ("PING", "x"), ("PING", "x", "y"), ("ECHO", "x"), ("ECHO",), ("SELECT", "0"), ("SELECT", "x"), ("SELECT", "16"),
                ("SELECT",), ("AUTH",), ("AUTH", "x"), ("AUTH", "x", "y"), ("AUTH", "default", "y"), ("AUTH", "x", "y", "z"),
                ("CLIENT",), ("CLIENT", "BOGUS"), ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "me"), ("CLIENT", "GETNAME"),
                ("CLIENT", "SETNAME", "a b"), ("CLIENT", "SETNAME", ""), ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME"),
                ("CLIENT", "NO-EVICT", "on"), ("CLIENT", "NO-EVICT", "x"), ("CLIENT", "LIST", "BOGUS"), ("CLIENT", "LIST", "TYPE", "bogus"),
                ("CLIENT", "LIST", "TYPE", "replica"), ("CLIENT", "LIST", "ID", "x"), ("CLIENT", "KILL"), ("CLIENT", "KILL", "1.2.3.4:5"),
                ("CLIENT", "KILL", "ID", "999999"), ("CLIENT", "KILL", "ID", "x"), ("CLIENT", "KILL", "BOGUS", "x"),
                ("CLIENT", "KILL", "ADDR", "1.2.3.4:5"), ("CLIENT", "REPLY", "BOGUS"), ("CLIENT", "REPLY", "ON"),
                ("HELLO", "9"), ("HELLO", "x"), ("HELLO", "2", "BOGUS"), ("HELLO", "2", "AUTH", "x"), ("HELLO", "2", "AUTH", "x", "y"),
                ("HELLO", "2", "SETNAME", "a b"), ("HELLO", "2", "SETNAME")]
    yield from [("FOO",), ("FOO", "bar"), ("foo", "a" * 200, "b"), ("x" * 200,), ("FOO", "1", "2", "3" * 100, "4" * 100, "5"), ("MULTI2", ""),
                (b"a\x00b", "c"), ("INFO", "bogus"), ("RESET",)]


def server():
    yield from [("COMMAND", "INFO", name) for name in (
        "get set mget mset msetnx del exists expire ttl scan dbsize flushall ping hello info incrbyfloat getex setrange unlink touch type "
        "bogus shutdown wait select auth quit reset lastsave bgrewriteaof asking readonly").split()]
    yield from [("COMMAND", "INFO", "get", "nope", "set"), ("COMMAND", "BOGUS"), ("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"),
                ("COMMAND", "GETKEYS", "GET"), ("COMMAND", "GETKEYS", "PING"), ("COMMAND", "GETKEYS", "NOPE"), ("COMMAND", "DOCS", "nope"),
                ("COMMAND", "COUNT", "x"), ("CONFIG",), ("CONFIG", "BOGUS"), ("CONFIG", "GET"), ("CONFIG", "GET", "appendonly"),
                ("CONFIG", "GET", "save"), ("CONFIG", "GET", "nope"), ("CONFIG", "GET", "maxclients", "maxclients"), ("CONFIG", "SET", "nope", "1"),
                ("CONFIG", "SET", "maxclients"), ("CONFIG", "SET", "maxclients", "x"), ("CONFIG", "SET", "port"), ("CONFIG", "SET"),
                ("CONFIG", "SET", "timeout", "0"), ("CONFIG", "SET", "timeout", "x"), ("CONFIG", "RESETSTAT"), ("CONFIG", "REWRITE"),
                ("WAIT", "0", "10"), ("WAIT", "x", "1"), ("WAIT", "0", "-1"), ("WAIT", "0", "x"), ("WAIT", "0"), ("FUNCTION", "FLUSH"), ("SCRIPT", "FLUSH"),
                ("FUNCTION",), ("SCRIPT", "BOGUS"), ("FUNCTION", "LIST"), ("SLOWLOG", "LEN"), ("SLOWLOG", "RESET"), ("SLOWLOG", "GET"), ("SLOWLOG", "BOGUS"),
                ("LATENCY", "LATEST"), ("LATENCY", "RESET"), ("LATENCY", "BOGUS"), ("MEMORY", "BOGUS"), ("MEMORY", "USAGE", "nope"),
                ("MEMORY", "USAGE"), ("MEMORY", "USAGE", "nope", "SAMPLES"), ("MEMORY", "USAGE", "nope", "SAMPLES", "x"), ("SHUTDOWN", "BOGUS"),
                ("SHUTDOWN", "ABORT"), ("TIME", "x"), ("LASTSAVE", "x"), ("MEMORY",)]


def scans():
    yield ("FLUSHALL",)
    for i in range(300):
        yield ("SET", "key:%d" % i, "v")
    yield from [("SCAN",), ("SCAN", "x"), ("SCAN", "-1"), ("SCAN", "99999999999999999999999"), ("SCAN", "0", "BOGUS"), ("SCAN", "0", "COUNT"), ("SCAN", "0", "COUNT", "0"),
                ("SCAN", "0", "COUNT", "x"), ("SCAN", "0", "MATCH"), ("KEYS",), ("KEYS", "a", "b"), ("RANDOMKEY", "x")]


def mixed(seed):
    """A long random walk over few keys."""
    chosen = random.Random(seed)
    key = lambda: "w%d" % chosen.randrange(8)
    value = lambda: chosen.choice(["1", "20", "-3", "abc", "", "3.5", "x" * chosen.randrange(200)])
    number = lambda: str(chosen.randrange(-5, 30))
    commands = [
        lambda: ("SET", key(), value()), lambda: ("SET", key(), value(), "EX", "1000"), lambda: ("GET", key()), lambda: ("INCR", key()),
        lambda: ("INCRBY", key(), number()), lambda: ("INCRBYFLOAT", key(), "0.25"), lambda: ("APPEND", key(), value()),
        lambda: ("SETRANGE", key(), number(), value()), lambda: ("GETRANGE", key(), number(), number()), lambda: ("DEL", key(), key()),
        lambda: ("MGET", key(), key(), key()), lambda: ("MSET", key(), value(), key(), value()), lambda: ("MSETNX", key(), value(), key(), value()),
        lambda: ("EXISTS", key(), key()), lambda: ("GETDEL", key()), lambda: ("GETSET", key(), value()), lambda: ("SETNX", key(), value()),
        lambda: ("SET", key(), value(), "KEEPTTL"), lambda: ("SET", key(), value(), "XX", "GET"), lambda: ("PERSIST", key()),
        lambda: ("EXPIREAT", key(), "99999999" + str(chosen.randrange(10, 99))), lambda: ("EXPIRETIME", key()), lambda: ("STRLEN", key()),
        lambda: ("UNLINK", key()), lambda: ("GETEX", key(), "PERSIST"), lambda: ("DBSIZE",), lambda: ("FOO", value()), lambda: ("ECHO", value()),
    ]
    for _ in range(3000):
        yield chosen.choice(commands)()


def allowed(text):
    return any(re.search(pattern, text, re.IGNORECASE) for pattern, _ in ALLOWED)


def text_of(command):
    return " ".join(a.decode("latin1") if isinstance(a, bytes) else a for a in command)


def same(command, ours, theirs):
    if ours == theirs:
        return True
    text = text_of(command)
    if re.match(r"^P?(TTL|EXPIRETIME) ", text) and ours.startswith(b":") and theirs.startswith(b":"):
        # The two were asked at different moments, and a relative end becomes an absolute one. -1 and -2 are no times.
        ours, theirs = int(ours[1:]), int(theirs[1:])
        return min(ours, theirs) >= 0 and abs(ours - theirs) <= (30_000 if text.startswith("P") else 30)
    if not allowed(text):
        return False
    return (ours[:1] == b"-") == (theirs[:1] == b"-") or text.startswith(("SELECT", "DEBUG", "CLUSTER", "READ", "ASKING", "CLIENT SETINFO"))


def run(name, commands, ports, protocol, depth):
    """Sends the commands, `depth` at a time, to both and gives the number of replies that differ."""
    clients = [Client(port) for port in ports]
    wrong = 0
    for client in clients:
        if protocol == 3:
            client.call("HELLO", "3")
    commands = list(commands)
    for begin in range(0, len(commands), depth):
        part = commands[begin:begin + depth]
        for client in clients:
            client.send(b"".join(encode(*c) for c in part))
        for command in part:
            ours, theirs = (client.read() for client in clients)
            if not same(command, ours, theirs):
                wrong += 1
                if wrong <= 20:
                    print("%s, RESP%d: %.120s\n   kv:    %.200r\n   redis: %.200r" %
                          (name, protocol, text_of(command), ours, theirs))
    for client in clients:
        client.call("FLUSHALL")
        client.close()
    return len(commands), wrong


def raw_streams(ports):
    """Bytes that are no well-formed arrays: inline commands, empty lines, protocol errors."""
    streams = [b"PING\r\n", b"\r\n\r\nPING\r\n", b"SET a \"x y\\x41\"\r\nGET a\r\n", b"*0\r\n*-1\r\nPING\r\n", b"SET a 'b\r\n",
               b"*x\r\n", b"*1\r\n$x\r\n", b"*1\r\n!3\r\n", b"*1\r\n$-5\r\n", b"*2147483648\r\n", b"PING\nPING\n", b"ECHO \"a\"b\r\n",
               b"*1\r\n$4\r\nPING\r\n*1\r\n:1\r\n", b"*2\r\n$3\r\nGET\r\n$999999999999\r\n", b"  ping   \r\n", b"QUIT\r\nPING\r\n",
               b"*1\r\n$4\r\nQUIT\r\n", b"x" * 70000, b"CLIENT REPLY SKIP\r\nPING\r\nPING x\r\n", b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n"]
    wrong = 0
    for stream in streams:
        answers = []
        for port in ports:
            with Client(port) as client:
                client.send(stream)
                try:
                    client.socket.shutdown(1)
                except OSError:
                    pass  # it has closed already
                try:
                    answers.append(client.file.read())
                except ConnectionResetError:
                    answers.append(b"reset")
        if answers[0] != answers[1]:
            wrong += 1
            print("stream %.80r\n   kv:    %.200r\n   redis: %.200r" % (stream, answers[0], answers[1]))
    return len(streams), wrong


def scan_content(port, *options):
    with Client(port) as client:
        found, cursor, calls = set(), b"0", 0
        while True:
            reply = client.call("SCAN", cursor, *options).split(b"\r\n")
            cursor = reply[2]
            found.update(reply[5::2])
            calls += 1
            if cursor == b"0":
                return found - {b""}, calls


def compare_scans(ports):
    """The same keys, whatever the order and the steps."""
    wrong = 0
    for port in ports:
        with Client(port) as client:
            for i in range(1000):
                client.call("SET", "key:%d" % i, "v")
    for options in ((), ("COUNT", "1"), ("COUNT", "1000"), ("MATCH", "key:1*"), ("MATCH", "*[13579]"), ("MATCH", "nope*"), ("TYPE", "string"),
                    ("TYPE", "hash"), ("MATCH", "key:?5", "COUNT", "50"), ("MATCH", "key:[^1]?")):
        ours, theirs = (scan_content(port, *options)[0] for port in ports)
        if ours != theirs:
            wrong += 1
            print("SCAN %s: %d keys and %d" % (options, len(ours), len(theirs)))
    for pattern in ("*", "key:9?", "key:[0-3]", "\\key:1", "key:1\\0", "[", "key:[1", "**1", "k*y*1"):
        ours, theirs = (set(Client(port).call("KEYS", pattern).split(b"\r\n")[2::2]) for port in ports)
        if ours != theirs:
            wrong += 1
            print("KEYS %s: %d keys and %d" % (pattern, len(ours), len(theirs)))
    return 19, wrong


def compare(shards):
    total = failed = 0
    with kv("--smp", str(shards), "--in-memory") as ours, redis() as theirs:
        ports = (ours.port, theirs.port)
        parts = [("strings", strings), ("set options", set_options), ("ranges", ranges), ("counters", counters), ("keys", keys),
                 ("connection", connection), ("server", server), ("scans", scans)]
        parts += [("mixed %d" % seed, lambda seed=seed: mixed(seed)) for seed in range(3)]
        for (name, commands), protocol, depth in itertools.product(parts, (2, 3), (1, 17)):
            count, wrong = run(name, commands(), ports, protocol, depth)
            total += count
            failed += wrong
        for count, wrong in (raw_streams(ports), compare_scans(ports)):
            total += count
            failed += wrong
    print("%d shard%s: %d replies compared, %d differ" % (shards, "" if shards == 1 else "s", total, failed))
    return failed


if __name__ == "__main__":
    sys.exit(1 if sum(compare(int(n)) for n in (sys.argv[1:] or ["1", "2"])) else 0)
