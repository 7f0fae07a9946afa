"""What the tests themselves stand on: ports that no other worker of the same run takes."""

import socket

import programs
import pytest


def share(monkeypatch, worker):
    if worker is None:
        monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    else:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{worker}")
    return set(programs._own_ports())


def test_no_two_workers_take_the_same_port(monkeypatch):
    shares = [share(monkeypatch, worker) for worker in [None, *range(programs.WORKERS_MAX)]]
    assert all(len(ports) >= 1000 for ports in shares)
    assert len(set.union(*shares)) == sum(map(len, shares))
    assert set.union(*shares) <= set(programs.PORTS)
    with pytest.raises(AssertionError, match="they would share ports"):
        share(monkeypatch, programs.WORKERS_MAX)


def test_a_port_is_given_once_and_only_where_it_is_free(monkeypatch):
    other = programs.free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", programs.free_port()))
        port = taken.getsockname()[1]
        monkeypatch.setattr(programs, "_ports", iter([port, other]))
        assert programs.free_port() == other
    with pytest.raises(AssertionError, match="no free port"):
        programs.free_port()
