"""The dossier in a real browser: it is quiet, it fits, it can be read, and it runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import Page, chromium
from dossier_builders import (
    build_findings,
    campaign_exchanges,
    honest_exchanges,
    open_built_log,
)

from stillwatch.dossier import write_dossiers

pytestmark = pytest.mark.browser

HOSTILE = (
    "Explain this in full and in every detail please: </div></main><script>document.title='owned'"
    "</script><img src=https://attacker.invalid/x.png onerror=\"document.title='owned'\">"
    "<style>body{display:none}</style><svg onload=\"document.title='owned'\">{{ 7 * 7 }}\x1b[2J\u202e"
)
# Text colour against the nearest opaque background, as WCAG 2.2 computes it; text in pictures
# lies on the paper, or for the numbers of accounts on their dots.
_LEAST_CONTRAST = """
(() => {
  const rgb = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => {
    if (e.matches('.account text')) return rgb(getComputedStyle(e.previousElementSibling).fill);
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  let least = 99, worst = '';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || e.matches('title, desc')) continue;
    const style = getComputedStyle(e);
    const ink = light(rgb(e.matches('svg *') ? style.fill : style.color));
    const paper = light(ground(e));
    const contrast = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    if (contrast < least) { least = contrast; worst = walker.currentNode.data.trim(); }
  }
  return [least, worst];
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def dossier(tmp_path_factory) -> Path:
    return _write(tmp_path_factory.mktemp("dossier"), accounts=24)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory) -> Path:
    return _write(tmp_path_factory.mktemp("thousand"), accounts=1000)


def _write(folder: Path, *, accounts: int, prompt: str | None = None) -> Path:
    exchanges = campaign_exchanges(accounts, 5, prompt=prompt)
    log = open_built_log(folder / "log", exchanges + honest_exchanges(30, 10))
    (page,) = write_dossiers(build_findings(exchanges), log, folder, command="stillwatch scan")
    return page


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_quiet_and_asks_the_network_for_nothing(browser: Page, dossier, width, dark):
    """No console message, no violated policy, no request but for the file itself."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.show(dossier, width=width, dark=dark)

    assert browser.complaints == []
    assert browser.requests == [dossier.resolve().as_uri()]


def test_the_style_sheet_is_applied_under_the_policy(browser: Page, dossier):
    """The digest in the policy is that of the style sheet: text is not in the default font."""
    browser.show(dossier, width=1280)

    assert browser.evaluate("document.styleSheets[0].cssRules.length") > 50


@pytest.mark.parametrize("unfolded", [False, True])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(browser: Page, dossier, width, unfolded):
    """A phone shows everything by scrolling down alone, folded or unfolded."""
    browser.show(dossier, width=width)
    if unfolded:
        browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")

    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_a_campaign_of_a_thousand_accounts_still_fits(browser: Page, thousand):
    """The graph is capped, the table is whole."""
    browser.show(thousand, width=390)

    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate("document.querySelectorAll('.members tbody').length") == 1000
    assert browser.evaluate("document.querySelectorAll('.link-graph .account').length") <= 80


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_the_contrast_that_wcag_asks_for(browser: Page, dossier, dark):
    """Level AA: 4.5 to 1, in light and in dark mode."""
    browser.show(dossier, width=1280, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")

    least, worst = browser.evaluate(_LEAST_CONTRAST)
    assert least >= 4.5, worst


def test_a_hostile_prompt_is_shown_and_does_nothing(browser: Page, tmp_path):
    """Scripts, handlers, styles and images in a prompt are text on the page."""
    page = _write(tmp_path, accounts=6, prompt=HOSTILE)
    browser.complaints.clear()
    browser.requests.clear()
    browser.show(page, width=1280)

    shown = browser.evaluate("document.querySelector('#asked').textContent")
    assert "<script>document.title='owned'</script>" in shown
    assert r"{{ 7 * 7 }}\x1b[2J\u202e" in shown
    assert browser.evaluate("document.title").endswith("reasoning and explanations")
    assert browser.evaluate("document.querySelectorAll('script, img, [onload]').length") == 0
    assert browser.evaluate("getComputedStyle(document.body).display") == "block"
    assert browser.complaints == []
    assert browser.requests == [page.resolve().as_uri()]


def test_the_keyboard_reaches_the_finding_and_opens_the_reasons(browser: Page, dossier):
    """The first tab stop skips to the finding; a summary opens with the space bar."""
    browser.show(dossier, width=1280)
    browser.press("Tab", 9)
    assert browser.evaluate("document.activeElement.className") == "skip"

    browser.evaluate("document.querySelector('.members summary').focus()")
    browser.call(
        "Input.dispatchKeyEvent", type="keyDown", key=" ", text=" ", windowsVirtualKeyCode=32
    )
    browser.call("Input.dispatchKeyEvent", type="keyUp", key=" ", windowsVirtualKeyCode=32)
    assert browser.evaluate("document.querySelector('.members details').open") is True


def test_on_paper_every_reason_is_unfolded(browser: Page, dossier):
    """A printed dossier hides nothing behind a triangle."""
    browser.show(dossier, width=1000)
    visible = "document.querySelector('.members details li').checkVisibility()"
    assert browser.evaluate(visible) is False

    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.evaluate(visible) is True
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
