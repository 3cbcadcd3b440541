"""An embedded engine that speaks the server side of Inngest's protocol, durable in one file."""

from .clock import ManualClock, MovableClock, RealClock
from .engine import Engine

__all__ = ["Engine", "ManualClock", "MovableClock", "RealClock"]
