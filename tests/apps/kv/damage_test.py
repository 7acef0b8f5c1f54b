#!/usr/bin/python3
"""Files damaged by hand: a torn end is cut off and said, damage elsewhere is named and never returned as data.

The last record is torn, changed and cut short at every one of its bytes (every few under a sanitizer): what was
acknowledged before it is served each time. It is found by comparing the files before and after it was written.
"""
import glob
import os
import re
import shutil
import subprocess
import unittest

from support import PEER, SANITIZED, ServerTest

BLOCK = 4096


def read(path):
    with open(path, "rb") as file:
        return file.read()


def files_with(folder, what):
    """[(path, offset)] of all places with these bytes."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "**"), recursive=True)):
        if os.path.isfile(path):
            found += [(path, match.start()) for match in re.finditer(re.escape(what), read(path))]
    return found


def patch(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x41]))


@unittest.skipIf(PEER, "of kv's files")
class Damage(ServerTest):
    def copy(self):
        """A copy of the data folder, holes kept, in place of the one before."""
        target = os.path.join(self.folder.path, "copy")
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", "--sparse=always", self.folder.data, target], check=True)
        return target

    def in_copy(self, path, target):
        return os.path.join(target, os.path.relpath(path, self.folder.data))

    def write_last_record(self):
        """Keys first:0 to 9, then `last`, then kill -9. Gives file, offset, and its bytes before and after `last`."""
        server = self.server(1, ["--segment-size", "1M"]).start()
        with server.connect() as client:
            for i in range(10):
                client.call("SET", f"first:{i}", f"value {i}")
            where = os.path.dirname(files_with(self.folder.data, b"first:9")[0][0])
            before = {path: read(path) for path in glob.glob(os.path.join(where, "*"))}
            client.call("SET", "last", "acknowledged")
        server.kill()
        [(path, at)] = files_with(self.folder.data, b"lastacknowledged")
        begin = at // BLOCK * BLOCK
        while before[path][begin - BLOCK:begin] != read(path)[begin - BLOCK:begin]:
            begin -= BLOCK
        return path, begin, before[path][begin:begin + BLOCK], read(path)[begin:begin + BLOCK]

    def check_torn(self, server, say, traces):
        """What was there before the last record is; the last one is or is not, and its traces, which begin with the
        batch's number in bytes 8 to 15, were spoken of.

        A shorter rest is as good as nothing: bytes 0 to 7 are checksums, which may have any value, and what a recycled
        segment holds of its earlier life may, too. No disk leaves one either; they write sectors of 512 bytes."""
        try:
            server.start()
            with server.connect() as client:
                found = client.pipeline([("GET", f"first:{i}") for i in range(10)])
                self.assertEqual(found, [b"value %d" % i for i in range(10)], say)
                last = client.call("GET", "last")
                self.assertIn(last, (None, b"acknowledged"), say)
                self.assertEqual(client.call("DBSIZE"), 10 if last is None else 11, say)
                self.assertEqual(client.call("SET", "next", "x"), "OK")
        except AssertionError as wrong:
            raise AssertionError(f"{say}: {wrong}") from wrong
        text = server.text()
        server.kill()
        if last is None and traces:
            self.assertRegex(text, r"cut off", say)
            self.assertIn(f"offset {self.begin} of ", text, say)
        return last is not None

    def test_torn_at_every_byte_of_the_last_record(self):
        path, begin, before, after = self.write_last_record()
        self.begin = begin
        used = max(i for i in range(BLOCK) if before[i] != after[i]) + 1
        self.assertLess(used, 300)
        step = 9 if SANITIZED else 1
        server = self.server(1, ["--segment-size", "1M"])
        kept = 0
        for at in [*range(0, used, step), used]:
            for kind in ("torn", "changed", "cut short"):
                if kind == "changed" and at == used:
                    continue  # padding
                target = self.copy()
                victim = self.in_copy(path, target)
                if kind == "torn":  # only the first bytes of the write got through
                    patch(victim, begin, after[:at] + before[at:])
                elif kind == "changed":
                    flip(victim, begin + at)
                else:
                    os.truncate(victim, begin + at)
                server.data = target
                survived = self.check_torn(server, f"{kind} at byte {at} of {used}", traces=kind == "changed" or
                                           kind == "torn" and at >= 16)
                if kind == "changed":
                    self.assertFalse(survived, f"changed at byte {at}, and nobody noticed")
                elif at < used and kind == "torn" and after[at:used] != before[at:used]:
                    self.assertFalse(survived, f"torn at byte {at}, and nobody noticed")
                kept += survived
        self.assertGreaterEqual(kept, 1)  # the whole write, at least

    def test_damage_in_the_middle_is_named_and_not_passed_over(self):
        server = self.server(1, ["--segment-size", "1M"]).start()
        with server.connect() as client:
            for i in range(30):
                client.call("SET", f"key:{i}", f"the value of {i}")
        server.kill()
        [(path, at)] = files_with(self.folder.data, b"the value of 17")
        flip(path, at + 4)
        server.launch()
        code = server.wait()
        text = server.text()
        self.assertEqual(code, 78, text)
        self.assertIn(os.path.basename(path), text)
        self.assertIn(str(at // BLOCK * BLOCK), text)
        flip(path, at + 4)  # and all is well again
        server.start()
        with server.connect() as client:
            self.assertEqual(client.call("MGET", *[f"key:{i}" for i in range(30)]),
                             [b"the value of %d" % i for i in range(30)])
        self.stop(server)

    def test_damage_under_a_running_server_is_an_error_and_not_data(self):
        count, size = 300, 20_000
        server = self.server(1, ["--cache-size", "256K"]).start()
        with server.connect() as client:
            for i in range(count):
                client.call("SET", f"key:{i}", b"[%d]" % i + bytes(size))
            client.call("GET", "key:200")
            [(path, at)] = files_with(self.folder.data, b"[17]" + bytes(100))
            flip(path, at + 300)
            client.send("GET", "key:17")
            said = str(client.receive())
            self.assertIn(os.path.basename(path), said)
            self.assertRegex(said, r"offset \d+")
            for i in (16, 18, 299):
                self.assertEqual(client.call("GET", f"key:{i}"), b"[%d]" % i + bytes(size))
            replies = client.pipeline([("MGET", "key:16", "key:17"), ("GET", "key:18")])
            self.assertIn(os.path.basename(path), str(replies[0]))
            self.assertEqual(replies[1], b"[18]" + bytes(size))
            # Whose record it was cannot be known, so the key cannot be set either; but that is said, too.
            client.send("SET", "key:17", "new")
            self.assertIn(os.path.basename(path), str(client.receive()))
        server.kill()


if __name__ == "__main__":
    unittest.main()
