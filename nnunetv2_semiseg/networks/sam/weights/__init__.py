"""Files of foundation weights: which are published, and how they get onto a disk whole."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
