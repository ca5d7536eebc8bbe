"""The embedded server with certificates: TLS, mutual TLS, and files that are none."""

import datetime
import ssl
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.client import messages
from tests import tiny_saved_model
from tests.servers import SECONDS, serve
from zoo.errors import ArgumentError

STATUS = f"/{messages.MODEL_SERVICE}/GetModelStatus"
ASKED = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name="tiny")).SerializeToString()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "tiny" / "1"
    return tiny_saved_model.write(folder, only="rgb").parent.parent


class Authority:
    """Signs certificates, and is one itself: `ca.pem`, NAME.pem and NAME.key in its folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.ca = self._signed(self.name, self.key, is_authority=True, file="ca.pem")

    def signed(self, name: str) -> tuple[Path, Path]:
        """Key and certificate of `name`, good for localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key, is_authority=False, file=f"{name}.pem")
        file = self.folder / f"{name}.key"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return file, certificate

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool, file: str) -> Path:
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / file
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "good")


def works(address: str, credentials: grpc.ChannelCredentials) -> bool:
    with grpc.secure_channel(address.replace("127.0.0.1", "localhost"), credentials) as channel:
        try:
            channel.unary_unary(STATUS)(ASKED, timeout=5)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            return False
        return True


def test_tls(models, authority, tmp_path):
    key, certificate = authority.signed("server")
    with serve(models, ssl_key=key, ssl_cert=certificate) as running:
        assert running.server.address().endswith("with TLS")
        assert works(running.address, grpc.ssl_channel_credentials(authority.ca.read_bytes()))
        other = Authority(tmp_path / "other")
        assert not works(running.address, grpc.ssl_channel_credentials(other.ca.read_bytes()))
        with grpc.insecure_channel(running.address) as channel, pytest.raises(grpc.RpcError):
            channel.unary_unary(STATUS)(ASKED, timeout=5)
        rest = running.rest.replace("127.0.0.1", "localhost")
        trusted = ssl.create_default_context(cafile=str(authority.ca))
        assert httpx.get(f"{rest}/v1/models/tiny", verify=trusted, timeout=SECONDS).status_code == 200


def test_mutual_tls(models, authority, tmp_path):
    key, certificate = authority.signed("server")
    with serve(models, ssl_key=key, ssl_cert=certificate, ssl_ca=authority.ca) as running:
        root = authority.ca.read_bytes()
        mine, my_certificate = authority.signed("client")
        credentials = grpc.ssl_channel_credentials(root, mine.read_bytes(), my_certificate.read_bytes())
        assert works(running.address, credentials)
        assert not works(running.address, grpc.ssl_channel_credentials(root))
        stranger, certificate_of_stranger = Authority(tmp_path / "other").signed("client")
        wrong = grpc.ssl_channel_credentials(root, stranger.read_bytes(), certificate_of_stranger.read_bytes())
        assert not works(running.address, wrong)
        rest = running.rest.replace("127.0.0.1", "localhost")
        trusted = ssl.create_default_context(cafile=str(authority.ca))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{rest}/v1/models/tiny", verify=trusted, timeout=5)
        trusted.load_cert_chain(my_certificate, mine)
        assert httpx.get(f"{rest}/v1/models/tiny", verify=trusted, timeout=SECONDS).status_code == 200


def test_certificates_that_cannot_be_used_are_named(models, authority, tmp_path):
    key, certificate = authority.signed("server")
    other_key, _ = authority.signed("other")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    wrong = [
        {"ssl_key": key},
        {"ssl_ca": authority.ca},
        {"ssl_key": other_key, "ssl_cert": certificate},
        {"ssl_key": key, "ssl_cert": garbage},
        {"ssl_key": key, "ssl_cert": certificate, "ssl_ca": garbage},
        {"ssl_key": tmp_path / "absent", "ssl_cert": certificate},
    ]
    for files in wrong:
        with pytest.raises(ArgumentError, match="--ssl-key and --ssl-cert|not a key and certificates in PEM"):
            with serve(models, **files):
                pass
