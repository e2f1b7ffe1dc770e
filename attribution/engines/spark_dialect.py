"""Spark Connect for SQLAlchemy, as far as a warehouse needs it: `sc://host:15002`."""

from types import ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.engine import default
from sqlalchemy.sql import compiler

from attribution.engines import spark_driver


class _Types(compiler.GenericTypeCompiler):
    """The types of raw tables, and of those that Python solves, as Spark names them."""

    def visit_text(self, type_: Any, **_said: Any) -> str:
        return "string"

    def visit_double(self, type_: Any, **_said: Any) -> str:
        return "double"

    def visit_datetime(self, type_: Any, **_said: Any) -> str:
        return "timestamp" if type_.timezone else "timestamp_ntz"


class _Names(compiler.IdentifierPreparer):
    def __init__(self, dialect: Any) -> None:
        super().__init__(dialect, initial_quote="`", final_quote="`")


class SparkDialect(default.DefaultDialect):
    """What SQLAlchemy must know of Spark: names in backquotes, no keys, no transactions."""

    name = "spark"
    driver = "connect"
    supports_statement_cache = True
    supports_native_boolean = True
    supports_sane_rowcount = False
    type_compiler_cls = _Types
    preparer: type[compiler.IdentifierPreparer] = _Names

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        return spark_driver

    def create_connect_args(self, url: sa.URL) -> tuple[list[str], dict[str, Any]]:
        return [_remote(url)], {}

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Nothing can be taken back."""

    def _get_server_version_info(self, connection: Any) -> Any:
        return None

    def _get_default_schema_name(self, connection: Any) -> Any:
        return None

    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **_: Any
    ) -> bool:
        place = f" in `{schema}`" if schema else ""
        rows = connection.exec_driver_sql(f"show tables{place} like '{table_name}'").all()
        return bool(rows)


def _remote(url: sa.URL) -> str:
    """The address as Spark's client reads it: what is after the host is as it was written.

    Of a setting's value it takes an equals sign, with which many tokens end, for one too many.
    """
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host
    told = [part.partition("=") for part in (url.database or "").split(";")]
    more = ";".join(f"{name}{equals}{value.replace('=', '%3D')}" for name, equals, value in told)
    return f"sc://{host}{f':{url.port}' if url.port else ''}/{more}"


def register() -> None:
    """Let SQLAlchemy know what `sc://` means."""
    registry.register("sc", "attribution.engines.spark_dialect", "SparkDialect")
