"""Secrets at rest: sealed with Fernet (AES-128-CBC, HMAC-SHA256) under a key made of SECRET_KEY."""

import base64
from functools import cached_property

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

#: Says what the key is for; it need not be secret, and changing it loses every sealed secret.
_SALT = b"storycanvas/secrets-at-rest/1"


class SecretBox:
    """Seals and opens text; without a key it does neither.

    The key is stretched by scrypt at its first use (some 50 ms), as people choose short ones.
    """

    def __init__(self, secret_key: str | None) -> None:
        self._secret_key = secret_key

    @property
    def has_key(self) -> bool:
        return self._secret_key is not None

    def seal(self, text: str) -> str:
        """Give a token that only the same key opens. ValueError without a key."""
        if self._fernet is None:
            raise ValueError("there is no key to seal with")
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def open(self, token: str) -> str | None:
        """Give the text again; None when the key is missing or is another one."""
        if self._fernet is None:
            return None
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            return None

    @cached_property
    def _fernet(self) -> Fernet | None:
        if self._secret_key is None:
            return None
        stretched = Scrypt(salt=_SALT, length=32, n=2**14, r=8, p=1).derive(
            self._secret_key.encode()
        )
        return Fernet(base64.urlsafe_b64encode(stretched))
