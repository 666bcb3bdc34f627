"""Prints what feedparser makes of the documents at the addresses on standard
input, one JSON object a line."""

import json
import sys
import time

import feedparser


def stamp(entry, name):
    t = entry.get(name + "_parsed") if name in entry else None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", t) if t else ""


def judged(url):
    d = feedparser.parse(url)
    return {
        "url": url,
        "version": d.version,
        "fault": type(d.bozo_exception).__name__ if d.bozo else "",
        "items": [
            {
                "guid": e.get("id", ""),
                "url": e.get("link", ""),
                "title": e.get("title", ""),
                "published": stamp(e, "published"),
                "updated": stamp(e, "updated"),
            }
            for e in d.entries
        ],
    }


for line in sys.stdin:
    print(json.dumps(judged(line.strip())), flush=True)
