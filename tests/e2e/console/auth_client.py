# SPDX-License-Identifier: Apache-2.0
"""A Console of its own for a test of credentials, and clients that show them."""
import base64
import glob
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.environ.get("BULKHEAD_BUILD", os.path.join(ROOT, "build"))


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def request_pem(key, name="x"):
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()
        self.body = json.loads(self.text) if self.text else None

    def __repr__(self):
        return f"{self.status} {self.text[:600]}"

    @property
    def reason(self):
        return self.body[0].get("description", "") if isinstance(self.body, list) and self.body else ""


class Client:
    """One connection, with a client certificate or without."""

    def __init__(self, console, certificate=None, token=None):
        self.console, self.token = console, token
        self.context = ssl.create_default_context(cafile=os.path.join(console.data, "ca.crt"))
        if certificate:
            with tempfile.NamedTemporaryFile("w", suffix=".pem", dir=console.directory) as pem:
                pem.write(certificate[0] + certificate[1])
                pem.flush()
                self.context.load_cert_chain(pem.name)
        self.connection = None

    def ask(self, method, path, body=None, namespace=None, token=None, headers=None):
        headers = dict(headers or {})
        token = token or self.token
        if token:
            headers["Authorization"] = "Bearer " + token
        if namespace:
            headers["X-Namespace"] = namespace
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            try:
                if not self.connection:
                    self.connection = http.client.HTTPSConnection("127.0.0.1", self.console.port,
                                                                  context=self.context, timeout=30)
                self.connection.request(method, path, data, headers)
                return Answer(self.connection.getresponse())
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
                self.connection = None  # it was idle for too long
                if attempt == 2:
                    raise

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)

    def put(self, path, body, **more):
        return self.ask("PUT", path, body, **more)

    def issue(self, **more):
        return self.post("/issue", {"realm": "Certificate", **more})


class Console:
    def __init__(self, directory, database=None):
        self.directory, self.data = str(directory), os.path.join(str(directory), "console")
        where = ["--database", database] if database else []
        self.log = open(os.path.join(self.directory, "console.log"), "a+")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "bulkhead-console"), "serve", "--data", self.data, "--listen", "127.0.0.1:0",
             *where],
            stdout=self.log, stderr=self.log)
        self.port = self._wait()
        self.root = self._first_credential()

    def _text(self):
        self.log.flush()
        with open(self.log.name) as log:
            return log.read()

    def _wait(self):
        for _ in range(300):
            found = re.search(r"console\.ready.*port=(\d+)", self._text())
            if found:
                return int(found.group(1))
            assert self.process.poll() is None, self._text()
            time.sleep(0.1)
        raise AssertionError("the Console did not start: " + self._text())

    def _first_credential(self):
        """The administrator's, as the first start leaves it in the data directory."""
        for _ in range(100):
            for path in glob.glob(os.path.join(self.data, "*")):
                try:
                    with open(path) as file:
                        found = json.load(file)
                    if found.get("certificateKey"):
                        return found
                except (ValueError, OSError, AttributeError):
                    pass
            time.sleep(0.1)
        raise AssertionError("no credential of an administrator in " + self.data)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        text = self._text()
        self.log.close()
        assert "AddressSanitizer" not in text and "runtime error" not in text, text
        return status

    def administrator(self):
        pair = [base64.b64decode(self.root[name]).decode() for name in ("certificate", "certificateKey")]
        client = Client(self, certificate=pair)
        for _ in range(50):
            answer = client.issue()
            if answer.status == 200:
                break
            time.sleep(0.1)
        assert answer.status == 200, answer
        client.token = answer.body["token"]
        return client

    def credential(self, administrator, name, namespace="/", roles=("@auth:role=namespace.administrator",), **more):
        """(object, client with its certificate)"""
        key = new_key()
        answer = administrator.post("/appcredentials",
                                    {"name": name, "roles": list(roles), "CSR": request_pem(key), **more},
                                    namespace=namespace)
        assert answer.status == 200, answer
        certificate = base64.b64decode(answer.body["credentials"]["certificate"]).decode()
        return answer.body, Client(self, certificate=(certificate, key_pem(key)))
