"""Certificates of clients: who is let in, and what endpoints are told of them."""

import json
import ssl

import pytest
from endpoints import echo
from programs import wait_for
from secure import client_context, connect, failures, listening
from wire import Cut

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
FIELDS = {"subject_field": "X-Client-Subject", "names_field": "X-Client-Names"}
# Whom a listener refuses, and the reason that is counted.
REFUSED = {
    None: "no_certificate", "unknown_client": "unknown_authority", "expired_client": "expired",
    "revoked": "revoked",
    # A server's certificate is none for clients.
    "local": "bad_certificate"}


def asking(stage, endpoint, certificates, **more):
    return stage.steelyard(listening([endpoint.address], {
        **certificates.local.files, "client_ca": certificates.ca,
        "crl": certificates.revocations, **more}))


def context_of(certificates, name, version=None):
    pair = getattr(certificates, name) if name else None
    return client_context(certificates.ca, pair, version)


def told(connection, fields=()):
    """The fields that the endpoint got, as (name in lower case, value)."""
    answer = connection.exchange("GET", "/", fields=fields)
    assert answer.status == 200
    return [(key.lower(), value) for key, value in json.loads(answer.content)["fields"]]


def is_refused(steelyard, context):
    """Whether there is no answer; with TLS 1.3 a client hears of it after its handshake."""
    try:
        with connect(steelyard.address, context) as connection:
            connection.exchange("GET", "/")
    except (ssl.SSLError, ConnectionError, Cut):
        return True
    return False


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_has_to_show_a_certificate_shows_it(stage, endpoint, certificates, version):
    steelyard = asking(stage, endpoint, certificates, **FIELDS)
    context = context_of(certificates, "client", version)
    with connect(steelyard.address, context) as connection:
        fields = told(connection)
    subjects = [value for key, value in fields if key == "x-client-subject"]
    names = [value for key, value in fields if key == "x-client-names"]
    assert len(subjects) == 1 and "client one" in subjects[0] and "Test" in subjects[0]
    assert len(names) == 1
    for name in ("client.test", "spiffe://test/client", "one@client.test"):
        assert name in names[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused(stage, endpoint, certificates, name, version):
    steelyard = asking(stage, endpoint, certificates)
    before = len(endpoint.requests)
    assert is_refused(steelyard, context_of(certificates, name, version))
    wait_for(lambda: failures(steelyard, REFUSED[name]) == 1, "the failure")
    assert len(endpoint.requests) == before
    assert not is_refused(steelyard, context_of(certificates, "client", version))


def test_where_it_is_optional_clients_without_are_served_and_bad_ones_are_not(
        stage, endpoint, certificates):
    steelyard = asking(stage, endpoint, certificates, client_auth="optional", **FIELDS)
    with connect(steelyard.address, context_of(certificates, None)) as connection:
        assert not [key for key, _ in told(connection) if key.startswith("x-client")]
    with connect(steelyard.address, context_of(certificates, "client")) as connection:
        assert [key for key, _ in told(connection) if key.startswith("x-client")]
    for name in ("unknown_client", "expired_client", "revoked"):
        assert is_refused(steelyard, context_of(certificates, name))


@pytest.mark.parametrize("name", [None, "client"])
def test_nobody_can_claim_to_be_another(stage, endpoint, certificates, name):
    steelyard = asking(stage, endpoint, certificates, client_auth="optional", **FIELDS)
    forged = [("X-Client-Subject", "CN=forged"), ("x-client-subject", "CN=forged"),
              ("X-CLIENT-NAMES", "DNS:forged"), ("X-Client-Names", "")]
    with connect(steelyard.address, context_of(certificates, name)) as connection:
        for _ in range(2):
            fields = told(connection, forged)
            ours = [(key, value) for key, value in fields if key.startswith("x-client")]
            assert len(ours) == (2 if name else 0)
            assert "forged" not in str(fields)


def test_a_name_cannot_look_like_two(stage, endpoint, certificates):
    steelyard = asking(stage, endpoint, certificates, **FIELDS)
    with connect(steelyard.address, context_of(certificates, "sly_client")) as connection:
        (names,) = [value for key, value in told(connection) if key == "x-client-names"]
    assert names.startswith("URI:spiffe://test/sly")
    assert "DNS:client.test" not in names.split(",")


def test_a_listener_without_certificates_of_clients_takes_the_fields_away_too(
        stage, endpoint, certificates):
    """The plain listener of the same program is no way around the other."""
    configuration = listening([endpoint.address], {
        **certificates.local.files, "client_ca": certificates.ca, **FIELDS})
    configuration["listeners"].append({
        "listen": "127.0.0.1:0", "pool": "text", "tls": {
            **certificates.local.files, "client_ca": certificates.ca,
            "client_auth": "optional", **FIELDS}})
    steelyard = stage.steelyard(configuration)
    context = context_of(certificates, None)
    with connect(steelyard.addresses[1], context) as connection:
        assert not [key for key, _ in told(connection, [("X-Client-Subject", "CN=forged")])
                    if key.startswith("x-client")]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_session_has_its_identity(stage, endpoint, certificates, version):
    steelyard = asking(stage, endpoint, certificates, **FIELDS)
    context = context_of(certificates, "client", version)
    session, seen = None, []
    for _ in range(3):
        with connect(steelyard.address, context, session=session) as connection:
            fields = told(connection)
            session = connection.socket.tls.session
            seen.append((connection.socket.tls.session_reused,
                         [value for key, value in fields if key.startswith("x-client")]))
    assert [is_reused for is_reused, _ in seen] == [False, True, True]
    assert seen[0][1] and seen[0][1] == seen[1][1] == seen[2][1]


def test_a_session_of_a_listener_that_asks_nothing_opens_no_other(stage, endpoint, certificates):
    """The same ticket keys, the same name, another policy."""
    configuration = listening([endpoint.address], certificates.local.files)
    configuration["listeners"].append({
        "listen": "127.0.0.1:0", "pool": "text",
        "tls": {**certificates.local.files, "client_ca": certificates.ca}})
    steelyard = stage.steelyard(configuration)
    for version in VERSIONS:
        context = context_of(certificates, None, version)
        with connect(steelyard.addresses[0], context) as connection:
            told(connection)
            session = connection.socket.tls.session
        with pytest.raises((ssl.SSLError, ConnectionError, Cut)):
            with connect(steelyard.addresses[1], context, session=session) as connection:
                told(connection)


def test_each_client_has_its_own_rate(stage, endpoint, certificates):
    steelyard = stage.steelyard(listening([endpoint.address], {
        **certificates.local.files, "client_ca": certificates.ca}, rate_limits=[
            {"key": {"client_certificate": "subject"}, "rate": "1/h", "burst": 2}]))
    for name in ("client", "other_client"):
        context = context_of(certificates, name)
        statuses = []
        for _ in range(4):
            with connect(steelyard.address, context) as connection:
                statuses.append(connection.exchange("GET", "/").status)
        assert statuses == [200, 200, 429, 429]


def test_each_client_has_its_endpoint(stage, certificates):
    endpoints = [stage.endpoint(echo) for _ in range(3)]
    steelyard = stage.steelyard(listening(
        [endpoint.address for endpoint in endpoints],
        {**certificates.local.files, "client_ca": certificates.ca},
        balance="hash", hash={"client_certificate": "subject"}))
    context = context_of(certificates, "client")
    for _ in range(12):
        with connect(steelyard.address, context) as connection:
            assert connection.exchange("GET", "/").status == 200
    assert sorted(len(endpoint.requests) for endpoint in endpoints) == [0, 0, 12]
