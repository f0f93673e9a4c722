"""The command `query`."""

import io
import shutil
import tempfile
from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import console
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_UNLIMITED = 1 << 30


class Form(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def query(
    results: Annotated[Path, typer.Argument(help="Folder of the tables that a run wrote, its --out.")],
    sql: Annotated[str, typer.Argument(help="DuckDB's SQL over videos, segments, persons, tubes, features; -: stdin.")],
    form: Annotated[Form | None, typer.Option("--format", help="How; by the suffix of --out if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the rows to this file.")] = None,
    rows: Annotated[int, typer.Option(help="Most rows of a printed table.", min=1)] = 40,
) -> None:
    """Ask the tables in SQL, also while a run goes on: of what is committed by then."""
    from pipeline.database import query as ask

    with plain_errors():
        form = _form(form, out)
        sql = typer.get_text_stream("stdin").read() if sql == "-" else sql
        if form is Form.table:
            typer.echo(ask(results, sql, lambda answer: _shown(answer, rows)))
        elif out is None:
            _to_stdout(results, sql, form)
        else:
            _to_file(results, sql, out, form)


def _form(form: Form | None, out: Path | None) -> Form:
    """Raises ConfigError."""
    from pipeline.config import ConfigError

    files = [one.value for one in Form if one is not Form.table]
    suffix = "" if out is None else out.suffix.lower().removeprefix(".")
    if out is not None and form is None and suffix not in files:
        raise ConfigError(f"--out: give a name that ends in .{', .'.join(files)}, or --format, got {str(out)!r}")
    chosen = form or Form(suffix or "table")
    if out is None and chosen is Form.parquet:
        raise ConfigError("--format: parquet goes to a file; give --out as well")
    if out is not None and chosen is Form.table:
        raise ConfigError("--format: a table is printed; leave --out away, or choose csv, json or parquet")
    return chosen


def _shown(answer: "DuckDBPyRelation", rows: int) -> str:
    text = io.StringIO()
    with redirect_stdout(text):
        answer.show(max_rows=rows, max_width=console.width if console.is_terminal else _UNLIMITED)
    return text.getvalue().rstrip()


def _to_stdout(results: Path, sql: str, form: Form) -> None:
    from pipeline.database import query as ask

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer"
        ask(results, sql, lambda answer: _write(answer, path, form))
        with path.open("rb") as file:
            shutil.copyfileobj(file, typer.get_binary_stream("stdout"))


def _to_file(results: Path, sql: str, out: Path, form: Form) -> None:
    from annotations.files import replacing
    from commands.notices import count, print_line
    from pipeline.database import query as ask

    with replacing(out) as temp:
        rows = ask(results, sql, lambda answer: _write(answer, temp, form))
    print_line(f"{out}: {count(rows, 'row')}")


def _write(answer: "DuckDBPyRelation", path: Path, form: Form) -> int:
    """Gives the number of rows."""
    target = str(path).replace("'", "''")
    options = {Form.csv: "format csv, header", Form.json: "format json, array", Form.parquet: "format parquet"}[form]
    return int(answer.query("answer", f"copy answer to '{target}' ({options})").fetchall()[0][0])
