"""given(events).when(command).then(events), for any decider."""

from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.leftfold.kernel import Decider, Refused, from_json, to_json
from tests.survival import same, stored


@dataclass(frozen=True)
class When:
    """A command on a history."""

    decider: Decider[Any, Any, Any]
    history: tuple[Any, ...]
    command: Any

    def run(self) -> list[Any]:
        """What the rules answer, also after a snapshot."""
        state = self.decider.fold(self.history)
        assert same(from_json(type(self.decider.initial), stored(to_json(state))), state)
        return self.decider.decide(self.command, state)

    def then(self, *expected: Any) -> None:
        """The command leads to exactly these events."""
        assert self.run() == list(expected)

    def then_refused(self, code: str, **facts: Any) -> None:
        """The command is turned down, with this code and at least these facts."""
        with pytest.raises(Refused) as caught:
            self.run()
        assert caught.value.code == code
        assert facts.items() <= caught.value.facts.items()


@dataclass(frozen=True)
class Given:
    """A decider, and what has happened so far."""

    decider: Decider[Any, Any, Any]
    history: tuple[Any, ...] = ()

    def __call__(self, *events: Any) -> "Given":
        return Given(self.decider, events)

    def when(self, command: Any) -> When:
        """The command to weigh."""
        return When(self.decider, self.history, command)
