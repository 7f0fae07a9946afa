"""Private keys and ticket keys: read from files that are named, and shown nowhere."""

import base64
import os
import re
import subprocess

from programs import BINARY
from secure import client_context, connect, listening
from wire import Connection


def pieces(text, size=24):
    """Parts of a secret that would give it away."""
    body = re.sub(r"-----.*?-----|\s", "", text)
    return [body[at:at + size] for at in range(0, len(body) - size, size)]


def test_keys_stand_in_no_answer_and_no_log(stage, certificates, tmp_path):
    tickets = tmp_path / "tickets"
    tickets.write_text(base64.b64encode(os.urandom(80)).decode() + "\n")
    nginx = stage.nginx(pair=certificates.local, clients=certificates.ca)
    configuration = listening([nginx.address], {
        **certificates.local.files, "tickets": {"file": str(tickets)}})
    configuration["pools"]["text"]["tls"] = {
        "ca": certificates.ca, "server_name": "localhost", **certificates.client.files}
    steelyard = stage.steelyard(configuration)
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        assert connection.exchange("GET", "/hello").status == 200
    said = [steelyard.text()]
    for target in ("/metrics", "/api/v1/status", "/status", "/api/v1/config", "/"):
        said.append(steelyard.admin_get(target).content.decode(errors="replace"))
    for command in (["check"], ["check", "--print"]):
        done = subprocess.run(
            [BINARY, *command, steelyard.file], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        said += [done.stdout, done.stderr]
    assert str(certificates.local.key) in "".join(said)
    # A reload that fails says the file and not what is in it.
    tickets.write_text("c2VjcmV0LXNlY3JldC1zZWNyZXQ=\n")
    with Connection(steelyard.admin) as connection:
        answer = connection.exchange("POST", "/api/v1/reload")
    assert answer.status >= 400
    said += [answer.content.decode(), steelyard.text()]
    secrets = pieces(certificates.local.key.read_text())
    secrets += pieces(certificates.client.key.read_text())
    secrets.append("c2VjcmV0")
    assert len(secrets) > 6
    for secret in secrets:
        assert secret not in "".join(said)
