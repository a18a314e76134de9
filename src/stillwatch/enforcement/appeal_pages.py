"""The pages of the appeals form: plain HTML, no script, nothing loaded, all text escaped."""

from __future__ import annotations

from html import escape

from stillwatch.policy.appeals import MOST_CHARACTERS, PublicState

__all__ = ["PAGE_HEADERS", "form_page", "message_page", "state_page"]

PAGE_HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem}"
    "label{display:block;margin-top:1rem;font-weight:600}"
    "input,textarea{box-sizing:border-box;width:100%;font:inherit;padding:.4rem}"
    "button{margin-top:1rem;font:inherit;padding:.5rem 1rem}"
)


def form_page(reference: str = "", *, problem: str = "") -> bytes:
    """The form to appeal, and the one to ask for the state.

    Args:
        reference: As a link may bring it; shown in the form.
        problem: What was wrong with what was sent.
    """
    shown = escape(reference[:128], quote=True)
    told = f'<p role="alert"><strong>{escape(problem)}</strong></p>' if problem else ""
    return _page(
        "Appeal",
        f"""{told}
<p>If a request of yours was refused and you think that this is a mistake, tell us here.
A person will look at it. You need the reference that the refusal showed.</p>
<form method="post" action="/appeal" accept-charset="utf-8">
<label for="reference">Reference</label>
<input id="reference" name="reference" value="{shown}" required maxlength="128"
 autocomplete="off" spellcheck="false">
<label for="text">What happened, and why it is a mistake</label>
<textarea id="text" name="text" rows="10" required maxlength="{MOST_CHARACTERS}"></textarea>
<p>Write no passwords and no keys. We read nothing but these words; files cannot be sent.</p>
<button type="submit">Send</button>
</form>
<h2>What became of an appeal</h2>
<form method="post" action="/state" accept-charset="utf-8">
<label for="asked">Reference</label>
<input id="asked" name="reference" required maxlength="128" autocomplete="off"
 spellcheck="false">
<button type="submit">Ask</button>
</form>""",
    )


def message_page(title: str, message: str) -> bytes:
    """One sentence."""
    return _page(title, f'<p>{escape(message)}</p>\n<p><a href="/">Back</a></p>')


def state_page(state: PublicState) -> bytes:
    """What a customer is told of a reference."""
    when = (
        f"<p>Decided on {escape(state.decided_at.date().isoformat())}.</p>"
        if state.decided_at
        else ""
    )
    return _page(
        "Your appeal",
        f"<p>Reference <code>{escape(state.reference)}</code></p>\n"
        f'<p>{escape(state.sentence)}</p>\n{when}<p><a href="/">Back</a></p>',
    )


def _page(title: str, body: str) -> bytes:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    ).encode()
