"""The settings of a drawing: what holds for the whole process."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from riveredge_approvals.ir.document import Who

Notice = Literal[
    "started", "assigned", "reminded", "overdue", "decided", "finished", "returned", "cc", "mention", "incident"
]
SelfApproval = Literal["self", "skip", "manager", "department_head", "forbid"]
RepeatApprover = Literal["none", "adjacent", "any"]


class OnEmpty(BaseModel):
    """What happens where nobody is found; `users` are those who are asked then."""

    model_config = ConfigDict(extra="ignore")

    action: Literal["admin", "approve", "reject", "users", "block"] = "admin"
    users: Annotated[list[str], Field(default_factory=list, max_length=50)]


class StartRule(BaseModel):
    """Who may start it."""

    model_config = ConfigDict(extra="ignore")

    who: Annotated[list[Who], Field(default_factory=lambda: [Who(type="everyone")], max_length=100)]


class DrawnSettings(BaseModel):
    """All of them have defaults. `title`, `serial` are templates; `notify` names templates, or says False."""

    model_config = ConfigDict(extra="ignore")

    title: Annotated[str, Field(max_length=300)] = ""
    start: Annotated[StartRule, Field(default_factory=lambda: StartRule.model_validate({}))]
    withdraw: Literal["until_final", "until_first_decision", "never"] = "until_final"
    revoke_minutes: Annotated[int, Field(ge=0, le=525_600)] = 0
    self_approval: SelfApproval = "manager"
    repeat_approver: RepeatApprover = "none"
    on_empty: Annotated[OnEmpty, Field(default_factory=lambda: OnEmpty.model_validate({}))]
    admins: Annotated[list[Who], Field(default_factory=list, max_length=50)]
    resubmit: Literal["replay", "direct"] = "replay"
    calendar: Annotated[str | None, Field(max_length=100, description="The key of a calendar.")] = None
    serial: Annotated[str, Field(min_length=1, max_length=80)] = "AP-{year}-{number:06}"
    summary: Annotated[list[str], Field(default_factory=list, max_length=10, description="Fields of the form.")]
    notify: Annotated[dict[Notice, str | Literal[False]], Field(default_factory=dict)]
    mail_approval: Literal["confirm", "login", "off"] = "confirm"
