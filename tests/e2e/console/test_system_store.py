# SPDX-License-Identifier: Apache-2.0
"""A Console with a certificate by a public authority (root, intermediate, leaf, as Let's Encrypt has them): the Enforcer
trusts it by the system's store, which here is a private copy in a mount namespace."""
import datetime
import os
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from auth_client import BUILD, key_pem, new_key
from installation import Installation

STORE = "/etc/ssl/certs/ca-certificates.crt"

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists(STORE), reason="mounts over the system's store")


def certificate(name, issuer=None, dns=None, days=90):
    """(certificate, key) by `issuer`, by itself when there is none; an authority unless it has a DNS name."""
    key, now = new_key(), datetime.datetime.utcnow()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0].subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=days))
               .add_extension(x509.BasicConstraints(ca=not dns, path_length=None), critical=True))
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def pem(*certificates):
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


@pytest.fixture(scope="module")
def chain():
    root = certificate("Test Root X9")
    intermediate = certificate("Test R9", root)
    return root, intermediate, certificate("localhost", intermediate, "localhost")


@pytest.fixture
def console(tmp_path, chain):
    """Started with the certificates that a test says."""
    started = []

    def start(*certificates, key=chain[2][1]):
        (tmp_path / "server.pem").write_text(pem(*certificates))
        (tmp_path / "server.key").write_text(key_pem(key))
        installation = Installation(tmp_path)
        installation.stop()
        installation.start("--certificate", tmp_path / "server.pem", "--key", tmp_path / "server.key")
        started.append(installation)
        return installation
    yield start
    for installation in started:
        assert installation.stop() == 0


def register(installation, directory, token, store="", host="localhost", ca="ca: system\n", there=True):
    """bulkhead-enforcer register, with `store` besides what the system trusts; without a store unless it is `there`."""
    with open(STORE, encoding="utf-8") as own:
        (directory / "store.crt").write_text(own.read() + store)
    (directory / "enforcer.yaml").write_text(f"namespace: /\nmode: console\nconsole: https://{host}:{installation.port}\n"
                                             f"token: {token}\ncloud: off\n{ca}")
    mount = f'mount --bind "$0" {STORE}' if there else f"mount -t tmpfs tmpfs {os.path.dirname(STORE)}"
    return subprocess.run(
        ["unshare", "--mount", "--uts", "sh", "-ec", f'{mount}; hostname store.test; exec "$@"',
         directory / "store.crt", os.path.join(BUILD, "bulkhead-enforcer"), "register", "--config",
         directory / "enforcer.yaml", "--state", directory / "state"], capture_output=True, text=True, timeout=60)


def token_of(installation, directory):
    """By a start with the Console's own certificate, which its clients are used to."""
    installation.stop()
    installation.start()
    token = installation.administrator().token
    installation.stop()
    installation.start("--certificate", directory / "server.pem", "--key", directory / "server.key")
    return token


def test_chain_of_a_public_authority(console, chain, tmp_path):
    root, intermediate, leaf = chain
    running = console(leaf[0], intermediate[0])
    token = token_of(running, tmp_path)
    own = f"ca: {running.data}/ca.crt\n"
    for more in ({}, {"store": pem(root[0]), "ca": own}, {"store": pem(certificate("Another Root")[0])},
                 {"store": pem(root[0]), "host": "127.0.0.1"}):
        refused = register(running, tmp_path, token, **more)
        assert refused.returncode == 1 and not (tmp_path / "state" / "console.json").exists(), (more, refused)
        assert "not trusted" in refused.stderr, (more, refused.stderr)
    done = register(running, tmp_path, token, store=pem(root[0]))
    assert done.returncode == 0 and "registered as store.test" in done.stdout, done.stderr


def test_chain_without_its_middle(console, chain, tmp_path):
    running = console(chain[2][0])
    done = register(running, tmp_path, token_of(running, tmp_path), store=pem(chain[0][0]))
    assert done.returncode == 1 and "not trusted" in done.stderr, done


def test_no_store(console, chain, tmp_path):
    """A Debian without ca-certificates."""
    running = console(chain[2][0], chain[1][0])
    done = register(running, tmp_path, token_of(running, tmp_path), there=False)
    assert done.returncode == 1 and "no certificates of authorities" in done.stderr, done
