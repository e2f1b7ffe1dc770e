"""A loopback FHIR R4 server: versions, deletions, paged searches, bulk exports and SMART sign-in.

    with FhirServer(sample(today)) as server:
        options = {"endpoint": server.base, "client_id": server.client, "private_key": server.key}

Resources put in get an instant at which they were last updated (`server.clock`), and keep it until
they are put in again. References by `urn:uuid:` are rewritten, as a server does with a transaction.
"""

import gzip
import json
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from servers.fhir_sample import Resource, sample
from servers.loopback import Loopback, Reply, Request

FHIR, NDJSON = "application/fhir+json", "application/fhir+ndjson"
CLIENT, KEY_ID = "loopback-client", "key-1"
__all__ = ["FhirServer", "sample"]


def outcome(status: int, code: str, words: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error as FHIR servers say it; their words may hold what is in a record."""
    issue = {"severity": "error", "code": code, "diagnostics": words}
    body = {"resourceType": "OperationOutcome", "issue": [issue]}
    return Reply(status, _json(body), {"content-type": FHIR, **(headers or {})})


class FhirServer(Loopback):
    """One server, one client."""

    def __init__(
        self, resources: Iterable[Resource] = (), *, rsa_key: bool = False, bulk: bool = True
    ) -> None:
        super().__init__()
        self.base = f"{self.url}/fhir"
        self.client = CLIENT
        own: Any = rsa.generate_private_key(65537, 2048) if rsa_key else _curve()
        self._public, self._algorithm = own.public_key(), "RS384" if rsa_key else "ES384"
        self.key = own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        self.clock = datetime.now(UTC) - timedelta(hours=1)
        self.bulk, self.most, self.token_seconds = bulk, 50, 300
        self.refused: set[str] = set()  # types without a right to them
        self.open = False  # a gateway in front lets everybody in
        self.static = ""  # a token that a gateway gave
        self.packed = False
        self.export_warnings: list[str] = []
        self._held: dict[str, dict[str, Resource]] = defaultdict(dict)
        self._gone: list[tuple[str, str, datetime]] = []
        self._tokens: dict[str, float] = {}
        self._seen: set[str] = set()
        self._pages: dict[str, tuple[list[Resource], int, int]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self._asked = 0
        self.put(*resources)

    # --- what it holds

    def put(self, *resources: Resource) -> None:
        """Hold these resources, as the newest version of each."""
        for said in resources:
            kind, own = said["resourceType"], said["id"]
            version = int(self._held[kind].get(own, {}).get("meta", {}).get("versionId", 0)) + 1
            meta = {"versionId": str(version), "lastUpdated": _said(self.clock)}
            self._held[kind][own] = said | {"meta": said.get("meta", {}) | meta}

    def post(self, bundle: Resource) -> None:
        """A transaction: references inside it become the server's own."""
        named = {e["fullUrl"]: f"{e['resource']['resourceType']}/{e['resource']['id']}"
                 for e in bundle["entry"] if e.get("fullUrl")}  # fmt: skip
        text = _json([e["resource"] for e in bundle["entry"]]).decode()
        for url, own in named.items():
            text = text.replace(f'"reference": "{url}"', f'"reference": "{own}"')
        self.put(*json.loads(text, parse_float=Decimal))

    def delete(self, kind: str, own: str) -> None:
        del self._held[kind][own]
        self._gone.append((kind, own, self.clock))

    def expire_tokens(self) -> None:
        self._tokens.clear()

    # --- what it says

    def answer(self, request: Request) -> Reply:
        path = request.path.removeprefix("/fhir/")
        if path == ".well-known/smart-configuration":
            return _ok({"token_endpoint": f"{self.url}/auth/token",
                        "capabilities": ["client-confidential-asymmetric", "permission-v2"]},
                       "application/json")  # fmt: skip
        if request.path == "/auth/token":
            return self._sign_in(request)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = self.static and bearer == self.static
        if not (self.open or known or self._tokens.get(bearer, 0) > time.monotonic()):
            return outcome(401, "login", f"token {bearer} is not valid")
        match path.split("/"):
            case ["metadata"]:
                return _ok(self._capabilities())
            case [*_, "$export"]:
                return self._export(request)
            case ["job", number]:
                return self._job(request, number)
            case ["file", number, kind]:
                return self._file(number, kind)
            case ["page", token]:
                return self._page(token)
            case [kind, *_] if kind in self.refused:
                return outcome(403, "forbidden", "Canary is none of your business")
            case [kind]:
                return self._search(kind, request)
            case [kind, "_history"]:
                return self._history(kind, request)
        return outcome(404, "not-found", f"{path} is not known")

    def _sign_in(self, request: Request) -> Reply:
        form = request.form()
        try:
            said = jwt.decode(
                form["client_assertion"], self._public, algorithms=[self._algorithm],
                audience=f"{self.url}/auth/token",
                options={"require": ["iss", "sub", "exp", "jti"]},
            )  # fmt: skip
            head = jwt.get_unverified_header(form["client_assertion"])
        except (jwt.InvalidTokenError, KeyError):
            return _ok({"error": "invalid_client", "error_description": "Canary"}, status=401)
        right = (
            said["iss"] == said["sub"] == self.client
            and head.get("kid") in (None, KEY_ID)
            and said["jti"] not in self._seen
            and said["exp"] - time.time() <= 300
            and form["grant_type"] == "client_credentials"
        )
        if not right:
            return _ok({"error": "invalid_client"}, status=400)
        self._seen.add(said["jti"])
        token = f"loopback-fhir-{uuid.uuid4().hex}"
        self._tokens[token] = time.monotonic() + self.token_seconds
        return _ok({"access_token": token, "token_type": "bearer", "scope": form["scope"],
                    "expires_in": self.token_seconds})  # fmt: skip

    def _capabilities(self) -> Resource:
        kinds = [{"type": kind, "interaction": [{"code": "search-type"}, {"code": "history-type"}]}
                 for kind in sorted(self._held)]  # fmt: skip
        side = {"mode": "server", "resource": kinds}
        if self.bulk:
            side["operation"] = [{"name": "export"}]
        return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [side],
                "software": {"name": "Loopback FHIR"}}  # fmt: skip

    def _search(self, kind: str, request: Request) -> Reply:
        found = list(self._held[kind].values())
        for name, value in request.pairs:
            if name == "_lastUpdated":
                found = [r for r in found if _passes(r["meta"]["lastUpdated"], value)]
            elif name == "_id":
                found = [r for r in found if r["id"] in value.split(",")]
        if request.query.get("_summary") == "count":
            return _ok({"resourceType": "Bundle", "type": "searchset", "total": len(found)})
        wanted = request.query.get("_elements")
        found = [_subset(r, wanted.split(",")) for r in found] if wanted else found
        return self._serve(found, len(found), min(self.most, int(request.query["_count"])), 0)

    def _serve(self, found: list[Resource], total: int, size: int, start: int) -> Reply:
        entry = [{"fullUrl": f"{self.base}/{r['resourceType']}/{r['id']}", "resource": r,
                  "search": {"mode": "match"}} for r in found[start : start + size]]  # fmt: skip
        if start == 0:
            remark = {"severity": "warning", "code": "informational", "diagnostics": "Canary"}
            entry.insert(0, {"resource": {"resourceType": "OperationOutcome", "issue": [remark]},
                             "search": {"mode": "outcome"}})  # fmt: skip
        bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": total,
                            "entry": entry, "link": []}  # fmt: skip
        if start + size < len(found):
            token = uuid.uuid4().hex
            self._pages[token] = (found, size, start + size)
            bundle["link"].append({"relation": "next", "url": f"{self.base}/page/{token}?x=a%2Cb"})
        return _ok(bundle)

    def _page(self, token: str) -> Reply:
        if token not in self._pages:
            return outcome(410, "expired", "this search has ended")
        found, size, start = self._pages[token]
        return self._serve(found, len(found), size, start)

    def _history(self, kind: str, request: Request) -> Reply:
        since = request.query["_since"]
        entry = [{"request": {"method": "DELETE", "url": self._named(n, k, own)},
                  "response": {"status": "204", "lastModified": _said(at)}}
                 for n, (k, own, at) in enumerate(self._gone)
                 if k == kind and _said(at) >= since]  # fmt: skip
        entry += [{"resource": r, "request": {"method": "PUT", "url": f"{kind}/{r['id']}"}}
                  for r in self._held[kind].values()
                  if r["meta"]["lastUpdated"] >= since]  # fmt: skip
        return _ok({"resourceType": "Bundle", "type": "history", "entry": entry})

    def _named(self, number: int, kind: str, own: str) -> str:
        """How servers name what was deleted: HAPI by the version in which it was."""
        ways = (f"{kind}/{own}/_history/2", f"{kind}/{own}", f"{self.base}/{kind}/{own}")
        return ways[number % len(ways)]

    def _export(self, request: Request) -> Reply:
        if "respond-async" not in request.headers.get("prefer", ""):
            return outcome(400, "invalid", "exports are asynchronous")
        self._asked += 1
        number = f"j{self._asked}"
        since = request.query.get("_since", "")
        chosen = {
            kind: [r for r in self._held[kind].values() if r["meta"]["lastUpdated"] >= since]
            for kind in request.query["_type"].split(",")
        }
        gone = [g for g in self._gone if _said(g[2]) >= since] if since else []
        # Just after the last thing that was stored.
        reached = self.clock + timedelta(seconds=1)
        self.jobs[number] = {"looks": 0, "files": chosen, "gone": gone, "at": _said(reached)}
        return Reply(202, b"", {"content-location": f"{self.base}/job/{number}"})

    def _job(self, request: Request, number: str) -> Reply:
        job = self.jobs.get(number)
        if job is None:
            return outcome(404, "not-found", "no such job")
        if request.method == "DELETE":
            del self.jobs[number]
            return Reply(202)
        job["looks"] += 1
        if job["looks"] == 1:
            return Reply(202, b"", {"x-progress": "10%", "retry-after": "120"})
        if job["looks"] == 2:
            return outcome(429, "throttled", "slow down", {"retry-after": "1"})
        where = f"{self.base}/file/{number}"
        output = [{"type": kind, "url": f"{where}/{kind}", "count": len(found)}
                  for kind, found in job["files"].items() if found]  # fmt: skip
        deleted = [{"type": "Bundle", "url": f"{where}/deleted"}] if job["gone"] else []
        error = [{"type": "OperationOutcome", "url": f"{where}/error"}] * bool(self.export_warnings)
        return _ok({"transactionTime": job["at"], "request": f"{self.base}/$export",
                    "requiresAccessToken": True, "output": output, "deleted": deleted,
                    "error": error}, "application/json")  # fmt: skip

    def _file(self, number: str, kind: str) -> Reply:
        job = self.jobs[number]
        lines: list[Resource] = job["files"].get(kind, [])
        if kind == "deleted":
            entry = [{"request": {"method": "DELETE", "url": self._named(n, k, own)}}
                     for n, (k, own, _) in enumerate(job["gone"])]  # fmt: skip
            lines = [{"resourceType": "Bundle", "type": "transaction", "entry": entry}]
        if kind == "error":
            lines = [{"resourceType": "OperationOutcome",
                      "issue": [{"severity": s, "code": "processing"}]}
                     for s in self.export_warnings]  # fmt: skip
        body = b"".join(_json(r) + b"\n" for r in lines)
        return Reply(200, gzip.compress(body) if self.packed else body, {"content-type": NDJSON})


def _curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _subset(said: Resource, wanted: list[str]) -> Resource:
    """What a server gives of a resource: choices such as `onset[x]` go by their common name."""
    kept = {"resourceType", "id"}
    return {
        name: value
        for name, value in said.items()
        if name in kept
        or any(name == w or re.fullmatch(f"{w}[A-Z][A-Za-z]+", name) for w in wanted)
    }


def _passes(at: str, asked: str) -> bool:
    held, bound = datetime.fromisoformat(at), datetime.fromisoformat(asked[2:])
    return held >= bound if asked.startswith("ge") else held < bound


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(said: Any) -> bytes:
    """JSON with amounts as exact numbers."""
    marked = json.dumps(said, default=lambda d: f"\x00{d}\x00")
    return re.sub(r'"\\u0000([^"\\]*)\\u0000"', r"\1", marked).encode()


def _ok(said: Any, kind: str = FHIR, status: int = 200) -> Reply:
    return Reply(status, _json(said), {"content-type": kind})
