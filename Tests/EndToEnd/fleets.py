"""Endpoints that say who they are, behind one steelyard."""

from conftest import minimal
from endpoints import text
from programs import run_steelyard

NAMES = [b"one", b"two", b"three", b"four"]


class Fleet:
    """`rows`: what the configuration says of each endpoint beside its address."""

    def __init__(self, stage, count=2, rows=None, **pool):
        self.endpoints = [stage.endpoint(text(name)) for name in NAMES[:count]]
        self.addresses = [one.address for one in self.endpoints]
        endpoints = [
            {"address": address, **row}
            for address, row in zip(self.addresses, rows or [{}] * count)]
        self.steelyard = stage.steelyard(minimal(endpoints, **pool))

    def cli(self, *words):
        """A command against its admin address."""
        host, port = self.steelyard.admin
        return run_steelyard(*words, "--admin", f"{host}:{port}")

    def said(self, *words):
        """What a command that succeeds says."""
        done = self.cli(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def answers(self, requests):
        """Who answers (target, fields), one after the other on one connection."""
        with self.steelyard.connect() as connection:
            return [
                connection.exchange("GET", target, fields=fields).content
                for target, fields in requests]


def plain(count):
    """Requests with nothing in them."""
    return [("/", [])] * count
