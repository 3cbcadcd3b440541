"""An embedded engine that speaks the server side of the Inngest protocol, durable in one file."""

from .clock import ManualClock, MovableClock, RealClock
from .engine import Engine
from .housekeeping import Retention

__all__ = ["Engine", "ManualClock", "MovableClock", "RealClock", "Retention"]
