"""Scheduled tasks: cron, intervals and dates in any time zone."""

from riveredge_scheduling.plugin import SchedulingPlugin

plugin = SchedulingPlugin()
