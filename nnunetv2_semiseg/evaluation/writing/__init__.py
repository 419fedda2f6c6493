"""Reports as tables, Markdown, CSV, JSON and a page."""
