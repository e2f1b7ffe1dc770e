"""A loopback OpenID Connect provider: discovery, authorisation code with PKCE, signed id tokens.

    with Provider() as provider:
        provider.person = {"sub": "1", "email": "ann@example.org", "groups": ["marketing"]}

Whoever comes to its authorisation page is `person`, and goes straight back; with None they refuse.
As a real one it takes a code once, with the right secret, verifier and address of return.
"""

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from servers.loopback import Loopback, Reply, Request, as_json


class Provider(Loopback):
    """One provider with one client."""

    client_id, client_secret = "caretrace", "loopback-client-secret"

    def __init__(self) -> None:
        super().__init__()
        self.person: dict[str, Any] | None = None
        self.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.published = self.signing  # another one: tokens that nobody can verify
        self._codes: dict[str, dict[str, str]] = {}

    def answer(self, request: Request) -> Reply:
        match request.path:
            case "/.well-known/openid-configuration":
                return as_json(
                    {
                        "issuer": self.url,
                        "authorization_endpoint": f"{self.url}/authorize",
                        "token_endpoint": f"{self.url}/token",
                        "jwks_uri": f"{self.url}/keys",
                        "response_types_supported": ["code"],
                        "subject_types_supported": ["public"],
                        "id_token_signing_alg_values_supported": ["RS256"],
                        "code_challenge_methods_supported": ["S256"],
                    }
                )
            case "/keys":
                key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.published.public_key()))
                return as_json({"keys": [key | {"kid": "k1", "use": "sig", "alg": "RS256"}]})
            case "/authorize":
                return self._authorize(request.query)
            case "/token":
                return self._token(request)
        return as_json({"error": "not_found"}, 404)

    def _authorize(self, asked: dict[str, str]) -> Reply:
        if self.person is None:
            back = {"error": "access_denied", "state": asked["state"]}
        else:
            code = secrets.token_hex(8)
            self._codes[code] = asked
            back = {"code": code, "state": asked["state"]}
        return Reply(302, headers={"location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    def _token(self, request: Request) -> Reply:
        form = request.form()
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        known = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        asked = self._codes.pop(form.get("code", ""), None)
        if given != known:
            return as_json({"error": "invalid_client"}, 401)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            asked is None
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked.get("code_challenge")
        ):
            return as_json({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": asked.get("nonce"),
            **(self.person or {}),
        }
        token = jwt.encode(claims, self.signing, algorithm="RS256", headers={"kid": "k1"})
        return as_json(
            {"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": token}
        )
