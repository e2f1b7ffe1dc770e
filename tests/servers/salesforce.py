"""A loopback Salesforce: log-in, REST queries with paging, describe, collections, bulk query jobs.

    with SalesforceServer(sample(date(2026, 11, 24))) as server:
        options = server.options | {...}               # a signed log-in through server.url

`server.tables["Lead"]["00Q..."]` may be edited; `server.change("Lead", id, ...)` also stamps.
It reads the SOQL it is asked, refuses fields and objects that `hidden` names, forgets sessions
(`server.expire()`), and hands out bulk results by locator.
"""

import base64
import csv
import io
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from servers.loopback import Loopback, Reply, Request, as_json
from servers.salesforce_objects import FIELDS, PARENTS, Tables, at, number, record, sample

VERSION = "66.0"


def refusal(code: str, words: str = "no", status: int = 400) -> Reply:
    """Salesforce's error: a list."""
    return as_json([{"message": words, "errorCode": code}], status)


@cache
def _key() -> rsa.RSAPrivateKey:
    """The key that the connected app knows the certificate of; made once for all servers."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def private_key() -> str:
    return (
        _key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@cache
def public_key() -> rsa.RSAPublicKey:
    return _key().public_key()


class SalesforceServer(Loopback):
    """One organisation."""

    def __init__(self, tables: Tables | None = None, *, page: int = 2000) -> None:
        super().__init__()
        self.tables: Tables = {name: {} for name in FIELDS}
        self.tables |= tables if tables is not None else sample(datetime.now(UTC).date())
        self.page = page
        self.hidden: set[str] = set()  # "Lead", "Lead.Email"
        self.extra: dict[str, set[str]] = {}  # further fields of an object
        self.consumer_key, self.consumer_secret = "loopback-consumer", "loopback-consumer-secret"
        self.username = "caretrace@clinic.example"
        self.private_key = private_key()
        self.sessions: set[str] = set()
        self.granted = 0
        self.jobs: dict[str, dict[str, Any]] = {}
        self.outcomes: list[tuple[str, str]] = []  # what the next jobs end as
        self.lies = 0  # how many records more a job claims than it hands out
        self._places: dict[str, tuple[list[dict[str, Any]], int]] = {}
        self._count = 0
        self._edit = threading.Lock()

    @property
    def options(self) -> dict[str, Any]:
        """What logs a source in here, signed."""
        return {
            "endpoint": self.url,
            "consumer_key": self.consumer_key,
            "username": self.username,
            "private_key": self.private_key,
        }

    @property
    def credentials(self) -> dict[str, Any]:
        """The same by client credentials, which costs no reading of a key."""
        return {
            "endpoint": self.url,
            "consumer_key": self.consumer_key,
            "consumer_secret": self.consumer_secret,
            "domain": "clinic.my",
        }

    def put(self, name: str, *rows: Mapping[str, Any]) -> None:
        with self._edit:
            self.tables[name] |= {str(row["Id"]): dict(row) for row in rows}

    def change(self, name: str, count: int, stamp: datetime, **values: Any) -> None:
        """Change a record, as a user would."""
        self.tables[name][number(name, count)] |= {**values, "SystemModstamp": at(stamp)}

    def expire(self) -> None:
        """End every session."""
        self.sessions.clear()

    def answer(self, request: Request) -> Reply:
        if request.path == "/services/oauth2/token":
            return self._token(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.sessions:
            return refusal("INVALID_SESSION_ID", "Session expired or invalid", 401)
        parts = request.path.strip("/").split("/")
        if parts[:3] != ["services", "data", f"v{VERSION}"]:
            return refusal("NOT_FOUND", "The requested resource does not exist", 404)
        match parts[3:]:
            case ["sobjects", name, "describe"]:
                return self._describe(name)
            case ["query" | "queryAll" as verb]:
                return self._query(request.query["q"], deleted=verb == "queryAll")
            case ["query" | "queryAll", place]:
                return self._next(place)
            case ["composite", "sobjects", *rest]:
                return self._write(request, rest)
            case ["jobs", "query", *rest]:
                return self._job(request, rest)
        return refusal("NOT_FOUND", "The requested resource does not exist", 404)

    def _token(self, request: Request) -> Reply:
        form = request.form()
        if form.get("grant_type") == "client_credentials":
            told = request.headers.get("authorization", "").removeprefix("Basic ")
            wanted = f"{self.consumer_key}:{self.consumer_secret}".encode()
            if base64.b64decode(told) != wanted:
                return as_json({"error": "invalid_client", "error_description": "bad"}, 401)
        elif form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            try:
                claims = jwt.decode(
                    form["assertion"],
                    public_key(),
                    algorithms=["RS256"],
                    audience="https://login.salesforce.com",
                )
            except jwt.PyJWTError:
                words = "invalid assertion"
                return as_json({"error": "invalid_grant", "error_description": words}, 400)
            if (claims["iss"], claims["sub"]) != (self.consumer_key, self.username):
                words = "user hasn't approved this consumer"
                return as_json({"error": "invalid_grant", "error_description": words}, 400)
        else:
            return as_json({"error": "unsupported_grant_type"}, 400)
        self.granted += 1
        token = f"00Dloopback-session-{self.granted}"
        self.sessions.add(token)
        instance = "https://clinic.my.salesforce.com"
        return as_json({"access_token": token, "instance_url": instance, "token_type": "Bearer"})

    def visible(self, name: str) -> set[str]:
        fields = {*FIELDS[name], *self.extra.get(name, ())}
        return {field for field in fields if f"{name}.{field}" not in self.hidden}

    def _describe(self, name: str) -> Reply:
        if name not in FIELDS or name in self.hidden:
            return refusal("NOT_FOUND", "The requested resource does not exist", 404)
        parents = {via: parent for parent, via in PARENTS.get(name, {}).items()}
        fields = [{"name": f, "relationshipName": parents.get(f)} for f in self.visible(name)]
        return as_json({"name": name, "fields": fields})

    def select(self, soql: str, *, deleted: bool) -> list[dict[str, Any]] | int | Reply:
        """The records a query asks for, flat; their number for COUNT(); or a refusal."""
        parsed = re.fullmatch(
            r"SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?(?: ORDER BY (.+))?", soql.strip()
        )
        if parsed is None:
            return refusal("MALFORMED_QUERY", f"unexpected token in {soql}")
        listed, name, where, order = parsed.groups()
        if name not in FIELDS or name in self.hidden:
            words = f"\n{soql}\n^\nsObject type '{name}' is not supported."
            return refusal("INVALID_TYPE", words)
        fields = [] if listed == "COUNT()" else listed.split(", ")
        for field in fields:
            parent, dot, inner = field.rpartition(".")
            object_ = parent or name
            via = PARENTS.get(name, {}).get(parent) if dot else inner
            if via not in self.visible(name) or inner not in self.visible(object_):
                words = f"\n{soql}\n^\nERROR at Row:1:Column:8\nNo such column '{inner}' on entity "
                return refusal("INVALID_FIELD", f"{words}'{object_}'. If you are attempting to")
        rows = [
            row
            for row in self.tables[name].values()
            if (deleted or not row.get("IsDeleted")) and _holds(row, where)
        ]
        if not fields:
            return len(rows)
        for key in reversed((order or "Id").split(", ")):
            rows.sort(key=lambda row: str(row[key]))
        return [{field: self._value(name, row, field) for field in fields} for row in rows]

    def _value(self, name: str, row: Mapping[str, Any], field: str) -> Any:
        parent, dot, inner = field.partition(".")
        if not dot:
            return row.get(field)
        found = self.tables[parent].get(str(row.get(PARENTS[name][parent])), {})
        return found.get(inner)

    def _query(self, soql: str, *, deleted: bool) -> Reply:
        found = self.select(soql, deleted=deleted)
        if isinstance(found, Reply):
            return found
        if isinstance(found, int):
            return as_json({"totalSize": found, "done": True, "records": []})
        self._count += 1
        place = f"01g{self._count:012d}"
        self._places[place] = (found, 0)
        return self._next(f"{place}-0")

    def _next(self, place: str) -> Reply:
        key, _, offset = place.partition("-")
        if key not in self._places:
            return refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
        rows, start = self._places[key][0], int(offset)
        end = start + self.page
        answer: dict[str, Any] = {
            "totalSize": len(rows),
            "done": end >= len(rows),
            "records": [_nested(row) for row in rows[start:end]],
        }
        if end < len(rows):
            answer["nextRecordsUrl"] = f"/services/data/v{VERSION}/query/{key}-{end}"
        usage = {"Sforce-Limit-Info": "api-usage=18/100000"}
        return as_json(answer, headers=usage)

    def _write(self, request: Request, rest: list[str]) -> Reply:
        """A collection of up to 200 records, made, changed, deleted or, under an external id,
        made or changed.
        """
        if request.method == "DELETE":
            return as_json([self._deleted(one) for one in request.query["ids"].split(",")])
        records = request.json()["records"]
        if len(records) > 200:
            return refusal("EXCEEDED_ID_LIMIT", "record limit reached")
        if request.method == "PATCH" and not rest:
            return as_json([self._changed(one) for one in records])
        return as_json([self._written(one, rest[1] if rest else "") for one in records])

    def _deleted(self, number_: str) -> dict[str, Any]:
        for rows in self.tables.values():
            if number_ in rows:
                if rows[number_]["IsDeleted"]:
                    return _failed("ENTITY_IS_DELETED", "entity is deleted")
                rows[number_]["IsDeleted"] = True
                return {"id": number_, "success": True, "errors": []}
        return _failed("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")

    def _changed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        row = self.tables[given["attributes"]["type"]].get(given["id"])
        if row is None or row["IsDeleted"]:
            return _failed("ENTITY_IS_DELETED", "entity is deleted")
        row |= {name: value for name, value in given.items() if name not in ("attributes", "id")}
        if given["attributes"]["type"] == "Task":
            row["IsClosed"] = row.get("Status") == "Completed"
        return {"id": given["id"], "success": True, "errors": []}

    def _written(self, given: Mapping[str, Any], key: str) -> dict[str, Any]:
        name, now = given["attributes"]["type"], datetime.now(UTC)
        values = {field: value for field, value in given.items() if field != "attributes"}
        who = values.get("ContactId") or values.get("LeadId") or values.get("WhoId")
        if unknown := sorted(values.keys() - self.visible(name)):
            return _failed("INVALID_FIELD_FOR_INSERT_UPDATE", f"no {unknown[0]}")
        if who not in {**self.tables["Contact"], **self.tables["Lead"]}:
            return _failed("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id {who}")
        rows = self.tables[name]
        if name == "CampaignMember":
            place = (values["CampaignId"], who)
            if place in {(r["CampaignId"], r["ContactId"] or r["LeadId"]) for r in rows.values()}:
                return _failed("DUPLICATE_VALUE", f"Already a campaign member: {who}")
        for number_, row in rows.items():
            if key and row.get(key) == values[key]:
                row |= values
                return {"id": number_, "success": True, "errors": [], "created": False}
        made = record(name, 5000 + len(rows), now, **values)
        rows[made["Id"]] = made
        return {"id": made["Id"], "success": True, "errors": [], "created": True}

    def _job(self, request: Request, rest: list[str]) -> Reply:
        if request.method == "POST":
            asked = request.json()
            found = self.select(asked["query"], deleted=asked["operation"] == "queryAll")
            if isinstance(found, Reply):
                return found
            self._count += 1
            key = f"750{self._count:012d}"
            state, words = self.outcomes.pop(0) if self.outcomes else ("JobComplete", "")
            self.jobs[key] = {"rows": found, "looks": 0, "state": state, "words": words}
            return as_json({"id": key, "operation": "queryAll", "state": "UploadComplete"})
        key = rest[0]
        if key not in self.jobs:
            return refusal("NOT_FOUND", "The requested resource does not exist", 404)
        job = self.jobs[key]
        if request.method == "DELETE":
            del self.jobs[key]
            return Reply(204)
        if rest[1:] == ["results"]:
            return self._results(job, request.query)
        job["looks"] += 1
        state = job["state"] if job["looks"] > 1 else "InProgress"
        processed = len(job["rows"]) + self.lies if state == "JobComplete" else 0
        said = {"id": key, "state": state, "numberRecordsProcessed": processed}
        return as_json(said | ({"errorMessage": job["words"]} if job["words"] else {}))

    def _results(self, job: dict[str, Any], query: Mapping[str, str]) -> Reply:
        start, size = int(query.get("locator") or 0), min(int(query["maxRecords"]), self.page)
        part = job["rows"][start : start + size]
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(job["rows"][0] if job["rows"] else ["Id"])
        writer.writerows([_as_csv(v) for v in row.values()] for row in part)
        end = start + size
        headers = {
            "content-type": "text/csv",
            "Sforce-Locator": str(end) if end < len(job["rows"]) else "null",
            "Sforce-NumberOfRecords": str(len(part)),
        }
        return Reply(200, out.getvalue().encode(), headers)


def _failed(code: str, words: str) -> dict[str, Any]:
    error = {"statusCode": code, "message": words, "fields": []}
    return {"success": False, "errors": [error]}


def _holds(row: Mapping[str, Any], where: str | None) -> bool:
    """Whether a record meets every condition."""
    for condition in where.split(" AND ") if where else ():
        if one_of := re.fullmatch(r"(\w+) IN \((.+)\)", condition):
            if str(row[one_of[1]]) not in re.findall(r"'(\w+)'", one_of[2]):
                return False
        elif equal := re.fullmatch(r"(\w+) = '(.*)'", condition):
            if row[equal[1]] != equal[2]:
                return False
        else:
            field, sign, bound = condition.split(" ")
            value, limit = datetime.fromisoformat(row[field]), datetime.fromisoformat(bound)
            if not (value >= limit if sign == ">=" else value < limit):
                return False
    return True


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """As REST gives it: a parent's fields inside the parent, which is null where there is none."""
    nested: dict[str, Any] = {"attributes": {"type": "x", "url": "/services/data/x"}}
    for field, value in row.items():
        parent, dot, inner = field.partition(".")
        if not dot:
            nested[field] = value
        elif value is None:
            nested.setdefault(parent, None)
        else:
            held = nested.get(parent) or {"attributes": {"type": parent}}
            nested[parent] = held | {inner: value}
    return nested


def _as_csv(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
