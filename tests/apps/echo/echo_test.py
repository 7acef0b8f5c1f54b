"""echo, with real sockets: bytes come back unchanged on every shard, half-close works, and the stop is in order."""

import os
import random
import re
import signal
import socket
import subprocess
import threading
import unittest

ECHO = os.path.join(os.environ["SHALE_BUILD"], "bin", "echo")


class Server:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [ECHO, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.line = self.process.stdout.readline()
        found = re.search(r"try: nc \S+ (\d+)", self.line)
        self.port = int(found.group(1)) if found else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def connect(self, host="127.0.0.1"):
        connection = socket.create_connection((host, self.port), timeout=60)
        return connection

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


def receive_all(connection):
    received = bytearray()
    while piece := connection.recv(1 << 16):
        received += piece
    return bytes(received)


class Echo(unittest.TestCase):
    def test_sends_back_what_it_is_sent_until_the_end(self):
        with Server("--smp", "2") as server:
            with server.connect() as connection:
                connection.sendall(b"first")
                self.assertEqual(connection.recv(100), b"first")
                connection.sendall(b"second")
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(connection), b"second")

    def test_serves_many_connections_at_once(self):
        with Server("--smp", "3") as server:
            connections = [server.connect() for _ in range(50)]
            for number, connection in enumerate(connections):
                connection.sendall(b"%d" % number)
            for number, connection in enumerate(connections):
                self.assertEqual(connection.recv(100), b"%d" % number)
                connection.close()

    def test_keeps_megabytes_in_order(self):
        data = random.Random(1).randbytes(3_000_000)
        with Server() as server, server.connect() as connection:

            def send():
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)

            # A thread of its own: who only sends while echo waits to be read from waits for ever.
            sender = threading.Thread(target=send)
            sender.start()
            received = receive_all(connection)
            sender.join()
            self.assertEqual(received, data)

    def test_survives_a_connection_that_is_reset(self):
        with Server("--smp", "1") as server:
            connection = server.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(b"x" * 100_000)
            connection.close()
            with server.connect() as other:
                other.sendall(b"still there")
                self.assertEqual(other.recv(100), b"still there")

    def test_listens_on_ipv6(self):
        if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        with Server("--bind", "::1") as server, server.connect("::1") as connection:
            connection.sendall(b"six")
            self.assertEqual(connection.recv(100), b"six")

    def test_stops_in_order_with_connections_open(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server("--smp", "2") as server:
                idle = [server.connect() for _ in range(10)]
                for connection in idle:
                    connection.sendall(b"a")
                    self.assertEqual(connection.recv(1), b"a")
                code, err = server.stop(number)
                self.assertEqual(code, 0, err)
                for connection in idle:
                    self.assertEqual(connection.recv(1), b"")
                    connection.close()

    def test_says_why_it_cannot_listen(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run([ECHO, "--port", str(port)], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn("EADDRINUSE", done.stderr)
            self.assertIn(str(port), done.stderr)

    def test_refuses_an_address_that_is_none(self):
        done = subprocess.run([ECHO, "--bind", "nowhere"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 64)
        self.assertIn("echo: --bind nowhere: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
