"""TLS for tests: contexts of Python's ssl, and a socket that wire.Connection can use.

ssl.SSLSocket must not be used by two threads, has no MSG_PEEK and ends without close_notify;
SecureSocket reads in one thread and writes in another, and says goodbye."""

import copy
import re
import socket
import ssl
import threading

from certificates import openssl
from wire import Connection

RECORD = 1 << 16


class Truncated(ConnectionError):
    """The connection ended without close_notify."""


def client_context(ca=None, pair=None, version=None, alpn=None):
    """`ca`: the file of who is trusted; without one nothing is verified. `version`: the only one
    that is spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    _finish(context, version, alpn)
    return context


def server_context(pair, clients=None, version=None, alpn=None):
    """`clients`: the file of authorities that clients' certificates are asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    _finish(context, version, alpn)
    return context


def _finish(context, version, alpn):
    # Python takes the end of the connection for close_notify unless told not to.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)


class SecureSocket:
    """TLS over a socket that is connected; the handshake is over when the constructor returns.
    What is not here is the socket's own."""

    def __init__(self, raw, context, name=None, is_server=False, session=None):
        self.raw = raw
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=is_server, server_hostname=name,
            session=session)
        self.lock = threading.Lock()
        self.sending = threading.Lock()
        self.ahead = b""
        self.is_abrupt = False
        try:
            while not self._step(self.tls.do_handshake):
                self._receive()
        except (ssl.SSLError, Truncated, OSError):
            self._flush()  # The alert that says why.
            raise

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def _step(self, work, *arguments):
        """Whether the work was done; else it waits for more bytes. What it sends is sent."""
        with self.lock:
            try:
                done = work(*arguments)
            except ssl.SSLWantReadError:
                done = None
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                if "EOF" not in (error.reason or ""):
                    raise
                raise Truncated(str(error)) from error
            else:
                done = True if done is None else done
        self._flush()
        return done

    def _flush(self):
        if self.outgoing.pending:
            with self.sending:
                self.raw.sendall(self.outgoing.read())

    def _receive(self):
        piece = self.raw.recv(RECORD)
        if piece:
            self.incoming.write(piece)
        else:
            self.incoming.write_eof()

    def recv(self, count, flags=0):
        if not self.ahead:
            while (data := self._step(self.tls.read, count)) is None:
                self._receive()
            self.ahead = data
        data = self.ahead[:count]
        if not flags & socket.MSG_PEEK:
            self.ahead = self.ahead[count:]
        return data

    def send(self, data):
        with self.sending:
            with self.lock:
                count = self.tls.write(data[:RECORD])
                piece = self.outgoing.read()
            self.raw.sendall(piece)
        return count

    def sendall(self, data):
        left = memoryview(data)
        while left:
            left = left[self.send(left):]

    def setsockopt(self, level, name, value):
        if (level, name) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.is_abrupt = True
        self.raw.setsockopt(level, name, value)

    def say_goodbye(self):
        """close_notify, as far as the kernel takes it at once."""
        with self.lock:
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass
            piece = self.outgoing.read()
        try:
            if piece:
                self.raw.send(piece, socket.MSG_DONTWAIT)
        except OSError:
            pass

    def shutdown(self, how):
        if how != socket.SHUT_RD:
            self.say_goodbye()
        self.raw.shutdown(how)

    def close(self):
        if not self.is_abrupt and self.raw.fileno() >= 0:
            self.say_goodbye()
        self.raw.close()


class SecureAddress(tuple):
    """A host and a port; wire.Connection wraps sockets that are connected there."""

    def __new__(cls, address, wrap):
        made = super().__new__(cls, address)
        made.wrap = wrap
        return made


def listening(addresses, tls, **pool):
    """The smallest configuration with a listener that has `tls`."""
    # Not at the top: conftest imports this file.
    from conftest import minimal
    configuration = minimal(addresses, **pool)
    configuration["listeners"][0]["tls"] = tls
    return configuration


def connect(address, context, name="localhost", session=None, timeout=30):
    """A connection whose `socket.tls` tells of the handshake; `name` is sent as SNI."""
    return Connection(SecureAddress(
        address, lambda raw: SecureSocket(raw, context, name, session=session)), timeout)


def presented(address, context, name="localhost"):
    """The common name of the certificate that a handshake shows."""
    with connect(address, context, name) as connection:
        der = connection.socket.tls.getpeercert(True)
    return common_name(der)


def common_name(der):
    # Python tells the names only of certificates that it has verified.
    decoded = openssl("x509", "-inform", "der", "-noout", "-subject", "-nameopt", "multiline",
                      said=der)
    return re.search(r"commonName\s*= (.*)", decoded).group(1)


def failures(steelyard, reason=None):
    """How many TLS connections failed, on either side."""
    labels = {"reason": reason} if reason else {}
    return steelyard.metrics().sum("steelyard_tls_failures_total", **labels)


class Secure:
    """Both sides of steelyard over TLS: its configuration, clients' and endpoints' sockets."""

    def __init__(self, certificates):
        self.certificates = certificates
        self.clients = client_context(certificates.ca)
        self.endpoints = server_context(certificates.local)

    def configured(self, configuration):
        """The configuration with TLS wherever it says nothing of it."""
        configuration = copy.deepcopy(configuration)
        for listener in configuration["listeners"]:
            listener.setdefault("tls", self.certificates.local.files)
        for pool in configuration["pools"].values():
            pool.setdefault("tls", {"ca": self.certificates.ca, "server_name": "localhost"})
        return configuration

    def address(self, address):
        return SecureAddress(address, self.connect)

    def connect(self, raw):
        return SecureSocket(raw, self.clients, "localhost")

    def accept(self, raw):
        return SecureSocket(raw, self.endpoints, is_server=True)
