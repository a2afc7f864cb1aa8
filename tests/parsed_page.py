"""The page of a run as Python's parser of HTML reads it."""

import html.parser
import json


class Parsed(html.parser.HTMLParser):
    """tags: (tag, attributes). cells: of tables, row by row. text: what is read."""

    VOID = ("meta", "input", "img")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.rows, self.text, self.codes = [], [], [], [], None
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            if self.tags[-1][1].get("id") == "codes":
                self.codes = json.loads(data)
        elif "style" not in self.open:
            self.text.append(data)
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data

    def of(self, tag, **attributes):
        wanted = attributes.items()
        return [own for name, own in self.tags if name == tag and wanted <= own.items()]
