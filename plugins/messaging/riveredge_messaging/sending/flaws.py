"""What of a request is not right: all of it told together, so that nobody mends one mistake to meet the next."""

from collections.abc import Iterator
from contextlib import contextmanager

from riveredge_sdk.problems import Invalid


class Flaws:
    """Gathers what several checks object to."""

    def __init__(self) -> None:
        self._found: list[Invalid] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Goes on behind the block when that raises `Invalid`."""
        try:
            yield
        except Invalid as problem:
            self._found.append(problem)

    def tell(self) -> None:
        """End here if anything was found.

        Raises:
            Invalid: with the errors of all checks, and what else their problems said.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            raise self._found[0]
        errors = [error for problem in self._found for error in problem.errors]
        extensions = {name: value for problem in self._found for name, value in problem.extensions.items()}
        raise Invalid(f"{len(errors)} mistakes in the message.", errors=errors, extensions=extensions)
