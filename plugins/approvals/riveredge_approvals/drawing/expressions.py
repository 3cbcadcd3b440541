"""Conditions as drawings have them, and as the compiled form has them.

{"match": "all", "conditions": [{"field": "form.amount", "op": "gt", "value": 5000}]}  →  ["gt", "form.amount", "5000"]
"""

from collections.abc import Mapping

from riveredge_approvals.ir.conditions import type_of
from riveredge_approvals.ir.document import Condition
from riveredge_sdk.conditions import Group, compile_group


def compile_expression(group: Group, types: Mapping[str, str]) -> Condition:
    """As the compiled form has it."""
    return compile_group(group, lambda name: type_of(name, types))
