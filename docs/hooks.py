"""What MkDocs does not do by itself: hidden lines of Rust, lines of Chinese, and links into the three references.

A link `api:rust/…`, `api:java/…` or `api:python/…` goes to api/ in the site, where `make docs` puts what rustdoc,
Javadoc and pdoc have written. `make docs` checks these links, with all others, in the site itself.
"""

import re
from typing import Any

from mkdocs.utils import get_relative_url

CODE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
# The end of a line between two Chinese characters, or after Chinese punctuation if the paragraph goes on.
BETWEEN = re.compile(
    r"(?<=[\u3001-\u9fff\uff01-\uff5e”])\n *(?=[\u4e00-\u9fff\uff08“])"
    r"|(?<=[\u3001\u3002\uff01-\uff5e])\n *(?![ \n#|>!=<-]|\d+\. |$)"
)
LINK = re.compile(r'href="api:([^"]+)')
HIDDEN = re.compile(r"^#(?: .*)?\n", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Leaves out what rustdoc runs and does not show, lines that begin with `# `; and ends of lines that a browser
    would show as spaces, where Chinese has none."""
    parts = CODE.split(markdown)
    parts[::2] = [BETWEEN.sub("", text) for text in parts[::2]]
    parts[1::2] = [HIDDEN.sub("", code) if code.startswith("```rust\n") else code for code in parts[1::2]]
    return "".join(parts)


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    def found(link: re.Match[str]) -> str:
        return f'href="{get_relative_url("api/" + link[1], page.url)}'

    return LINK.sub(found, html)
