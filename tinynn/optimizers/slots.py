"""What an optimizer keeps from step to step: t, vectors (P,) like params, and whose they are."""

import copy
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeAlias

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.errors import InputError
from tinynn.parameters import Array, Owner, frozen_in, owner_of
from tinynn.threads import on_a_cache_line

Method: TypeAlias = Callable[..., None]


def _restores_frozen(method: Method) -> Method:
    """Return an optimizer's `update`, or `step`, that puts the numbers of frozen layers back."""

    @wraps(method)
    def guarded(self: "Slots", params: Array, *rest: Any) -> None:
        frozen = frozen_in(params)
        if not frozen:
            return method(self, params, *rest)
        before = [(params[place].copy(), self._parts(place)) for place in frozen]
        try:
            method(self, params, *rest)
        finally:
            for place, (numbers, parts) in zip(frozen, before, strict=True):
                params[place] = numbers
                for name, vector in self.slots.items():
                    vector[place] = parts.get(name, 0)

    return guarded


class Slots(Configured):
    """An optimizer's state: the step count t, and a vector for each name in `state_names`.

    The vectors are made at the first step, filled with 0. They belong to the model of that step.
    """

    state_names: tuple[str, ...] = ()
    _owner: Owner | None = None  # the owner of the stepped vectors; None: not known so far
    _unpickled = False  # since its last step

    def __init_subclass__(cls) -> None:
        """Protect frozen layers in each optimizer, also in one that overrides `step`."""
        super().__init_subclass__()
        for name in ("update", "step"):
            own: Any = vars(cls).get(name)
            if getattr(own, "__isabstractmethod__", False):
                return  # Optimizer itself, whose step calls update
            if own is not None:
                setattr(cls, name, _restores_frozen(own))

    def __init__(self) -> None:
        self._unpickled = False
        self.t = 0
        self.slots: dict[str, Array] = {}

    def belong_to(self, params: Array) -> None:
        """Belong to the model of `params` from now on; at the first step make the vectors."""
        if not self.slots:
            zeros = np.zeros_like(params)
            self.slots = {name: on_a_cache_line(zeros) for name in self.state_names}
        owner = owner_of(params) or self._owner
        if self._unpickled or owner is not self._owner:  # at each step: setting takes time
            self._owner, self._unpickled = owner, False

    def _parts(self, place: slice) -> dict[str, Array]:
        return {name: vector[place].copy() for name, vector in self.slots.items()}

    def refuse_another_model(self, params: Array) -> None:
        """Raise InputError if `params` belong to another model than in earlier steps."""
        ours, theirs = self._owner, owner_of(params)
        if ours is None or theirs is None or ours is theirs:
            return
        if not (self._unpickled and ours.mark == theirs.mark):
            raise checks.another_model(type(self).__name__, self.t)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """An optimizer that was pickled without its model recognizes it at the next step."""
        slots = {name: on_a_cache_line(each) for name, each in state.get("slots", {}).items()}
        self.__dict__.update(state, _unpickled=True, slots=slots)

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on: t, and a copy of each vector."""
        return {"t": self.t, **{name: vector.copy() for name, vector in self.slots.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set what `state()` returned. Raises InputError for the state of another optimizer."""
        names = self.state_names if state.get("t") else ()  # no vectors before the first step
        checks.check_optimizer_state(state, names, type(self).__name__)
        self.t = int(state["t"])
        self.slots = {name: on_a_cache_line(np.asarray(state[name])) for name in names}
        self._owner = None  # it belongs to the next model that it steps

    def check_state(
        self, state: Mapping[str, Any], numbers: Mapping[str, Any], params: Array
    ) -> None:
        """Raise InputError if no training of `params` can have ended with `state`.

        numbers: the hyper-parameters in that training, without those that are functions.
        """
        twin = copy.copy(self)  # it gets the vectors of `state`; this optimizer keeps its own
        twin.load_state(state)
        checks.kept_vectors(twin.slots, params)
        ours = self.config()
        if not {k for k in ours if not callable(ours[k])} <= numbers.keys() <= ours.keys():
            raise InputError(f"its hyper-parameters are {numbers}")
        for name, value in numbers.items():
            setattr(twin, name, value)  # refuses wrong ones
