"""The oracle of the crash tests: what a server may say after a crash, known outside its process.

Each writer owns its items (a key, a counter, or a group of keys written by one MSET), so that the order of the
writes to an item is known. A write is `pending` from before it is sent until its reply is there. After a crash an
item may be in the state acknowledged last or in that of any pending write behind it; everything else is a loss, a
leftover or a torn value. Values are made from name and version, so the oracle holds only versions; None is the
version of a deleted key.
"""
import random
import threading
import zlib

from support import RespError

NOISE = random.Random(20).randbytes(2 << 20)
SIZES = [10, 30, 100, 100, 300, 1000, 4000, 4096, 5000, 20_000, 70_000]
# One write of a group in so many has values that are together larger than a batch of the log, 1 MiB.
LARGE_GROUPS, LARGE_SIZE = 12, 300_000


def make_value(name, version):
    mark = zlib.crc32(f"{name}/{version}".encode())
    head = b"%s=%d;" % (name.encode(), version)
    size = SIZES[mark % len(SIZES)]
    if name.startswith("{") and zlib.crc32(f"{name[:name.index('}')]}/{version}".encode()) % LARGE_GROUPS == 0:
        size = LARGE_SIZE + mark % 1000
    return head + NOISE[mark % 900_000:][:max(size - 2 * len(head), 0)] + head


class Item:
    """Keys that change together. Versions only grow; None in `states` is "deleted"."""

    def __init__(self, keys, counter=False):
        self.keys, self.counter = keys, counter
        self.version = 0        # of the newest write, pending or not
        self.acknowledged = None
        self.pending = []       # states of writes sent and not acknowledged, oldest first

    def value(self, state, key):
        if state is None:
            return None
        return b"%d" % state if self.counter else make_value(key, state)

    def newest(self):
        return self.pending[-1] if self.pending else self.acknowledged

    def wrote(self, state):
        self.pending.append(state)

    def acknowledge(self):
        self.acknowledged = self.pending.pop(0)

    def settle(self, found):
        """Takes up what is there after a crash; gives the state, or raises AssertionError."""
        for state in [self.acknowledged, *self.pending]:
            if all(self.value(state, key) == value for key, value in zip(self.keys, found)):
                survived = state != self.acknowledged
                self.acknowledged, self.pending = state, []
                return survived
        said = [None if value is None else value[:60] for value in found]
        raise AssertionError(f"{self.keys} is {said}; acknowledged was state {self.acknowledged}, "
                             f"after it pending {self.pending}")


class Writer:
    """One connection's worth of items and random writes to them, `depth` at a time."""

    def __init__(self, number, depth, seed):
        self.depth, self.random = depth, random.Random(seed * 100 + number)
        name = f"w{number}"
        self.items = [Item([f"{name}:k{i}"]) for i in range(150)]
        self.items += [Item([f"{name}:c{i}"], counter=True) for i in range(10)]
        # The hash tag puts a group on one shard: then MSET is all or nothing.
        self.items += [Item([f"{{{name}.{i}}}:{j}" for j in range(5)]) for i in range(20)]
        self.sent = self.acknowledged = 0
        self.error = None

    def write(self, item):
        """(the command, the item, what the reply has to be), the write noted as pending."""
        if item.counter:
            item.version = (item.newest() or 0) + 1
            item.wrote(item.version)
            return ("INCR", item.keys[0]), item, item.version
        kind = self.random.random()
        if kind < 0.15:
            there = item.newest() is not None
            item.wrote(None)
            return ("DEL", *item.keys), item, len(item.keys) if there else 0
        if kind < 0.25:
            state = item.newest()
            return ("GET", item.keys[0]), None, item.value(state, item.keys[0])
        item.version += 1
        item.wrote(item.version)
        words = [word for key in item.keys for word in (key, make_value(key, item.version))]
        return ("MSET" if len(item.keys) > 1 else "SET", *words), item, "OK"

    def run(self, server, stop):
        """Writes until the connection breaks or `stop` is set; a wrong reply becomes self.error."""
        try:
            with server.connect() as client:
                while not stop.is_set():
                    batch = [self.write(self.random.choice(self.items)) for _ in range(self.depth)]
                    self.sent += len(batch)
                    client.socket.sendall(b"".join(client.encode(*words) for words, _, _ in batch))
                    for words, item, expected in batch:
                        reply = client.receive()
                        if reply != expected or isinstance(reply, RespError):
                            raise AssertionError(f"{words[:2]!r} said {str(reply)[:300]!r}, "
                                                 f"not {str(expected)[:300]!r}")
                        if item is not None:
                            item.acknowledge()
                            self.acknowledged += 1
        except OSError:
            pass
        except AssertionError as wrong:
            self.error = wrong


class Oracle:
    """All writers. run() lets them write while `meanwhile` runs; verify() compares the server with what they know."""

    def __init__(self, seed, depths=(1, 1, 4, 16, 64)):
        self.writers = [Writer(number, depth, seed) for number, depth in enumerate(depths)]
        self.survived = 0

    @property
    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers)

    def run(self, server, meanwhile):
        stop = threading.Event()
        threads = [threading.Thread(target=writer.run, args=(server, stop)) for writer in self.writers]
        for thread in threads:
            thread.start()
        try:
            meanwhile()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for writer in self.writers:
            if writer.error:
                raise writer.error

    def flushed(self):
        """An acknowledged FLUSHALL while nobody wrote."""
        for writer in self.writers:
            for item in writer.items:
                item.acknowledged, item.pending = None, []

    def verify(self, client):
        """Raises AssertionError when an acknowledged write is lost, a value is torn, or a key is one too many."""
        items = [item for writer in self.writers for item in writer.items]
        present = 0
        for first in range(0, len(items), 20):
            some = items[first:first + 20]
            replies = client.pipeline([("MGET", *item.keys) for item in some])
            for item, found in zip(some, replies):
                if isinstance(found, RespError):
                    raise AssertionError(f"MGET {item.keys} said {found}")
                self.survived += item.settle(found)
                present += sum(value is not None for value in found)
        size = client.call("DBSIZE")
        if size != present:
            raise AssertionError(f"DBSIZE is {size}, but {present} keys are there")
        known = {key.encode() for item in items for key in item.keys}
        strange = set(client.call("KEYS", "*")) - known
        if strange:
            raise AssertionError(f"never written: {sorted(strange)[:5]}")
