"""Model files of `dalsegno simulate`: how tasks behave in place of their handlers.

default: {takes: [1s, 5s], fails: 2%}
tasks:
  shop.charge: {takes: {p50: 300ms, p99: 4s}, fails: 5%, code: CardRefused, permanent: true}
  shop.price: {takes: 20ms, returns: {price: 40}}
signals:
  approved: {after: 2h, data: {by: ada}}
"""

from pathlib import Path

import msgspec
import yaml

from events.errors import Rejected
from events.limits import INPUT_BYTES_MAX
from events.simulation import Model, SignalModel, TaskModel
from events.values import Value, admit
from orchestrator.kernel.durations import seconds

Written = str | int | float


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    p50: Written
    p99: Written


class WrittenTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    takes: Written | list[Written] | Share | None = None
    fails: Written | None = None
    code: str = "simulated"
    permanent: bool = False
    returns: Value = None


class WrittenSignal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: Written = 0
    data: Value = None
    correlation: Value = None


class WrittenModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default: WrittenTask = WrittenTask()
    tasks: dict[str, WrittenTask] = {}
    signals: dict[str, WrittenSignal] = {}


def read_model(path: str) -> Model:
    """The model in a file; without one, what is said of tasks that no model names.

    Raises `Rejected` naming the place and the mend.
    """
    if not path:
        return Model()
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Rejected(f"--model {path} cannot be read: {error.strerror}") from None
    if len(data) > INPUT_BYTES_MAX:
        raise Rejected(f"--model {path} has over {INPUT_BYTES_MAX} bytes")
    try:
        form = admit(yaml.safe_load(data), path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Rejected(f"--model {path} is not YAML: {error}") from None
    try:
        written = msgspec.convert(form or {}, WrittenModel)
    except msgspec.ValidationError as error:
        raise Rejected(
            f"--model {path}: {error}. Expected tasks, signals and default, such as "
            "'tasks: {shop.charge: {takes: 2s, fails: 5%}}'"
        ) from None
    default = _task(written.default, f"{path}: default", TaskModel())
    return Model(
        default=default,
        tasks={
            name: _task(one, f"{path}: tasks.{name}", default)
            for name, one in written.tasks.items()
        },
        signals={
            name: SignalModel(
                after_s=_seconds(one.after, f"{path}: signals.{name}.after"),
                data=one.data,
                correlation=one.correlation,
            )
            for name, one in written.signals.items()
        },
    )


def _task(written: WrittenTask, where: str, default: TaskModel) -> TaskModel:
    """What it does not say is as in `default`."""
    takes_s, is_even = default.takes_s, default.spread == "even"
    match written.takes:
        case None:
            pass
        case Share(p50=half, p99=most):
            takes_s, is_even = (_seconds(half, where), _seconds(most, where)), False
        case list() as between:
            if len(between) != 2:
                raise Rejected(f"{where}.takes is {between}: expected two durations, [1s, 5s]")
            takes_s, is_even = (_seconds(between[0], where), _seconds(between[1], where)), True
        case fixed:
            takes_s, is_even = (_seconds(fixed, where), _seconds(fixed, where)), True
    if takes_s[1] < takes_s[0]:
        raise Rejected(f"{where}.takes: {takes_s[1]:g} s is less than {takes_s[0]:g} s")
    return TaskModel(
        takes_s=takes_s,
        spread="even" if is_even else "lognormal",
        fails=default.fails if written.fails is None else _share(written.fails, where),
        code=written.code,
        permanent=written.permanent,
        returns=written.returns,
    )


def _seconds(written: Written, where: str) -> float:
    try:
        found = seconds(written)
    except ValueError as error:
        raise Rejected(f"{where}: {error}") from None
    if found < 0:
        raise Rejected(f"{where} is {written}: expected no less than 0")
    return found


def _share(written: Written, where: str) -> float:
    """0.05, or "5%"."""
    text = str(written).strip()
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise Rejected(f"{where}.fails is {written}: expected a share such as 0.05 or 5%")
    return share
