"""Certificates made with openssl: an authority, and what it issues, revokes or gets wrong.

Everything is made anew in a directory of its own; `Certificates` has what most tests need, each
made when it is first asked for."""

import functools
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from programs import find

DAYS = 90
_PARAMETERS = {
    "P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "RSA-2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}
_CONFIGURATION = """
[ca]
default_ca = this
[this]
database = {room}/index.txt
new_certs_dir = {room}/issued
certificate = {room}/authority.pem
private_key = {room}/authority.key
rand_serial = yes
unique_subject = no
default_md = sha256
default_crl_days = {days}
policy = any
[any]
organizationName = optional
commonName = optional
"""


def openssl(*arguments, said=None):
    """What it says; `said` are the bytes that it reads."""
    done = subprocess.run(
        [find("openssl"), *map(str, arguments)], input=said, capture_output=True, timeout=60)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}"
    return done.stdout.decode()


def make_key(file, kind="P-256"):
    openssl("genpkey", *_PARAMETERS[kind], "-out", file)
    file.chmod(0o600)
    return file


@dataclass(frozen=True)
class Pair:
    """The files of a certificate: the chain, its own certificate first, and the private key."""

    certificate: Path
    key: Path

    @property
    def files(self):
        """As a configuration names it."""
        return {"cert": str(self.certificate), "key": str(self.key)}


class Authority:
    """Signs with its own certificate, which `file` has; `parent` signed that, or it itself did."""

    def __init__(self, room, subject="/CN=Test authority", parent=None):
        self.room = room
        self.file = room / "authority.pem"
        self.parent = parent
        (room / "issued").mkdir(parents=True)
        (room / "index.txt").touch()
        self.configuration = room / "openssl.cnf"
        self.configuration.write_text(_CONFIGURATION.format(room=room, days=DAYS))
        key = make_key(room / "authority.key")
        usage = ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,cRLSign"]
        if parent:
            parent._sign(key, self.file, subject, usage, None, None)
        else:
            _self_signed(key, self.file, subject, usage)

    def issue(self, name, names=(), subject=None, kind="P-256", usage="serverAuth", begin=None,
              end=None):
        """A pair for `names` (`DNS:a.test`, `IP:127.0.0.1`, `URI:...`), good from `begin` days
        from now until `end` days from now."""
        key = make_key(self.room / f"{name}.key", kind)
        extensions = ["basicConstraints=CA:false", f"extendedKeyUsage={usage}",
                      "keyUsage=critical,digitalSignature,keyEncipherment"]
        if names:
            # A section, where a name may have commas.
            kinds = (name.replace(":", f".{place} = ", 1) for place, name in enumerate(names))
            extensions += ["subjectAltName=@names", "[names]", *kinds]
        file = self.room / f"{name}.pem"
        self._sign(key, file, subject or f"/CN={name}", extensions, begin, end)
        if self.parent:
            file.write_text(file.read_text() + self.file.read_text())
        return Pair(file, key)

    def revoke(self, pair):
        openssl("ca", "-config", self.configuration, "-revoke", pair.certificate)

    def revocations(self, name="revoked"):
        """The file of its revocation list, as it is now."""
        file = self.room / f"{name}.crl"
        openssl("ca", "-config", self.configuration, "-gencrl", "-out", file)
        return file

    def _sign(self, key, file, subject, extensions, begin, end):
        request, wanted = file.with_suffix(".csr"), file.with_suffix(".ext")
        openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
        wanted.write_text("\n".join(extensions) + "\n")
        openssl("ca", "-batch", "-notext", "-config", self.configuration, "-in", request,
                "-extfile", wanted, "-startdate", _date(-1 if begin is None else begin),
                "-enddate", _date(DAYS if end is None else end), "-out", file)


def _date(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def _self_signed(key, file, subject, extensions):
    added = [word for one in extensions for word in ("-addext", one)]
    openssl("req", "-new", "-x509", "-key", key, "-subj", subject, "-days", DAYS, *added,
            "-out", file)


LOCAL = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")


class Certificates:
    """What tests share; nothing of it is ever changed."""

    def __init__(self, room):
        self.room = Path(room)

    @functools.cached_property
    def authority(self):
        return Authority(self.room / "authority")

    @functools.cached_property
    def other_authority(self):
        """One that nobody trusts unless told so."""
        return Authority(self.room / "other", "/CN=Other authority")

    @functools.cached_property
    def intermediate(self):
        """Signed by `authority`; what it issues has its certificate behind its own."""
        return Authority(self.room / "intermediate", "/CN=Test intermediate", self.authority)

    @property
    def ca(self):
        return str(self.authority.file)

    @functools.cached_property
    def local(self):
        """For localhost, 127.0.0.1 and ::1."""
        return self.authority.issue("localhost", LOCAL)

    @functools.cached_property
    def local_again(self):
        """The same names, another certificate."""
        return self.authority.issue("localhost-again", LOCAL, subject="/CN=localhost")

    @functools.cached_property
    def local_rsa(self):
        return self.authority.issue("localhost-rsa", LOCAL, kind="RSA-2048")

    @functools.cached_property
    def chained(self):
        """For localhost, by `intermediate`."""
        return self.intermediate.issue("localhost-chained", LOCAL)

    @functools.cached_property
    def a(self):
        return self.authority.issue("a.test", ["DNS:a.test"])

    @functools.cached_property
    def wild(self):
        return self.authority.issue("wild.test", ["DNS:*.wild.test"])

    @functools.cached_property
    def wrong_name(self):
        return self.authority.issue("elsewhere.test", ["DNS:elsewhere.test"])

    @functools.cached_property
    def expired(self):
        return self.authority.issue("expired", LOCAL, begin=-20, end=-1)

    @functools.cached_property
    def early(self):
        """Not valid before tomorrow."""
        return self.authority.issue("early", LOCAL, begin=1)

    @functools.cached_property
    def unknown(self):
        """By an authority that nobody knows."""
        return self.other_authority.issue("localhost-unknown", LOCAL)

    @functools.cached_property
    def self_signed(self):
        key = make_key(self.room / "self-signed.key")
        file = self.room / "self-signed.pem"
        _self_signed(key, file, "/CN=localhost", ["subjectAltName=" + ",".join(LOCAL)])
        return Pair(file, key)

    @functools.cached_property
    def revoked(self):
        """For localhost and for clients, and on the list."""
        pair = self.authority.issue("revoked", LOCAL, usage="serverAuth,clientAuth")
        self.authority.revoke(pair)
        return pair

    @functools.cached_property
    def revocations(self):
        """The list that has `revoked`."""
        assert self.revoked
        return str(self.authority.revocations())

    @functools.cached_property
    def client(self):
        return self.authority.issue(
            "client", ["DNS:client.test", "URI:spiffe://test/client", "email:one@client.test"],
            subject="/O=Test/CN=client one", usage="clientAuth")

    @functools.cached_property
    def sly_client(self):
        """One name that looks like two."""
        return self.authority.issue(
            "sly-client", ["URI:spiffe://test/sly,DNS:client.test"], usage="clientAuth")

    @functools.cached_property
    def other_client(self):
        return self.authority.issue("other-client", ["DNS:other.test"], usage="clientAuth")

    @functools.cached_property
    def unknown_client(self):
        return self.other_authority.issue(
            "unknown-client", ["DNS:client.test"], subject="/O=Test/CN=client one",
            usage="clientAuth")

    @functools.cached_property
    def expired_client(self):
        return self.authority.issue(
            "expired-client", ["DNS:client.test"], usage="clientAuth", begin=-20, end=-1)
