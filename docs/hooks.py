"""What MkDocs does not do by itself: hidden lines of Rust blocks, and links into the three references.

A link `api:rust/…`, `api:java/…` or `api:python/…` goes to api/ in the site, where `make docs` puts what rustdoc,
Javadoc and pdoc have written. `make docs` checks these links, with all others, in the site itself.
"""

import re
from typing import Any

from mkdocs.utils import get_relative_url

RUST = re.compile(r"^```rust\n.*?^```$", re.MULTILINE | re.DOTALL)
BETWEEN = re.compile(r"(?<=[\u3001-\u9fff\uff01-\uff5e”])\n *(?=[\u4e00-\u9fff\uff08“])")
LINK = re.compile(r'href="api:([^"]+)')
HIDDEN = re.compile(r"^#(?: .*)?\n", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leaves out what rustdoc runs and does not show, lines that begin with `# `; and the end of a line between two
    Chinese characters, which a browser would show as a space."""
    return BETWEEN.sub("", RUST.sub(lambda block: HIDDEN.sub("", block[0]), markdown))


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    def found(link: re.Match[str]) -> str:
        return f'href="{get_relative_url("api/" + link[1], page.url)}'

    return LINK.sub(found, html)
