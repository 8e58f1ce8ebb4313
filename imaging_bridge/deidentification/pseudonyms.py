"""Replacements that are the same for the same value and key, and that tell nothing without it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from halsted.imaging_bridge.errors import HalstedError

KEY_VARIABLE = "HALSTED_DEID_KEY"
"""Environment variable that holds the secret key, as text."""

_SHORTEST_KEY = 16
_LARGEST_SHIFT_DAYS = 3650


@dataclass(frozen=True)
class Pseudonyms:
    """Replacements by HMAC-SHA256 (RFC 2104) under one secret key.

    Attributes:
        key: The secret; whoever has it and a list of candidates can undo the replacements.
        is_given: Whether the key was given, so that another run makes the same replacements.
    """

    key: bytes
    is_given: bool

    def uid(self, original: str) -> str:
        """A UID made from a UUID (PS3.5, B.2)."""
        name_based = uuid.UUID(bytes=self._digest("uid", original)[:16], version=5)
        return f"2.25.{name_based.int}"

    def patient(self, original: str) -> str:
        """A PatientID."""
        return "H" + self._digest("patient", original).hex()[:15].upper()

    def shift_days(self, patient: str) -> int:
        """Days, 1 to 3650, by which all dates of a patient are moved into the past."""
        number = int.from_bytes(self._digest("dates", patient)[:8], "big")
        return 1 + number % _LARGEST_SHIFT_DAYS

    def _digest(self, purpose: str, original: str) -> bytes:
        message = f"{purpose}\0{original}".encode(errors="surrogateescape")
        return hmac.new(self.key, message, hashlib.sha256).digest()


def pseudonyms(key_file: Path | None = None) -> Pseudonyms:
    """Take the key from a file or from `KEY_VARIABLE`; without both make one for this run.

    Raises:
        HalstedError: the file cannot be read, or the key has fewer than 16 characters.
    """
    if key_file is not None:
        try:
            key, where = key_file.read_bytes().strip(), str(key_file)
        except OSError as error:
            raise HalstedError(
                f"cannot read the key file {key_file} ({error.strerror}); pass a file that you "
                "may read"
            ) from error
    elif KEY_VARIABLE in os.environ:
        key, where = os.fsencode(os.environ[KEY_VARIABLE]).strip(), KEY_VARIABLE
    else:
        return Pseudonyms(secrets.token_bytes(32), is_given=False)
    if len(key) < _SHORTEST_KEY:
        raise HalstedError(
            f"the de-identification key in {where} has {len(key)} characters, but at least "
            f"{_SHORTEST_KEY} are needed so that nobody guesses it; make one with: openssl rand "
            "-hex 32"
        )
    return Pseudonyms(key, is_given=True)
