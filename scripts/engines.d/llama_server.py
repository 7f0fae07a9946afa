"""llama.cpp's own HTTP server, run by the wheel xllamacpp: a process that scripts/bench-engines
starts. usage: llama_server.py LIBRARY MODEL PORT SLOTS"""

import ctypes
import signal
import sys

library, model, port, slots = sys.argv[1:]
# It may be held by SIGSTOP: the death of the bench must end it nevertheless (PR_SET_PDEATHSIG).
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
sys.path.insert(0, library)
import xllamacpp  # noqa: E402

options = xllamacpp.CommonParams()
options.model.path = model
options.hostnames = ["127.0.0.1"]
options.port = int(port)
options.n_parallel = int(slots)
options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
options.endpoint_metrics = True
options.offline = True
server = xllamacpp.Server(options)
signal.pause()
