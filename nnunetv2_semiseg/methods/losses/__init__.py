"""Losses as pure functions of tensors, one idea a file, with the equation's source."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
