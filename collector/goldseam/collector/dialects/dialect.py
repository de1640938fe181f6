"""The shape of one dialect."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one instrumentation names what the tables hold.

    Attributes:
        id: Value of the column `dialect`.
        scopes: Beginnings of the instrumentation scope's name.
        sources: For each column the attribute names to read, best first; `res:` before a name
            means the resource.
    """

    id: str
    scopes: tuple[str, ...]
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
