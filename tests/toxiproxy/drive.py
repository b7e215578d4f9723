"""What a user of Toxiproxy's Python client does; the argument is the port of the API.

Exits with 0 when every step did to real sockets what Toxiproxy says it does.
"""

import socket
import sys
import threading
import time

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists


def echo_server():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer):
        with peer:
            while True:
                try:
                    data = peer.recv(65536)
                    if not data:
                        return
                    peer.sendall(data)
                except OSError:
                    return

    def accept():
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return "127.0.0.1:%d" % listener.getsockname()[1]


def dial(proxy):
    host, port = proxy.listen.rsplit(":", 1)
    peer = socket.create_connection((host, int(port)), timeout=20)
    peer.settimeout(20)
    return peer


def ask(peer, text=b"ping"):
    start = time.monotonic()
    peer.sendall(text)
    heard = b""
    while len(heard) < len(text):
        data = peer.recv(65536)
        if not data:
            break
        heard += data
    return heard, time.monotonic() - start


def raises(error, act):
    try:
        act()
    except error:
        return
    raise AssertionError("expected %s" % error)


def main():
    toxiproxy = Toxiproxy()
    toxiproxy.update_api_consumer("127.0.0.1", int(sys.argv[1]))
    assert toxiproxy.running()
    assert b"version" in toxiproxy.version()
    upstream = echo_server()

    proxy = toxiproxy.create(name="echo", upstream=upstream)
    raises(ProxyExists, lambda: toxiproxy.create(name="echo", upstream=upstream))
    peer = dial(proxy)
    assert ask(peer)[0] == b"ping"

    # On a connection that is open already, both ways.
    proxy.add_toxic(type="latency", attributes={"latency": 250})
    proxy.add_toxic(type="latency", stream="upstream", attributes={"latency": 250})
    heard, took = ask(peer)
    assert heard == b"ping" and took >= 0.5, took
    assert sorted(proxy.toxics()) == ["latency_downstream", "latency_upstream"]
    assert proxy.get_toxic("latency_upstream").attributes["latency"] == 250
    proxy.destroy_toxic("latency_upstream")
    raises(NotFound, lambda: proxy.destroy_toxic("latency_upstream"))
    raises(InvalidToxic, lambda: proxy.add_toxic(type="no_such_toxic"))
    proxy.destroy_toxic("latency_downstream")

    # Down refuses, and up again serves.
    with proxy.down():
        raises(ConnectionRefusedError, lambda: dial(proxy))
    peer = dial(proxy)
    assert ask(peer)[0] == b"ping"

    # A reset of an open connection is one; an end of the stream would be read as b"".
    proxy.add_toxic(type="reset_peer", attributes={"timeout": 0})
    raises(ConnectionResetError, lambda: peer.recv(1))
    toxiproxy.reset()
    assert proxy.toxics() == {}

    # Data that is held arrives when the toxic goes.
    peer = dial(proxy)
    proxy.add_toxic(type="bandwidth", attributes={"rate": 0})
    peer.sendall(b"held")
    peer.settimeout(0.3)
    raises(socket.timeout, lambda: peer.recv(4))
    peer.settimeout(20)
    proxy.destroy_toxic("bandwidth_downstream")
    assert peer.recv(4) == b"held"

    others = [{"name": "one", "upstream": upstream, "listen": "127.0.0.1:0"}]
    assert len(toxiproxy.populate(others)) == 1
    assert sorted(toxiproxy.proxies()) == ["echo", "one"]
    toxiproxy.destroy_all()
    assert toxiproxy.proxies() == {}
    raises(ConnectionRefusedError, lambda: dial(proxy))


main()
