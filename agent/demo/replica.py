"""One replica: the sample service, its own way to the database, and Outrider beside it."""

from dataclasses import dataclass

from agent.demo import files
from agent.demo.children import Outrider, SampleService, Way


@dataclass(frozen=True, slots=True)
class Replica:
    """The processes of one replica, counted from 1; `ports` are those of its Outrider."""

    number: int
    ports: files.Ports
    way: Way
    service: SampleService
    outrider: Outrider

    @property
    def title(self) -> str:
        """What people call it."""
        return f"replica {self.number}"
