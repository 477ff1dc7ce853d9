"""E-mail is only ever encrypted to the server whose name the setting holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline_assets.errors import PipelineError
from pipeline_assets.orchestration.alerts.channels import Email
from pipeline_assets.orchestration.alerts.incidents import Alert
from pipeline_assets_tests.doubles.inboxes import HOST, Inbox, mail_server

ALERT = Alert("a1", "[dev] Run failed: music/users", "disk full", "http://ui/runs/r1")

OURS = x509.IPAddress(ip_address(HOST))
ANOTHER = x509.DNSName("mail.elsewhere.example")


def certificate_of(name: x509.GeneralName, folder: Path) -> Path:
    """A certificate that is its own authority, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "server.pem"
    secret = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(pem))
    return path


@contextmanager
def encrypted_server(scheme: str, certificate: Path) -> Iterator[tuple[Email, Inbox]]:
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with mail_server(tls, from_the_start=scheme == "smtps") as inbox:
        yield Email(f"{scheme}://{HOST}:{inbox.port}", "lake@shop", ("ops@shop",)), inbox


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_of_a_known_authority_gets_its_mail(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_of(OURS, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with encrypted_server(scheme, certificate) as (email, inbox):
        email.send(ALERT)
    assert [mail["Subject"] for mail in inbox.mails] == [ALERT.title]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_of_an_unknown_authority_gets_nothing(scheme: str, tmp_path: Path) -> None:
    certificate = certificate_of(OURS, tmp_path)
    with (
        encrypted_server(scheme, certificate) as (email, inbox),
        pytest.raises(PipelineError, match=r"^e-mail: .*CERTIFICATE_VERIFY_FAILED"),
    ):
        email.send(ALERT)
    assert inbox.mails == []


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_server_with_the_certificate_of_another_gets_nothing(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_of(ANOTHER, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        encrypted_server(scheme, certificate) as (email, inbox),
        pytest.raises(PipelineError, match=r"^e-mail: .*IP address mismatch"),
    ):
        email.send(ALERT)
    assert inbox.mails == []
