"""Optuna's gRPC proxy in front of a storage: python -m study.storage.proxy --storage postgresql://... --port 13000."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Annotated

import optuna
import typer

from nsh_core import cli
from nsh_core.errors import UserError
from study.storage.opening import open_storage, storage_errors
from study.storage.place import shown

app = typer.Typer(add_completion=False)


@app.command()
def proxy(
    storage: Annotated[
        str, typer.Option(envvar="NSH_STORAGE", help="storage that the proxy stands in front of, as given to run.py")
    ],
    host: Annotated[str, typer.Option(help="address to listen on; 0.0.0.0 for all")] = "localhost",
    port: Annotated[int, typer.Option(min=1, max=65535, help="port to listen on")] = 13000,
) -> None:
    """Serve a storage to many workers, who give --storage grpc://HOST:PORT.

    Its traffic is neither encrypted nor authenticated: for a network that you trust.
    """
    if importlib.util.find_spec("grpc") is None:
        raise UserError("the proxy needs the package grpcio: pip install '.[cluster]'")
    from optuna.storages import run_grpc_proxy_server

    opened = open_storage(storage)
    print(f"serving {shown(storage)} at grpc://{host}:{port}", flush=True)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    with storage_errors(storage):
        run_grpc_proxy_server(opened, host=host, port=port)


if __name__ == "__main__":
    cli.run(app)
