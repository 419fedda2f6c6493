"""A whole semi-supervised training on SYNTHETIC images in a few minutes; see `demo.__main__`."""
