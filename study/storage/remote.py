"""The steps of the queue through Optuna's gRPC proxy: calls of our own beside Optuna's, in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import GrpcStorageProxy
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from study.storage.optuna_internals import channel_of, trial_id
from study.storage.transactions import Transactions, slim

_SERVICE = "/nsh.Queue/"
_CODES = {UpdateFinishedTrialError: grpc.StatusCode.FAILED_PRECONDITION, KeyError: grpc.StatusCode.NOT_FOUND}


class Served(grpc.GenericRpcHandler):
    """Answers with the steps of a storage.

    Args:
        storage: Behind the proxy.
    """

    def __init__(self, storage: Transactions) -> None:
        self._calls: dict[str, Callable[..., Any]] = {
            "ready": lambda: True,
            "peek": lambda *asked: [_as_json(trial) for trial in storage.peek(*asked)],
            "take": lambda *asked: [_as_json(trial) for trial in storage.take(*asked)],
            "told": storage.told,
            "end": lambda number, state, *rest: storage.end(number, TrialState[state], *rest),
        }

    @override
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        call = self._calls.get(handler_call_details.method.removeprefix(_SERVICE))
        if call is None:
            return None

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return json.dumps(call(*json.loads(request))).encode()
            except tuple(_CODES) as error:
                context.abort(_CODES[type(error)], str(error))
                raise

        return grpc.unary_unary_rpc_method_handler(answer)


class Remote(GrpcStorageProxy, Transactions):
    """Optuna's client of a proxy that serves the steps of the queue.

    Args:
        host: Of the proxy.
        port: It listens on.
    """

    def serves_steps(self) -> bool:
        """Whether the proxy does: one of Optuna's or of an earlier version does not, nor one in front of SQLite."""
        try:
            return bool(self._ask("ready"))
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return False
            raise

    def _ask(self, name: str, *asked: Any) -> Any:
        try:
            return json.loads(channel_of(self).unary_unary(_SERVICE + name)(json.dumps(asked).encode()))
        except grpc.RpcError as error:
            known = [kind for kind, code in _CODES.items() if code == error.code()]
            if known:
                raise known[0] from error
            raise

    @override
    def add(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        for trial in trials:
            self.create_new_trial(study_id, trial)

    @override
    def peek(self, study_id: int, after: int, count: int, whole: bool = False) -> list[FrozenTrial]:
        return _trials(self._ask("peek", study_id, after, count, whole))

    @override
    def take(self, trial_ids: Sequence[int], most: int, claim: str, attributes: Mapping[str, Any]) -> list[FrozenTrial]:
        return _trials(self._ask("take", list(trial_ids), most, claim, dict(attributes)))

    @override
    def told(self, trial_id: int) -> dict[str, Any]:
        return self._ask("told", trial_id)

    @override
    def end(
        self,
        trial_id: int,
        state: TrialState,
        value: float | None,
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
    ) -> None:
        self._ask("end", trial_id, state.name, value, dict(user_attrs), dict(system_attrs))


def _as_json(trial: FrozenTrial) -> list[Any]:
    return [trial.number, trial_id(trial), trial.state.name, trial.user_attrs, trial.system_attrs]


def _trials(rows: list[Any]) -> list[FrozenTrial]:
    return [slim(number, own, TrialState[state], user, system) for number, own, state, user, system in rows]
