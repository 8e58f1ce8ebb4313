"""A DICOMweb client with our credentials and time limits, and its failures as one sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

from halsted.imaging_bridge.errors import HalstedError, PacsError
from halsted.imaging_bridge.formats.extras import extra
from halsted.imaging_bridge.pacs.association import ANSWER_S, CONNECT_S, certificate_refused
from halsted.imaging_bridge.pacs.node import PASSWORD, TOKEN, USER, PacsNode
from halsted.imaging_bridge.pacs.records import NotOffered

if TYPE_CHECKING:
    from dicomweb_client.web import DICOMwebClient
    from requests import HTTPError, Response, Session


TIMEOUT_S = (CONNECT_S, ANSWER_S)


def web_client(node: PacsNode, session: Session) -> DICOMwebClient:
    """A client of a DICOMweb service, over a session from `web_session`.

    Raises:
        HalstedError: dicomweb-client is not installed.
        PacsError: the address is none that dicomweb-client understands.
    """
    with extra("pacs"):
        from dicomweb_client.web import DICOMwebClient
    for name in ("dicomweb_client", "urllib3"):  # write what is searched for to their logs
        logging.getLogger(name).setLevel(logging.WARNING)
    if ":" in node.host:
        raise PacsError(
            f"{node.address} names an IPv6 address, which dicomweb-client does not understand; "
            "name the host instead"
        )
    client = DICOMwebClient(
        node.address,
        session=session,
        permissive_uid=True,  # ours is checked, and a PACS's own may have leading zeros
        timeout=TIMEOUT_S,
    )
    client.set_http_retry_params(retry=False)  # the same command again goes on where it was
    return client


def web_session(node: PacsNode) -> Session:
    """Credentials as the environment has them, and from nowhere else (no ``.netrc``).

    Raises:
        HalstedError: requests, on which dicomweb-client builds, is not installed.
    """
    with extra("pacs"):
        from requests import Session
        from requests.utils import get_environ_proxies

    given = node.credentials
    session = Session()
    session.hooks["response"] = [_stay, _with_end]
    session.trust_env = False  # would also let REQUESTS_CA_BUNDLE take precedence over ours
    session.proxies.update(get_environ_proxies(node.address))
    if given.ca:
        session.verify = str(given.ca)
    if given.certificate:
        session.cert = (str(given.certificate), str(given.key or given.certificate))
    if given.token:
        session.headers["Authorization"] = f"Bearer {given.token}"
    elif given.user is not None:
        session.auth = (given.user, given.password or "")
    return session


def _stay(response: Response, *_: Any, **__: Any) -> None:
    """Refuse a redirect away from the PACS, because a query may hold a patient's number.

    The only other place that may be gone to is the same host by TLS.
    """
    if not response.is_redirect:
        return
    here, there = (
        urlsplit(url) for url in (response.url, urljoin(response.url, response.headers["Location"]))
    )
    upgraded = (here.scheme, there.scheme) == ("http", "https")
    if here.hostname == there.hostname and (upgraded or _origin(here) == _origin(there)):
        return
    raise PacsError(
        f"the PACS at {here.hostname} redirects to another place, or from https to http, and what "
        "is asked may name a patient; pass the address of the DICOMweb service itself"
    )


def _origin(parts: SplitResult) -> tuple[str, int | None]:
    return parts.scheme, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def content_type(response: Response) -> Message:
    """The content type of an answer, with its parameters."""
    header = Message()
    header["Content-Type"] = response.headers.get("Content-Type", "")
    return header


def _with_end(response: Response, *_: Any, **__: Any) -> Response:
    """Let a multipart answer fail that ends without its closing delimiter (RFC 2046, 5.1.1).

    Where the server dies, the connection just ends, and the last instance would be cut in half.
    """
    header = content_type(response)
    if header.get_content_type() != "multipart/related" or not header.get_boundary():
        return response
    end = f"--{header.get_boundary()}--".encode()
    whole = response.iter_content

    def checked(*arguments: Any, **options: Any) -> Iterator[bytes]:
        tail = b""
        for chunk in whole(*arguments, **options):
            tail = (tail + chunk)[-1024:]
            yield chunk
        if end not in tail:
            raise ConnectionError("the answer ends in the middle")

    response.iter_content = checked  # type: ignore[method-assign]
    return response


@contextmanager
def as_pacs_errors(node: PacsNode) -> Iterator[None]:
    """Around requests: whatever fails becomes a `PacsError` that tells what to do.

    Answers are not quoted, because they may hold what was sent.
    """
    from requests import ConnectionError, HTTPError, RequestException, Timeout
    from requests.exceptions import InvalidJSONError, SSLError

    where = f"the PACS at {node.host}:{node.port}"
    try:
        yield
    except HalstedError:
        raise
    except InvalidJSONError as error:
        raise _no_dicomweb(node, error) from error
    except SSLError as error:
        raise PacsError(_tls_failure(node, error)) from error
    except HTTPError as error:
        raise _answered(node, error) from error
    except Timeout as error:
        raise PacsError(
            f"{where} was silent for too long ({ANSWER_S:.0f} s); see whether it still runs"
        ) from error
    except ConnectionError as error:
        raise PacsError(
            f"nothing answers at {node.host}:{node.port}, or the connection broke off; check the "
            "address and whether the PACS runs"
        ) from error
    except (RequestException, OSError) as error:
        raise PacsError(
            f"the connection to {where} broke off ({type(error).__name__}); see whether it still "
            "runs"
        ) from error
    except Exception as error:  # pydicom and json meet whatever the server sent
        raise _no_dicomweb(node, error) from error


def _no_dicomweb(node: PacsNode, error: Exception) -> PacsError:
    return PacsError(
        f"the PACS at {node.host}:{node.port} answered with something that is no DICOMweb "
        f"({type(error).__name__}); check that the address is the root of its DICOMweb service"
    )


def _answered(node: PacsNode, error: HTTPError) -> PacsError:
    where = f"the PACS at {node.host}:{node.port}"
    code = http_status(error)
    if code in (401, 403):
        known = "sent" if _has_credentials(node) else "not set"
        return PacsError(
            f"{where} does not let us in (HTTP {code}; credentials were {known}); set {USER} and "
            f"{PASSWORD}, or {TOKEN}, to those of an account that may do this"
        )
    if code in (404, 405, 501):
        return NotOffered(
            f"{where} does not offer this at {node.address} (HTTP {code}); check that the address "
            "is the root of its DICOMweb service, such as http://host:8042/dicom-web"
        )
    return PacsError(f"{where} answered HTTP {code}; its own log says why")


def http_status(error: HTTPError) -> int:
    """The status that a server answered with; 0 where there is no answer."""
    return 0 if error.response is None else error.response.status_code


def _has_credentials(node: PacsNode) -> bool:
    return bool(node.credentials.token or node.credentials.user)


def _tls_failure(node: PacsNode, error: Any) -> str:
    import ssl

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        reason = getattr(cause, "reason", None)
        cause = (
            reason
            if isinstance(reason, BaseException)
            else next(
                (one for one in cause.args if isinstance(one, BaseException)), cause.__context__
            )
        )
    where = f"{node.host}:{node.port}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return certificate_refused(where, cause.verify_message)
    return f"there is no TLS with {where}; check the address, and whether it asks for a certificate"
