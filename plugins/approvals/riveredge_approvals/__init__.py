"""Approvals: drawn, compiled to durable workflows, watched and explained."""

from riveredge_approvals.plugin import ApprovalsPlugin

plugin = ApprovalsPlugin()
