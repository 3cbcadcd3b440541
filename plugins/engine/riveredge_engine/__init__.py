"""An embedded engine that speaks the server side of the Inngest protocol, durable in one file."""

from .clock import ManualClock, MovableClock, RealClock
from .engine import Engine
from .retention import Keep

__all__ = ["Engine", "Keep", "ManualClock", "MovableClock", "RealClock"]
