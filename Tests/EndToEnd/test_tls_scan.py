"""Scanners of other people: a default listener has no finding that matters."""

import json
import re
import subprocess

import programs
import pytest
from programs import find
from secure import listening

TOOLS = programs.ROOT / ".build/test-venv/bin"


@pytest.fixture(scope="module", params=["local", "local_rsa"])
def target(request, module_stage, endpoint, certificates):
    steelyard = module_stage.steelyard(listening(
        [endpoint.address], getattr(certificates, request.param).files))
    yield steelyard.address
    assert steelyard.is_running()


def run(*command, timeout=220):
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=timeout,
        stdin=subprocess.DEVNULL)


def test_sslscan(target):
    host, port = target
    said = run(find("sslscan"), "--no-colour", "--sni-name=localhost", f"{host}:{port}").stdout
    found = dict(re.findall(r"^((?:SSL|TLS)v\S+)\s+(enabled|disabled)", said, re.M))
    assert {name for name, state in found.items() if state == "enabled"} == {"TLSv1.2", "TLSv1.3"}
    assert len(found) == 6
    assert "Session renegotiation not supported" in said
    assert said.count("not vulnerable to heartbleed") == 2
    ciphers = re.findall(r"^(?:Preferred|Accepted)\s+(\S+)\s+(\d+) bits\s+(\S+)", said, re.M)
    assert len(ciphers) >= 5
    for _, bits, name in ciphers:
        assert int(bits) >= 128 and re.search("GCM|CHACHA20|POLY1305", name)
        assert name.startswith(("TLS_", "ECDHE-"))


@pytest.mark.long
def test_testssl(target, tmp_path):
    """No finding above `INFO` but what belongs to a test's own authority."""
    host, port = target
    file = tmp_path / "found.json"
    run(find("testssl", "testssl.sh"), "--quiet", "--warnings", "batch", "--color", "0",
        "--jsonfile", file, "--ip", host, f"localhost:{port}")
    found = json.loads(file.read_text())
    assert len(found) > 80
    ours = {
        # Who signed the certificate and how it is revoked; what the operator or an endpoint says.
        "cert_chain_of_trust", "cert_revocation", "DNS_CAArecord", "HSTS", "security_headers"}
    bad = [(one["id"], one["severity"], one["finding"]) for one in found
           if one["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL")
           and re.sub(r" <.*", "", one["id"]) not in ours]
    assert bad == []


@pytest.mark.long
def test_sslyze(target, tmp_path):
    """Mozilla's `intermediate` profile, but for an authority that the world knows."""
    host, port = target
    file = tmp_path / "found.json"
    done = run(
        TOOLS / "sslyze", "--mozilla_config=intermediate", "--early_data", "--resum",
        f"--json_out={file}", "--sni=localhost", f"{host}:{port}")
    judged = done.stdout.split("COMPLIANCE AGAINST")[1]
    assert re.findall(r"^ +\* (\w+):", judged, re.M) == ["certificate_path_validation"]
    (scan,) = json.loads(file.read_text())["server_scan_results"]
    results = {name: one["result"] for name, one in scan["scan_result"].items() if one["result"]}
    for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert results[f"{version}_cipher_suites"]["accepted_cipher_suites"] == []
    for version in ("tls_1_2", "tls_1_3"):
        assert results[f"{version}_cipher_suites"]["accepted_cipher_suites"]
    assert not results["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert not results["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert "NOT_VULNERABLE" in results["robot"]["robot_result"]
    assert not results["tls_compression"]["supports_compression"]
    assert not results["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert results["session_renegotiation"]["supports_secure_renegotiation"]
    assert not results["tls_1_3_early_data"]["supports_early_data"]
    assert results["tls_fallback_scsv"]["supports_fallback_scsv"]
