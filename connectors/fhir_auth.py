"""SMART Backend Services: a signed statement of who we are, for a token that lives some minutes."""

import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from connectors.errors import SourceChanged, SourceError, SourceMisconfigured, SourceRefused
from connectors.options import is_safe
from connectors.patience import Passing, Patience
from connectors.rest import Answer, Rest

EARLY = 30.0  # a token is renewed this many seconds before it expires
_ASSERTED_SECONDS = 240  # SMART allows 300; a server's clock may be ahead
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Smart:
    """The token of one source at one server, renewed as it is needed."""

    def __init__(
        self,
        source: str,
        base: str,
        client_id: str,
        key: str,
        *,
        key_id: str | None,
        scope: str | None,
        kinds: Iterable[str],
        patience: Patience,
    ) -> None:
        self.granted: str = ""
        self._source, self._base, self._client_id = source, base, client_id
        self._signer, self._algorithm = _signer(source, key)
        self._key_id, self._scope, self._kinds = key_id, scope, tuple(kinds)
        self._patience = patience
        self._token, self._until, self._uses = "", 0.0, 0
        self._found: dict[str, Any] = {}
        self._one = threading.RLock()

    def header(self) -> Mapping[str, str]:
        """The header of a request, with a token that will outlive it."""
        with self._one:
            if time.monotonic() > self._until - EARLY or not self._token:
                self._renew()
            self._uses += 1
            return {"authorization": f"Bearer {self._token}"}

    def reading(self, answer: Answer) -> SourceError | Passing | None:
        """A token that was good and is refused has ended early: the next try brings a fresh one."""
        with self._one:
            if answer.status != 401 or self._uses < 2:
                return None
            self._token, self._uses = "", 0
        return Passing(
            SourceRefused(
                f"The FHIR server ended the token of source '{self._source}' while it was in use; "
                "refresh again."
            ),
            0.0,
        )

    def discovered(self) -> Mapping[str, Any]:
        """What the server says about signing in."""
        if not self._found:
            rest = Rest(
                self._source, "The FHIR server", self._base, patience=self._patience,
                grant='set auth = "bearer" in caretrace.toml if a gateway signs in.',
            )  # fmt: skip
            found = rest.get(".well-known/smart-configuration")
            address = found.get("token_endpoint")
            if not isinstance(address, str) or not is_safe(address):
                raise SourceChanged(
                    f"The FHIR server of source '{self._source}' names no token endpoint that "
                    "begins with https://, so our signed statement was not sent; ask its "
                    "administrator."
                )
            self._found = found
        return self._found

    def _renew(self) -> None:
        found = self.discovered()
        address = str(found["token_endpoint"])
        rest = Rest(
            self._source, "The FHIR server's sign-in", address, patience=self._patience,
            grant="register this client's public key and id with it.", reading=self._refused,
        )  # fmt: skip
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope or self._scopes(found),
            "client_assertion_type": _ASSERTION,
        }
        asked = time.monotonic()
        said = rest.ask(
            "POST", address, form=lambda: form | {"client_assertion": self._assertion(address)},
            read=_token,
        )  # fmt: skip
        self._token = said["access_token"]
        self._until = asked + float(said.get("expires_in") or 300)
        self._uses = 0
        self.granted = str(said.get("scope") or "")

    def _scopes(self, found: Mapping[str, Any]) -> str:
        """Reading each type of resource, in the words of the server's version of SMART."""
        capable = found.get("capabilities") or ()
        old = "permission-v1" in capable and "permission-v2" not in capable
        return " ".join(f"system/{kind}.{'read' if old else 'rs'}" for kind in self._kinds)

    def _assertion(self, address: str) -> str:
        import jwt

        now = int(time.time())
        claims = {"iss": self._client_id, "sub": self._client_id, "aud": address,
                  "jti": uuid.uuid4().hex, "iat": now, "exp": now + _ASSERTED_SECONDS}  # fmt: skip
        headers = {"typ": "JWT"} | ({"kid": self._key_id} if self._key_id else {})
        return jwt.encode(claims, self._signer, algorithm=self._algorithm, headers=headers)

    def _refused(self, answer: Answer) -> SourceError | None:
        if answer.status not in (400, 401):
            return None
        try:
            code = str(answer.object().get("error"))
        except ValueError:
            code = ""
        if code == "invalid_scope":
            todo = "grant the client system/<Resource>.rs for what it reads, or set scope."
        else:
            todo = ("register the public half of its key (and its key_id) for this client_id, and "
                    "check this machine's clock.")  # fmt: skip
        known = {"invalid_client", "invalid_scope", "invalid_grant", "unauthorized_client",
                 "invalid_request"}  # fmt: skip
        why = f" ({code})" if code in known else ""
        return SourceRefused(
            f"The FHIR server's sign-in refused source '{self._source}'{why}; {todo}"
        )


def key_text(source: str, secret: str | None, file: str | None) -> str:
    """The private key, from the secret or the file."""
    if secret:
        return secret
    if not file:
        raise SourceMisconfigured(
            f"Source '{source}' has no private_key and no key_file; SMART sign-in needs one of "
            'them, or set auth = "bearer" or auth = "none".'
        )
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceMisconfigured(
            f"The key_file of source '{source}' cannot be read ({type(error).__name__})."
        ) from None


def _signer(source: str, key: str) -> tuple[Any, str]:
    """The key and the way of signing that SMART has for it: RS384 or ES384."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from jwt import PyJWK
    except ImportError as error:
        raise SourceMisconfigured(
            "FHIR servers need the signing library: pip install 'caretrace[fhir]'."
        ) from error
    wrong = SourceMisconfigured(
        f"The private key of source '{source}' is no RSA or P-384 key as PEM or JWK; make one with "
        "`openssl ecparam -name secp384r1 -genkey -noout`."
    )
    try:
        if key.lstrip().startswith("{"):
            loaded = PyJWK.from_json(key, "ES384" if '"EC"' in key else "RS384").key
        else:
            loaded = load_pem_private_key(key.encode(), None)
    except Exception:
        raise wrong from None
    if isinstance(loaded, rsa.RSAPrivateKey):
        return loaded, "RS384"
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.curve.key_size == 384:
        return loaded, "ES384"
    raise wrong


def _token(answer: Answer) -> dict[str, Any]:
    said = answer.object()
    if not isinstance(said.get("access_token"), str):
        raise ValueError
    return said
