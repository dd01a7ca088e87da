"""Optuna's gRPC proxy in front of a storage: python -m study.storage.proxy --storage postgresql://... --port 13000."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import optuna
import typer
from optuna.storages import BaseStorage

from nsh_core import cli
from nsh_core.errors import UserError
from study.storage.opening import open_storage, storage_errors
from study.storage.optuna_internals import proxy_server
from study.storage.place import shown
from study.storage.transactions import Transactions

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
    opened = open_storage(storage)
    print(f"serving {shown(storage)} at grpc://{host}:{port}", flush=True)
    with storage_errors(storage):
        serve(opened, host, port)


def serve(storage: BaseStorage, host: str, port: int) -> None:
    """Serves a storage for as long as this process runs, with the steps of the queue where it knows them.

    Args:
        storage: As open_storage gives it.
        host: Address to listen on.
        port: Port to listen on.
    """
    # grpc is optional.
    from study.storage.remote import Served

    # Behind Optuna's cache: else each look reads all that is over.
    server = proxy_server(optuna.storages.get_storage(storage), host, port)
    if isinstance(storage, Transactions):
        server.add_generic_rpc_handlers((Served(storage),))
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    cli.run(app)
