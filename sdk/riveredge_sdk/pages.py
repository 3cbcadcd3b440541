"""Plain pages that a link in a mail leads to: without scripts, and closed to everything from outside.

    return plain_page("Unsubscribe", f"<p>{escape(text)}</p>{form}", language="en")

A page's GET changes nothing, for programs that look at mails follow links; its button sends a form to the same address.
The address is the only proof, and nothing of the browser's is taken for one, so no other page can make it act.
"""

import base64
import hashlib
from html import escape

from fastapi.responses import HTMLResponse

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th{text-align:left;font-weight:normal;opacity:.7}th,td{padding:.2rem 1rem .2rem 0}"
    "textarea{width:100%;box-sizing:border-box;font:inherit}"
    "button{font:inherit;padding:.5rem 1.2rem;margin:1rem 1rem 0 0}"
    ".error{color:#b00020}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def plain_page(title: str, body: str, *, language: str, status: int = 200) -> HTMLResponse:
    """A page.

    Args:
        title: plain text.
        body: HTML, in which everything foreign is escaped.
        language: a BCP 47 tag.
    """
    page = (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
    }
    return HTMLResponse(page, status_code=status, headers=headers)


__all__ = ["plain_page"]
