"""A real Triton (nvidia-pytriton, 370 MB in an environment of its own) behind steelyard: its gRPC
client's calls are spread over two servers, its streams stay where they are."""

import subprocess

import pytest
from frames import speaking
from programs import ROOT, Program, free_port, wait_for
from wire import Connection, accepts

pytestmark = pytest.mark.long

VENV = ROOT / ".build/triton-venv"
SERVER = """
import os, sys
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

@batch
def double(values):
    return [values * 2]

http, call, metrics, name = sys.argv[1:]
config = TritonConfig(
    http_address="127.0.0.1", http_port=int(http), grpc_address="127.0.0.1", grpc_port=int(call),
    metrics_port=int(metrics), id=name)
with Triton(config=config, workspace=os.path.join(os.getcwd(), "workspace")) as triton:
    triton.bind(
        model_name="double", infer_func=double,
        inputs=[Tensor(name="values", dtype=np.float32, shape=(-1,))],
        outputs=[Tensor(name="OUTPUT", dtype=np.float32, shape=(-1,))],
        config=ModelConfig(max_batch_size=16))
    triton.serve()
"""
CLIENT = """
import collections, queue, sys
import numpy as np
import tritonclient.grpc as grpc
client = grpc.InferenceServerClient(sys.argv[1])
assert client.is_server_ready() and client.is_model_ready("double")
one = grpc.InferInput("values", [1, 4], "FP32")
one.set_data_from_numpy(np.array([[1, 2, 3, 4]], dtype=np.float32))
seen = collections.Counter()
for number in range(40):
    seen[client.get_server_metadata().name] += 1
    got = client.infer("double", [one], request_id=str(number)).as_numpy("OUTPUT")
    assert got.tolist() == [[2, 4, 6, 8]], got
large = np.ones((1, 1_000_000), dtype=np.float32)
two = grpc.InferInput("values", list(large.shape), "FP32")
two.set_data_from_numpy(large)
assert client.infer("double", [two]).as_numpy("OUTPUT").sum() == 2_000_000
answers = queue.Queue()
client.start_stream(callback=lambda result, error: answers.put((result, error)))
for number in range(100):
    client.async_stream_infer("double", [one], request_id=str(number))
got = [answers.get(timeout=60) for _ in range(100)]
assert not [error for _, error in got if error]
assert sorted(int(result.get_response().id) for result, _ in got) == list(range(100))
client.stop_stream()
print(len(seen), sum(seen.values()))
"""


class Triton(Program):
    """One server with a model that doubles."""

    def __init__(self, room, name):
        self.ports = [free_port() for _ in range(3)]
        room.mkdir()
        (room / "server.py").write_text(SERVER)
        super().__init__("triton", room, [
            VENV / "bin/python", room / "server.py", *self.ports, name])
        wait_for(self._is_ready, "Triton", deadline=120)

    def _is_ready(self):
        assert self.is_running(), self.text()[-3000:]
        if not accepts(("127.0.0.1", self.ports[0])):
            return False
        with Connection(("127.0.0.1", self.ports[0])) as connection:
            return connection.exchange("GET", "/v2/models/double/ready").status == 200

    @property
    def address(self):
        return f"127.0.0.1:{self.ports[1]}"


@pytest.fixture(scope="module", autouse=True)
def environment():
    if not (VENV / "is-ready").exists():
        # The Python that its own library fits.
        subprocess.run(["/usr/bin/python3", "-m", "venv", VENV], check=True, timeout=120)
        subprocess.run([VENV / "bin/pip", "install", "-q", "nvidia-pytriton==0.7.0"], check=True,
                       timeout=200)
        (VENV / "is-ready").touch()


def test_tritons_grpc_clients_are_spread(stage):
    servers = [stage.keep(Triton(stage.directory / name, name)) for name in ("t1", "t2")]
    steelyard = stage.steelyard(speaking(
        [one.address for one in servers], protocol="http2", weights={"law": "static"},
        balance="round_robin"))
    done = subprocess.run(
        [VENV / "bin/python", "-c", CLIENT, "%s:%d" % steelyard.address],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    counts = steelyard.metrics().by_endpoint("steelyard_grpc_calls_total", grpc_status="OK")
    assert len(counts) == 2 and min(counts.values()) > 30
