#!/usr/bin/python3
"""How kv takes clients and lets them go: evenly over the shards, up to its limits, and to the end in good order."""
import os
import socket
import time
import unittest

from support import PATIENCE_S, PEER, Client, RespError, ServerTest


@unittest.skipIf(PEER, "shards and options of kv")
class Connections(ServerTest):
    def start(self, shards, *options, prefix=()):
        server = self.server(shards, ["--in-memory", *options], prefix=prefix)
        self.addCleanup(server.kill)
        return server.start()

    def connect(self, server):
        client = server.connect()
        self.addCleanup(client.close)
        return client

    def admitted(self, server):
        """A client that is served; one that has just gone may still be counted, so this tries again."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            client = self.connect(server)
            try:
                if client.call("PING") == "PONG":
                    return client
            except (RespError, OSError):
                client.close()
        raise AssertionError(f"no client was admitted within {PATIENCE_S} s")

    def test_every_shard_has_its_even_share_of_clients(self):
        for shards in (2, 4):
            with self.subTest(shards=shards):
                server = self.start(shards)
                # The number of a client says which shard has it.
                owners = [(self.connect(server).call("CLIENT", "ID") - 1) % shards for _ in range(12 * shards)]
                for shard in range(shards):
                    # One more or less, because of those that asked whether the server is up.
                    self.assertIn(owners.count(shard), (11, 12, 13), owners)
                self.stop(server)

    def test_one_client_too_many_is_told_so(self):
        for shards in (1, 2):
            with self.subTest(shards=shards):
                server = self.start(shards, "--max-clients", "4")
                clients = [self.admitted(server) for _ in range(4)]
                refused = self.connect(server)
                self.assertEqual(refused.file.read(), b"-ERR max number of clients reached\r\n")
                clients.pop().close()
                clients.append(self.admitted(server))
                for client in clients:
                    self.assertEqual(client.call("PING"), "PONG")
                info = clients[0].call("INFO", "stats").decode()
                rejected = int(info.split("rejected_connections:")[1].split()[0])
                self.assertGreaterEqual(rejected, 1)
                self.stop(server)

    def test_running_out_of_descriptors_ends_nothing(self):
        limit = 100
        server = self.start(2, prefix=["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"])
        clients = [self.connect(server) for _ in range(limit + 20)]
        for client in clients:
            client.send("PING")
        end = time.monotonic() + PATIENCE_S
        while "EMFILE" not in server.text():
            self.assertLess(time.monotonic(), end, "nothing was said about descriptors")
            time.sleep(0.01)
        self.assertEqual(clients[0].receive(), "PONG")
        for client in clients[:limit // 2]:
            client.close()
        for client in clients[limit // 2:]:
            self.assertEqual(client.receive(), "PONG")
        self.stop(server)

    def test_an_idle_client_sees_the_end_after_the_timeout(self):
        server = self.start(2, "--timeout", "1")
        client = self.connect(server)
        self.assertEqual(client.call("PING"), "PONG")
        self.assertEqual(client.file.read(), b"")
        self.stop(server)

    def test_the_last_reply_arrives_though_more_was_sent(self):
        server = self.start(2)
        for _ in range(20):
            client = self.connect(server)
            client.socket.sendall(client.encode("QUIT") + client.encode("SET", "k", "v" * 50_000) * 4)
            self.assertEqual(client.file.read(), b"+OK\r\n")
            client.close()
        self.stop(server)

    def test_a_killed_client_sees_the_end_and_others_do_not(self):
        server = self.start(2)
        clients = [self.connect(server) for _ in range(4)]
        ids = [client.call("CLIENT", "ID") for client in clients]
        self.assertEqual(clients[0].call("CLIENT", "KILL", "ID", ids[1]), 1)
        self.assertEqual(clients[1].file.read(), b"")
        for client in (clients[0], *clients[2:]):
            self.assertEqual(client.call("PING"), "PONG")
        self.stop(server)

    @unittest.skipUnless(os.path.exists("/proc/net/if_inet6"), "this machine has no IPv6")
    def test_all_addresses_of_ipv6_are_those_of_ipv4_too(self):
        server = self.start(2, "--bind", "::")
        try:
            six = socket.create_connection(("::1", server.port), PATIENCE_S)
        except OSError as error:
            raise unittest.SkipTest(f"::1 cannot be reached: {error}") from None
        with six:
            six.sendall(Client.encode("PING"))
            self.assertEqual(six.recv(100), b"+PONG\r\n")
        with server.connect() as four:
            self.assertIn(b"addr=[::ffff:127.0.0.1]:", four.call("CLIENT", "INFO"))
        self.stop(server)


if __name__ == "__main__":
    unittest.main()
