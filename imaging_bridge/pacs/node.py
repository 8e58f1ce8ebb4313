"""Where a PACS is, and who we are to it: an address, and settings from the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from halsted.imaging_bridge.errors import PacsError

if TYPE_CHECKING:
    import ssl

ADDRESS = "HALSTED_PACS"
AE_TITLE = "HALSTED_PACS_AET"
USER = "HALSTED_PACS_USER"
PASSWORD = "HALSTED_PACS_PASSWORD"
TOKEN = "HALSTED_PACS_TOKEN"
CA = "HALSTED_PACS_CA"
CERTIFICATE = "HALSTED_PACS_CERT"
KEY = "HALSTED_PACS_KEY"
RECEIVER = "HALSTED_PACS_RECEIVER"

FORMS = "dicom://AE_TITLE@host:port, dicoms:// with TLS, or http(s)://host/dicom-web"
_DIMSE_PORTS = {"dicom": 104, "dicoms": 2762}  # the well-known ports of PS3.8, 9.1.1
_AE_TITLE = re.compile(r"(?! *$)[ !-\[\]-~]{1,16}")  # PS3.5, table 6.2-1: no backslash


@dataclass(frozen=True)
class Credentials:
    """What proves to a PACS who we are; none of it is ever printed.

    Attributes:
        user: Name for HTTP basic authentication, with `password`.
        password: See `user`.
        token: Bearer token for HTTP, in place of user and password.
        ca: File of the certificates to trust in place of the system's.
        certificate: File of our own certificate, for servers that ask for one.
        key: File of the private key of `certificate`, where it is not in the same file.
    """

    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @staticmethod
    def from_environment() -> Credentials:
        """The credentials in the ``HALSTED_PACS_...`` variables.

        Raises:
            PacsError: a variable names a file that does not exist.
        """
        user, password, token = (os.environ.get(name) or None for name in (USER, PASSWORD, TOKEN))
        ca, certificate, key = (_file_in(name) for name in (CA, CERTIFICATE, KEY))
        return Credentials(user, password, token, ca, certificate, key)

    def client_context(self) -> ssl.SSLContext:
        """TLS that checks the server's certificate and shows ours, if there is one.

        Raises:
            PacsError: a certificate or key file holds none.
        """
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise PacsError(
                f"{CA} names {self.ca}, which holds no certificate; name a file in PEM format"
            ) from error
        if self.certificate:
            self._show_ours(context)
        return context

    def server_context(self) -> ssl.SSLContext:
        """TLS for connections that the PACS opens to us; it must show a certificate that we trust.

        Raises:
            PacsError: there is no certificate to show, or its file holds none.
        """
        import ssl

        if self.certificate is None:
            raise PacsError(
                f"the PACS would send images back unencrypted, because {CERTIFICATE} and {KEY} are "
                "not set; set them to a certificate and its key, or pull without --via move"
            )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self._show_ours(context)
        return context

    def _show_ours(self, context: ssl.SSLContext) -> None:
        assert self.certificate is not None
        try:
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise PacsError(
                f"{CERTIFICATE} ({self.certificate}) and {KEY} hold no certificate with its "
                "private key; name files in PEM format that belong together"
            ) from error


@dataclass(frozen=True)
class PacsNode:
    """One PACS and how to reach it.

    Attributes:
        address: The address as given; it holds no credentials.
        scheme: ``dicom``, ``dicoms``, ``http`` or ``https``.
        host: Host name or IP address.
        port: TCP port.
        called_aet: AE title of the PACS (DIMSE only).
        calling_aet: AE title of ours (DIMSE only).
        receiver: Host and port at which C-MOVE finds us (DIMSE only).
        credentials: From the environment.
    """

    address: str
    scheme: str
    host: str
    port: int
    called_aet: str = ""
    calling_aet: str = "HALSTED"
    receiver: tuple[str, int] = ("127.0.0.1", 11112)
    credentials: Credentials = Credentials()

    @property
    def is_dimse(self) -> bool:
        """Whether the PACS is spoken to by DIMSE; otherwise by DICOMweb."""
        return self.scheme in _DIMSE_PORTS

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("dicoms", "https")


def read_node(address: str | None = None) -> PacsNode:
    """The PACS at an address, or at that in ``HALSTED_PACS``, with settings from the environment.

    Args:
        address: ``dicom://AE_TITLE@host:port``, ``dicoms://...`` for DIMSE over TLS, or the URL of
            a DICOMweb service.

    Raises:
        PacsError: there is no address, it is none of these, it holds a password, or a setting in
            the environment is unusable.
    """
    address = address or os.environ.get(ADDRESS)
    if not address:
        raise PacsError(f"no PACS is named; pass --pacs or set {ADDRESS} to {FORMS}")
    parts, port = _split(address)
    credentials = Credentials.from_environment()
    if parts.scheme not in _DIMSE_PORTS:
        address = address.rstrip("/")
        port = port or (443 if parts.scheme == "https" else 80)
        return PacsNode(address, parts.scheme, str(parts.hostname), port, credentials=credentials)
    called = unquote(parts.username or "")
    check_ae_title(called, f"in the address of the PACS at {parts.hostname}")
    calling = os.environ.get(AE_TITLE) or PacsNode.calling_aet
    check_ae_title(calling, f"in {AE_TITLE}")
    return PacsNode(
        address,
        parts.scheme,
        str(parts.hostname),
        port or _DIMSE_PORTS[parts.scheme],
        called,
        calling,
        _receiver(),
        credentials,
    )


def _split(address: str) -> tuple[SplitResult, int | None]:
    """The parts of an address; no error quotes an address that may hold a password."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise PacsError(f"the address of the PACS cannot be parsed; write {FORMS}") from None
    if parts.password is not None or (parts.username and parts.scheme not in _DIMSE_PORTS):
        raise PacsError(
            f"the address of the PACS holds a user or password, which other users of this machine "
            f"could read; set {USER} and {PASSWORD} (or {TOKEN}) instead"
        )
    if parts.scheme not in (*_DIMSE_PORTS, "http", "https") or not parts.hostname:
        raise PacsError(f"the address of the PACS is no DICOM address; write {FORMS}")
    if parts.query or parts.fragment:
        raise PacsError(f"the address of the PACS has a query or fragment; write {FORMS}")
    return parts, port


def check_ae_title(title: str, where: str) -> None:
    """Refuse what is no AE title (PS3.5, table 6.2-1)."""
    if not _AE_TITLE.fullmatch(title):
        raise PacsError(
            f"the AE title {where} is {title!r}, but it has 1 to 16 ASCII characters and no "
            "backslash; correct it, as in dicom://AE_TITLE@host:port"
        )


def _receiver() -> tuple[str, int]:
    given = os.environ.get(RECEIVER)
    if not given:
        return PacsNode.receiver
    try:
        parts = urlsplit(f"//{given}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise PacsError(f"{RECEIVER} is {given!r}; set it to host:port, such as 127.0.0.1:11112")
    return host, port


def _file_in(variable: str) -> Path | None:
    given = os.environ.get(variable)
    if not given:
        return None
    if not Path(given).is_file():
        raise PacsError(f"{variable} names the file {given}, which does not exist; correct it")
    return Path(given)
