"""The boards by name."""

from agent.generate.dashboard import Board
from agent.generate.fleet_board import FLEET
from agent.generate.service_board import SERVICE
from agent.generate.slo_board import SLO

BOARDS: dict[str, Board] = {"service": SERVICE, "fleet": FLEET, "slo": SLO}
