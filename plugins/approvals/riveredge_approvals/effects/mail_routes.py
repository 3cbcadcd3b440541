"""`/api/v1/approvals/decide`: the links in mails. Their GET shows what is asked, and only their POST decides.

The address is the proof: it is one person's, for one task, and nothing of the browser's is looked at, so that no other
page can decide in her name. Programs that follow the links of mails decide nothing.
"""

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse

from riveredge_approvals.effects import links, mail_decisions
from riveredge_approvals.effects.mail_decisions import Asked
from riveredge_approvals.effects.mail_texts import Words, words_for
from riveredge_approvals.effects.telling import common_data, name_of
from riveredge_approvals.models import TaskState
from riveredge_approvals.problems import NotAllowedHere, ReasonRequired, SignatureRequired, TaskClosed
from riveredge_approvals.tasks.deciding import Said, decide
from riveredge_sdk import Router, current_context
from riveredge_sdk.limits import Limit, count_hit
from riveredge_sdk.pages import plain_page
from riveredge_sdk.problems import NotFound, UnsupportedMediaType, invalid_field

router = Router(prefix="/decide", tag="Approvals: decisions from mails")
_LIMIT = Limit("approvals.decide_by_mail", hits=60, seconds=60)
_MAX_COMMENT = 4000
_OUTCOMES = {"approve": TaskState.APPROVED, "reject": TaskState.REJECTED}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "The link is none of ours, or holds no more."}}


def _tenant(path: Mapping[str, Any]) -> UUID | None:
    return links.tenant_of(path["token"])


@router.get(
    "/{token}",
    public=True,
    serves=_tenant,
    response_class=HTMLResponse,
    summary="The page behind a mail's link",
    responses=_NOT_FOUND,
)
async def show_decision(token: str) -> HTMLResponse:
    """Changes nothing."""
    asked = await _asked(token)
    words = words_for(asked.person.locale)
    if asked.task.state != TaskState.PENDING:
        return _said(words, words.closed.format(outcome=words.states.get(asked.task.state, asked.task.state)), 200)
    if asked.node.signature != "none":
        return await _sign_in(asked, words, 200)
    return await _form(asked, words)


@router.post(
    "/{token}",
    public=True,
    serves=_tenant,
    status=200,
    response_class=HTMLResponse,
    max_body_size=64_000,
    summary="Decide from a mail",
    responses=_NOT_FOUND,
)
async def decide_by_mail(token: str, request: Request) -> HTMLResponse:
    """A form with `decision` (approve or reject) and `comment`."""
    asked = await _asked(token)
    words = words_for(asked.person.locale)
    outcome, comment = await _read_form(request)
    try:
        with asked.acting():
            await decide(asked.task.id, outcome, Said(comment=comment, via="mail"))
    except TaskClosed:
        return _said(words, words.closed.format(outcome=words.states.get(asked.task.state, asked.task.state)), 409)
    except ReasonRequired:
        return await _form(asked, words, error=words.reason, status=422)
    except SignatureRequired:
        return await _sign_in(asked, words, 403)
    except NotAllowedHere:
        return _said(words, words.suspended, 409)
    return _said(words, words.thanks.format(outcome=words.states[outcome]), 200)


async def _asked(token: str) -> Asked:
    await count_hit(_LIMIT, current_context().address or "")
    asked = await mail_decisions.read(token)
    if asked is None:
        raise NotFound("There is nothing at this address.")
    return asked


async def _read_form(request: Request) -> tuple[TaskState, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("Send the form of the page.")
    try:
        given = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise invalid_field("decision", "The form cannot be read.", "unreadable") from None
    outcome = _OUTCOMES.get(given.get("decision", [""])[-1])
    comment = given.get("comment", [""])[-1].strip().replace("\r\n", "\n")
    if outcome is None:
        raise invalid_field("decision", "Expected approve or reject.", "unknown")
    if len(comment) > _MAX_COMMENT or "\x00" in comment:
        raise invalid_field("comment", f"At most {_MAX_COMMENT} characters, none of them NUL.", "too-long")
    return outcome, comment


async def _form(asked: Asked, words: Words, *, error: str = "", status: int = 200) -> HTMLResponse:
    submitter = await name_of(asked.instance.submitter_id)
    rows = [
        (words.number, asked.instance.number),
        (words.submitter, submitter),
        (words.node, asked.node.label or asked.task.node),
        *((str(line.get("title", "")), str(line.get("value", ""))) for line in asked.instance.summary),
    ]
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    buttons = (
        f'<button name="decision" value="approve">{words.done}</button>'
        if asked.node.kind == "handler"
        else f'<button name="decision" value="approve">{words.approve}</button>'
        f'<button name="decision" value="reject">{words.reject}</button>'
    )
    box = (
        ""
        if asked.node.comment == "never"
        else f'<label>{words.comment}<textarea name="comment" rows="4" maxlength="{_MAX_COMMENT}"></textarea></label>'
    )
    body = (
        f"<p>{escape(words.ask.format(submitter=submitter))}</p><h2>{escape(asked.instance.title)}</h2>"
        f"<table>{table}</table>"
        + (f'<p class="error" role="alert">{escape(error)}</p>' if error else "")
        # Without an address the form is sent to this very page.
        + f'<form method="post">{box}<div>{buttons}</div></form>'
    )
    return plain_page(words.title, body, language=words.tag, status=status)


async def _sign_in(asked: Asked, words: Words, status: int) -> HTMLResponse:
    """Whoever has the mail has not proven who she is: a signature is given where she has."""
    address = (await common_data(asked.instance, asked.flow, asked.task.node))["url"]
    body = f'<p>{escape(words.signature)}</p><p><a href="{escape(address)}">{escape(asked.instance.title)}</a></p>'
    return plain_page(words.title, body, language=words.tag, status=status)


def _said(words: Words, text: str, status: int) -> HTMLResponse:
    return plain_page(words.title, f"<p>{escape(text)}</p>", language=words.tag, status=status)
