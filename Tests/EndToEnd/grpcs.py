"""gRPC servers and clients for tests, by grpcio: calls of all four kinds whose messages are bytes,
so that nothing has to be compiled."""

import json
import os
import threading
import time
from concurrent import futures
from dataclasses import dataclass, field
from urllib.parse import unquote

import packages  # noqa: F401: grpcio is one of them
from frames import speaking

# Its handlers of fork would end the programs that tests start, before they run.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import grpc  # noqa: E402
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # noqa: E402

SERVICE = "test.Test"
NAMES = ["one", "two", "three"]
MESSAGE_MAX = 64 << 20
OPTIONS = [("grpc.max_receive_message_length", MESSAGE_MAX),
           ("grpc.max_send_message_length", MESSAGE_MAX)]


@dataclass
class Call:
    """What a server knows of one call."""

    method: str
    metadata: list
    seconds_left: float
    begun: float = field(default_factory=time.monotonic)
    is_cancelled: bool = False
    is_over: threading.Event = field(default_factory=threading.Event)

    def one(self, name):
        found = [value for key, value in self.metadata if key == name]
        return found[0] if found else None


class Server:
    """`calls` are in the order of their beginning. Metadata of a call says what it answers:
    `x-code` a status (by number) and `x-message` its text, quoted as in a URL; `x-seconds` a delay
    before the answer; `x-wait` holds it until `release` is set. `fails`: statuses of the next
    calls."""

    def __init__(self, name="one", port=0, credentials=None, workers=300, options=()):
        self.name = name
        self.calls = []
        self.fails = []
        self.release = threading.Event()
        self.server = grpc.server(
            futures.ThreadPoolExecutor(workers), options=[*OPTIONS, *options])
        kinds = {
            "Echo": grpc.unary_unary_rpc_method_handler(self._echo),
            "Who": grpc.unary_unary_rpc_method_handler(self._who),
            "Down": grpc.unary_stream_rpc_method_handler(self._down),
            "Up": grpc.stream_unary_rpc_method_handler(self._up),
            "Both": grpc.stream_stream_rpc_method_handler(self._both)}
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, kinds)])
        self.health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        self.serving(True)
        address = f"127.0.0.1:{port}"
        self.port = (self.server.add_secure_port(address, credentials) if credentials
                     else self.server.add_insecure_port(address))
        self.server.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def serving(self, is_on, service=""):
        self.health.set(
            service, health_pb2.HealthCheckResponse.SERVING if is_on
            else health_pb2.HealthCheckResponse.NOT_SERVING)

    def stop(self, grace=0):
        self.release.set()
        self.server.stop(grace).wait(30)

    def _begin(self, context, method):
        call = Call(method, [tuple(one) for one in context.invocation_metadata()],
                    context.time_remaining())
        self.calls.append(call)

        def end():
            call.is_cancelled = not context.is_active() and context.code() is None
            call.is_over.set()

        context.add_callback(end)
        context.send_initial_metadata((("x-server", self.name),))
        context.set_trailing_metadata((("x-trailing", self.name), ("x-bytes-bin", b"\0\xff")))
        if seconds := call.one("x-seconds"):
            call.is_over.wait(float(seconds))
        if call.one("x-wait"):
            while context.is_active() and not self.release.wait(0.02):
                pass
        if code := call.one("x-code"):
            context.abort(code_of(int(code)), unquote(call.one("x-message") or ""))
        return call

    def _refuse(self, context):
        """A trailers-only answer, for as long as `fails` has some."""
        if self.fails:
            code, *rest = self.fails.pop(0)
            context.set_trailing_metadata(tuple(rest))
            context.abort(code_of(code), "as the test said")

    def _echo(self, request, context):
        if self.fails:
            self.calls.append(Call("Echo", [tuple(one) for one in context.invocation_metadata()],
                                   context.time_remaining()))
            self._refuse(context)
        self._begin(context, "Echo")
        return request

    def _who(self, request, context):
        self._begin(context, "Who")
        return self.name.encode()

    def _down(self, request, context):
        """`{"count": n, "bytes": b, "seconds": s}`: so many messages of that size and pause."""
        call = self._begin(context, "Down")
        wanted = json.loads(request)
        for number in range(wanted["count"]):
            if not context.is_active():
                return
            yield (b"%d " % number).ljust(wanted.get("bytes", 0), b"x")
            if wanted.get("seconds"):
                call.is_over.wait(wanted["seconds"])

    def _up(self, requests, context):
        self._begin(context, "Up")
        count = size = 0
        for request in requests:
            count, size = count + 1, size + len(request)
        return json.dumps({"count": count, "bytes": size}).encode()

    def _both(self, requests, context):
        self._begin(context, "Both")
        for request in requests:
            yield request


def code_of(number):
    return next(one for one in grpc.StatusCode if one.value[0] == number)


class Channel:
    """A client's channel: one connection, unless it ends."""

    def __init__(self, address, credentials=None, options=()):
        target = address if isinstance(address, str) else "%s:%d" % address
        # Channels with the same arguments would share their connections.
        own = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0),
               *options]
        self.channel = (grpc.secure_channel(target, credentials, own) if credentials
                        else grpc.insecure_channel(target, own))
        self.echo = self.channel.unary_unary(f"/{SERVICE}/Echo")
        self.who = self.channel.unary_unary(f"/{SERVICE}/Who")
        self._down = self.channel.unary_stream(f"/{SERVICE}/Down")
        self.up = self.channel.stream_unary(f"/{SERVICE}/Up")
        self.both = self.channel.stream_stream(f"/{SERVICE}/Both")

    def down(self, count, size=0, seconds=0, **options):
        return self._down(json.dumps(
            {"count": count, "bytes": size, "seconds": seconds}).encode(), **options)

    def stop(self):
        self.channel.close()

    __enter__ = lambda self: self  # noqa: E731

    def __exit__(self, *_):
        self.stop()


def failure(call, *arguments, **options):
    """The RpcError of a call that has to fail."""
    try:
        call(*arguments, timeout=options.pop("timeout", 30), **options)
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call did not fail")


def metadata(**values):
    """`x_code=14` as `x-code: 14`."""
    return [(name.replace("_", "-"), str(value)) for name, value in values.items()]


def serving(stage, servers, policy=True, **pool):
    return stage.steelyard(speaking(
        [one.address for one in servers], policy, protocol="http2", **pool))
