"""What MkDocs does not do by itself: hidden lines of Rust blocks, and links into the three references.

A link `api:rust/…`, `api:java/…` or `api:python/…` goes to api/ in the site, where `make docs` puts what rustdoc, Javadoc and
pdoc have written. `make docs` checks these links, with all others, in the site itself.
"""

import re
from typing import Any

from mkdocs.utils import get_relative_url

RUST = re.compile(r"^```rust\n.*?^```$", re.MULTILINE | re.DOTALL)
HIDDEN = re.compile(r"^#(?: .*)?\n", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leaves out what rustdoc runs and does not show: lines that begin with `# `."""
    return RUST.sub(lambda block: HIDDEN.sub("", block[0]), markdown)


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    return html.replace('href="api:', 'href="' + get_relative_url("api/", page.url).rstrip("/") + "/")
