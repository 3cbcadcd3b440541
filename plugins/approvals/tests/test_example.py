"""The purchase of the documentation, end to end: people by the directory and a role, mails at a real server."""

import re
from email import message_from_bytes
from email.policy import default

import pytest

from riveredge_approvals.permissions import REQUEST_USE
from riveredge_sdk.testing.platform import ApiClient, EngineControl, Mailbox
from riveredge_sdk.testing.plugin import AsUser

from .drawings import EXAMPLE, EXAMPLE_FORM
from .requests import decide, ended, publish_drawing, submit, todo, user_of
from .test_people_directory import DIRECTORY, change_member, department, made

pytestmark = pytest.mark.database


def test_a_purchase_goes_its_way_and_everybody_is_told(
    client: ApiClient, as_user: AsUser, engine: EngineControl, mail_settings: Mailbox
) -> None:
    languages = {"li": "zh-CN", "manager": "en", "head": "en", "ceo": "en", "buyer": "en"}
    people = {name: as_user({REQUEST_USE}, locale=locale) for name, locale in languages.items()}
    ids = {name: str(user_of(each)) for name, each in people.items()}
    department(client, "sales", None, ids["head"], ids["li"], ids["manager"])
    department(client, "purchasing", None, ids["buyer"], ids["buyer"])
    made(client, f"{DIRECTORY}/reporting-lines", user_id=ids["li"], manager_id=ids["manager"])
    made(client, "/api/v1/roles", key="ceo", title="CEO", permissions=[REQUEST_USE])
    change_member(client, ids["ceo"], roles=["ceo"])
    process = publish_drawing(client, EXAMPLE, form=EXAMPLE_FORM)
    names = {str(each.user.email): name for name, each in people.items() if each.user is not None}

    seen: list[object] = []

    def mails() -> list[tuple[str, str]]:
        """Who got which mail since, by the beginning of its subject."""
        engine.platform.settle()
        new = mail_settings.mails[len(seen) :]
        seen.extend(new)
        read = [message_from_bytes(mail.content, policy=default) for mail in new]
        return sorted((names[str(mail["to"])], re.split("[:：]", str(mail["subject"]))[0]) for mail in read)

    dear = submit(people["li"], process, form={"amount": 7000})
    task = todo(people["manager"], "mgr")
    assert mails() == [("manager", "Please decide")]
    assert decide(people["manager"], task).status_code == 200
    task = todo(people["ceo"], "ceo")
    assert mails() == [("ceo", "Please decide")]
    assert decide(people["ceo"], task).status_code == 200
    ended(people["li"], dear, "approved")
    assert mails() == [("buyer", "For your information"), ("li", "已通过")]

    # Nobody acts for a day: the head of her department takes over, and for so little no CEO is asked.
    cheap = submit(people["li"], process, form={"amount": 100})
    todo(people["manager"], "mgr")
    engine.advance(hours=25)
    task = todo(people["head"], "mgr")
    assert people["manager"].get("/api/v1/approvals/tasks").json()["items"] == []
    assert ("head", "Please decide") in mails()
    assert decide(people["head"], task).status_code == 200
    ended(people["li"], cheap, "approved")
    assert mails() == [("buyer", "For your information"), ("li", "已通过")]
