"""`/api/v1/messaging/unsubscribe`: the links in mails. They end mails of one category, and do nothing else."""

from collections.abc import Mapping
from html import escape
from typing import Any
from uuid import UUID

from fastapi.responses import HTMLResponse

from riveredge_messaging.feedback import unsubscribe
from riveredge_messaging.rules import preferences
from riveredge_messaging.rules.categories import all_categories
from riveredge_sdk import Router, current_context, get_service
from riveredge_sdk.features.people import PEOPLE
from riveredge_sdk.pages import plain_page
from riveredge_sdk.problems import Conflict, NotFound

router = Router(prefix="/unsubscribe", tag="Messaging: unsubscribing")

_TEXTS = {
    "en": {
        "title": "Unsubscribe",
        "ask": "Do you want no more mails of the kind “{category}”?",
        "button": "Unsubscribe",
        "done": "You will get no more mails of the kind “{category}”.",
        "locked": "Mails of the kind “{category}” cannot be switched off: your organisation or the law needs them.",
    },
    "zh": {
        "title": "退订",
        "ask": "您要退订“{category}”类邮件吗?",
        "button": "退订",
        "done": "您将不再收到“{category}”类邮件。",
        "locked": "“{category}”类邮件不能退订:您的组织或法律要求发送。",
    },
}


def _tenant(path: Mapping[str, Any]) -> UUID | None:
    return unsubscribe.tenant_of(path["token"])


@router.get(
    "/{token}",
    public=True,
    serves=_tenant,
    response_class=HTMLResponse,
    summary="The page behind a mail's link",
    responses={404: {"description": "The link is not one of ours."}},
)
async def show_unsubscribe(token: str) -> HTMLResponse:
    """Changes nothing: programs that look at mails follow links."""
    wish = await _read(token)
    return await _page(wish, "ask", button=True)


@router.post(
    "/{token}",
    public=True,
    serves=_tenant,
    status=200,
    response_class=HTMLResponse,
    summary="End mails of one kind",
    responses={404: {"description": "The link is not one of ours."}},
)
async def unsubscribe_by_link(token: str) -> HTMLResponse:
    """One click (RFC 8058): no sign-in, no further question. Once more does no harm."""
    wish = await _read(token)
    try:
        await preferences.choose(wish.recipient_id, wish.category, unsubscribe.CHANNEL, wanted=False)
    except Conflict:
        return await _page(wish, "locked")
    return await _page(wish, "done")


async def _read(token: str) -> unsubscribe.Wish:
    links = await unsubscribe.known_links()
    wish = links.read(token) if links is not None else None
    if wish is None:
        raise NotFound("There is nothing at this address.")
    return wish


async def _page(wish: unsubscribe.Wish, text: str, *, button: bool = False) -> HTMLResponse:
    person = (await get_service(PEOPLE).find([wish.recipient_id])).get(wish.recipient_id)
    locale = person.locale if person is not None else current_context().locale
    language = "zh" if locale.lower().startswith("zh") else "en"
    words = _TEXTS[language]
    category = (await all_categories()).get(wish.category)
    said = words[text].format(category=category.title if category is not None else wish.category)
    # Without an address the form is sent to this very page.
    form = f'<form method="post"><button>{words["button"]}</button></form>' if button else ""
    tag = "zh-CN" if language == "zh" else "en"
    return plain_page(words["title"], f"<p>{escape(said)}</p>{form}", language=tag)
