"""What two steelyards agree on although they share nothing: session cookies and hashes. Session tickets
are in test_tls_resumption.py."""

from conftest import minimal
from endpoints import text


def pair(stage, **pool):
    """Two in front of the same endpoints, named in another order and at other addresses."""
    endpoints = [stage.endpoint(text(b"%d" % number)) for number in range(5)]
    addresses = [one.address for one in endpoints]
    return [stage.steelyard(minimal(order, **pool)) for order in (addresses, addresses[::-1])]


def test_a_cookie_of_one_is_obeyed_by_the_other(stage):
    pools = {"affinity": {"cookie": "session"}, "balance": "round_robin"}
    one, two = pair(stage, **pools)
    for first, second in ((one, two), (two, one)):
        for _ in range(5):
            answer = first.get("/")
            cookie = answer.one("Set-Cookie").split(";")[0]
            for _ in range(6):
                again = second.get("/", fields=[("Cookie", cookie)])
                assert again.content == answer.content
                # The other one sees no reason to give another cookie.
                assert not again.one("Set-Cookie")


def test_a_key_has_the_same_endpoint_at_both(stage):
    one, two = pair(stage, balance="hash", hash={"header": "x-session", "load_factor": 10})
    found = set()
    for number in range(60):
        fields = [("X-Session", f"session {number}")]
        answer = one.get("/", fields=fields).content
        assert two.get("/", fields=fields).content == answer
        found.add(answer)
    assert len(found) == 5
