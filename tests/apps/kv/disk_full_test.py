#!/usr/bin/python3
"""A full disk: writes are refused in words, reads go on, and once keys are deleted so do writes.

The server runs in a mount namespace of its own on a small ext4 in a file, which is gone with it. That takes root and
loop devices; where they are not to be had this is skipped.
"""
import os
import subprocess
import sys
import time
import unittest

from support import PATIENCE_S, PEER, RespError, ServerTest, need

MIB = 1 << 20
VALUE = bytes(range(256)) * 256  # 64 KiB


def refused(reply):
    return isinstance(reply, RespError)


@unittest.skipIf(PEER, "the peer's log grows until it fails")
class DiskFull(ServerTest):
    size_mib = 320

    def setUp(self):
        super().setUp()
        need("unshare", "nsenter", "mkfs.ext4", "mount")
        self.holder = None
        self.addCleanup(self.give_back)
        self.new_disk()

    def new_disk(self):
        """A fresh file system on the data folder, in a namespace that lives as long as self.holder."""
        image = os.path.join(self.folder.path, "disk.img")
        with open(image, "wb") as file:
            file.truncate(self.size_mib * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", f"mount -o loop {image} {self.folder.data} && echo mounted && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = self.holder.stdout.readline().strip()
        if said != "mounted":
            raise unittest.SkipTest(f"no small file system to be had here: {said}")
        self.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        self.root = f"/proc/{self.holder.pid}/root{self.folder.data}"

    def give_back(self):
        if self.holder:
            self.end_servers()
            subprocess.run([*self.prefix, "umount", self.folder.data], capture_output=True)
            self.holder.communicate("")
            self.holder = None

    def free_mib(self):
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_frsize // MIB

    def fill_up(self, client, limit=20_000):
        """SETs until a write is refused; gives the number of keys and what was said."""
        for i in range(limit):
            client.send("SET", f"key:{i}", b"%d " % i + VALUE)
            reply = client.receive()
            if refused(reply):
                return i, str(reply)
        raise AssertionError(f"{limit} values fit onto a disk of {self.size_mib} MiB")

    def check(self, client, keys):
        for i in keys:
            self.assertTrue(client.call("GET", f"key:{i}") == b"%d " % i + VALUE, i)

    def write_again(self, client, say):
        """Waits until writes are taken again."""
        end = time.monotonic() + PATIENCE_S
        while True:
            client.send("SET", "again", VALUE)
            reply = client.receive()
            if reply == "OK":
                return
            self.assertGreater(end, time.monotonic(), f"{say}: still {reply}")
            time.sleep(0.05)

    def test_refuses_writes_serves_reads_and_recovers(self):
        for shards in (1, 2):
            with self.subTest(shards=shards):
                options = ["--cache-size", "8M", "--segment-size", "16M"]
                server = self.server(shards, options, prefix=self.prefix).start()
                with server.connect() as client:
                    count, said = self.fill_up(client)
                    self.assertRegex(said.lower(), r"disk|space")
                    self.assertGreater(count * len(VALUE), 48 * MIB)
                    print(f"{shards} shards: {count} values of 64 KiB on {self.size_mib} MiB, then: {said}",
                          file=sys.stderr)
                    self.check(client, range(count))
                    self.assertEqual(client.call("PING"), "PONG")
                    # Each deletion is a small record: there must be room for it.
                    gone = range(0, count, 2)
                    for i in gone:
                        self.assertEqual(client.call("DEL", f"key:{i}"), 1)
                    self.write_again(client, "after half of the keys were deleted")
                    self.check(client, range(1, count, 2))
                server.kill()
                server.start()
                with server.connect() as client:
                    self.assertEqual(client.call("DBSIZE"), count - len(gone) + 1)
                    self.check(client, range(1, count, 2))
                    self.assertEqual(client.call("FLUSHALL"), "OK")
                    self.write_again(client, "after FLUSHALL")
                self.stop(server)
                self.give_back()
                self.new_disk()

    def test_overwriting_a_full_disk_goes_on_when_space_is_given_back(self):
        server = self.server(1, ["--segment-size", "16M"], prefix=self.prefix).start()
        ballast = os.path.join(self.root, "ballast")
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(self.free_mib() - 100, 1) * MIB)
        with server.connect() as client:
            count, _ = self.fill_up(client)
            self.check(client, range(count))
            os.unlink(ballast)
            self.write_again(client, "after space was given back")
            self.check(client, range(count))
        self.stop(server)


if __name__ == "__main__":
    unittest.main()
