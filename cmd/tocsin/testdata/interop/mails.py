"""Prints what mails say as Python's own parser reads them, one JSON object a file."""

import email
import email.policy
import html.parser
import json
import sys

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
FETCHING = {"src", "srcset", "background", "poster", "data"}


class Page(html.parser.HTMLParser):
    """Finds elements that are not closed in order, and what a reader would fetch."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.links, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in FETCHING or tag == "link" or (name == "style" and "url(" in (value or "")):
                self.faults.append(f"<{tag} {name}> fetches {value}")
            if name == "href":
                self.links.append(value)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes another element")

    def handle_data(self, data):
        self.words.append(data)


def part(p):
    text = p.get_content()
    out = {"type": p.get_content_type(), "charset": p.get_content_charset(), "text": text, "faults": []}
    if p.get_content_type() == "text/html":
        page = Page()
        page.feed(text)
        page.close()
        out["faults"] = page.faults + [f"<{tag}> stays open" for tag in page.open]
        out["links"] = page.links
        out["text"] = "".join(page.words)
    return out


def mail(path):
    with open(path, "rb") as f:
        m = email.message_from_binary_file(f, policy=email.policy.default)
    faults = [f"{type(d).__name__}" for p in m.walk() for d in p.defects]
    for name, value in m.items():
        faults += [f"{name}: {type(d).__name__}" for d in value.defects]
    return {
        "file": path,
        "headers": {name: [str(v) for v in m.get_all(name)] for name in set(m.keys())},
        "to": [a.addr_spec for h in ("to", "cc", "bcc") for v in m.get_all(h, []) for a in v.addresses],
        "date": m["date"].datetime.isoformat() if m["date"] else "",
        "type": m.get_content_type(),
        "parts": [part(p) for p in m.iter_parts()] if m.is_multipart() else [part(m)],
        "faults": faults,
    }


for path in sys.argv[1:]:
    print(json.dumps(mail(path)))
