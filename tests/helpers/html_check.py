"""What a page of HTML is made of, so that a test can say that no word of a user became a part of it."""

from html.parser import HTMLParser

VOID = {"meta", "img", "line", "rect", "circle"}
SECTIONS = {
    "html",
    "head",
    "title",
    "style",
    "body",
    "nav",
    "main",
    "section",
    "details",
    "summary",
    "script",
}
WORDS = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "a", "ol", "ul", "li", "code", "pre", "strong", "span"}
PARTS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "svg"}
TAGS = VOID | SECTIONS | WORDS | PARTS


class Parts(HTMLParser):
    """The tags of a page with their attributes, its text without style and script, and its scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


def check_html(page: str) -> Parts:
    """Tags that we write, each closed; one script; nothing that runs or loads; no name given twice."""
    parts = Parts(page)
    assert not parts.open and len(parts.scripts) == 1
    names = [attributes["id"] for _, attributes in parts.found if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in parts.found:
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
        link = attributes.get("href") or "#main"
        assert link.startswith(("#", "plots/")) and (link[:1] != "#" or link[1:] in {*names, "main"}), link
    return parts
