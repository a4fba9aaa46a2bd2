"""An authority of the tests' own: certificates for any names, times and keys, as PEM files."""

import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _key(kind):
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    def __init__(self, folder, name="Tests' Authority"):
        self.folder = folder
        self.now = datetime.datetime.utcnow()
        self.key = _key("ec")
        self.name = _name(name)
        self.certificate = self._sign(self.name, self.key.public_key(), [], self.now - DAY, self.now + 3650 * DAY, True)
        self.path = self._write(f"{name.replace(' ', '_')}.pem", self.pem(self.certificate))

    @staticmethod
    def pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _write(self, name, data, mode=0o600):
        path = os.path.join(self.folder, name)
        temporary = path + ".new"
        with open(temporary, "wb") as out:
            out.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
        return path

    def _sign(self, subject, public_key, names, begins, ends, authority=False):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
                   .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
                   .add_extension(x509.BasicConstraints(authority, None), True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, file, names, days=90, begins=-1, kind="ec", mode=0o600, password=None):
        """Writes FILE.pem and FILE.key, whole and at once; returns their paths. `days`, `begins`: from now."""
        key = _key(kind)
        certificate = self._sign(_name(names[0]), key.public_key(), names, self.now + begins * DAY, self.now + days * DAY)
        how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
        return self._write(file + ".pem", self.pem(certificate)), self._write(file + ".key", key_pem, mode)
